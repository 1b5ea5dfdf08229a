//! An image that is laid out, and its writing.

use std::io::{self, Read, Write};
use std::ops::Range;

use ring::digest::{Context, SHA256};

use crate::error::UkiError;
use crate::measurement::{self, Digest, Pcr};
use crate::program::{Program, Reserved};

/// The sections of the long parts.
pub(crate) const INITRD: &str = ".initrd";
pub(crate) const LINUX: &str = ".linux";
/// How much of the kernel and of the initrd is in memory at a time, in bytes.
const CHUNK: usize = 128 << 10;

/// Why an image is not complete.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The initrd cannot be read, or is shorter than was said.
    #[error("cannot read the initrd")]
    Initrd(#[source] io::Error),
    /// The same of the kernel.
    #[error("cannot read the kernel")]
    Kernel(#[source] io::Error),
    /// It cannot be written.
    #[error("cannot write the image")]
    Output(#[source] io::Error),
}

/// An image that is laid out: everything but the content of the kernel and of the initrd.
#[derive(Debug)]
pub struct Image {
    program: Program,
    initrd: Reserved,
    kernel: Reserved,
}

impl Image {
    pub(crate) fn new(program: Program, initrd: Reserved, kernel: Reserved) -> Self {
        Self {
            program,
            initrd,
            kernel,
        }
    }

    /// Its length in bytes, a multiple of 512, without a certificate table.
    pub fn length(&self) -> u64 {
        u64::from(self.program.length())
    }

    /// Says in the headers that a certificate table of this length, in bytes, follows: whoever writes the image writes it
    /// behind it.
    ///
    /// # Errors
    /// The file would be too long.
    pub fn reserve_certificates(&mut self, length: u32) -> Result<(), UkiError> {
        self.program.reserve_certificates(length)
    }

    /// The bytes that its Authenticode digest leaves out: the checksum, and the entry of the certificate table in the data
    /// directories. All others are hashed in the order of the file.
    pub fn unsigned(&self) -> [Range<usize>; 2] {
        self.program.unsigned()
    }

    /// Writes it, with as many bytes of the initrd and of the kernel as were announced. Returns the value that PCR 11 has
    /// once its stub has measured it, if that is known of its stub ([`crate::KNOWN_STUBS`]).
    ///
    /// # Errors
    /// What cannot be read or written.
    pub fn write(
        &self,
        to: &mut dyn Write,
        initrd: &mut dyn Read,
        kernel: &mut dyn Read,
    ) -> Result<Option<Pcr>, WriteError> {
        let head = to.write_all(self.program.bytes());
        head.map_err(WriteError::Output)?;
        let initrd = copy(to, initrd, self.initrd, WriteError::Initrd)?;
        let kernel = copy(to, kernel, self.kernel, WriteError::Kernel)?;
        let written = [(INITRD, initrd), (LINUX, kernel)];
        Ok(measurement::pcr_11(&self.program, &written))
    }
}

/// Copies the content of a section, and the zeros behind it. Returns the content's digest.
fn copy(
    to: &mut dyn Write,
    from: &mut dyn Read,
    section: Reserved,
    unreadable: impl Fn(io::Error) -> WriteError,
) -> Result<Digest, WriteError> {
    let mut hash = Context::new(&SHA256);
    let mut chunk = vec![0; CHUNK];
    let mut left = usize::try_from(section.length).unwrap_or(usize::MAX);
    while left > 0 {
        let next = left.min(CHUNK);
        let part = chunk.get_mut(..next).unwrap_or_default();
        from.read_exact(part).map_err(&unreadable)?;
        to.write_all(part).map_err(WriteError::Output)?;
        hash.update(part);
        left -= next;
    }
    let mut zeros = io::repeat(0).take(u64::from(section.padding));
    io::copy(&mut zeros, to).map_err(WriteError::Output)?;
    Ok(measurement::finished(hash))
}
