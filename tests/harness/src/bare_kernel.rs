//! A kernel that needs no modules, as `cargo xtask kernel` builds it, and the machine that boots it with an initrd that
//! holds `init` alone ([`lab`]).

mod lab;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

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
    /// Nothing more, or not in time: the last line that is the init's or the kernel's last words, if it said anything.
    Stopped(Option<String>),
}

/// Waits for the login prompt, a panic, or a failure that the init tells.
pub fn bare_end(vm: &Vm, timeout: Duration) -> BareEnd {
    const ENDS: [&str; 3] = [" login:", "Kernel panic", "netroot: boot failed:"];
    match vm.console().wait_for_any(0, &ENDS, timeout) {
        Some((0, _)) => BareEnd::Login,
        Some((_, seen)) => BareEnd::Stopped(Some(seen.line.trim().to_owned())),
        None => {
            let text = vm.console().text();
            let last = text.lines().rfind(|line| !line.trim().is_empty());
            BareEnd::Stopped(last.map(|line| line.trim().to_owned()))
        }
    }
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
}
