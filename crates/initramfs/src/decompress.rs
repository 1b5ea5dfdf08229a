//! Modules and firmware as they are in a root: uncompressed, or compressed by gzip, xz or zstd.
//!
//! The format is detected by the first bytes, not by the name. The uncompressed size is limited, since a few kilobytes
//! of xz can expand to gigabytes.

use std::io::{self, Read};

/// The memory limit of xz, in bytes; the dictionary of `xz -9` has 64 MiB, that of kernel modules 1 or 2.
const XZ_MEMORY_LIMIT: u64 = 128 << 20;
/// The largest window that the kernel's zstd accepts, as a power of two.
const ZSTD_WINDOW_LOG: u32 = 27;

/// Why a compressed file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DecompressError {
    /// The data is damaged.
    #[error("cannot decompress its {format} data")]
    Damaged {
        /// `gzip`, `xz` or `zstd`.
        format: &'static str,
        /// The decoder's error.
        source: io::Error,
    },
    /// It exceeds the size limit.
    #[error("its {format} data is more than {limit} bytes when decompressed")]
    TooLong {
        /// `gzip`, `xz` or `zstd`.
        format: &'static str,
        /// The limit, in bytes.
        limit: u64,
    },
}

/// Decompresses `content` to at most `limit` bytes; uncompressed content is returned as it is.
pub(crate) fn decompress(content: Vec<u8>, limit: u64) -> Result<Vec<u8>, DecompressError> {
    let input = content.as_slice();
    if input.starts_with(&[0x1f, 0x8b]) {
        read_all("gzip", flate2::read::MultiGzDecoder::new(input), limit)
    } else if input.starts_with(b"\xfd7zXZ\0") {
        // 0x08: LZMA_CONCATENATED, since a file may consist of several streams.
        let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY_LIMIT, 0x08).map_err(
            |error| DecompressError::Damaged {
                format: "xz",
                source: error.into(),
            },
        )?;
        read_all(
            "xz",
            liblzma::read::XzDecoder::new_stream(input, stream),
            limit,
        )
    } else if input.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        let damaged = |source| DecompressError::Damaged {
            format: "zstd",
            source,
        };
        let mut decoder = zstd::stream::read::Decoder::with_buffer(input).map_err(damaged)?;
        decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(damaged)?;
        read_all("zstd", decoder, limit)
    } else {
        Ok(content)
    }
}

fn read_all(
    format: &'static str,
    decoder: impl Read,
    limit: u64,
) -> Result<Vec<u8>, DecompressError> {
    let mut output = Vec::new();
    match decoder
        .take(limit.saturating_add(1))
        .read_to_end(&mut output)
    {
        Ok(length) if length as u64 > limit => Err(DecompressError::TooLong { format, limit }),
        Ok(_) => Ok(output),
        Err(source) => Err(DecompressError::Damaged { format, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    fn compressed(content: &[u8]) -> [(&'static str, Vec<u8>); 3] {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(content).unwrap();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 6);
        xz.write_all(content).unwrap();
        [
            ("gzip", gzip.finish().unwrap()),
            ("xz", xz.finish().unwrap()),
            ("zstd", zstd::encode_all(content, 19).unwrap()),
        ]
    }

    #[test]
    fn each_format_decompresses_to_the_original() {
        let content: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        for (format, compressed) in compressed(&content) {
            assert!(compressed.len() < content.len(), "{format}");
            assert!(
                decompress(compressed, 1 << 20).unwrap() == content,
                "{format}"
            );
        }
        assert_eq!(
            decompress(b"\x7fELF plain".to_vec(), 4).unwrap(),
            b"\x7fELF plain"
        );
    }

    #[test]
    fn decompression_stops_at_the_limit() {
        for (format, compressed) in compressed(&vec![0; 8 << 20]) {
            let error = decompress(compressed, 1 << 20).unwrap_err();
            let expected =
                format!("its {format} data is more than 1048576 bytes when decompressed");
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn a_truncated_file_is_an_error_in_every_format() {
        for (format, mut compressed) in compressed(&[5; 4096]) {
            compressed.truncate(compressed.len() - 9);
            let error = decompress(compressed, 1 << 20).unwrap_err();
            assert!(matches!(error, DecompressError::Damaged { .. }), "{format}");
        }
    }

    proptest! {
        #[test]
        fn damaged_data_never_panics_and_never_exceeds_the_limit(
            at in 0_usize..200, value: u8, cut in 0_usize..200,
        ) {
            for (_, mut compressed) in compressed(b"some content, some content, some content") {
                let length = compressed.len();
                compressed[at % length] = value;
                compressed.truncate(length.max(cut % length));
                if let Ok(output) = decompress(compressed, 1000) {
                    prop_assert!(output.len() <= 1000);
                }
            }
        }
    }
}
