//! The tree as the server's kernel shows it.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::Path;

use anyhow::{Context, Result};
use rustix::fs::{AtFlags, CWD, StatxFlags, major, minor};

/// What both sides tell about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) kind: Kind,
    pub(super) mode: u32,
    pub(super) links: u64,
    pub(super) owner: (u32, u32),
    pub(super) size: u64,
    pub(super) device: (u32, u32),
    /// Seconds and nanoseconds.
    pub(super) modified: (i64, i64),
    /// A hash of a file's content; a link's target.
    pub(super) content: Content,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    Link,
    Fifo,
    Socket,
    Characters,
    Blocks,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Content {
    Hash(u64),
    Target(Vec<u8>),
    None,
}

/// A file, and which one it is: mount, device, inode.
#[derive(Debug)]
pub(super) struct Real {
    pub(super) facts: Facts,
    pub(super) identity: (u64, u64, u64),
}

/// Paths below the root, without a slash at the beginning, and their files.
pub(super) type Tree<T> = BTreeMap<Vec<u8>, T>;

/// A file is read whole up to this size, in bytes.
const WHOLE: u64 = 4 << 20;
/// Of a larger one so much is read at each of some places.
const WINDOW: u64 = 128 << 10;

/// The ranges of a file that are compared: offset and length.
pub(super) fn ranges(size: u64) -> Vec<(u64, u64)> {
    if size <= WHOLE {
        return vec![(0, size)];
    }
    let places = [0, (4 << 30) - WINDOW / 2, size - WINDOW];
    let ranges = places.map(|place| (place, WINDOW));
    let inside = |(place, length): &(u64, u64)| place + length <= size;
    ranges.into_iter().filter(inside).collect()
}

/// The hash of what was read.
pub(super) fn hash(bytes: &[u8]) -> Content {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    Content::Hash(hasher.finish())
}

/// The path of an entry.
pub(super) fn below(folder: &[u8], name: &[u8]) -> Vec<u8> {
    match folder {
        b"" => name.to_vec(),
        _ => [folder, b"/", name].concat(),
    }
}

/// Reads the tree; what is below the folders `left_out` is not in it.
pub(super) fn read(root: &Path, left_out: &[&str]) -> Result<Tree<Real>> {
    let mut tree = BTreeMap::new();
    let mut folders = vec![Vec::new()];
    tree.insert(Vec::new(), file(root)?);
    while let Some(folder) = folders.pop() {
        let path = root.join(std::ffi::OsStr::from_bytes(&folder));
        let entries = fs::read_dir(&path).with_context(|| format!("list {}", path.display()))?;
        for entry in entries {
            let entry = entry?;
            let inside = below(&folder, entry.file_name().as_bytes());
            let real =
                file(&entry.path()).with_context(|| format!("read {}", entry.path().display()))?;
            let is_shown = !left_out.iter().any(|name| name.as_bytes() == inside);
            if real.facts.kind == Kind::Folder && is_shown {
                folders.push(inside.clone());
            }
            tree.insert(inside, real);
        }
    }
    Ok(tree)
}

fn file(path: &Path) -> Result<Real> {
    let found = fs::symlink_metadata(path)?;
    let kind = found.file_type();
    let (kind, content) = if kind.is_file() {
        (Kind::File, content(path, found.len())?)
    } else if kind.is_symlink() {
        let target = fs::read_link(path)?.as_os_str().as_bytes().to_vec();
        (Kind::Link, Content::Target(target))
    } else if kind.is_dir() {
        (Kind::Folder, Content::None)
    } else if kind.is_fifo() {
        (Kind::Fifo, Content::None)
    } else if kind.is_socket() {
        (Kind::Socket, Content::None)
    } else if kind.is_char_device() {
        (Kind::Characters, Content::None)
    } else {
        (Kind::Blocks, Content::None)
    };
    let device = match kind {
        Kind::Characters | Kind::Blocks => (major(found.rdev()), minor(found.rdev())),
        _ => (0, 0),
    };
    let mount = rustix::fs::statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::MNT_ID)?;
    Ok(Real {
        identity: (mount.stx_mnt_id, found.dev(), found.ino()),
        facts: Facts {
            kind,
            mode: found.mode() & 0o7777,
            links: found.nlink(),
            owner: (found.uid(), found.gid()),
            size: found.len(),
            device,
            modified: (found.mtime(), found.mtime_nsec()),
            content,
        },
    })
}

fn content(path: &Path, size: u64) -> Result<Content> {
    let file = fs::File::open(path)?;
    let mut bytes = Vec::new();
    for (offset, length) in ranges(size) {
        let mut piece = vec![0; usize::try_from(length)?];
        file.read_exact_at(&mut piece, offset)?;
        bytes.extend(piece);
    }
    Ok(hash(&bytes))
}
