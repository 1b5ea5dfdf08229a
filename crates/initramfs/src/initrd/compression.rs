//! Compresses the archive: zstd if the kernel supports it, else gzip, with the same result on every machine.

use std::io::{self, Write};

use crate::build_error::BuildError;
use crate::kernel::compare_versions;

/// The compression format of an initrd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// zstd (RFC 8878), which Linux supports since 5.9.
    #[default]
    Zstd,
    /// gzip (RFC 1952), which every Linux supports; about a third larger.
    Gzip,
}

impl Compression {
    /// In order of preference.
    pub(super) const ALL: [Self; 2] = [Self::Zstd, Self::Gzip];

    /// The kernel option (`usr/Kconfig`).
    pub(super) fn option(self) -> &'static str {
        match self {
            Self::Zstd => "CONFIG_RD_ZSTD",
            Self::Gzip => "CONFIG_RD_GZIP",
        }
    }

    /// What distributions' kernels of this version support, for a kernel without a known configuration.
    pub(super) fn for_version(version: &str) -> Self {
        if compare_versions(version, "5.9").is_lt() {
            Self::Gzip
        } else {
            Self::Zstd
        }
    }
}

impl std::fmt::Display for Compression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        })
    }
}

/// How to compress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompressionOptions {
    /// The level: 1 to 19 for zstd, 1 to 9 for gzip.
    pub level: i32,
    /// The number of threads for zstd, at least 1. The initrd is the same for any number.
    pub threads: u32,
}

impl Default for CompressionOptions {
    /// Level 19, with as many threads as processors, up to four: each takes some 90 MiB.
    fn default() -> CompressionOptions {
        let processors = std::thread::available_parallelism().map_or(1, |number| number.get());
        CompressionOptions {
            level: 19,
            threads: u32::try_from(processors.min(4)).unwrap_or(1),
        }
    }
}

/// The window: 8 MiB, the default of the level. The kernel accepts up to 128 MiB (lib/decompress_unzstd.c), but the
/// booting machine must have the memory.
const WINDOW_LOG: u32 = 23;
/// How much of the archive a thread compresses at a time, in bytes.
const JOB_SIZE: u32 = 8 << 20;

/// Compresses the archive into the initrd.
pub(super) enum Compressor<W: Write> {
    Zstd(zstd::Encoder<'static, Counting<W>>),
    Gzip(flate2::write::GzEncoder<Counting<W>>),
}

impl<W: Write> Compressor<W> {
    pub(super) fn new(
        format: Compression,
        options: CompressionOptions,
        output: W,
    ) -> Result<Self, BuildError> {
        let output = Counting { output, length: 0 };
        match format {
            Compression::Zstd => zstd(options, output)
                .map(Self::Zstd)
                .map_err(BuildError::Write),
            Compression::Gzip => {
                let level = u32::try_from(options.level.clamp(1, 9)).unwrap_or(9);
                // Its header contains neither a name nor a time.
                let encoder =
                    flate2::GzBuilder::new().write(output, flate2::Compression::new(level));
                Ok(Self::Gzip(encoder))
            }
        }
    }

    /// Ends the initrd; returns its output and length.
    pub(super) fn finish(self) -> Result<Counting<W>, BuildError> {
        match self {
            Self::Zstd(encoder) => encoder.finish(),
            Self::Gzip(encoder) => encoder.finish(),
        }
        .map_err(BuildError::Write)
    }

    fn encoder(&mut self) -> &mut dyn Write {
        match self {
            Self::Zstd(encoder) => encoder,
            Self::Gzip(encoder) => encoder,
        }
    }
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.encoder().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.encoder().flush()
    }
}

fn zstd<W: Write>(
    options: CompressionOptions,
    output: Counting<W>,
) -> io::Result<zstd::Encoder<'static, Counting<W>>> {
    use zstd::zstd_safe::CParameter;
    let mut encoder = zstd::Encoder::new(output, options.level)?;
    // The kernel verifies the checksum, so that a damaged transfer is reported ("Initramfs unpacking failed") instead
    // of crashing a program.
    encoder.include_checksum(true)?;
    encoder.window_log(WINDOW_LOG)?;
    // Never 0: without a worker, zstd splits its input differently. With any number of workers the result is the same
    // (zstd.h, ZSTD_c_nbWorkers).
    encoder.multithread(options.threads.max(1))?;
    encoder.set_parameter(CParameter::JobSize(JOB_SIZE))?;
    // 9: each job has a full window of the data before it.
    encoder.set_parameter(CParameter::OverlapSizeLog(9))?;
    Ok(encoder)
}

/// Passes on what is written, and counts the bytes.
pub(super) struct Counting<W> {
    pub(super) output: W,
    /// Bytes written so far.
    pub(super) length: u64,
}

impl<W: Write> Write for Counting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.output.write(bytes)?;
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}
