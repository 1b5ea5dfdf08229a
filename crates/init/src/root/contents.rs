//! What a directory is that has no init: an empty one, the folder of a live image, the directory above a root. Pure, over
//! [`Contents`].
//!
//! Looked at only when a boot fails, so that the sentence can say what to export instead.

use std::fmt;

/// The longest list of entries that is looked through.
const MAX_ENTRIES: usize = 64;

/// Where live images and installers keep their root, in their folder as it is on the medium.
///
/// From casper(7), live-boot(7), dracut's dmsquash-live, archiso, miso (Manjaro), and what the media of these
/// distributions hold.
const IMAGES: [(&str, &str); 24] = [
    ("casper/filesystem.squashfs", "Ubuntu"),
    ("casper/minimal.squashfs", "Ubuntu"),
    ("casper/ubuntu-server-minimal.squashfs", "Ubuntu"),
    ("casper/base.squashfs", "Ubuntu"),
    ("live/filesystem.squashfs", "Debian"),
    ("LiveOS/squashfs.img", "Fedora"),
    ("LiveOS/rootfs.img", "Fedora"),
    ("images/install.img", "Fedora"),
    ("arch/x86_64/airootfs.sfs", "Arch Linux"),
    ("arch/x86_64/airootfs.erofs", "Arch Linux"),
    ("arch/aarch64/airootfs.sfs", "Arch Linux"),
    ("manjaro/x86_64/rootfs.sfs", "Manjaro"),
    ("sysresccd/x86_64/airootfs.sfs", "SystemRescue"),
    ("antiX/linuxfs", "antiX"),
    ("KNOPPIX/KNOPPIX", "Knoppix"),
    ("slax/01-core.sb", "Slax"),
    ("porteus/base/001-core.xzm", "Porteus"),
    ("nix-store.squashfs", "NixOS"),
    ("image.squashfs", "Gentoo"),
    ("pve-base.squashfs", "Proxmox"),
    ("boot/modloop-lts", "Alpine Linux"),
    ("install.amd/vmlinuz", "Debian"),
    ("SYSTEM", "LibreELEC"),
    ("dists", "Debian"),
];
/// Of [`IMAGES`]: media that install a system, and hold none that could be exported.
const INSTALLERS: [&str; 4] = [
    "images/install.img",
    "boot/modloop-lts",
    "install.amd/vmlinuz",
    "dists",
];
/// The ends of names of images, and how each is opened.
const ENDS: [(&str, How); 9] = [
    (".squashfs", How::Squashfs),
    (".sfs", How::Squashfs),
    (".erofs", How::Erofs),
    (".iso", How::Iso),
    (".img", How::Disk),
    (".raw", How::Disk),
    (".qcow2", How::Disk),
    (".tar", How::Archive),
    (".tar.gz", How::Archive),
];

/// How the root gets out of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Squashfs,
    Erofs,
    Iso,
    Disk,
    Archive,
}

/// A directory's entries, links resolved within the root.
pub(crate) trait Contents {
    /// The names at its top, without `.` and `..`; `None` if it cannot be listed.
    fn names(&mut self) -> Option<Vec<String>>;
    /// Whether there is something at a path.
    fn has(&mut self, path: &str) -> bool;
    /// What the link at a path leads to.
    fn link(&mut self, path: &str) -> Option<String>;
}

/// What was found instead of a root with an init.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Instead {
    /// Nothing.
    Empty,
    /// A file in it holds the root.
    Image {
        path: String,
        /// The distribution whose folder this is.
        of: Option<&'static str>,
        how: How,
    },
    /// What installs a distribution.
    Installer(&'static str),
    /// A directory in it looks like a root.
    Below(String),
    /// The init is a link to something that is not there.
    Dangling { link: String, target: String },
    /// The server exports these directories below it on their own, which version 3 does not show.
    Apart(Vec<String>),
}

impl Instead {
    /// What to do about it.
    pub(crate) fn advice(&self) -> String {
        match self {
            Self::Empty => "export the directory that holds the root; if a file system is to be mounted there on the server, mount it and export again".to_owned(),
            Self::Image { path, how, .. } => {
                let how = match how {
                    How::Squashfs => format!("unpack it (unsquashfs -d DIR {path})"),
                    How::Erofs => format!("unpack it (fsck.erofs --extract=DIR {path})"),
                    How::Iso => "mount it on the server, unpack the image of the root that it holds".to_owned(),
                    How::Disk => "mount its file system on the server (losetup -P, mount)".to_owned(),
                    How::Archive => format!("unpack it (tar -xpf {path} -C DIR)"),
                };
                format!("{how} and export that directory")
            }
            Self::Installer(_) => "install it to a directory and export that".to_owned(),
            Self::Below(directory) => format!("add /{directory} to the path, or export that directory"),
            Self::Dangling { .. } => "complete the root with what the link leads to, or name another program with init=".to_owned(),
            Self::Apart(_) => "mount by version 4 (vers=4.2), or export them as a part of it (crossmnt of Linux)".to_owned(),
        }
    }
}

impl fmt::Display for Instead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::Image { path, of, .. } => match of {
                Some(of) => write!(
                    f,
                    "it is the folder of a live image ({of}): {path} is the root"
                ),
                None => write!(f, "it holds an image, {path}"),
            },
            Self::Installer(of) => write!(f, "it is an installation medium ({of})"),
            Self::Below(directory) => {
                write!(f, "but the directory {directory} in it looks like a root")
            }
            Self::Dangling { link, target } => {
                write!(f, "its {link} is a link to {target}, which is not there")
            }
            Self::Apart(paths) => write!(
                f,
                "NFS version 3 does not show what the server exports on its own below it ({})",
                paths.join(", ")
            ),
        }
    }
}

