//! Looking for a program in an export before it is mounted, symlinks and all. Pure, over [`Tree`].
//!
//! Links are followed as the kernel will follow them after the switch of roots: an absolute one starts at the
//! export, and `..` does not leave it. What the server does not reveal (a directory that only others may read, a
//! mount within the export) does not count as a missing program: the kernel decides.

/// Links followed before the walk gives up, as in the kernel (`MAXSYMLINKS`).
const LINKS: usize = 40;
/// The longest path, in bytes (`PATH_MAX`), and so the longest link that makes sense.
const PATH: usize = 4096;

/// The file-system operations that the walk needs.
pub(super) trait Tree {
    /// A file's handle.
    type Handle: Clone;
    /// Looks a name up in a directory.
    fn lookup(&mut self, directory: &Self::Handle, name: &[u8]) -> Looked<Self::Handle>;
    /// The target of a link; `None` if the server does not return it.
    fn read_link(&mut self, link: &Self::Handle) -> Option<Vec<u8>>;
}

/// The result of a lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Looked<H> {
    /// A directory.
    Directory(H),
    /// A file that can be run, as far as its mode says.
    Program(H),
    /// A file without any execute permission.
    Plain,
    /// A symbolic link.
    Link(H),
    /// No such name.
    Absent,
    /// The server does not say.
    Unknown,
}

/// Whether a program exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// It exists and can be run.
    Yes,
    /// It does not exist.
    No,
    /// Something else has its name: a directory, or a file that cannot be run.
    NotAProgram,
    /// The server does not say.
    Unknown,
}

/// Looks for the program at an absolute path.
pub(super) fn find<T: Tree>(tree: &mut T, root: &T::Handle, path: &[u8]) -> Found {
    walk(tree, root, path).0
}

/// What the link at a path leads to, if the path's last name is one.
pub(super) fn link<T: Tree>(tree: &mut T, root: &T::Handle, path: &[u8]) -> Option<Vec<u8>> {
    walk(tree, root, path).1
}

/// Whether the program exists, and what the link of its name leads to.
fn walk<T: Tree>(tree: &mut T, root: &T::Handle, path: &[u8]) -> (Found, Option<Vec<u8>>) {
    let mut last = None;
    let found = walk_to(tree, root, path, &mut last);
    (found, last)
}

fn walk_to<T: Tree>(
    tree: &mut T,
    root: &T::Handle,
    path: &[u8],
    last: &mut Option<Vec<u8>>,
) -> Found {
    let mut above: Vec<T::Handle> = Vec::new();
    let mut here = root.clone();
    // The names that remain, the next one last.
    let mut names = reversed(path);
    let mut links = 0;
    while let Some(name) = names.pop() {
        if name == b".." {
            if let Some(parent) = above.pop() {
                here = parent;
            }
            continue;
        }
        match tree.lookup(&here, &name) {
            Looked::Directory(directory) => {
                above.push(std::mem::replace(&mut here, directory));
            }
            Looked::Program(_) if names.is_empty() => return Found::Yes,
            Looked::Plain if names.is_empty() => return Found::NotAProgram,
            Looked::Program(_) | Looked::Plain | Looked::Absent => return Found::No,
            Looked::Unknown => return Found::Unknown,
            Looked::Link(link) => {
                links += 1;
                let Some(target) = tree.read_link(&link) else {
                    return Found::Unknown;
                };
                if links > LINKS || target.len() > PATH || names.len() > PATH {
                    return Found::No;
                }
                if names.is_empty() {
                    last.get_or_insert_with(|| target.clone());
                }
                if target.starts_with(b"/") {
                    here = root.clone();
                    above.clear();
                }
                names.extend(reversed(&target));
            }
        }
    }
    Found::NotAProgram
}

