//! The supported architectures.

/// The architecture of a kernel or an init.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Architecture {
    /// `x86_64`: bzImage with a 64-bit entry point; ELF machine 62.
    X86_64,
    /// `aarch64`: an `Image`, uncompressed, gzip-compressed or as an EFI program; ELF machine 183.
    Aarch64,
}

impl Architecture {
    /// The name in `uname -m` and in Rust targets.
    pub fn name(self) -> &'static str {
        match self {
            Architecture::X86_64 => "x86_64",
            Architecture::Aarch64 => "aarch64",
        }
    }

    /// The `e_machine` of its ELF files.
    pub fn elf_machine(self) -> u16 {
        match self {
            Architecture::X86_64 => 62,
            Architecture::Aarch64 => 183,
        }
    }
}

impl std::fmt::Display for Architecture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