/// Looks for what a directory without any of `programs` is. `None` if it is nothing that is known.
pub(crate) fn look(contents: &mut impl Contents, programs: &[String]) -> Option<Instead> {
    let names = contents.names();
    if names.as_ref().is_some_and(Vec::is_empty) {
        return Some(Instead::Empty);
    }
    for program in programs {
        if let Some(target) = contents.link(program) {
            let link = program.clone();
            return Some(Instead::Dangling { link, target });
        }
    }
    if let Some((path, of)) = IMAGES.iter().find(|(path, _)| contents.has(path)) {
        if INSTALLERS.contains(path) {
            return Some(Instead::Installer(of));
        }
        let how = how(path).unwrap_or(How::Squashfs);
        let how = match *path {
            // A file system in a file; LiveOS/squashfs.img is a squashfs by any name.
            "LiveOS/rootfs.img" => How::Disk,
            _ if how == How::Disk => How::Squashfs,
            _ => how,
        };
        let path = (*path).to_owned();
        return Some(Instead::Image {
            path,
            of: Some(of),
            how,
        });
    }
    let names = names.unwrap_or_default();
    let root = names.iter().take(MAX_ENTRIES).find(|name| {
        ["etc", "usr", "sbin"]
            .iter()
            .all(|inner| contents.has(&format!("{name}/{inner}")))
    });
    if let Some(root) = root {
        return Some(Instead::Below(root.clone()));
    }
    names.into_iter().find_map(|path| {
        let how = how(&path)?;
        Some(Instead::Image {
            path,
            of: None,
            how,
        })
    })
}

fn how(path: &str) -> Option<How> {
    let mut known = ENDS.iter();
    known
        .find(|(end, _)| path.ends_with(end))
        .map(|(_, how)| *how)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Paths, with what each link leads to.
    struct Paths<'a>(&'a [(&'a str, &'a str)]);

    impl Contents for Paths<'_> {
        fn names(&mut self) -> Option<Vec<String>> {
            let mut names: Vec<String> = self
                .0
                .iter()
                .filter_map(|(path, _)| path.split('/').find(|name| !name.is_empty()))
                .map(str::to_owned)
                .collect();
            names.dedup();
            Some(names)
        }
        fn has(&mut self, path: &str) -> bool {
            let path = path.trim_start_matches('/');
            self.0.iter().any(|(there, _)| {
                let there = there.trim_start_matches('/');
                there == path || there.starts_with(&format!("{path}/"))
            })
        }
        fn link(&mut self, path: &str) -> Option<String> {
            let mut links = self.0.iter();
            let found = links.find(|(there, target)| *there == path && !target.is_empty());
            found.map(|(_, target)| (*target).to_owned())
        }
    }

    fn said(paths: &[(&str, &str)]) -> String {
        let programs = ["/sbin/init".to_owned()];
        match look(&mut Paths(paths), &programs) {
            Some(found) => format!("{found}; {}", found.advice()),
            None => String::new(),
        }
    }

    #[test]
    fn live_images_are_known_by_where_they_keep_their_root() {
        assert_eq!(
            said(&[("casper/filesystem.squashfs", ""), (".disk/info", "")]),
            "it is the folder of a live image (Ubuntu): casper/filesystem.squashfs is the root; \
             unpack it (unsquashfs -d DIR casper/filesystem.squashfs) and export that directory"
        );
        for (path, how) in [
            ("live/filesystem.squashfs", "unsquashfs"),
            ("LiveOS/squashfs.img", "unsquashfs"),
            ("LiveOS/rootfs.img", "losetup"),
            ("arch/x86_64/airootfs.sfs", "unsquashfs"),
            ("arch/x86_64/airootfs.erofs", "fsck.erofs"),
            ("antiX/linuxfs", "unsquashfs"),
            ("SYSTEM", "unsquashfs"),
        ] {
            let said = said(&[(path, "")]);
            assert!(
                said.contains(&format!(": {path} is the root; ")) && said.contains(how),
                "{said}"
            );
        }
        assert!(
            said(&[("images/install.img", "")])
                .starts_with("it is an installation medium (Fedora)")
        );
    }

    #[test]
    fn images_are_known_by_their_names() {
        assert!(said(&[("debian.iso", "")]).starts_with("it holds an image, debian.iso; mount it"));
        assert!(said(&[("root.squashfs", "")]).contains("unsquashfs -d DIR root.squashfs"));
        assert!(said(&[("rootfs.tar.gz", "")]).contains("tar -xpf rootfs.tar.gz"));
        assert_eq!(said(&[("readme", "")]), "");
    }

    #[test]
    fn an_empty_directory_the_one_above_a_root_and_a_link_to_nothing_are_told_apart() {
        assert!(said(&[]).starts_with("it is empty; export the directory"));
        assert_eq!(
            said(&[("debian/etc", ""), ("debian/sbin", ""), ("debian/usr", "")]),
            "but the directory debian in it looks like a root; add /debian to the path, or export that directory"
        );
        assert!(said(&[("/sbin/init", "/nix/store/x/init")]).starts_with(
            "its /sbin/init is a link to /nix/store/x/init, which is not there; complete"
        ));
    }
}
