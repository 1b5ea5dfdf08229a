//! The bytes of an artifact.

use std::fs::File;
use std::hash::Hasher;
use std::io::{self, IoSliceMut, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use hyper::body::Bytes;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::ReadWriteFlags;

use super::recently_cached::{Inode, RecentlyCached};
use crate::serve::root_facts::Stamp;

/// How far apart bytes are whose presence in memory is asked for: Linux's smallest read-ahead (`VM_READAHEAD_PAGES` is
/// 128 KiB, halved where memory is short). What leaves memory leaves it by single pages, so that what is between may be
/// missing: the less, the more seldom the one thread waits for a disk.
const PROBED: usize = 32 << 10;

/// Bytes in memory or in a file that stays open: a transfer sees one version from its start to its end.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// Generated.
    Memory(Bytes),
    /// Read from the file; never held in memory.
    File {
        /// Read by position, since transfers share it.
        file: Arc<File>,
        /// Which one it is.
        inode: Inode,
        /// Where the content starts in it, in bytes.
        start: u64,
        /// The content's length in bytes; that of the whole file is taken when it is opened.
        length: u64,
    },
}

impl Content {
    /// Opens a regular file. Anything else is not touched: opening a FIFO or a device has effects.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        Self::reopen(&rustix::fs::open(path, flags, Mode::empty())?)
    }

    /// Opens what `found` (`O_PATH`) refers to for reading, if it is a regular file: whatever has its name by now.
    pub(super) fn reopen(found: &OwnedFd) -> io::Result<Self> {
        let mode = rustix::fs::fstat(found)?.st_mode;
        if FileType::from_raw_mode(mode) != FileType::RegularFile {
            return Err(not_regular());
        }
        let link = format!("/proc/self/fd/{}", found.as_raw_fd());
        // O_NONBLOCK: another program's lease on the file (F_SETLEASE) must not block the server.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        Self::from_regular(rustix::fs::open(link, flags, Mode::empty())?.into())
    }

    /// Uses an open file, which has to be a regular one.
    pub(crate) fn from_regular(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(not_regular());
        }
        Ok(Self::File {
            inode: Inode {
                device: metadata.dev(),
                number: metadata.ino(),
                changed: (metadata.ctime(), metadata.ctime_nsec()),
            },
            file: Arc::new(file),
            start: 0,
            length: metadata.len(),
        })
    }

    /// `length` bytes of it from `offset` on, both of them at most what there is.
    pub(crate) fn part(self, offset: u64, length: u64) -> Self {
        let left = self.length().saturating_sub(offset);
        match self {
            Self::Memory(bytes) => {
                let clamped =
                    |at: u64| usize::try_from(at).map_or(bytes.len(), |at| at.min(bytes.len()));
                let end = clamped(offset.saturating_add(length));
                Self::Memory(bytes.slice(clamped(offset)..end))
            }
            Self::File {
                file, inode, start, ..
            } => Self::File {
                file,
                inode,
                start: start.saturating_add(offset),
                length: length.min(left),
            },
        }
    }

    /// Reads it from its start to its end, which may wait for a disk. A file that has become shorter is an error
    /// (`UnexpectedEof`).
    pub(crate) fn reader(&self) -> Reader<'_> {
        Reader {
            content: self,
            at: 0,
        }
    }

    /// All of it, which may wait for a disk.
    ///
    /// # Errors
    /// The system's; `FileTooLarge` for more than `limit` bytes, `UnexpectedEof` for a file that has become shorter.
    pub(crate) fn all(&self, limit: u64) -> io::Result<Vec<u8>> {
        let length = usize::try_from(self.length()).ok();
        let length = length.filter(|_| self.length() <= limit);
        let mut bytes = vec![0; length.ok_or(io::ErrorKind::FileTooLarge)?];
        self.reader().read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Its file, for another process.
    ///
    /// # Errors
    /// The system's; `Unsupported` for what is not a whole file.
    pub(crate) fn descriptor(&self) -> io::Result<OwnedFd> {
        match self {
            Self::File { file, start: 0, .. } => Ok(file.try_clone()?.into()),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Tells its file from others; `None` for what is in memory.
    pub(super) fn stamp(&self) -> Option<Stamp> {
        match self {
            Self::Memory(_) => None,
            Self::File { file, .. } => Stamp::of_file(file),
        }
    }

    /// Tells it from other contents: a file by its inode and time, without reading it.
    pub(super) fn identify(&self, hash: &mut impl Hasher) {
        match self {
            Self::Memory(bytes) => hash.write(bytes),
            Self::File {
                file,
                start,
                length,
                ..
            } => {
                if let Ok(metadata) = file.metadata() {
                    hash.write_u64(metadata.dev());
                    hash.write_u64(metadata.ino());
                    hash.write_i64(metadata.mtime());
                    hash.write_i64(metadata.mtime_nsec());
                }
                hash.write_u64(*start);
                hash.write_u64(*length);
            }
        }
    }

    /// Its length in bytes.
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Memory(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Self::File { length, .. } => *length,
        }
    }

    /// Whether [`Content::read_now`] reads some of it from `offset` on.
    pub(super) fn begins_in_memory(&self, offset: u64) -> bool {
        match self {
            Self::File {
                file,
                start,
                length,
                ..
            } if offset < *length => is_cached(file, start.saturating_add(offset)),
            _ => true,
        }
    }

    /// Like [`Content::read_at`], but never waits for a disk; `None` if it would have to. It may read less.
    pub(crate) fn read_now(&self, offset: u64, buffer: &mut [u8]) -> Option<io::Result<usize>> {
        let Self::File {
            file,
            start,
            length,
            ..
        } = self
        else {
            return Some(self.read_at(offset, buffer));
        };
        let left = usize::try_from(length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let buffer = buffer.get_mut(..wanted)?;
        if buffer.is_empty() {
            return Some(Ok(0));
        }
        let at = start.saturating_add(offset);
        let mut parts = [IoSliceMut::new(buffer)];
        // Some file systems cannot tell (EOPNOTSUPP). Every other error is met again by the read that may wait.
        match rustix::io::preadv2(file, &mut parts, at, ReadWriteFlags::NOWAIT) {
            Ok(0) => Some(Err(io::ErrorKind::UnexpectedEof.into())),
            Ok(length) => Some(Ok(length)),
            Err(_) => None,
        }
    }

    /// The file with the part of it from `offset` on that is in memory: its position, and its length of `most` bytes at
    /// most. `None` for what is no file, and where a disk may have to be waited for. What was so `recently` is not asked about
    /// again.
    pub(super) fn in_memory(
        &self,
        recently: &RecentlyCached,
        offset: u64,
        most: usize,
    ) -> Option<(&Arc<File>, u64, usize)> {
        let Self::File {
            file,
            inode,
            start,
            length,
        } = self
        else {
            return None;
        };
        let left = length.saturating_sub(offset);
        let wanted = u64::try_from(most).map_or(left, |most| most.min(left));
        let at = start.saturating_add(offset);
        let absent = |from, length| first_absent(file, from, length);
        let present = recently.present(*inode, at, wanted, Instant::now(), absent);
        let length = usize::try_from(present).unwrap_or(most);
        (length > 0).then_some((file, at, length))
    }

    /// Fills `buffer` from `offset`, or up to the end; returns how many bytes were read. It may wait for a disk.
    ///
    /// # Errors
    /// The file system's; `UnexpectedEof` if the file has been truncated meanwhile, since a transfer whose length was
    /// announced must not end early without an error.
    pub(crate) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.length().saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let Some(buffer) = buffer.get_mut(..wanted) else {
            return Ok(0);
        };
        match self {
            Self::Memory(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                let source = bytes.get(start..).and_then(|rest| rest.get(..wanted));
                if let Some(source) = source {
                    buffer.copy_from_slice(source);
                }
            }
            Self::File { file, start, .. } => {
                file.read_exact_at(buffer, start.saturating_add(offset))?;
            }
        }
        Ok(wanted)
    }
}

/// Reads a [`Content`] from its start to its end.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    content: &'a Content,
    at: u64,
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read_at(self.at, buffer)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// The first of `length` bytes of a file from `from` on that is not in memory: of each row one is looked at, and the last one.
fn first_absent(file: &File, from: u64, length: u64) -> Option<u64> {
    let last = length.checked_sub(1)?;
    let rows = (0..length).step_by(PROBED).chain([last]);
    let mut positions = rows.map(|row| from.saturating_add(row));
    positions.find(|position| !is_cached(file, *position))
}

/// Whether a file's byte is in memory, as far as the file system can tell.
fn is_cached(file: &File, position: u64) -> bool {
    let mut byte = [0];
    let mut parts = [IoSliceMut::new(&mut byte)];
    let read = rustix::io::preadv2(file, &mut parts, position, ReadWriteFlags::NOWAIT);
    read == Ok(1)
}

fn not_regular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_file_is_read_as_if_it_were_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("unified.efi");
        std::fs::write(&path, b"0123kernel789").unwrap();
        let whole = Content::open(&path).unwrap();
        for whole in [whole, Content::Memory(Bytes::from_static(b"0123kernel789"))] {
            let kernel = whole.clone().part(4, 6);
            assert_eq!(kernel.length(), 6);
            let mut buffer = [0; 16];
            assert_eq!(kernel.read_at(2, &mut buffer).unwrap(), 4);
            assert_eq!(&buffer[..4], b"rnel");
            if let Some(now) = kernel.read_now(0, &mut buffer) {
                assert_eq!(&buffer[..now.unwrap()], b"kernel");
            }
            assert_eq!(kernel.read_at(6, &mut buffer).unwrap(), 0);
            assert_eq!(whole.part(10, 99).length(), 3);
        }
    }

    #[test]
    fn of_a_file_that_is_partly_in_memory_only_that_part_is_sent_without_a_disk() {
        use std::io::Write;
        const ALL: usize = 4 << 20;
        // On the disk that has this project: in a file system in memory nothing is on a disk.
        let mut file = tempfile::tempfile_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        file.write_all(&vec![7; ALL]).unwrap();
        file.sync_all().unwrap();
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Random).unwrap();
        let content = Content::from_regular(file).unwrap();
        let recently = RecentlyCached::new();
        assert!(content.in_memory(&recently, 2 << 20, ALL).is_none());
        assert!(!content.begins_in_memory(2 << 20));
        let mut half = vec![0; 1 << 20];
        content.read_at(0, &mut half).unwrap();
        let Some((_, at, length)) = content.in_memory(&recently, 0, ALL) else {
            // overlayfs cannot tell: nothing is sent so.
            return assert!(content.read_now(0, &mut half).is_none());
        };
        assert!(content.begins_in_memory(0) && content.begins_in_memory(ALL as u64));
        assert_eq!(at, 0);
        assert!((1 << 20..ALL).contains(&length), "{length}");
        // What was absent is asked about again.
        content.read_at(0, &mut vec![0; ALL]).unwrap();
        let (_, _, length) = content.in_memory(&recently, 0, ALL).unwrap();
        assert_eq!(length, ALL);
    }
}
