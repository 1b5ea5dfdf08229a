//! A kernel that needs no modules, as `cargo xtask kernel` builds it, and the machine that boots it with an initrd that
//! holds `init` alone ([`lab`]).

mod lab;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

pub use self::lab::{BareExport, BareLab, Booted};

use crate::media::paths_in;
use crate::paths;
use crate::transcript::Transcript;
use crate::vm::Vm;

/// A built kernel: its image, its configuration and its release, in a folder.
#[derive(Clone, Debug)]
pub struct BareKernel {
    folder: PathBuf,
    release: String,
}

impl BareKernel {
    /// The image's name in the folder.
    pub const IMAGE: &str = "vmlinuz";
    /// The configuration's.
    pub const CONFIG: &str = "config";
    /// The file with the release (`6.1.176`).
    pub const RELEASE: &str = "release";

    /// The kernel in this folder.
    ///
    /// # Errors
    /// When a file is missing.
    pub fn open(folder: &Path) -> Result<Self> {
        let release = folder.join(Self::RELEASE);
        let release = std::fs::read_to_string(&release)
            .with_context(|| format!("read {}", release.display()))?;
        Ok(Self {
            folder: folder.to_owned(),
            release: release.trim().to_owned(),
        })
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its image.
    pub fn image(&self) -> PathBuf {
        self.folder.join(Self::IMAGE)
    }

    /// The image's size, in bytes.
    ///
    /// # Errors
    /// When it is not there.
    pub fn size(&self) -> Result<u64> {
        let image = self.image();
        let file = std::fs::metadata(&image);
        Ok(file
            .with_context(|| format!("look at {}", image.display()))?
            .len())
    }

    /// An initrd that holds `init` alone, made into `folder` by `netroot initrd` for a root that has this kernel and no
    /// modules.
    ///
    /// # Errors
    /// When `netroot initrd` fails, or puts anything else into it.
    pub fn initrd(&self, folder: &Path) -> Result<PathBuf> {
        let boot = folder.join("bare-root/boot");
        std::fs::create_dir_all(&boot).with_context(|| format!("create {}", boot.display()))?;
        for (name, file) in [("vmlinuz", Self::IMAGE), ("config", Self::CONFIG)] {
            std::fs::copy(
                self.folder.join(file),
                boot.join(format!("{name}-{}", self.release)),
            )?;
        }
        // No directories and no devices: the kernel has /dev and /dev/console in an archive of its own.
        let contents = folder.join("nothing-else.toml");
        std::fs::write(&contents, "")?;
        let initrd = folder.join("init-alone.img");
        let done = Command::new(paths::netroot()?)
            .args(["initrd", "--root"])
            .arg(folder.join("bare-root"))
            .arg("--contents")
            .arg(&contents)
            .arg("-o")
            .arg(&initrd)
            .output()
            .context("start netroot initrd")?;
        let said = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.success(), "netroot initrd: {said}");
        let paths = packed_paths(&initrd)?;
        ensure!(
            paths == ["init"],
            "{} holds more than init: {}",
            initrd.display(),
            paths.join(", ")
        );
        Ok(initrd)
    }
}

/// What is in an initrd, with zstd or with gzip.
fn packed_paths(initrd: &Path) -> Result<Vec<String>> {
    const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
    let read = || -> Result<Vec<String>> {
        let bytes = std::fs::read(initrd)?;
        if bytes.starts_with(&ZSTD) {
            return paths_in(&zstd::decode_all(bytes.as_slice())?);
        }
        let mut unpacked = Vec::new();
        flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut unpacked)?;
        paths_in(&unpacked)
    };
    read().with_context(|| format!("read {}", initrd.display()))
}

/// When a machine's boot was where, by what its console says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BareTimes {
    /// From the kernel's start to the init's, in seconds.
    pub kernel: f64,
    /// From the init's start to the root's init, in seconds.
    pub init: f64,
}

impl BareTimes {
    /// Reads them from the init's first line and its last.
    pub fn of(console: &Transcript) -> Option<Self> {
        Self::of_text(&console.text())
    }

    fn of_text(text: &str) -> Option<Self> {
        let seconds = |after: &str, before: &str| -> Option<f64> {
            let line = text
                .lines()
                .find(|line| line.contains(after) && line.contains(before))?;
            let words = line.split(before).next()?;
            words.split_whitespace().next_back()?.parse().ok()
        };
        Some(Self {
            kernel: seconds("netroot: init ", " s after the kernel started")?,
            init: seconds("netroot: switch_root to ", " s after init started")?,
        })
    }
}

