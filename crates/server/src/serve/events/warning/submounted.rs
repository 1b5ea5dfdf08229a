//! The file systems that are mounted below a root, as machines see them.

use std::path::{Path, PathBuf};

use netroot_nfs_export::MountBelow;

/// The file systems that are mounted below a root, by their paths below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Submounted {
    /// The root's directory.
    pub(crate) root: PathBuf,
    /// Those that machines see.
    pub(crate) served: Vec<String>,
    /// Those that they do not see, by the reason; without what is mounted below them.
    pub(crate) unserved: Vec<(String, Vec<String>)>,
}

impl Submounted {
    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.served.is_empty() && self.unserved.is_empty()
    }

    /// Groups them by the reason.
    pub(crate) fn of(root: &Path, below: &[MountBelow]) -> Self {
        let mut all = Self {
            root: root.to_owned(),
            served: Vec::new(),
            unserved: Vec::new(),
        };
        // One may cover another.
        let is_below = |path: &str, other: &str| {
            let rest = path.strip_prefix(other);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        for mount in below {
            let path = mount.path.clone();
            let Some(why) = &mount.unserved else {
                if !all.served.contains(&path) {
                    all.served.push(path);
                }
                continue;
            };
            let mut told = all.unserved.iter().flat_map(|(_, paths)| paths);
            if told.any(|other| is_below(&path, other)) {
                continue;
            }
            let why = why.to_string();
            match all.unserved.iter_mut().find(|(other, _)| *other == why) {
                Some((_, paths)) => paths.push(path),
                None => all.unserved.push((why, vec![path])),
            }
        }
        all
    }
}
