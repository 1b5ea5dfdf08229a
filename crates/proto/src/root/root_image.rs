//! Images that hold a root, known by their paths: what a directory has that is not a root itself.

use std::fmt;

/// Where live images and installers keep their root, in their folder as it is on the medium.
///
/// From casper(7), live-boot(7), dracut's dmsquash-live, archiso, miso (Manjaro), and what the media of these
/// distributions hold.
const LIVE: [(&str, &str, How); 24] = [
    ("casper/filesystem.squashfs", "Ubuntu", How::Squashfs),
    ("casper/minimal.squashfs", "Ubuntu", How::Squashfs),
    (
        "casper/ubuntu-server-minimal.squashfs",
        "Ubuntu",
        How::Squashfs,
    ),
    ("casper/base.squashfs", "Ubuntu", How::Squashfs),
    ("live/filesystem.squashfs", "Debian", How::Squashfs),
    ("LiveOS/squashfs.img", "Fedora", How::Squashfs),
    ("LiveOS/rootfs.img", "Fedora", How::Disk),
    ("images/install.img", "Fedora", How::Installer),
    ("arch/x86_64/airootfs.sfs", "Arch Linux", How::Squashfs),
    ("arch/x86_64/airootfs.erofs", "Arch Linux", How::Erofs),
    ("arch/aarch64/airootfs.sfs", "Arch Linux", How::Squashfs),
    ("manjaro/x86_64/rootfs.sfs", "Manjaro", How::Squashfs),
    (
        "sysresccd/x86_64/airootfs.sfs",
        "SystemRescue",
        How::Squashfs,
    ),
    ("antiX/linuxfs", "antiX", How::Squashfs),
    ("KNOPPIX/KNOPPIX", "Knoppix", How::Squashfs),
    ("slax/01-core.sb", "Slax", How::Squashfs),
    ("porteus/base/001-core.xzm", "Porteus", How::Squashfs),
    ("nix-store.squashfs", "NixOS", How::Squashfs),
    ("image.squashfs", "Gentoo", How::Squashfs),
    ("pve-base.squashfs", "Proxmox", How::Squashfs),
    ("boot/modloop-lts", "Alpine Linux", How::Installer),
    ("install.amd/vmlinuz", "Debian", How::Installer),
    ("SYSTEM", "LibreELEC", How::Squashfs),
    ("dists", "Debian", How::Installer),
];
/// The ends of names of images.
const ENDS: [(&str, How); 10] = [
    (".squashfs", How::Squashfs),
    (".sfs", How::Squashfs),
    (".erofs", How::Erofs),
    (".iso", How::Iso),
    (".img", How::Disk),
    (".raw", How::Disk),
    (".qcow2", How::Disk),
    (".tar", How::Archive),
    (".tar.gz", How::Archive),
    (".tar.xz", How::Archive),
];

/// How the root gets out of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Squashfs,
    Erofs,
    Iso,
    Disk,
    Archive,
    /// It holds no root: it installs one.
    Installer,
}

/// An image that holds a root, in a directory that is none. Displayed as what that directory is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootImage {
    /// Its path in that directory.
    path: String,
    /// The distribution whose live image the directory is.
    of: Option<&'static str>,
    how: How,
}

impl RootImage {
    /// The root of a live image's folder. `has` says whether there is something at a path in it.
    pub fn in_live_folder(mut has: impl FnMut(&str) -> bool) -> Option<Self> {
        let (path, of, how) = LIVE.iter().find(|(path, ..)| has(path))?;
        Some(Self {
            path: (*path).to_owned(),
            of: Some(of),
            how: *how,
        })
    }

    /// A file that has the name of an image.
    pub fn named(name: &str) -> Option<Self> {
        let (_, how) = ENDS.iter().find(|(end, _)| name.ends_with(end))?;
        Some(Self {
            path: name.to_owned(),
            of: None,
            how: *how,
        })
    }

    /// How to make a directory of it: `unpack it (unsquashfs -d DIR live/filesystem.squashfs)`.
    pub fn advice(&self) -> String {
        let path = &self.path;
        match self.how {
            How::Squashfs => format!("unpack it (unsquashfs -d DIR {path})"),
            How::Erofs => format!("unpack it (fsck.erofs --extract=DIR {path})"),
            How::Iso => {
                "mount it (mount -o loop,ro), unpack the image of the root that it holds".to_owned()
            }
            How::Disk => "mount its file system (losetup -P, mount)".to_owned(),
            How::Archive => format!("unpack it (tar -xpf {path} -C DIR)"),
            How::Installer => "install it to a directory".to_owned(),
        }
    }
}

impl fmt::Display for RootImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        match (self.of, self.how) {
            (Some(of), How::Installer) => write!(f, "it is an installation medium ({of})"),
            (Some(of), _) => write!(
                f,
                "it is the folder of a live image ({of}): {path} is the root"
            ),
            (None, _) => write!(f, "it holds an image, {path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_images_are_known_by_where_they_keep_their_root() {
        for (there, how) in [
            ("casper/filesystem.squashfs", "unsquashfs"),
            ("live/filesystem.squashfs", "unsquashfs"),
            ("LiveOS/squashfs.img", "unsquashfs"),
            ("LiveOS/rootfs.img", "losetup"),
            ("arch/x86_64/airootfs.erofs", "fsck.erofs"),
            ("antiX/linuxfs", "unsquashfs"),
            ("SYSTEM", "unsquashfs"),
        ] {
            let image = RootImage::in_live_folder(|path| path == there).unwrap();
            assert!(
                image
                    .to_string()
                    .ends_with(&format!(": {there} is the root")),
                "{image}"
            );
            assert!(image.advice().contains(how), "{}", image.advice());
        }
        let medium = RootImage::in_live_folder(|path| path == "images/install.img").unwrap();
        assert_eq!(medium.to_string(), "it is an installation medium (Fedora)");
        assert_eq!(RootImage::in_live_folder(|_| false), None);
    }

    #[test]
    fn images_are_known_by_their_names() {
        let advice = |name: &str| RootImage::named(name).map(|image| image.advice());
        assert_eq!(
            advice("root.squashfs").as_deref(),
            Some("unpack it (unsquashfs -d DIR root.squashfs)")
        );
        assert!(
            advice("rootfs.tar.gz").is_some_and(|advice| advice.contains("tar -xpf rootfs.tar.gz"))
        );
        assert_eq!(
            RootImage::named("debian.iso").unwrap().to_string(),
            "it holds an image, debian.iso"
        );
        assert_eq!(advice("etc"), None);
    }
}
