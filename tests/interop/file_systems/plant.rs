//! A tree with one of everything that a root holds, and what is rare in one.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, XattrFlags};

use crate::fixture;

/// The kernel's version in the root.
const LINUX: &str = "6.1.0-50-amd64";

/// The names in the big folder.
const MANY: usize = 2000;

/// How many files have a second name, in another folder.
const HARD_LINKS: usize = 12;

/// Fills `root`, in whose mounts some folders may exist already. `sparse` is the size of a file that is a hole but for
/// its ends and the bytes around 4 GiB.
pub(super) fn everything(root: &Path, sparse: u64) -> Result<()> {
    let plant = Plant(root);
    plant.bootable()?;
    plant.modes_and_owners()?;
    plant.hard_links()?;
    plant.links()?;
    plant.devices()?;
    plant.names()?;
    plant.contents(sparse)?;
    plant.folders()
}

/// A second layer over [`everything`]: other files, and other content for some of the same.
pub(super) fn second_layer(root: &Path) -> Result<()> {
    let plant = Plant(root);
    plant.file("etc/hosts", b"127.0.0.1 second\n")?;
    plant.file("usr/bin/second", b"second\n")?;
    plant.file("usr/share/doc/second/copyright", b"nobody\n")?;
    plant.file("many/file-0007", b"of the second layer\n")?;
    plant.file("second/a", b"two names\n")?;
    fs::create_dir_all(plant.at("usr/lib/second"))?;
    fs::hard_link(plant.at("second/a"), plant.at("usr/lib/second/b"))?;
    symlink("hosts", plant.at("etc/hosts.link"))?;
    Ok(())
}

struct Plant<'a>(&'a Path);

