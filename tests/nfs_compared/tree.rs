//! The tree: one of everything that NFSv3 can tell, on an ext4 image, so that each server has the same inode numbers.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, chown, lchown, symlink};
use std::path::Path;

use anyhow::{Context, Result};
use netroot_harness::{Net, paths};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, XattrFlags};

use super::access_list::list;
use super::faults;

/// The names in the folder `many`.
pub(crate) const MANY: usize = 500;
/// So that folders are listed in the same order each time.
const HASH_SEED: &str = "6b1d3c1e-5f0a-4d52-9c3e-0d5a3f1c7e11";
/// The size of the image.
const SIZE: u64 = 100 << 20;
/// The size of the sparse file.
const LARGE: u64 = (5 << 30) + 7;

/// Makes an ext4 image with the tree, and what `netroot serve` asks of a root.
pub(crate) fn make_image(net: &Net, image: &str) -> Result<()> {
    net.shell(&format!(
        "truncate -s {SIZE} {image}
         seq {} {} > {image}.bad
         mkfs.ext4 -q -b {} -E hash_seed={HASH_SEED} -l {image}.bad {image}
         mkdir /run/tree
         mount -o loop {image} /run/tree",
        faults::BAD,
        SIZE / faults::BLOCK - 1,
        faults::BLOCK
    ))?;
    let place = net.path("/run/tree");
    bootable(&place)?;
    plant(&place)?;
    net.shell("umount /run/tree")?;
    Ok(())
}

/// What `netroot serve` asks of a root.
pub(crate) fn bootable(root: &Path) -> Result<()> {
    let (version, kernel) = paths::debian_kernel()?;
    for folder in ["boot", "dev", "etc", "proc", "run", "sbin", "sys"] {
        fs::create_dir(root.join(folder))?;
    }
    fs::copy(
        &kernel,
        root.join("boot").join(format!("vmlinuz-{version}")),
    )?;
    let modules = root.join("lib/modules").join(version);
    fs::create_dir_all(&modules)?;
    fs::write(modules.join("modules.dep"), "")?;
    Ok(())
}

/// Fills a folder.
fn plant(root: &Path) -> Result<()> {
    let at = |name: &str| root.join(name);
    fs::write(at("plain"), b"0123456789\n")?;
    fs::write(at("empty"), b"")?;
    for (name, owner, mode) in [
        ("setuid", 0, 0o4755),
        ("setgid", 5, 0o2755),
        ("sticky", 0, 0o1644),
        ("locked", 0, 0o000),
        ("own", 1000, 0o600),
        ("owned-unreadable", 1000, 0o000),
        ("execute-only", 0, 0o711),
        ("group", 7, 0o640),
        ("far", 4_000_000_000, 0o644),
    ] {
        fs::write(at(name), name)?;
        own(&at(name), owner, mode)?;
    }
    fs::write(at("linked"), b"linked")?;
    fs::hard_link(at("linked"), at("linked-too"))?;
    for (name, kind, device) in [
        ("fifo", SFlag::S_IFIFO, 0),
        ("socket", SFlag::S_IFSOCK, 0),
        ("null", SFlag::S_IFCHR, makedev(1, 3)),
        ("block", SFlag::S_IFBLK, makedev(259, 70_000)),
    ] {
        mknod(&at(name), kind, Mode::from_bits_truncate(0o600), device)
            .with_context(|| format!("make {name}"))?;
        own(&at(name), 0, 0o662)?;
    }
    symlink("plain", at("link"))?;
    symlink(OsStr::from_bytes(&[b't'; 4095]), at("long-link"))?;
    symlink(OsStr::from_bytes(b"\xff\xfe"), at("bytes-link"))?;
    lchown(at("bytes-link"), Some(70_000), Some(70_001))?;
    for (name, seconds, nanoseconds) in [
        ("past", -1_000_000_000, 5),
        ("precise", 1_700_000_000, 123_456_789),
        ("after-2038", 2_234_567_890, 999_999_999),
        ("after-2106", 4_300_000_000, 1),
    ] {
        fs::write(at(name), name)?;
        time(&at(name), seconds, nanoseconds)?;
    }
    sparse(&at("sparse"))?;
    access_lists(root)?;
    faults::plant(root)?;
    folders(root)?;
    extended_attributes(root)
}

