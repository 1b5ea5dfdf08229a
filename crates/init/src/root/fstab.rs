//! Lines for disks in the root's `/etc/fstab` and `/etc/crypttab`: masked in the writable layer, else a warning.

mod mask;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use netroot_proto::cmdline::{BootPlan, Fstab, Overlay};
use rustix::fs::{Mode, OFlags};

use crate::console::{debug, info, warn};
use crate::root::in_root;
use crate::root::mount_point::ROOT;
use mask::{Masked, RootKind};

/// The longest file that is read, in bytes.
const MAX_SIZE: u64 = 256 << 10;
/// What the new content is written to before it has its name.
const TEMPORARY: &str = ".netroot-masked";
/// How many lines a message names.
const NAMED: usize = 6;

/// Masks lines for disks in the mounted root, or warns of them. Nothing here fails a boot.
pub(crate) fn mask(plan: &BootPlan) {
    if plan.fstab.value == Fstab::Keep {
        return;
    }
    let Ok(root) = in_root::directory(ROOT) else {
        return;
    };
    let layered = plan.overlay.value != Overlay::Off;
    let kind = if layered {
        RootKind::Overlay
    } else {
        RootKind::Nfs
    };
    mask_file(root.as_fd(), "fstab", layered, |text| {
        mask::fstab(text, kind)
    });
    mask_file(root.as_fd(), "crypttab", layered, mask::crypttab);
}

fn mask_file(
    root: BorrowedFd<'_>,
    name: &str,
    layered: bool,
    mask: impl Fn(&[u8]) -> Option<Masked>,
) {
    let Some((text, mode)) = read(root, name) else {
        return;
    };
    let Some(masked) = mask(&text) else {
        return;
    };
    let lines = listed(&masked.lines);
    if !layered {
        warn!(
            "/etc/{name} of the root names disks, which its init may wait for and then stop: {lines}; remove these lines or add nofail, or boot with rd.overlay, which masks them (netroot.fstab=keep ends this warning)"
        );
        return;
    }
    match replace(root, name, &masked.text, mode) {
        Ok(()) => info!(
            "masked in /etc/{name}, since they are for disks or another root: {lines} (netroot.fstab=keep keeps them)"
        ),
        Err(e) => warn!("lines for disks in /etc/{name} cannot be masked: {e}: {lines}"),
    }
}

fn listed(lines: &[String]) -> String {
    let more = lines.len().saturating_sub(NAMED);
    let lines: Vec<&str> = lines.iter().take(NAMED).map(String::as_str).collect();
    match more {
        0 => lines.join(", "),
        more => format!("{} and {more} more", lines.join(", ")),
    }
}

/// The content of a file of `/etc`, and its permissions.
fn read(root: BorrowedFd<'_>, name: &str) -> Option<(Vec<u8>, Mode)> {
    let path = format!("/etc/{name}");
    let file = in_root::open(root, &path, OFlags::RDONLY | OFlags::NONBLOCK).ok()?;
    let mode = Mode::from_raw_mode(rustix::fs::fstat(&file).ok()?.st_mode & 0o777);
    let mut text = Vec::new();
    if let Err(e) = File::from(file).take(MAX_SIZE).read_to_end(&mut text) {
        debug!("{path}: {e}");
        return None;
    }
    // What is cut off cannot be written back.
    (u64::try_from(text.len()).ok()? < MAX_SIZE).then_some((text, mode))
}

/// Replaces a file of `/etc`, or a link of that name, at once.
fn replace(root: BorrowedFd<'_>, name: &str, text: &[u8], mode: Mode) -> std::io::Result<()> {
    let etc = in_root::open(root, "/etc", OFlags::RDONLY | OFlags::DIRECTORY)?;
    let flags =
        OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&etc, TEMPORARY, flags, Mode::from_raw_mode(0o600))?;
    let written = File::from(file.try_clone()?)
        .write_all(text)
        .and_then(|()| Ok(rustix::fs::fchmod(&file, mode)?))
        .and_then(|()| Ok(rustix::fs::renameat(&etc, TEMPORARY, &etc, name)?));
    if written.is_err() {
        let _ = rustix::fs::unlinkat(&etc, TEMPORARY, rustix::fs::AtFlags::empty());
    }
    written
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_file_or_a_link_is_replaced_with_its_permissions() {
        let folder = std::env::temp_dir().join(format!("netroot-fstab-{}", std::process::id()));
        fs::create_dir_all(folder.join("etc/static")).unwrap();
        fs::write(folder.join("etc/static/fstab"), "UUID=1 / ext4\n").unwrap();
        fs::set_permissions(
            folder.join("etc/static/fstab"),
            fs::Permissions::from_mode(0o640),
        )
        .unwrap();
        symlink("/etc/static/fstab", folder.join("etc/fstab")).unwrap();
        let root = fs::File::open(&folder).unwrap();
        mask_file(root.as_fd(), "fstab", false, |text| {
            mask::fstab(text, RootKind::Overlay)
        });
        assert!(folder.join("etc/fstab").is_symlink());
        mask_file(root.as_fd(), "fstab", true, |text| {
            mask::fstab(text, RootKind::Overlay)
        });
        let new = folder.join("etc/fstab");
        assert!(
            fs::read_to_string(&new)
                .unwrap()
                .ends_with("\n#netroot: UUID=1 / ext4\n")
        );
        let mode = fs::symlink_metadata(&new).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        assert_eq!(
            fs::read_to_string(folder.join("etc/static/fstab")).unwrap(),
            "UUID=1 / ext4\n"
        );
        assert_eq!(fs::read_dir(folder.join("etc")).unwrap().count(), 2);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_long_list_is_cut() {
        let lines: Vec<String> = (1..=8).map(|n| n.to_string()).collect();
        assert_eq!(listed(&lines), "1, 2, 3, 4, 5, 6 and 2 more");
        assert_eq!(listed(&lines[..6]), "1, 2, 3, 4, 5, 6");
    }
}
