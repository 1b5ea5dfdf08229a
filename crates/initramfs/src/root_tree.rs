//! Reads files of a root, and never one outside.
//!
//! A root is the file system of another machine: `/lib` may be a link to `usr/lib` or `/usr/lib`, `/boot/vmlinuz` one
//! to `/boot/vmlinuz-6.1`, and a link may also point to `/etc/shadow`. So the kernel resolves every path as if the root
//! were `/` (`openat2(2)` with `RESOLVE_IN_ROOT`, Linux 5.6): absolute links and `..` stay inside.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Dir, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::OpenTreeFlags;

/// How often a lookup is repeated after `EAGAIN`, which a concurrent rename in the root causes.
const ATTEMPTS: usize = 16;
/// As many links as the kernel follows in one path (its `MAXSYMLINKS`).
const MOST_LINKS: usize = 40;

/// A directory with a root file system.
#[derive(Debug)]
pub struct RootTree {
    fd: OwnedFd,
    /// A copy of the mount, which ends when this is closed.
    _copy: Option<OwnedFd>,
    /// Further limits of lookups.
    resolve: ResolveFlags,
    path: PathBuf,
}

/// Why a file of the root cannot be read. Paths are those of the host.
#[derive(Debug, thiserror::Error)]
pub enum RootTreeError {
    /// The root directory cannot be opened.
    #[error("cannot open the root directory {}", path.display())]
    OpenRoot {
        /// The directory.
        path: PathBuf,
        /// The kernel's error.
        source: io::Error,
    },
    /// A file cannot be opened.
    #[error("cannot open {}", path.display())]
    Open {
        /// The path, including the root.
        path: PathBuf,
        /// The kernel's error.
        source: io::Error,
    },
    /// The file is a device, FIFO, socket or directory. It is not opened, since that can block or have side effects.
    #[error("{} is not a regular file", path.display())]
    NotAFile {
        /// The path, including the root.
        path: PathBuf,
    },
    /// The content cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The path, including the root.
        path: PathBuf,
        /// The kernel's error.
        source: io::Error,
    },
    /// The file exceeds the size limit of its kind.
    #[error("{} is longer than {limit} bytes", path.display())]
    TooLong {
        /// The path, including the root.
        path: PathBuf,
        /// The limit, in bytes.
        limit: u64,
    },
}

impl RootTreeError {
    /// Whether the file does not exist in this view of the root, rather than being unreadable.
    pub fn is_absent(&self) -> bool {
        match self {
            RootTreeError::OpenRoot { source, .. } | RootTreeError::Open { source, .. } => {
                matches!(
                    source.kind(),
                    io::ErrorKind::NotFound
                        | io::ErrorKind::NotADirectory
                        | io::ErrorKind::CrossesDevices
                )
            }
            _ => false,
        }
    }
}