fn access_lists(root: &Path) -> Result<()> {
    let none = u32::MAX;
    let file = root.join("listed");
    fs::write(&file, "listed")?;
    own(&file, 70, 0o640)?;
    let entries = [
        (1, 6, none),
        (2, 4, 1001),
        (2, 0, 1002),
        (4, 4, none),
        (8, 6, 7),
        (16, 4, none),
        (32, 0, none),
    ];
    list(&file, "access", &entries)?;
    let folder = root.join("listed-folder");
    fs::create_dir(&folder)?;
    list(
        &folder,
        "default",
        &[(1, 7, none), (4, 5, none), (32, 0, none)],
    )?;
    list(
        &folder,
        "access",
        &[
            (1, 7, none),
            (2, 5, 1001),
            (4, 0, none),
            (16, 5, none),
            (32, 0, none),
        ],
    )?;
    fs::write(folder.join("file"), "inherits the default list")?;
    Ok(())
}

/// Those that NFSv3 does not carry: a user's, one of the administrator's, and what a program may do
/// (`struct vfs_cap_data` in `include/uapi/linux/capability.h`: revision 2, effective, CAP_NET_BIND_SERVICE).
fn extended_attributes(root: &Path) -> Result<()> {
    let capability = [0x0200_0001_u32, 1 << 10, 0, 0, 0].map(u32::to_le_bytes);
    for (file, name, value) in [
        ("plain", "user.comment", &b"a comment"[..]),
        ("folder", "trusted.note", b"a note"),
        ("setgid", "security.capability", capability.as_flattened()),
    ] {
        rustix::fs::setxattr(root.join(file), name, value, XattrFlags::empty())
            .with_context(|| format!("set {name} of {file}"))?;
    }
    Ok(())
}

fn folders(root: &Path) -> Result<()> {
    let at = |name: &str| root.join(name);
    for (name, owner, mode) in [
        ("folder", 0, 0o755),
        ("shut", 0, 0o700),
        ("list-only", 0, 0o744),
        ("search-only", 0, 0o711),
        ("tmp", 0, 0o1777),
    ] {
        fs::create_dir_all(at(name).join("inner"))?;
        fs::write(at(name).join("file"), name)?;
        own(&at(name), owner, mode)?;
    }
    fs::create_dir(at("void"))?;
    fs::create_dir(at("names"))?;
    let names = [
        &[b'n'; 255][..],
        b"\xff\xfe \xe9",
        b"with\nnewline",
        "\u{e4}\u{1f980}".as_bytes(),
        b"...",
    ];
    for name in names {
        fs::write(at("names").join(OsStr::from_bytes(name)), name)?;
    }
    fs::create_dir(at("many"))?;
    for number in 0..MANY {
        fs::write(
            at("many").join(format!("{number:03}-{}", "x".repeat(number % 97))),
            "",
        )?;
    }
    Ok(())
}

/// A file that is a hole but for its ends and a place beyond 4 GiB.
fn sparse(path: &Path) -> Result<()> {
    let file = fs::File::create(path)?;
    file.set_len(LARGE)?;
    for place in [0, 4 << 30, LARGE - 7] {
        file.write_all_at(b"no hole", place)?;
    }
    Ok(())
}

fn own(path: &Path, owner: u32, mode: u32) -> Result<()> {
    chown(path, Some(owner), Some(owner))?;
    // After the owner: changing that drops setuid bits.
    Ok(fs::set_permissions(path, PermissionsExt::from_mode(mode))?)
}

fn time(path: &Path, seconds: i64, nanoseconds: i64) -> Result<()> {
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    Ok(rustix::fs::utimensat(CWD, path, &times, AtFlags::empty())?)
}
