//! The folder of `--tftp-dir`.
//!
//! The server may read every file of this machine, which is no permission to serve it. A file is served if a user
//! without any rights could read it by its name in the folder: it is world-readable, and every folder on the way to it
//! has the execute permission for others, those of symbolic links' targets included.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use netroot_nfs_export::HiddenPaths;
use rustix::fs::{FileType, Mode, OFlags};

use super::content::Content;

/// The most symbolic links that are followed for one name (Linux: `MAXSYMLINKS`).
const SYMLINKS: usize = 40;
/// The most components that are walked for one name, those of symbolic links included.
const COMPONENTS: usize = 256;

/// A folder whose regular, world-readable files may be fetched (`--tftp-dir`).
#[derive(Debug)]
pub(crate) struct Folder {
    folder: OwnedFd,
    /// The directories of images that the folder may be in, without links on the way, and what they hide.
    hidden: Vec<(PathBuf, HiddenPaths)>,
}

/// Why `--tftp-dir` cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    /// It is not there, or not a folder.
    #[error("cannot open the folder {} (--tftp-dir)", path.display())]
    Open {
        /// As given.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// It is private, so that none of its files is served.
    #[error(
        "cannot serve the folder {} (--tftp-dir): it has no execute permission for others; allow it with: chmod o+x {}",
        path.display(), path.display()
    )]
    Private {
        /// As given.
        path: PathBuf,
    },
}

impl Folder {
    /// Opens the folder once: renaming it later has no effect.
    pub(crate) fn open_path(path: &Path) -> Result<Self, FolderError> {
        let open = || -> io::Result<(OwnedFd, Mode)> {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let folder = rustix::fs::open(path, flags, Mode::empty())?;
            let mode = Mode::from_raw_mode(rustix::fs::fstat(&folder)?.st_mode);
            Ok((folder, mode))
        };
        let path = path.to_owned();
        match open() {
            Ok((folder, mode)) if mode.contains(Mode::XOTH) => Ok(Self {
                folder,
                hidden: Vec::new(),
            }),
            Ok(_) => Err(FolderError::Private { path }),
            Err(source) => Err(FolderError::Open { path, source }),
        }
    }

