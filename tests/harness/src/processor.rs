//! The processor of a virtual machine, and what else differs with it: QEMU's machine, the console.

/// A machine's processor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Processor {
    /// `x86_64`.
    #[default]
    X86_64,
    /// `aarch64`.
    Aarch64,
}

impl Processor {
    /// Its name in `uname -m` and in Rust's targets.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// The kernel parameters of every machine: the serial console, no mitigations for an emulated processor, and on
    /// x86_64 no test of its timer, which panics ("IO-APIC + timer doesn't work!") when a busy host does not run QEMU for
    /// some ticks.
    pub const fn kernel_parameters(self) -> &'static str {
        match self {
            Self::X86_64 => "console=ttyS0 mitigations=off no_timer_check",
            Self::Aarch64 => "console=ttyAMA0 mitigations=off",
        }
    }

    pub(crate) fn emulator(self) -> &'static str {
        match self {
            Self::X86_64 => "qemu-system-x86_64",
            Self::Aarch64 => "qemu-system-aarch64",
        }
    }

    pub(crate) fn machine(self) -> &'static str {
        match self {
            // Without graphics SeaBIOS and the boot ROMs use the serial line. The others are without drivers that Debian
            // would load for them.
            Self::X86_64 => "q35,graphics=off,i8042=off,sata=off,smbus=off",
            Self::Aarch64 => "virt",
        }
    }

    /// What else such a machine needs. Without a source of randomness, which servers with this processor have, the kernel
    /// of an emulated one has collected enough of it only after minutes.
    pub(crate) fn hardware(self) -> &'static [&'static str] {
        match self {
            Self::X86_64 => &[],
            Self::Aarch64 => &["-device", "virtio-rng-pci"],
        }
    }
}
