//! How the archive becomes small: zstd, with the same result on every machine.

use std::io::{self, Write};

use super::BuildError;

/// How the archive is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packing {
    /// zstd's level, 1 to 19.
    pub level: i32,
    /// How many threads work on it, at least 1. The image is the same for any number.
    pub threads: u32,
}

impl Default for Packing {
    /// Level 19, on as many processors as there are, up to four: each thread needs some 90 MiB.
    fn default() -> Packing {
        let processors = std::thread::available_parallelism().map_or(1, |number| number.get());
        Packing {
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

/// What the archive is written to: zstd, and then `output`.
pub(super) fn compressor<W: Write>(
    packing: Packing,
    output: W,
) -> Result<zstd::Encoder<'static, Counting<W>>, BuildError> {
    use zstd::zstd_safe::CParameter;
    let output = Counting { output, length: 0 };
    let start = || -> io::Result<zstd::Encoder<'static, Counting<W>>> {
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
    };
    start().map_err(BuildError::Write)
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
