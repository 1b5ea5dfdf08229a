//! Lines for disks in the root's `/etc/fstab` and `/etc/crypttab`: masked in the writable layer, else a warning.

mod mask;

use std::os::fd::{AsFd, BorrowedFd};

use netroot_proto::cmdline::{BootPlan, Fstab, Overlay};

use crate::console::{info, warn};
use crate::root::etc;
use crate::root::in_root;
use crate::root::mount_point::ROOT;
use mask::{Masked, RootKind};

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
    let path = format!("/etc/{name}");
    let Some((text, mode)) = etc::read(root, &path) else {
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
    match etc::replace(root, &path, &masked.text, mode) {
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
