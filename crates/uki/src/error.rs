//! Why there is no image.

/// The longest command line that x86_64's and aarch64's Linux take, in bytes (`COMMAND_LINE_SIZE`, with its end).
pub(crate) const LONGEST_COMMAND_LINE: usize = 2047;

/// Why there is no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UkiError {
    /// The stub cannot be extended.
    #[error("the stub cannot be used: {0}")]
    Stub(&'static str),
    /// The stub has the sections of an image already.
    #[error(
        "the stub cannot be used: it has a section {0} already, so it is an image and not a stub"
    )]
    Taken(&'static str),
    /// The kernel is none that firmware starts.
    #[error(
        "the kernel is no EFI program, as one with CONFIG_EFI_STUB is (a compressed arm64 kernel has to be unpacked)"
    )]
    Kernel,
    /// They are for different processors.
    #[error(
        "the stub is for machines of the kind {stub:#06x}, and the kernel for {kernel:#06x} (PE's numbers: 0x8664 is x86_64, 0xaa64 is aarch64)"
    )]
    Processor {
        /// The stub's.
        stub: u16,
        /// The kernel's.
        kernel: u16,
    },
    /// The command line would be cut.
    #[error(
        "the command line has {length} bytes, and Linux takes {LONGEST_COMMAND_LINE}: append less"
    )]
    LongCommandLine {
        /// Its length.
        length: usize,
    },
    /// The command line would end early.
    #[error("the command line has a control character: it ends there")]
    CommandLine,
    /// There is nothing to boot with.
    #[error("the initrd is empty")]
    NoInitrd,
    /// A PE file has 32 bits for lengths.
    #[error("the image would be longer than a PE file may be (4 GiB)")]
    Long,
}
