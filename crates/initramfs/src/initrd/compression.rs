//! How the archive becomes small: zstd where the kernel can unpack it, else gzip; with the same result on every machine.

use std::io::{self, Write};

use crate::build_error::BuildError;
use crate::kernel::compare_versions;

/// What the archive is packed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// zstd (RFC 8878), which Linux unpacks from 5.9 on.
    #[default]
    Zstd,
    /// gzip (RFC 1952), which every Linux unpacks, and which is about a third larger.
    Gzip,
}

impl Compression {
    /// In the order in which they are wanted.
    pub(super) const ALL: [Self; 2] = [Self::Zstd, Self::Gzip];

    /// The kernel's option (`usr/Kconfig`).
    pub(super) fn option(self) -> &'static str {
        match self {
            Self::Zstd => "CONFIG_RD_ZSTD",
            Self::Gzip => "CONFIG_RD_GZIP",
        }
    }

    /// What a kernel of this version takes as distributions build it, when nothing says how it was built.
    pub(super) fn known_to(version: &str) -> Self {
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

/// How the archive is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompressionOptions {
    /// zstd's level, 1 to 19; gzip's own end at 9.
    pub level: i32,
    /// How many threads zstd works on, at least 1. The image is the same for any number.
    pub threads: u32,
}

impl Default for CompressionOptions {
    /// Level 19, on as many processors as there are, up to four: each thread needs some 90 MiB.
    fn default() -> CompressionOptions {
        let processors = std::thread::available_parallelism().map_or(1, |number| number.get());
        CompressionOptions {
            level: 19,
            threads: u32::try_from(processors.min(4)).unwrap_or(1),
        }
    }
}

/// Window: 8 MiB, the level's own. The kernel takes up to 128 MiB (lib/decompress_unzstd.c), and
/// the machine that boots must have room for it.
const WINDOW_LOG: u32 = 23;
/// How much of the archive one thread packs at a time.
const JOB_SIZE: u32 = 8 << 20;

/// What the archive is written to: a compressor, and then the image.
pub(super) enum Compressor<W: Write> {
    Zstd(zstd::Encoder<'static, Counting<W>>),
    Gzip(flate2::write::GzEncoder<Counting<W>>),
}

impl<W: Write> Compressor<W> {
    pub(super) fn new(
        format: Compression,
        packing: CompressionOptions,
        output: W,
    ) -> Result<Self, BuildError> {
        let output = Counting { output, length: 0 };
        match format {
            Compression::Zstd => zstd(packing, output)
                .map(Self::Zstd)
                .map_err(BuildError::Write),
            Compression::Gzip => {
                let level = u32::try_from(packing.level.clamp(1, 9)).unwrap_or(9);
                // Neither a name nor a time goes into its header.
                let encoder =
                    flate2::GzBuilder::new().write(output, flate2::Compression::new(level));
                Ok(Self::Gzip(encoder))
            }
        }
    }

    /// Ends the image; its output, and how long it is.
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
    packing: CompressionOptions,
    output: Counting<W>,
) -> io::Result<zstd::Encoder<'static, Counting<W>>> {
    use zstd::zstd_safe::CParameter;
    let mut encoder = zstd::Encoder::new(output, packing.level)?;
    // The kernel verifies it, so that a damaged transfer is named ("Initramfs unpacking
    // failed") and does not end in a program that crashes.
    encoder.include_checksum(true)?;
    encoder.window_log(WINDOW_LOG)?;
    // Never 0: without a worker zstd cuts its input differently, and the image would depend
    // on the number of processors. With one or more it does not (zstd.h, ZSTD_c_nbWorkers).
    encoder.multithread(packing.threads.max(1))?;
    encoder.set_parameter(CParameter::JobSize(JOB_SIZE))?;
    // 9: each job sees a whole window of what came before it.
    encoder.set_parameter(CParameter::OverlapSizeLog(9))?;
    Ok(encoder)
}

/// Passes on what is written, and counts it.
pub(super) struct Counting<W> {
    pub(super) output: W,
    /// Bytes so far.
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