/// Where a boot ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BareEnd {
    /// The login prompt.
    Login,
    /// A panic, a failure that the init tells, or silence.
    Stopped {
        /// Who was at work.
        during: Stage,
        /// The init's sentence or the kernel's panic; otherwise the last line. None if the console stayed empty.
        words: Option<String>,
    },
}

/// Who is at work in a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The kernel, which has not started the init.
    Kernel,
    /// The init.
    Init,
    /// The root's own init.
    Root,
}

const LOGIN: &str = " login:";
const FAILED: &str = "netroot: boot failed:";
const PANIC: &str = "Kernel panic";
/// How often it is looked at whether a machine still says something.
const LOOK: Duration = Duration::from_secs(5);

/// Waits for the login prompt, a panic, or a failure that the init tells: for `timeout` at most, and until the machine has
/// said nothing for `silence`.
pub fn bare_end(vm: &Vm, timeout: Duration, silence: Duration) -> BareEnd {
    let console = vm.console();
    let (start, mut said, mut heard) = (Instant::now(), 0, Instant::now());
    while start.elapsed() < timeout && heard.elapsed() < silence && !console.ended() {
        let found = console.wait_for_any(0, &[LOGIN, FAILED, PANIC], LOOK);
        if found.is_some() {
            break;
        }
        let length = console.text().len();
        if length > said {
            (said, heard) = (length, Instant::now());
        }
    }
    BareEnd::of_text(&console.text())
}

impl BareEnd {
    fn of_text(text: &str) -> Self {
        if text.contains(LOGIN) {
            return Self::Login;
        }
        let during = if text.contains("netroot: switch_root to ") {
            Stage::Root
        } else if text.contains("netroot: ") {
            Stage::Init
        } else {
            Stage::Kernel
        };
        let line = |words: &str| text.lines().find(|line| line.contains(words));
        let last = || text.lines().rfind(|line| !line.trim().is_empty());
        let words = line(FAILED).or_else(|| line(PANIC)).or_else(last);
        Self::Stopped {
            during,
            words: words.map(|line| without_time(line.trim()).to_owned()),
        }
    }
}

/// A line of the kernel's log without the seconds before it, which are others in each boot.
fn without_time(line: &str) -> &str {
    let is_time = |text: &str| {
        let digits = text.trim();
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
    };
    let rest = line
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("] "));
    rest.filter(|(time, _)| is_time(time))
        .map_or(line, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_are_those_that_the_init_tells() {
        let text = "[    1.9] Run /init as init process\n\
            netroot: init 0.1.0 on 6.1.176, 1.21 s after the kernel started\n\
            netroot: eth0: link up\n\
            netroot: switch_root to /sbin/init, 0.73 s after init started\n";
        let times = BareTimes {
            kernel: 1.21,
            init: 0.73,
        };
        assert_eq!(BareTimes::of_text(text), Some(times));
        assert_eq!(BareTimes::of_text("netroot: init 0.1.0 on 6.1"), None);
    }

    #[test]
    fn the_end_is_the_inits_sentence_before_the_kernels_panic() {
        let stopped = |during, words: Option<&str>| BareEnd::Stopped {
            during,
            words: words.map(str::to_owned),
        };
        let panic =
            "[    0.51] Kernel panic - not syncing: No working init found.\n[    0.52] CPU: 0\n";
        for (text, end) in [
            (String::new(), stopped(Stage::Kernel, None)),
            (
                panic.to_owned(),
                stopped(
                    Stage::Kernel,
                    Some("Kernel panic - not syncing: No working init found."),
                ),
            ),
            (
                format!(
                    "netroot: init 0.1.0 on 6.1\n[  1.0] netroot: boot failed: no NIC: none\n{panic}"
                ),
                stopped(Stage::Init, Some("netroot: boot failed: no NIC: none")),
            ),
            (
                "netroot: switch_root to /sbin/init, 0.73 s\nsystemd[1]: Freezing execution.\n\n"
                    .to_owned(),
                stopped(Stage::Root, Some("systemd[1]: Freezing execution.")),
            ),
            (
                "netroot: init\n\nnetroot-debian login: ".to_owned(),
                BareEnd::Login,
            ),
        ] {
            assert_eq!(BareEnd::of_text(&text), end, "{text}");
        }
        assert_eq!(without_time("[  OK  ] Started it"), "[  OK  ] Started it");
    }
}