    /// Does not serve what an image hides of its directory, if the folder is in it.
    pub(crate) fn hiding<'a>(
        self,
        images: impl Iterator<Item = (&'a Path, &'a HiddenPaths)>,
    ) -> Self {
        let hidden = images
            .filter(|(_, hidden)| !hidden.is_empty())
            .map(|(directory, hidden)| {
                let real = directory.canonicalize();
                (
                    real.unwrap_or_else(|_| directory.to_owned()),
                    hidden.clone(),
                )
            })
            .collect();
        Self { hidden, ..self }
    }

    /// The same folder, which hides nothing.
    pub(super) fn again(&self) -> io::Result<Self> {
        Ok(Self {
            folder: self.folder.try_clone()?,
            hidden: Vec::new(),
        })
    }

    /// A folder in this one, from which nothing leads out of it again. No link is followed on the way.
    pub(super) fn inside(&self, path: &str) -> io::Result<Self> {
        let mut folder = self.folder.try_clone()?;
        for component in path.split('/') {
            require(mode(&folder)?, FileType::Directory, Mode::XOTH)?;
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            folder = rustix::fs::openat(&folder, component, flags, Mode::empty())?;
        }
        let hidden = self.hidden.clone();
        Ok(Self { folder, hidden })
    }

    fn hides(&self, file: &OwnedFd) -> bool {
        if self.hidden.is_empty() {
            return false;
        }
        let link = format!("/proc/self/fd/{}", file.as_raw_fd());
        // Without a path nothing is known to be harmless.
        let Ok(path) = rustix::fs::readlink(link, Vec::new()) else {
            return true;
        };
        let path = Path::new(OsStr::from_bytes(path.to_bytes()));
        self.hidden.iter().any(|(directory, hidden)| {
            let below = path.strip_prefix(directory);
            below.is_ok_and(|below| hidden.hide(&below.to_string_lossy()))
        })
    }

    /// Opens a file of the folder. It may wait for the disk.
    ///
    /// Nothing is opened for reading before it was looked at (`O_PATH`), so FIFOs and devices are never touched.
    ///
    /// # Errors
    /// The file system's; `PermissionDenied` for what is not a regular file, not readable by everybody, or outside.
    pub(super) fn open(&self, name: &str) -> io::Result<Content> {
        let mut folders = vec![self.folder.try_clone()?];
        let mut left = components(name.as_bytes());
        let (mut links, mut walked) = (0, 0);
        while let Some(component) = left.pop() {
            walked += 1;
            if walked > COMPONENTS {
                return Err(rustix::io::Errno::NAMETOOLONG.into());
            }
            // None is left where `..` led out of the folder.
            let folder = folders.last().ok_or(io::ErrorKind::PermissionDenied)?;
            require(mode(folder)?, FileType::Directory, Mode::XOTH)?;
            match component.as_slice() {
                b"." => continue,
                b".." => {
                    folders.pop();
                    continue;
                }
                _ => {}
            }
            let is_last = left.is_empty();
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let found = rustix::fs::openat(folder, component.as_slice(), flags, Mode::empty())?;
            let found_mode = mode(&found)?;
            match FileType::from_raw_mode(found_mode) {
                FileType::Symlink => {
                    links += 1;
                    let target = rustix::fs::readlinkat(&found, c"", Vec::new())?;
                    if links > SYMLINKS {
                        return Err(rustix::io::Errno::LOOP.into());
                    }
                    left.extend(target_components(target)?);
                }
                FileType::Directory => folders.push(found),
                _ if is_last => {
                    require(found_mode, FileType::RegularFile, Mode::ROTH)?;
                    if self.hides(&found) {
                        return Err(io::ErrorKind::PermissionDenied.into());
                    }
                    return Content::reopen(&found);
                }
                _ => return Err(io::ErrorKind::NotADirectory.into()),
            }
        }
        Err(io::ErrorKind::PermissionDenied.into())
    }
}

/// The components of a path, the last first.
fn components(path: &[u8]) -> Vec<Vec<u8>> {
    let parts = path.split(|byte| *byte == b'/').rev();
    parts
        .filter(|part| !part.is_empty())
        .map(<[u8]>::to_vec)
        .collect()
}

/// Those of a symbolic link's target; an absolute one leads out of the folder.
fn target_components(target: CString) -> io::Result<Vec<Vec<u8>>> {
    let target = target.into_bytes();
    if Path::new(OsStr::from_bytes(&target)).is_absolute() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    Ok(components(&target))
}

fn mode(file: impl AsFd) -> io::Result<u32> {
    Ok(rustix::fs::fstat(file)?.st_mode)
}