fn reversed(path: &[u8]) -> Vec<Vec<u8>> {
    let names = path
        .split(|b| *b == b'/')
        .filter(|name| !name.is_empty() && *name != b".");
    let mut names: Vec<Vec<u8>> = names.map(<[u8]>::to_vec).collect();
    names.reverse();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    /// Paths to what is there; handles are the paths.
    struct Paths(HashMap<String, &'static str>);

    impl Tree for Paths {
        type Handle = String;
        fn lookup(&mut self, directory: &String, name: &[u8]) -> Looked<String> {
            let path = format!("{directory}/{}", String::from_utf8_lossy(name));
            match self.0.get(&path) {
                None => Looked::Absent,
                Some(&"dir") => Looked::Directory(path),
                Some(&"secret") => Looked::Unknown,
                Some(&"run") => Looked::Program(path),
                Some(&"plain") => Looked::Plain,
                Some(_) => Looked::Link(path),
            }
        }
        fn read_link(&mut self, link: &String) -> Option<Vec<u8>> {
            self.0
                .get(link)
                .map(|t| t.strip_prefix("->").unwrap().as_bytes().to_vec())
        }
    }

    fn found(paths: &[(&str, &'static str)], path: &str) -> Found {
        let mut tree = Paths(
            paths
                .iter()
                .map(|(p, what)| ((*p).to_owned(), *what))
                .collect(),
        );
        find(&mut tree, &String::new(), path.as_bytes())
    }

    const MERGED: &[(&str, &str)] = &[
        ("/sbin", "->usr/sbin"),
        ("/bin", "->/usr/bin"),
        ("/usr", "dir"),
        ("/usr/sbin", "dir"),
        ("/usr/bin", "dir"),
        ("/usr/lib", "dir"),
        ("/usr/lib/systemd", "dir"),
        ("/usr/lib/systemd/systemd", "run"),
        ("/usr/sbin/init", "->../lib/systemd/systemd"),
        ("/usr/bin/sh", "->/../../usr/bin/dash"),
        ("/usr/bin/dash", "run"),
        ("/usr/bin/loop", "->loop"),
        ("/usr/bin/text", "plain"),
        ("/usr/bin/gone", "->/nix/store/gone"),
        ("/root", "secret"),
    ];

    #[test]
    fn a_merged_usr_and_systemd_behind_three_links_is_found() {
        assert_eq!(found(MERGED, "/sbin/init"), Found::Yes);
    }

    #[test]
    fn dots_never_leave_the_export() {
        assert_eq!(found(MERGED, "/bin/sh"), Found::Yes);
    }

    #[test]
    fn what_is_missing_is_missing_also_behind_a_link_or_below_a_file() {
        assert_eq!(found(MERGED, "/etc/init"), Found::No);
        assert_eq!(found(MERGED, "/bin/gone"), Found::No);
        assert_eq!(found(MERGED, "/bin/dash/x"), Found::No);
        assert_eq!(found(MERGED, "/bin/loop"), Found::No);
    }

    #[test]
    fn the_link_of_the_programs_own_name_is_told() {
        let mut tree = Paths(
            MERGED
                .iter()
                .map(|(p, what)| ((*p).to_owned(), *what))
                .collect(),
        );
        let mut link = |path: &str| super::link(&mut tree, &String::new(), path.as_bytes());
        assert_eq!(link("/bin/gone"), Some(b"/nix/store/gone".to_vec()));
        assert_eq!(link("/sbin/init"), Some(b"../lib/systemd/systemd".to_vec()));
        assert_eq!(link("/sbin/absent"), None);
        assert_eq!(link("/usr/bin/dash"), None);
    }

    #[test]
    fn a_directory_or_a_file_without_execute_permission_is_not_a_program() {
        assert_eq!(found(MERGED, "/usr/lib"), Found::NotAProgram);
        assert_eq!(found(MERGED, "/bin/text"), Found::NotAProgram);
        assert_eq!(found(MERGED, "/"), Found::NotAProgram);
    }

    #[test]
    fn what_the_server_does_not_reveal_is_left_to_the_kernel() {
        assert_eq!(found(MERGED, "/root/init"), Found::Unknown);
    }
}
