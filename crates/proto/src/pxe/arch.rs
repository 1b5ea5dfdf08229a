//! Client architectures (option 93) as data: the registry of IANA, "Processor Architecture
//! Types", and what firmware makes of it.

use std::fmt;

/// What a boot loader has to be built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Platform {
    /// PC BIOS, 16 bit real mode.
    Bios,
    /// UEFI on 32-bit x86.
    EfiIa32,
    /// UEFI on x86-64.
    EfiX64,
    /// UEFI on 32-bit ARM.
    EfiArm32,
    /// UEFI on 64-bit ARM.
    EfiArm64,
    /// UEFI on 32-bit RISC-V.
    EfiRiscv32,
    /// UEFI on 64-bit RISC-V.
    EfiRiscv64,
    /// UEFI on 32-bit LoongArch.
    EfiLoongarch32,
    /// UEFI on 64-bit LoongArch.
    EfiLoongarch64,
    /// The boot ROM of a Raspberry Pi that says so.
    RaspberryPi,
    /// A number that this table does not know.
    Unknown(u16),
}

/// One line of the registry.
#[derive(Debug, Clone, Copy)]
pub struct Architecture {
    /// The number in option 93.
    pub number: u16,
    /// What it is.
    pub platform: Platform,
    /// True if this number asks for a URL (UEFI HTTP boot).
    pub http: bool,
}

const fn tftp(number: u16, platform: Platform) -> Architecture {
    Architecture {
        number,
        platform,
        http: false,
    }
}

const fn http(number: u16, platform: Platform) -> Architecture {
    Architecture {
        number,
        platform,
        http: true,
    }
}

/// The registry, as far as machines exist that this server could boot.
pub const ARCHITECTURES: &[Architecture] = &[
    tftp(0, Platform::Bios),
    tftp(6, Platform::EfiIa32),
    tftp(7, Platform::EfiX64),
    // "EBC", byte code for any processor; x64 machines of Apple, Dell, HP, Lenovo send it.
    tftp(9, Platform::EfiX64),
    tftp(10, Platform::EfiArm32),
    tftp(11, Platform::EfiArm64),
    http(15, Platform::EfiIa32),
    http(16, Platform::EfiX64),
    http(17, Platform::EfiX64),
    http(18, Platform::EfiArm32),
    http(19, Platform::EfiArm64),
    http(20, Platform::Bios),
    tftp(25, Platform::EfiRiscv32),
    http(26, Platform::EfiRiscv32),
    tftp(27, Platform::EfiRiscv64),
    http(28, Platform::EfiRiscv64),
    tftp(37, Platform::EfiLoongarch32),
    http(38, Platform::EfiLoongarch32),
    tftp(39, Platform::EfiLoongarch64),
    http(40, Platform::EfiLoongarch64),
    tftp(41, Platform::RaspberryPi),
];

impl Platform {
    /// The platform of a list in option 93: its first number that the table knows, else
    /// its first number. `None` for an empty list.
    pub fn of(numbers: &[u16]) -> Option<Platform> {
        let known = |number: &u16| ARCHITECTURES.iter().find(|line| line.number == *number);
        let found = numbers.iter().find_map(known).map(|line| line.platform);
        found.or_else(|| numbers.first().map(|number| Platform::Unknown(*number)))
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bios => "BIOS",
            Self::EfiIa32 => "UEFI ia32",
            Self::EfiX64 => "UEFI x64",
            Self::EfiArm32 => "UEFI arm32",
            Self::EfiArm64 => "UEFI arm64",
            Self::EfiRiscv32 => "UEFI riscv32",
            Self::EfiRiscv64 => "UEFI riscv64",
            Self::EfiLoongarch32 => "UEFI loongarch32",
            Self::EfiLoongarch64 => "UEFI loongarch64",
            Self::RaspberryPi => "Raspberry Pi",
            Self::Unknown(number) => return write!(f, "architecture {number}"),
        })
    }
}
