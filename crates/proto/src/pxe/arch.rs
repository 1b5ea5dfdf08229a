//! Client architectures (option 93): the IANA registry "Processor Architecture Types", and
//! how firmware uses it.

use std::fmt;

/// The platform for which a boot loader is built.
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
    /// The boot ROM of a Raspberry Pi, if it identifies itself as such.
    RaspberryPi,
    /// A number that is not in this table.
    Unknown(u16),
}

/// One entry of the registry.
#[derive(Debug, Clone, Copy)]
pub struct Architecture {
    /// The number in option 93.
    pub number: u16,
    /// The platform.
    pub platform: Platform,
    /// True if clients with this number expect a URL (UEFI HTTP boot).
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

/// The registry, limited to machines that this server could boot.
pub const ARCHITECTURES: &[Architecture] = &[
    tftp(0, Platform::Bios),
    tftp(6, Platform::EfiIa32),
    tftp(7, Platform::EfiX64),
    // "EBC", byte code for any processor; sent by x64 machines of Apple, Dell, HP and Lenovo.
    tftp(9, Platform::EfiX64),
    tftp(10, Platform::EfiArm32),
    tftp(11, Platform::EfiArm64),
    http(15, Platform::EfiIa32),
    http(16, Platform::EfiX64),
    http(17, Platform::EfiX64),
    http(18, Platform::EfiArm32),
    http(19, Platform::EfiArm64),
    http(20, Platform::Bios),
    // U-Boot starts EFI programs.
    tftp(21, Platform::EfiArm32),
    tftp(22, Platform::EfiArm64),
    http(23, Platform::EfiArm32),
    http(24, Platform::EfiArm64),
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

/// U-Boot on ARM, 32 and 64 bits.
pub(super) const U_BOOT: [u16; 2] = [21, 22];
/// POWER with OPAL firmware, whose boot loader is Petitboot.
pub(super) const OPAL: u16 = 14;

/// The registry's other names, for the log.
const OTHERS: &[(u16, &str)] = &[
    (1, "NEC PC98"),
    (2, "Itanium"),
    (3, "DEC Alpha"),
    (4, "Arc x86"),
    (5, "Intel Lean Client"),
    (8, "EFI Xscale"),
    (12, "PowerPC Open Firmware"),
    (13, "PowerPC ePAPR"),
    (OPAL, "POWER OPAL v3"),
    (29, "UEFI riscv128"),
    (30, "UEFI riscv128"),
    (31, "s390 Basic"),
    (32, "s390 Extended"),
    (33, "UEFI mips32"),
    (34, "UEFI mips64"),
    (35, "UEFI sunway32"),
    (36, "UEFI sunway64"),
];

impl Platform {
    /// All that have a name.
    pub const NAMED: [Platform; 10] = [
        Self::Bios,
        Self::EfiIa32,
        Self::EfiX64,
        Self::EfiArm32,
        Self::EfiArm64,
        Self::EfiRiscv32,
        Self::EfiRiscv64,
        Self::EfiLoongarch32,
        Self::EfiLoongarch64,
        Self::RaspberryPi,
    ];

    /// Its name in the configuration and in JSON; `None` for a number that is not in the table.
    pub const fn word(self) -> Option<&'static str> {
        Some(match self {
            Self::Bios => "bios",
            Self::EfiIa32 => "efi-ia32",
            Self::EfiX64 => "efi-x64",
            Self::EfiArm32 => "efi-arm32",
            Self::EfiArm64 => "efi-arm64",
            Self::EfiRiscv32 => "efi-riscv32",
            Self::EfiRiscv64 => "efi-riscv64",
            Self::EfiLoongarch32 => "efi-loongarch32",
            Self::EfiLoongarch64 => "efi-loongarch64",
            Self::RaspberryPi => "raspberry-pi",
            Self::Unknown(_) => return None,
        })
    }

    /// The platform for a list from option 93: that of the first number in the table, else
    /// [`Platform::Unknown`] with the first number. `None` for an empty list.
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
            Self::Unknown(number) => {
                let name = OTHERS.iter().find(|(other, _)| other == number);
                return match name {
                    Some((_, name)) => f.write_str(name),
                    None => write!(f, "architecture {number}"),
                };
            }
        })
    }
}