fn require(mode: u32, file_type: FileType, permission: Mode) -> io::Result<()> {
    if FileType::from_raw_mode(mode) == file_type && Mode::from_raw_mode(mode).contains(permission)
    {
        Ok(())
    } else {
        Err(io::ErrorKind::PermissionDenied.into())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use rustix::fs::{CWD, Dev};

    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    /// A folder `tftp` with the file `sub/file`, both public, beside a file `secret`.
    fn folder() -> (tempfile::TempDir, PathBuf) {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("tftp");
        fs::create_dir_all(path.join("sub")).unwrap();
        fs::write(parent.path().join("secret"), "secret").unwrap();
        fs::write(path.join("sub/file"), "content").unwrap();
        for (name, mode) in [("", 0o755), ("sub", 0o755), ("sub/file", 0o644)] {
            set_mode(&path.join(name), mode);
        }
        (parent, path)
    }

    fn read(folder: &Folder, name: &str) -> Option<String> {
        let content = folder.open(name).ok()?;
        let mut bytes = vec![0; usize::try_from(content.length()).unwrap()];
        content.read_at(0, &mut bytes).unwrap();
        Some(String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn files_are_found_through_folders_and_relative_links() {
        let (_parent, path) = folder();
        symlink("sub", path.join("folder-link")).unwrap();
        symlink("../sub/./file", path.join("sub/link")).unwrap();
        symlink("folder-link/link", path.join("links")).unwrap();
        symlink("../tftp/sub/file", path.join("out-and-in")).unwrap();
        symlink("loop", path.join("loop")).unwrap();
        let folder = Folder::open_path(&path).unwrap();
        for name in [
            "sub/file",
            "sub//file",
            "folder-link/file",
            "sub/link",
            "links",
        ] {
            assert_eq!(read(&folder, name).as_deref(), Some("content"), "{name}");
        }
        for name in ["sub", "sub/", "sub/file/x", "out-and-in", "loop", "", "."] {
            assert_eq!(read(&folder, name), None, "{name}");
        }
        let deep = "sub/../".repeat(COMPONENTS) + "sub/file";
        assert_eq!(read(&folder, &deep), None);
    }

    #[test]
    fn every_folder_on_the_way_has_to_be_open_to_everybody() {
        let (_parent, path) = folder();
        fs::create_dir(path.join("private")).unwrap();
        fs::write(path.join("private/key"), "key").unwrap();
        set_mode(&path.join("private/key"), 0o644);
        symlink("private/key", path.join("link")).unwrap();
        symlink("private/../sub/file", path.join("through")).unwrap();
        let folder = Folder::open_path(&path).unwrap();
        let names = ["private/key", "link", "through"];
        for (mode, served) in [(0o700, false), (0o750, false), (0o711, true)] {
            set_mode(&path.join("private"), mode);
            for name in names {
                assert_eq!(read(&folder, name).is_some(), served, "{name} {mode:o}");
            }
        }
        set_mode(&path.join("sub/file"), 0o640);
        assert_eq!(read(&folder, "sub/file"), None);
        set_mode(&path.join("sub/file"), 0o644);
        assert!(read(&folder, "sub/file").is_some());
        // Its own mode counts too, then and at the start.
        set_mode(&path, 0o700);
        assert_eq!(read(&folder, "sub/file"), None);
        let error = Folder::open_path(&path).unwrap_err().to_string();
        assert!(error.ends_with(&format!("chmod o+x {}", path.display())));
        set_mode(&path, 0o755);
    }

    #[test]
    fn nothing_but_a_regular_file_is_opened() {
        let (_parent, path) = folder();
        let public = Mode::from_raw_mode(0o644);
        let fifo = path.join("fifo");
        rustix::fs::mkfifoat(CWD, &fifo, public).unwrap();
        set_mode(&fifo, 0o644);
        std::os::unix::net::UnixListener::bind(path.join("socket")).unwrap();
        let folder = Folder::open_path(&path).unwrap();
        // A writer waits until somebody opens the FIFO for reading.
        let write = OFlags::WRONLY | OFlags::NONBLOCK;
        for _ in 0..3 {
            assert_eq!(read(&folder, "fifo"), None);
            let writer = rustix::fs::open(&fifo, write, Mode::empty());
            assert_eq!(writer.unwrap_err(), rustix::io::Errno::NXIO);
        }
        assert_eq!(read(&folder, "socket"), None);
        // Making a device takes root, in the first user namespace.
        let (zero, device) = (path.join("zero"), rustix::fs::makedev(1, 5));
        let made: Result<(), _> =
            rustix::fs::mknodat(CWD, &zero, FileType::CharacterDevice, public, device as Dev);
        if made.is_ok() {
            set_mode(&zero, 0o644);
            assert_eq!(read(&folder, "zero"), None);
        }
    }

    #[test]
    fn what_an_image_hides_of_its_directory_is_not_served() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("boot");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        for name in ["shown", "a.key"] {
            fs::write(path.join(name), name).unwrap();
        }
        std::os::unix::fs::symlink("a.key", path.join("link")).unwrap();
        let hidden = HiddenPaths::new(["/boot/*.key".parse().unwrap()]);
        let images = [(parent.path(), &hidden)];
        let folder = Folder::open_path(&path).unwrap();
        assert!(folder.open("a.key").is_ok());
        let folder = folder.hiding(images.into_iter());
        assert!(folder.open("shown").is_ok());
        assert!(folder.open("a.key").is_err());
        assert!(folder.open("link").is_err());
    }
}
