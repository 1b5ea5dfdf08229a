//! Whether the server lets uid 0 read and write what is root's.
//!
//! Linux's exports and NFS-Ganesha's map uid 0 to nobody by default (`root_squash`). A machine then comes up whose root
//! cannot read `/etc/shadow`, and nobody can log in. The server is asked about one file that only root may read; its
//! answer (ACCESS) is what an open would get.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use netroot_proto::mount::Access;
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::console::warn;
use crate::root::in_root;

/// What only root may read in usual roots; the first one that is there is asked about.
const PRIVATE: [&str; 4] = ["/etc/shadow", "/root", "/etc/gshadow", "/etc/sudoers"];
/// Read permission for others.
const OTHERS_READ: u32 = 0o004;

/// What to do about a server that maps uid 0 to nobody.
pub(super) const CURE: &str =
    "export this root with no_root_squash (NFS-Ganesha: Squash = No_Root_Squash)";

/// What the server keeps from root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// It is not root there: what only root may read is refused.
    Reading(&'static str),
    /// Writing to a root that was mounted to be written to.
    Writing,
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reading(path) => write!(
                f,
                "its server does not let root read {path}: it maps uid 0 to nobody; {CURE}"
            ),
            Self::Writing => f.write_str(
                "it is mounted read-write, and its server lets root write nothing; export it read-write and with no_root_squash, or boot with rd.overlay",
            ),
        }
    }
}

/// Warns if the root mounted at `target` is not root's.
pub(crate) fn warn_of_squash(name: &str, target: &str, access: Access) {
    let Ok(root) = in_root::directory(target) else {
        return;
    };
    if let Some(kept) = kept(root.as_fd(), access) {
        warn!("the root {name}: {kept}");
    }
}

fn kept(root: BorrowedFd<'_>, access: Access) -> Option<Kept> {
    for path in PRIVATE {
        let refused = match in_root::open(root, path, OFlags::PATH) {
            Ok(file) => {
                let only_root = rustix::fs::fstat(&file)
                    .is_ok_and(|s| s.st_uid == 0 && s.st_mode & OTHERS_READ == 0);
                if !only_root {
                    continue;
                }
                refuses(file.as_fd(), rustix::fs::Access::READ_OK)
            }
            // Not even a directory on the way may be entered.
            Err(errno) if errno == Errno::ACCESS => true,
            Err(_) => continue,
        };
        if refused {
            return Some(Kept::Reading(path));
        }
        break;
    }
    let writing = access == Access::ReadWrite && refuses(root, rustix::fs::Access::WRITE_OK);
    writing.then_some(Kept::Writing)
}

/// Whether access is refused by permission. An open directory or file is named by its path below /proc, which
/// access(2) follows to what is open.
pub(super) fn refuses(file: BorrowedFd<'_>, access: rustix::fs::Access) -> bool {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    rustix::fs::access(path.as_str(), access) == Err(Errno::ACCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_that_may_be_read_and_written_is_not_squashed() {
        let root = in_root::directory("/").unwrap();
        if rustix::process::geteuid().is_root() {
            assert_eq!(kept(root.as_fd(), Access::ReadOnly), None);
        }
    }

    #[test]
    fn the_cure_is_named() {
        let text = Kept::Reading("/etc/shadow").to_string();
        assert!(
            text.contains("read /etc/shadow") && text.contains("no_root_squash"),
            "{text}"
        );
        assert!(Kept::Writing.to_string().contains("rd.overlay"));
    }
}