impl Plant<'_> {
    fn at(&self, inside: &str) -> PathBuf {
        self.0.join(inside)
    }

    fn file(&self, inside: &str, content: &[u8]) -> Result<()> {
        let path = self.at(inside);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, content).with_context(|| format!("write {}", path.display()))
    }

    /// What `netroot serve` asks of a root.
    fn bootable(&self) -> Result<()> {
        self.file(&format!("boot/vmlinuz-{LINUX}"), &fixture::bzimage(LINUX))?;
        self.file(&format!("usr/lib/modules/{LINUX}/modules.dep"), b"")?;
        symlink("usr/lib", self.at("lib"))?;
        self.file("etc/hostname", b"everything\n")?;
        self.file("etc/hosts", b"127.0.0.1 localhost\n")?;
        self.file("usr/sbin/init", b"#!/bin/sh\n")?;
        symlink("usr/sbin", self.at("sbin"))?;
        for folder in ["dev", "proc", "run", "sys", "var/lib", "home", "srv"] {
            fs::create_dir_all(self.at(folder))?;
        }
        Ok(())
    }

    fn modes_and_owners(&self) -> Result<()> {
        for (name, mode, owner) in [
            ("usr/bin/su", 0o4755, 0),
            ("usr/bin/wall", 0o2755, 5),
            ("usr/bin/nobody", 0o755, 65_534),
            ("home/note", 0o600, 1000),
            ("var/lib/locked", 0o000, 0),
            ("var/lib/far", 0o640, 4_000_000_000),
        ] {
            self.file(name, name.as_bytes())?;
            self.give(name, owner, mode)?;
        }
        for (name, mode, owner) in [
            ("tmp", 0o1777, 0),
            ("var/mail", 0o2775, 8),
            ("var/lib/private", 0o700, 1000),
            ("var/lib/shut", 0o000, 1000),
        ] {
            fs::create_dir_all(self.at(name))?;
            self.file(&format!("{name}/inside"), b"inside\n")?;
            self.give(name, owner, mode)?;
        }
        Ok(())
    }

    fn give(&self, name: &str, owner: u32, mode: u32) -> Result<()> {
        let path = self.at(name);
        chown(&path, Some(owner), Some(owner)).with_context(|| format!("chown {name}"))?;
        // After the owner: changing that drops setuid bits.
        Ok(fs::set_permissions(&path, PermissionsExt::from_mode(mode))?)
    }

    fn hard_links(&self) -> Result<()> {
        fs::create_dir_all(self.at("usr/bin/links"))?;
        for number in 0..HARD_LINKS {
            let (one, two) = (
                format!("usr/lib/linked-{number}"),
                format!("usr/bin/links/also-{number}"),
            );
            self.file(&one, format!("linked {number}\n").as_bytes())?;
            fs::hard_link(self.at(&one), self.at(&two))?;
        }
        fs::hard_link(self.at("usr/lib/linked-0"), self.at("usr/lib/third-name"))?;
        // Names that sort after their targets and before; links of what is not a regular file.
        symlink("linked-0", self.at("usr/lib/a-link"))?;
        fs::hard_link(self.at("usr/lib/a-link"), self.at("usr/lib/the-same-link"))?;
        Ok(())
    }

    fn links(&self) -> Result<()> {
        fs::create_dir_all(self.at("opt/links"))?;
        let long = "a/".repeat(450);
        for (name, target) in [
            ("absolute", "/usr/bin/su"),
            ("dangling", "nowhere/at all"),
            ("above", "../../../../../../etc/shadow"),
            ("itself", "itself"),
            ("folder", "../../usr/lib"),
            ("long", &long),
        ] {
            symlink(target, self.at(&format!("opt/links/{name}")))?;
        }
        let bytes = OsStr::from_bytes(b"\xff\xfe not UTF-8");
        Ok(symlink(bytes, self.at("opt/links/bytes"))?)
    }

    fn devices(&self) -> Result<()> {
        fs::create_dir_all(self.at("opt/devices"))?;
        for (name, kind, device) in [
            ("null", SFlag::S_IFCHR, makedev(1, 3)),
            ("loop200", SFlag::S_IFBLK, makedev(7, 200)),
            ("large", SFlag::S_IFBLK, makedev(259, 70_000)),
            ("fifo", SFlag::S_IFIFO, 0),
            ("socket", SFlag::S_IFSOCK, 0),
        ] {
            let path = self.at(&format!("opt/devices/{name}"));
            mknod(&path, kind, Mode::from_bits_truncate(0o620), device)
                .with_context(|| format!("make {name}"))?;
        }
        fs::hard_link(self.at("opt/devices/fifo"), self.at("opt/devices/pipe"))?;
        Ok(())
    }

    fn names(&self) -> Result<()> {
        let folder = self.at("opt/names");
        fs::create_dir_all(folder.join("sub"))?;
        let longest = [b'n'; 255];
        for name in [
            &b"\xff\xfe latin-1 \xe9"[..],
            b"with\nnewline",
            b" ",
            b"...",
            b"..a",
            b"-rf",
            b"Case",
            b"case",
            "\u{e4}\u{1f980}".as_bytes(),
            "a\u{308}".as_bytes(),
            &longest,
        ] {
            fs::write(folder.join(OsStr::from_bytes(name)), name)?;
        }
        fs::create_dir(folder.join("sub").join(OsStr::from_bytes(&[0xc3; 255])))?;
        Ok(())
    }

    fn contents(&self, sparse: u64) -> Result<()> {
        self.file("opt/contents/empty", b"")?;
        let bytes: Vec<u8> = (0..1_048_577_u32)
            .map(|at| u8::try_from(at * 7 / 251 % 251).unwrap_or(0))
            .collect();
        self.file("opt/contents/megabyte", &bytes)?;
        let file = fs::File::create(self.at("opt/contents/sparse"))?;
        file.set_len(sparse)?;
        for place in [0, (4 << 30) - 4, sparse - 8] {
            if place + 8 <= sparse {
                file.write_all_at(b"no hole\n", place)?;
            }
        }
        self.file("opt/contents/attributes", b"has extended attributes\n")?;
        let path = self.at("opt/contents/attributes");
        rustix::fs::setxattr(&path, "trusted.netroot", &[7; 300], XattrFlags::empty())
            .context("set an extended attribute")?;
        // A time with nanoseconds, beyond 2038.
        let time = Timespec {
            tv_sec: 2_234_567_890,
            tv_nsec: 123_456_789,
        };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        rustix::fs::utimensat(CWD, &path, &times, AtFlags::empty())?;
        Ok(())
    }

    fn folders(&self) -> Result<()> {
        let mut deep = self.at("deep");
        for level in 0..60 {
            deep.push(format!("level-{level:02}-of-a-deep-tree"));
        }
        fs::create_dir_all(&deep)?;
        fs::write(deep.join("bottom"), b"found\n")?;
        fs::create_dir_all(self.at("opt/empty-folder"))?;
        let many = self.at("many");
        fs::create_dir_all(&many)?;
        for number in 0..MANY {
            fs::write(many.join(format!("file-{number:04}")), number.to_string())?;
        }
        Ok(())
    }
}
