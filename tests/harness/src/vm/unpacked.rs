//! An x86 kernel without its packing.
//!
//! A bzImage unpacks itself, which takes an emulated processor two seconds of each start. QEMU starts the ELF file within
//! as well, at the entry of its PVH note (`CONFIG_PVH`; `Documentation/x86/boot.rst`, xen's `docs/misc/pvh.pandoc`).

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::paths;

/// The header of a bzImage: its magic number, and its version since which it tells where the payload is.
const MAGIC: (usize, &[u8]) = (0x202, b"HdrS");
const VERSION: usize = 0x206;
const VERSION_WITH_PAYLOAD: u16 = 0x0208;
/// The number of sectors before the kernel proper, and the payload's place therein.
const SETUP_SECTORS: usize = 0x1f1;
const PAYLOAD_OFFSET: usize = 0x248;
const PAYLOAD_LENGTH: usize = 0x24c;
const SECTOR: usize = 512;
/// `XEN_ELFNOTE_PHYS32_ENTRY`: the name with its length, the value's length (4 or 8), and the type.
const PVH_NOTES: [&[u8]; 2] = [
    b"\x04\0\0\0\x04\0\0\0\x12\0\0\0Xen\0",
    b"\x04\0\0\0\x08\0\0\0\x12\0\0\0Xen\0",
];

/// The kernel at `path` without its packing, unpacked once; nothing if QEMU cannot start what is within.
///
/// # Errors
/// When it cannot be read, or the disk is full.
pub(super) fn unpacked(path: &Path) -> Result<Option<PathBuf>> {
    let metadata =
        std::fs::metadata(path).with_context(|| format!("look at {}", path.display()))?;
    let folder = paths::target().join("kernels");
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let own = format!("{name}-{:x}-{:x}", metadata.len(), metadata.mtime());
    let place = folder.join(own);
    if place.exists() {
        return Ok(Some(place));
    }
    let packed = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
    let Some(kernel) = unpack(&packed) else {
        return Ok(None);
    };
    std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    // Other tests want it at the same time: it is there whole or not at all.
    let unfinished = tempfile::NamedTempFile::new_in(&folder)?;
    std::fs::write(unfinished.path(), kernel)
        .with_context(|| format!("write {}", unfinished.path().display()))?;
    unfinished.persist(&place)?;
    Ok(Some(place))
}

fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let (place, magic) = MAGIC;
    if !packed.get(place..)?.starts_with(magic) {
        return None;
    }
    let version = u16::from_le_bytes(packed.get(VERSION..)?.first_chunk().copied()?);
    if version < VERSION_WITH_PAYLOAD {
        return None;
    }
    // Zero stands for four.
    let sectors = match packed.get(SETUP_SECTORS)? {
        0 => 4,
        sectors => usize::from(*sectors),
    };
    let start = (sectors + 1) * SECTOR + number(packed, PAYLOAD_OFFSET)?;
    let payload = packed.get(start..start.checked_add(number(packed, PAYLOAD_LENGTH)?)?)?;
    let mut kernel = Vec::new();
    match payload {
        [0xfd, b'7', b'z', b'X', b'Z', ..] => {
            liblzma::read::XzDecoder::new(payload).read_to_end(&mut kernel)
        }
        [0x1f, 0x8b, ..] => flate2::read::GzDecoder::new(payload).read_to_end(&mut kernel),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            zstd::stream::read::Decoder::new(payload).and_then(|mut decoder| {
                decoder.window_log_max(27)?;
                decoder.single_frame().read_to_end(&mut kernel)
            })
        }
        _ => return None,
    }
    .ok()?;
    let has_entry = |note: &[u8]| kernel.windows(note.len()).any(|window| window == note);
    (kernel.starts_with(b"\x7fELF") && PVH_NOTES.iter().any(|note| has_entry(note)))
        .then_some(kernel)
}

fn number(packed: &[u8], place: usize) -> Option<usize> {
    let bytes = packed.get(place..)?.first_chunk().copied()?;
    usize::try_from(u32::from_le_bytes(bytes)).ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// A kernel of this header's version, with `payload` behind two sectors.
    fn packed(version: u16, payload: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 2 * SECTOR];
        image[SETUP_SECTORS] = 1;
        image[0x202..0x206].copy_from_slice(MAGIC.1);
        image[VERSION..VERSION + 2].copy_from_slice(&version.to_le_bytes());
        let length = u32::try_from(payload.len()).unwrap();
        image[PAYLOAD_LENGTH..PAYLOAD_LENGTH + 4].copy_from_slice(&length.to_le_bytes());
        image.extend(payload);
        image
    }

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_kernel_with_a_pvh_entry_is_unpacked() {
        let kernel = [b"\x7fELF....", PVH_NOTES[1], b"...."].concat();
        // The length of the content is behind it (arch/x86/boot/compressed/Makefile).
        let zstd = [zstd::encode_all(&kernel[..], 1).unwrap(), vec![9, 0, 0, 0]].concat();
        for payload in [gzip(&kernel), zstd] {
            assert_eq!(unpack(&packed(0x020f, &payload)).as_ref(), Some(&kernel));
        }
        assert_eq!(unpack(&packed(0x0207, &gzip(&kernel))), None);
        assert_eq!(unpack(&packed(0x020f, b"\x02\x21\x4c\x18lz4")), None);
        assert_eq!(unpack(&packed(0x020f, &gzip(b"\x7fELF without"))), None);
        assert_eq!(unpack(b"MZ, another processor's"), None);
    }
}