impl RootTree {
    /// Opens the directory `path`.
    ///
    /// # Errors
    /// [`RootTreeError::OpenRoot`] when it is not a directory or not readable.
    pub fn open(path: &Path) -> Result<RootTree, RootTreeError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(fd) => Ok(RootTree {
                fd,
                _copy: None,
                resolve: ResolveFlags::empty(),
                path: path.to_owned(),
            }),
            Err(errno) => Err(RootTreeError::OpenRoot {
                path: path.to_owned(),
                source: errno.into(),
            }),
        }
    }

    /// Reads below an open directory (`O_PATH` will do); `path` is what it is called in messages.
    pub fn of_directory(directory: OwnedFd, path: &Path) -> RootTree {
        RootTree {
            fd: directory,
            _copy: None,
            resolve: ResolveFlags::empty(),
            path: path.to_owned(),
        }
    }

    /// The directory.
    pub fn directory(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The same without the file systems that are mounted below it, as machines see it that are not served them: what a
    /// mount covers, or without `CAP_SYS_ADMIN` nothing in its place.
    #[must_use]
    pub fn without_mounts(self) -> RootTree {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_EMPTY_PATH;
        let copy = rustix::mount::open_tree(&self.fd, c"", flags);
        let opened = copy.and_then(|copy| {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let fd = rustix::fs::openat(&copy, c".", flags, Mode::empty())?;
            Ok((fd, copy))
        });
        match opened {
            Ok((fd, copy)) => RootTree {
                fd,
                _copy: Some(copy),
                ..self
            },
            Err(_) => RootTree {
                resolve: ResolveFlags::NO_XDEV,
                ..self
            },
        }
    }

    /// The directory that was passed to [`RootTree::open`].
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The host path of `inside`, for messages only: links are not resolved.
    pub fn host_path(&self, inside: &str) -> PathBuf {
        self.path.join(inside.trim_start_matches('/'))
    }

    /// Opens the regular file `inside`, following links within the root.
    ///
    /// # Errors
    /// [`RootTreeError::Open`] or [`RootTreeError::NotAFile`].
    pub fn open_file(&self, inside: &str) -> Result<File, RootTreeError> {
        let probe = self.resolve(inside, OFlags::PATH)?;
        self.require_file(inside, &probe)?;
        // Checked again after opening: O_NONBLOCK prevents blocking on a FIFO that was put there in the meantime.
        let fd = self.resolve(inside, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
        self.require_file(inside, &fd)?;
        Ok(File::from(fd))
    }

    /// Reads the regular file `inside`, at most `limit` bytes of it.
    ///
    /// # Errors
    /// As [`RootTree::open_file`]; [`RootTreeError::TooLong`] for a longer file.
    pub fn read(&self, inside: &str, limit: u64) -> Result<Vec<u8>, RootTreeError> {
        let mut content = Vec::new();
        let read = self
            .open_file(inside)?
            .take(limit.saturating_add(1))
            .read_to_end(&mut content);
        match read {
            Ok(length) if length as u64 > limit => Err(RootTreeError::TooLong {
                path: self.host_path(inside),
                limit,
            }),
            Ok(_) => Ok(content),
            Err(source) => Err(RootTreeError::Read {
                path: self.host_path(inside),
                source,
            }),
        }
    }

    /// The first `length` bytes of the regular file `inside`; all of a shorter one.
    ///
    /// # Errors
    /// As [`RootTree::open_file`].
    pub fn read_start(&self, inside: &str, length: u64) -> Result<Vec<u8>, RootTreeError> {
        self.read_part(inside, 0, length)
    }

    /// `length` bytes of the regular file `inside` from `offset`; less at its end.
    ///
    /// # Errors
    /// As [`RootTree::open_file`].
    pub fn read_part(
        &self,
        inside: &str,
        offset: u64,
        length: u64,
    ) -> Result<Vec<u8>, RootTreeError> {
        let mut file = self.open_file(inside)?;
        let mut content = Vec::new();
        let read = file
            .seek(SeekFrom::Start(offset))
            .and_then(|_| file.take(length).read_to_end(&mut content));
        match read {
            Ok(_) => Ok(content),
            Err(source) => Err(RootTreeError::Read {
                path: self.host_path(inside),
                source,
            }),
        }
    }

    /// The names in the directory `inside`, sorted. Names that are not UTF-8 are left out: kernels, module trees and
    /// firmware have no such names.
    ///
    /// # Errors
    /// [`RootTreeError::Open`] and [`RootTreeError::Read`].
    pub fn names_in(&self, inside: &str) -> Result<Vec<String>, RootTreeError> {
        let failed = |errno: Errno| RootTreeError::Read {
            path: self.host_path(inside),
            source: errno.into(),
        };
        let fd = self.resolve(inside, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let mut names = Vec::new();
        for entry in Dir::read_from(fd).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if let Ok(name) = entry.file_name().to_str()
                && name != "."
                && name != ".."
            {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Where the symbolic link `inside` points, as it is written; `None` for anything else.
    pub fn link_target(&self, inside: &str) -> Option<String> {
        let link = self.resolve(inside, OFlags::PATH | OFlags::NOFOLLOW).ok()?;
        let target = rustix::fs::readlinkat(link, "", Vec::new()).ok()?;
        target.into_string().ok()
    }

    /// The path that `inside` leads to, without links in it; `None` if there are too many. What does not exist is no link.
    pub fn real_path(&self, inside: &str) -> Option<String> {
        let mut rest: Vec<String> = inside.rsplit('/').map(str::to_owned).collect();
        let mut real: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(part) = rest.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    real.pop();
                    continue;
                }
                _ => real.push(part),
            }
            let Some(target) = self.link_target(&real.join("/")) else {
                continue;
            };
            links += 1;
            if links > MOST_LINKS {
                return None;
            }
            match target.starts_with('/') {
                true => real.clear(),
                false => drop(real.pop()),
            }
            rest.extend(target.rsplit('/').map(str::to_owned));
        }
        Some(format!("/{}", real.join("/")))
    }

    /// When the symbolic link `inside` was made, in seconds since 1970; `None` if nothing is there.
    pub fn link_modified(&self, inside: &str) -> Option<i64> {
        let link = self.resolve(inside, OFlags::PATH | OFlags::NOFOLLOW).ok()?;
        Some(rustix::fs::fstat(link).ok()?.st_mtime)
    }

    /// Whether `inside` is a directory.
    pub fn has_directory(&self, inside: &str) -> bool {
        self.resolve(inside, OFlags::PATH | OFlags::DIRECTORY)
            .is_ok()
    }

    fn resolve(&self, inside: &str, flags: OFlags) -> Result<OwnedFd, RootTreeError> {
        let path = inside.trim_start_matches('/');
        let path = if path.is_empty() { "." } else { path };
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | self.resolve;
        let mut attempts = 0;
        loop {
            let flags = flags | OFlags::CLOEXEC;
            match rustix::fs::openat2(&self.fd, path, flags, Mode::empty(), resolve) {
                Ok(fd) => return Ok(fd),
                Err(Errno::AGAIN) if attempts < ATTEMPTS => attempts += 1,
                Err(errno) => {
                    return Err(RootTreeError::Open {
                        path: self.host_path(inside),
                        source: errno.into(),
                    });
                }
            }
        }
    }

    fn require_file(&self, inside: &str, fd: &OwnedFd) -> Result<(), RootTreeError> {
        let path = || self.host_path(inside);
        match rustix::fs::fstat(fd) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode).is_file() => Ok(()),
            Ok(_) => Err(RootTreeError::NotAFile { path: path() }),
            Err(errno) => Err(RootTreeError::Read {
                path: path(),
                source: errno.into(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn root() -> (tempfile::TempDir, RootTree) {
        let dir = tempfile::tempdir().unwrap();
        let root = RootTree::open(dir.path()).unwrap();
        (dir, root)
    }

    #[test]
    fn an_absolute_link_is_resolved_in_the_root() {
        let (dir, root) = root();
        std::fs::create_dir_all(dir.path().join("usr/lib")).unwrap();
        std::fs::write(dir.path().join("usr/lib/x"), "inside").unwrap();
        symlink("/usr/lib", dir.path().join("lib")).unwrap();
        assert_eq!(root.read("/lib/x", 100).unwrap(), b"inside");
    }

    #[test]
    fn a_path_without_links_is_where_the_kernel_finds_the_file() {
        let (dir, root) = root();
        std::fs::create_dir_all(dir.path().join("usr/lib")).unwrap();
        for (target, link) in [
            ("/usr/lib", "lib"),
            ("../lib/./x", "usr/y"),
            ("../../../usr/y", "z"),
            ("loop", "loop"),
        ] {
            symlink(target, dir.path().join(link)).unwrap();
        }
        for (path, real) in [
            ("/z", Some("/usr/lib/x")),
            ("lib//x", Some("/usr/lib/x")),
            ("/absent/../lib", Some("/usr/lib")),
            ("/loop", None),
        ] {
            assert_eq!(root.real_path(path).as_deref(), real, "{path}");
        }
    }

    #[test]
    fn dots_and_links_never_leave_the_root() {
        let (dir, root) = root();
        symlink("../../../../etc/passwd", dir.path().join("up")).unwrap();
        symlink("/etc/passwd", dir.path().join("absolute")).unwrap();
        symlink("/proc/self/root/etc/passwd", dir.path().join("magic")).unwrap();
        for name in ["up", "absolute", "magic", "../../../../etc/passwd"] {
            let error = root.read(name, 1 << 20).unwrap_err();
            assert!(error.is_absent(), "{name}: {error:?}");
        }
    }

    #[test]
    fn a_fifo_or_directory_is_refused_without_being_opened() {
        let (dir, root) = root();
        let fifo = dir.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, Mode::from_raw_mode(0o600)).unwrap();
        std::fs::create_dir(dir.path().join("d")).unwrap();
        for name in ["fifo", "d"] {
            let error = root.read(name, 10).unwrap_err();
            assert!(matches!(error, RootTreeError::NotAFile { .. }), "{error:?}");
        }
    }

    #[test]
    fn a_file_over_the_limit_is_an_error_and_not_truncated() {
        let (dir, root) = root();
        std::fs::write(dir.path().join("f"), [7; 11]).unwrap();
        assert!(matches!(
            root.read("f", 10),
            Err(RootTreeError::TooLong { limit: 10, .. })
        ));
        assert_eq!(root.read("f", 11).unwrap().len(), 11);
        assert_eq!(root.read_start("f", 3).unwrap(), [7; 3]);
    }
}
