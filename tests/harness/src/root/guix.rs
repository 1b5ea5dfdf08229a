//! A root in the shape of Guix System: everything in a store, generations, and a boot script for Guile.

use std::fs::File;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};

use super::tree::{folder, link_tree};
use crate::paths;

/// The store's items. Real names begin with such a hash of what an item is made from.
const GUILE: &str = "1gd4n0p3xhglzcr8bz3dvb0dcqyf5wia-guile-3.0.8";
const LINUX: &str = "5p0v8qd1n3g8sk0k2ryx6bs6bcbsa21y-linux-libre-6.1";
const KERNEL: &str = "9wrjm6zi0q1n2x1bb4p8cjl3mh7fgk2d-profile";
const SHEPHERD: &str = "zxq2w41l7snfdv9k8i3hbgyaj6m5rpc0-shepherd-0.10.5";

/// Debian's Guile, and what its package has for it.
const DEBIAN_GUILE: &str = "/usr/lib/x86_64-linux-gnu/guile/3.0";
const GCONV: &str = "/usr/lib/x86_64-linux-gnu/gconv";
const DEBIAN_SCHEME: &str = "/usr/share/guile/3.0";

const BOOT: &str = include_str!("guix/boot.scm");
const ACTIVATE: &str = include_str!("guix/activate.scm");
const START: &str = include_str!("guix/shepherd.scm");

/// A root with two generations. The second is the current one and has Guile among its packages; the first has not, as
/// most systems. Their boot scripts do what Guix's do, and print [`GuixRoot::line`].
///
/// Guile is Debian's, and its files are in the store. It looks for them below `/usr` and `/lib64`, where Guix's own
/// build looks in the store: three links lead there.
#[derive(Debug)]
pub struct GuixRoot {
    folder: tempfile::TempDir,
}

/// A generation of the root.
struct Generation {
    number: u8,
    system: &'static str,
    profile: &'static str,
    has_guile: bool,
}

const GENERATIONS: [Generation; 2] = [
    Generation {
        number: 1,
        system: "2c7yq0k9m1s5vdzr3p4x8nbwfhgjla60-system",
        profile: "8fy7rm2q3vc1zk0d5n4xgw9pbs6hjali-profile",
        has_guile: false,
    },
    Generation {
        number: 2,
        system: "k3n9sdy1q7x0vb2mz5cp8wgrhf4jla6i-system",
        profile: "h0b8qvx2m5k1zn9d3sc7ypw4rgf6jlai-profile",
        has_guile: true,
    },
];

