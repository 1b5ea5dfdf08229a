//! The header of a kernel: the architecture, and for a bzImage the version.

use std::io::Read;

use super::pe;
use super::version::is_version;
use crate::architecture::Architecture;
use crate::little_endian::u16_le;

/// How much of a kernel is read, in bytes: `kernel_version` points to 0xffff + 0x200 at most.
pub(super) const HEADER_LENGTH: u64 = 0x1_0400;

/// The header of a kernel.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The architecture it is built for.
    pub(super) architecture: Architecture,
    /// What `uname -r` will print, if the format has it.
    pub(super) version: Option<String>,
}

/// Parses the header; the error says why the kernel is not supported.
pub(super) fn read_header(start: &[u8]) -> Result<Header, &'static str> {
    // x86: boot.rst, "HdrS" at 0x202, protocol at 0x206, kernel_version at 0x20e, xloadflags 0x236.
    if start.get(0x202..0x206) == Some(b"HdrS") {
        let protocol = u16_le(start, 0x206).unwrap_or(0);
        let xloadflags = u16_le(start, 0x236).unwrap_or(0);
        if protocol >= 0x20c && xloadflags & 1 == 0 {
            return Err("a 32-bit x86 kernel, which is not supported");
        }
        return Ok(Header {
            architecture: Architecture::X86_64,
            version: bzimage_version(start),
        });
    }
    // A gzip-compressed arm64 Image (older Debian, Alpine): look inside.
    if start.starts_with(&[0x1f, 0x8b]) {
        let mut inner = Vec::new();
        // The input is truncated, so an error at its end is expected.
        let _ = flate2::read::GzDecoder::new(start)
            .take(4096)
            .read_to_end(&mut inner);
        return match arm64_image(&inner) {
            true => Ok(Header {
                architecture: Architecture::Aarch64,
                version: None,
            }),
            false => Err("gzip-compressed, but not an arm64 kernel"),
        };
    }
    // A zboot kernel is an EFI program.
    if arm64_image(start) || pe::machine(start) == Some(0xaa64) {
        return Ok(Header {
            architecture: Architecture::Aarch64,
            version: None,
        });
    }
    // include/image.h of U-Boot.
    if start.starts_with(&[0x27, 0x05, 0x19, 0x56]) {
        return Err(
            "a uImage, which only U-Boot starts: name the Image or vmlinuz that it was made from",
        );
    }
    Err("not a kernel for x86_64 or arm64")
}

/// Documentation/arch/arm64/booting.rst: magic "ARM\x64" at 56.
fn arm64_image(start: &[u8]) -> bool {
    start.get(56..60) == Some(b"ARM\x64")
}

/// The first word of the text that the header points to, which `uname -r` prints.
fn bzimage_version(start: &[u8]) -> Option<String> {
    let pointer = usize::from(u16_le(start, 0x20e)?);
    if pointer == 0 {
        return None;
    }
    let text = start.get(pointer.checked_add(0x200)?..)?;
    let text = text.split(|&byte| byte == 0 || byte == b' ').next()?;
    let text = std::str::from_utf8(text).ok()?;
    is_version(text).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::bzimage;
    use proptest::prelude::*;

    #[test]
    fn arm64_kernels_are_recognised_by_their_magic() {
        let mut kernel = vec![0; 64];
        kernel[56..60].copy_from_slice(b"ARM\x64");
        let header = read_header(&kernel).unwrap();
        assert_eq!(header.architecture, Architecture::Aarch64);
        let mut compressed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut compressed, &kernel).unwrap();
        let mut compressed = compressed.finish().unwrap();
        compressed.truncate(compressed.len() - 4);
        assert_eq!(
            read_header(&compressed).unwrap().architecture,
            Architecture::Aarch64
        );
    }

    #[test]
    fn a_32_bit_kernel_is_refused() {
        let mut kernel = bzimage("6.1.0-50-686");
        kernel[0x236] = 0;
        assert!(read_header(&kernel).unwrap_err().contains("32-bit"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_header_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
            let _ = read_header(&bytes);
        }

        #[test]
        fn a_damaged_header_does_not_panic(at in 0_usize..0x400, value: u8, cut in 0_usize..0x400) {
            let mut kernel = bzimage("6.1.0-50-amd64");
            kernel[at] = value;
            let _ = read_header(&kernel);
            let _ = read_header(&kernel[..cut]);
        }
    }
}
