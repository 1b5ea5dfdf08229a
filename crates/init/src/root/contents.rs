//! What a directory is that has no init: an empty one, the folder of a live image, the directory above a root. Pure, over
//! [`Contents`].
//!
//! Looked at only when a boot fails, so that the sentence can say what to export instead.

use std::fmt;

use netroot_proto::root::RootImage;

use crate::root::squash::CURE;

/// The longest list of entries that is looked through.
const MAX_ENTRIES: usize = 64;

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
    /// The server does not let root look into it.
    Refused,
    /// A file in it holds the root, or installs one.
    Image(RootImage),
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
            Self::Refused => CURE.to_owned(),
            Self::Image(image) => format!("{} and export that directory", image.advice()),
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
            Self::Refused => f.write_str(
                "its server does not let root look for it, since it maps uid 0 to nobody",
            ),
            Self::Image(image) => write!(f, "{image}"),
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
    if let Some(image) = RootImage::in_live_folder(|path| contents.has(path)) {
        return Some(Instead::Image(image));
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
    let mut images = names.iter().filter_map(|name| RootImage::named(name));
    images.next().map(Instead::Image)
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
    fn a_live_image_and_an_image_file_are_told_with_what_to_export() {
        assert_eq!(
            said(&[("casper/filesystem.squashfs", ""), (".disk/info", "")]),
            "it is the folder of a live image (Ubuntu): casper/filesystem.squashfs is the root; \
             unpack it (unsquashfs -d DIR casper/filesystem.squashfs) and export that directory"
        );
        assert!(said(&[("debian.iso", "")]).starts_with("it holds an image, debian.iso; mount it"));
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