impl GuixRoot {
    /// A new root in its own directory, which is removed with this value.
    ///
    /// # Errors
    /// When the Debian root or the package guile-3.0 are missing, or the disk is full.
    pub fn make() -> Result<Self> {
        let root = Self { folder: folder()? };
        for name in [
            "etc",
            "gnu/store",
            "home",
            "root",
            "tmp",
            "var/guix/profiles",
            "var/run",
        ] {
            root.directory(name)?;
        }
        root.add_guile()?;
        root.add_kernel()?;
        root.script(&format!("gnu/store/{SHEPHERD}/bin/shepherd"), START, 0o555)?;
        for generation in &GENERATIONS {
            root.add_generation(generation)?;
        }
        root.link("var/guix/profiles/system", "system-2-link")?;
        root.link("etc/os-release", &format!("/gnu/store/{KERNEL}/os-release"))?;
        root.write(
            &format!("gnu/store/{KERNEL}/os-release"),
            "NAME=\"Guix System\"\nID=guix\n",
        )?;
        Ok(root)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What the boot script of a generation prints.
    pub fn line(generation: u8) -> String {
        format!("guix: generation {generation} is booted")
    }

    /// The Guile in the store, an absolute path within the root.
    pub fn guile() -> String {
        format!("/gnu/store/{GUILE}/bin/guile")
    }

    /// The system of a generation in the store, an absolute path within the root.
    ///
    /// # Errors
    /// For a generation that the root does not have.
    pub fn system(number: u8) -> Result<String> {
        let mut known = GENERATIONS.iter();
        let known = known.find(|generation| generation.number == number);
        Ok(format!(
            "/gnu/store/{}",
            known.context("a generation")?.system
        ))
    }

    /// Makes this generation the current one, in one step, as `guix system roll-back` does.
    ///
    /// # Errors
    /// When the link cannot be made.
    pub fn switch_to(&self, generation: u8) -> Result<()> {
        let profiles = self.path().join("var/guix/profiles");
        let new = profiles.join("system.new");
        symlink(format!("system-{generation}-link"), &new)?;
        Ok(std::fs::rename(new, profiles.join("system"))?)
    }

    fn add_guile(&self) -> Result<()> {
        let item = format!("gnu/store/{GUILE}");
        let library = self.directory(&format!("{item}/lib"))?;
        let guile = format!("{DEBIAN_GUILE}/bin/guile");
        let found = Command::new("ldd")
            .arg(&guile)
            .output()
            .context("start ldd")?;
        let found = String::from_utf8_lossy(&found.stdout);
        ensure!(
            Path::new(&guile).exists() && !found.contains("not found"),
            "{guile} or its libraries are missing: `cargo xtask setup` installs guile-3.0"
        );
        // "libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)", "/lib64/ld-linux-x86-64.so.2 (0x…)".
        let words = found
            .split_whitespace()
            .filter(|word| word.starts_with('/'));
        for file in words.map(Path::new) {
            let name = file.file_name().context("a library's name")?;
            copy(file, &library.join(name))?;
        }
        let bin = self.directory(&format!("{item}/bin"))?;
        copy(Path::new(&guile), &bin.join("guile"))?;
        copy_tree(Path::new(DEBIAN_GUILE), &library.join("guile/3.0"))?;
        // libc's converters of character sets, without which Guile ends at its start.
        copy_tree(Path::new(GCONV), &library.join("gconv"))?;
        let scheme = self.directory(&format!("{item}/share/guile"))?;
        copy_tree(Path::new(DEBIAN_SCHEME), &scheme.join("3.0"))?;
        self.link("lib64", &format!("/gnu/store/{GUILE}/lib"))?;
        self.link(
            "usr/lib/x86_64-linux-gnu",
            &format!("/gnu/store/{GUILE}/lib"),
        )?;
        self.link(
            "usr/share/guile",
            &format!("/gnu/store/{GUILE}/share/guile"),
        )
    }

    /// A system's `kernel` is a profile of links to the packages of the kernel and its modules, with an index of all.
    fn add_kernel(&self) -> Result<()> {
        let (version, kernel) = paths::debian_kernel()?;
        let linux = self.directory(&format!("gnu/store/{LINUX}"))?;
        std::fs::hard_link(&kernel, linux.join("bzImage"))
            .with_context(|| format!("link {}", kernel.display()))?;
        let modules = PathBuf::from("lib/modules").join(&version);
        link_tree(&paths::debian_root().join(&modules), &linux.join(&modules))?;
        let profile = self.directory(&format!("gnu/store/{KERNEL}/lib/modules/{version}"))?;
        for entry in std::fs::read_dir(linux.join(&modules))? {
            let (name, file) = (
                entry.as_ref().map(|e| e.file_name()),
                entry.as_ref().map(|e| e.path()),
            );
            let (Ok(name), Ok(file)) = (name, file) else {
                continue;
            };
            if file.is_dir() {
                let target = format!(
                    "/gnu/store/{LINUX}/lib/modules/{version}/{}",
                    name.display()
                );
                symlink(target, profile.join(name))?;
            } else {
                std::fs::hard_link(file, profile.join(name))?;
            }
        }
        self.link(
            &format!("gnu/store/{KERNEL}/bzImage"),
            &format!("/gnu/store/{LINUX}/bzImage"),
        )
    }

    fn add_generation(&self, generation: &Generation) -> Result<()> {
        let Generation {
            number,
            system,
            profile,
            has_guile,
        } = generation;
        let inside = format!("gnu/store/{system}");
        let activate = format!("/gnu/store/{number}dq1w2zk9y3nv0r5mxc8hbgsaj4l7pif-activate.scm");
        self.script(&activate, ACTIVATE, 0o555)?;
        let boot = format!("/gnu/store/{number}mx4n8s0yq2kv1c5bz7rdgwhfj9l3pia-boot");
        let script = BOOT
            .replace("@ACTIVATE@", &activate)
            .replace("@SHEPHERD@", &format!("/gnu/store/{SHEPHERD}/bin/shepherd"))
            .replace("@LINE@", &Self::line(*number));
        self.script(&boot, &script, 0o444)?;
        self.directory(&format!("gnu/store/{profile}/bin"))?;
        if *has_guile {
            self.link(&format!("gnu/store/{profile}/bin/guile"), &Self::guile())?;
        }
        for (name, target) in [
            ("activate", activate.as_str()),
            ("boot", boot.as_str()),
            ("kernel", &format!("/gnu/store/{KERNEL}")),
            ("profile", &format!("/gnu/store/{profile}")),
        ] {
            self.link(&format!("{inside}/{name}"), target)?;
        }
        self.write(
            &format!("{inside}/parameters"),
            &format!(
                "(boot-parameters (version 0) (label \"Guix with Linux-Libre 6.1\") (root-device \":/export\")\n \
                 (kernel \"/gnu/store/{LINUX}/bzImage\") (kernel-arguments (\"quiet\")) \
                 (initrd \"/gnu/store/{system}/initrd\"))\n"
            ),
        )?;
        self.link(
            &format!("var/guix/profiles/system-{number}-link"),
            &format!("/gnu/store/{system}"),
        )
    }

    fn directory(&self, inside: &str) -> Result<PathBuf> {
        let path = self.path().join(inside);
        std::fs::create_dir_all(&path).with_context(|| format!("create {}", path.display()))?;
        Ok(path)
    }

    fn parent_of(&self, inside: &str) -> Result<PathBuf> {
        let path = self.path().join(inside.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().context("a folder")?)?;
        Ok(path)
    }

    fn link(&self, inside: &str, target: &str) -> Result<()> {
        symlink(target, self.parent_of(inside)?).with_context(|| format!("link {inside}"))
    }

    fn write(&self, inside: &str, text: &str) -> Result<()> {
        let path = self.parent_of(inside)?;
        std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))
    }

    fn script(&self, inside: &str, text: &str, mode: u32) -> Result<()> {
        self.write(
            inside,
            &text.replace("@GUILE@", &format!("/gnu/store/{GUILE}")),
        )?;
        let mode = PermissionsExt::from_mode(mode);
        Ok(std::fs::set_permissions(self.parent_of(inside)?, mode)?)
    }
}

/// Copies a file rather than linking it: it is this host's own. As everything in a store it is of the second 1 of 1970:
/// Guile compiles again what is newer than its compiled copy.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let second = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    std::fs::copy(from, to)
        .and_then(|_| File::options().append(true).open(to))
        .and_then(|file| file.set_modified(second))
        .with_context(|| format!("copy {} to {}", from.display(), to.display()))
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to).with_context(|| format!("create {}", to.display()))?;
    for entry in std::fs::read_dir(from).with_context(|| format!("read {}", from.display()))? {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
        if path.is_dir() {
            copy_tree(&path, &to.join(name))?;
        } else {
            copy(&path, &to.join(name))?;
        }
    }
    Ok(())
}
