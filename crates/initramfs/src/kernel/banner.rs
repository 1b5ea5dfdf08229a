//! The version in the text of a kernel whose header does not tell it: arm64's.
//!
//! `linux_banner` (init/version.c) begins with "Linux version 6.6.51+rpt-rpi-v8 (". The kernel is uncompressed, gzip, or a
//! program that unpacks itself (drivers/firmware/efi/libstub/zboot-header.S).

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, PoisonError};

use super::header::HEADER_LENGTH;
use super::version::is_version;
use crate::little_endian::u32_le;
use crate::root_tree::RootTree;

const BANNER: &[u8] = b"Linux version ";
/// The longest version, and the space behind it, in bytes.
const MAX_VERSION: usize = 129;
/// How much of the unpacked kernel is searched, in bytes; those of distributions have up to 70 MiB.
const LIMIT: u64 = 256 << 20;
/// How much is read at once, in bytes.
const CHUNK: usize = 64 << 10;
/// The memory limit of xz, in bytes.
const XZ_MEMORY_LIMIT: u64 = 128 << 20;
/// The largest window of zstd, as a power of two.
const ZSTD_WINDOW_LOG: u32 = 27;

/// How many kernels are remembered with their versions.
const MOST_KNOWN: usize = 64;

/// The kernels that were read, the newest last: a server looks at its roots every few seconds, and unpacking one takes a
/// second on a small machine.
static KNOWN: Mutex<VecDeque<(Identity, Option<String>)>> = Mutex::new(VecDeque::new());

/// Tells a kernel from what was at its place before.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds of the last change.
    changed: (i64, i64),
    part: Range<u64>,
}

/// The version that the kernel in `part` of the file at `path`, in bytes, prints when it starts; `None` where it cannot be
/// read. `start` is its first bytes.
pub(super) fn version(
    root: &RootTree,
    path: &str,
    part: Range<u64>,
    start: &[u8],
) -> Option<String> {
    let file = root.open_file(path).ok()?;
    let identity = Identity::of(&file, &part).ok()?;
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, version)) = known().iter().find(|(known, _)| *known == identity) {
        return version.clone();
    }
    let version = read(file, &part, start);
    let mut known = known();
    if known.len() >= MOST_KNOWN {
        known.pop_front();
    }
    known.push_back((identity, version.clone()));
    version
}

impl Identity {
    fn of(file: &File, part: &Range<u64>) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            part: part.clone(),
        })
    }
}

fn read(mut file: File, part: &Range<u64>, start: &[u8]) -> Option<String> {
    let (payload, format) = match zboot(start) {
        Some(zboot) => (zboot.payload, zboot.format),
        None => (
            0,
            if start.starts_with(&[0x1f, 0x8b]) {
                "gzip"
            } else {
                ""
            },
        ),
    };
    let offset = part.start.checked_add(payload)?;
    file.seek(SeekFrom::Start(offset)).ok()?;
    let file = file.take(part.end.saturating_sub(offset));
    search(unpacked(file, format)?.take(LIMIT))
}

fn unpacked(file: std::io::Take<File>, format: &str) -> Option<Box<dyn Read>> {
    Some(match format {
        "" => Box::new(file),
        "gzip" => Box::new(flate2::read::GzDecoder::new(file)),
        "xzkern" | "xz" => {
            let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY_LIMIT, 0).ok()?;
            Box::new(liblzma::read::XzDecoder::new_stream(file, stream))
        }
        "zstd" | "zstd22" => {
            let mut decoder = zstd::stream::read::Decoder::new(file).ok()?;
            decoder.window_log_max(ZSTD_WINDOW_LOG).ok()?;
            Box::new(decoder)
        }
        _ => return None,
    })
}

/// A kernel that unpacks itself.
struct Zboot<'a> {
    /// From its start, in bytes.
    payload: u64,
    /// `gzip`, `zstd22`, `xzkern`, `lz4`, …
    format: &'a str,
}

fn zboot(start: &[u8]) -> Option<Zboot<'_>> {
    if start.get(..2) != Some(b"MZ") || start.get(4..8) != Some(b"zimg") {
        return None;
    }
    let format = start.get(0x18..0x38)?.split(|byte| *byte == 0).next()?;
    let payload = u64::from(u32_le(start, 8)?);
    (payload < HEADER_LENGTH << 8).then_some(Zboot {
        payload,
        format: std::str::from_utf8(format).ok()?,
    })
}

/// The first version behind [`BANNER`]. What cannot be unpacked ends the search.
fn search(mut kernel: impl Read) -> Option<String> {
    let mut buffer = Vec::with_capacity(2 * CHUNK);
    loop {
        let kept = buffer.len();
        let read = kernel.by_ref().take(CHUNK as u64).read_to_end(&mut buffer);
        if let Some(version) = first_version(&buffer) {
            return Some(version);
        }
        if read.is_err() || buffer.len() == kept {
            return None;
        }
        buffer.drain(..buffer.len().saturating_sub(BANNER.len() + MAX_VERSION));
    }
}

fn first_version(text: &[u8]) -> Option<String> {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| Some(byte) == BANNER.first()) {
        rest = rest.get(at..)?;
        if let Some(version) = rest.strip_prefix(BANNER) {
            let length = version.iter().take(MAX_VERSION).position(|b| *b == b' ');
            let version = length.and_then(|length| version.get(..length));
            let version = version.and_then(|version| std::str::from_utf8(version).ok());
            if let Some(version) = version.filter(|version| is_version(version)) {
                return Some(version.to_owned());
            }
        }
        rest = rest.get(1..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_kernel_is_read_once_until_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("Image");
        let root = RootTree::open(folder.path()).unwrap();
        let read = || version(&root, "/Image", 0..u64::MAX, b"");
        fs::write(&path, "Linux version 6.1.0 (a@b) #1").unwrap();
        let is_known = || {
            let identity = Identity::of(&File::open(&path).unwrap(), &(0..u64::MAX)).unwrap();
            let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
            known.iter().any(|(known, _)| *known == identity)
        };
        assert!(!is_known());
        assert_eq!(read().as_deref(), Some("6.1.0"));
        assert!(is_known());
        assert_eq!(read().as_deref(), Some("6.1.0"));
        fs::write(&path, "Linux version 6.12.0 (a@b) #1").unwrap();
        assert!(!is_known());
        assert_eq!(read().as_deref(), Some("6.12.0"));
    }

    #[test]
    fn the_version_is_found_wherever_it_is_cut() {
        for before in CHUNK - 160..CHUNK + 8 {
            let mut kernel = vec![b'L'; before];
            kernel
                .extend_from_slice(b"Linux version %s\0Linux version 6.6.51+rpt-rpi-v8 (x@y) #1\0");
            assert_eq!(
                search(kernel.as_slice()).as_deref(),
                Some("6.6.51+rpt-rpi-v8"),
                "{before}"
            );
        }
        assert_eq!(search(b"Linux version 6.6".as_slice()), None);
    }
}
