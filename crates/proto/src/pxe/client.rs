//! The kind of client that sent a request.

use std::fmt;

use super::arch::{self, Platform};
use crate::dhcp::request::Request;
use crate::dhcp::{INIT_VENDOR_CLASS, code};

/// A kind of client: all that the answer depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// No PXE: an operating system, or another initrd.
    Plain,
    /// netroot's init, looking for its root.
    Init,
    /// Firmware that loads a file by TFTP.
    Pxe(Platform),
    /// Firmware that loads a URL (UEFI HTTP boot).
    Http(Platform),
    /// iPXE, which accepts a URL as the file name.
    Ipxe(Platform),
    /// iPXE built without HTTP: it has to load one of this server's loaders first.
    IpxeWithoutHttp(Platform),
    /// The ROM of a Raspberry Pi 3 or 4, which identifies itself as a BIOS.
    RaspberryPi,
    /// U-Boot. It reads a configuration in PXELINUX's syntax, and starts EFI programs.
    UBoot(Option<Platform>),
    /// Petitboot, the boot loader of OPAL machines. It reads such a configuration, too.
    Petitboot,
    /// Other firmware that tells its architecture, without PXE.
    Firmware(Platform),
}

/// The transaction number that every Raspberry Pi ROM uses for every boot.
pub(super) const RASPBERRY_TRANSACTION: u32 = 0x26f3_0339;
/// MAC prefixes of Raspberry Pi Ltd.
const RASPBERRY_PREFIXES: [[u8; 3]; 7] = [
    [0xb8, 0x27, 0xeb],
    [0xdc, 0xa6, 0x32],
    [0xe4, 0x5f, 0x01],
    [0xd8, 0x3a, 0xdd],
    [0x28, 0xcd, 0xc1],
    [0x2c, 0xcf, 0x67],
    [0x88, 0xa2, 0x9e],
];
/// What option 97 of a Pi 4 or 5 has after its zero byte: "RPi4", "RPi5".
const RASPBERRY_UUID: &[u8] = b"RPi";
/// iPXE's feature flag "HTTP" in option 175.
const IPXE_HTTP: u8 = 0x13;

impl Client {
    /// Identifies the client by options 55, 60, 77, 93 and 175.
    pub fn of(request: &Request) -> Client {
        let class = request.vendor_class.as_deref().unwrap_or_default();
        if class == INIT_VENDOR_CLASS {
            return Client::Init;
        }
        let (pxe, http) = (
            class.starts_with(b"PXEClient"),
            class.starts_with(b"HTTPClient"),
        );
        let from_class = architecture_in(class);
        // Some firmware sends no option 93, or an unfinished one, and names its architecture in
        // its class. A number that is in the table counts more than one that is not.
        let numbers = request.architectures.iter().copied().chain(from_class);
        let platform = Platform::of(&numbers.collect::<Vec<_>>());
        if request.is_ipxe() {
            let platform = platform.unwrap_or(Platform::Bios);
            return match &request.ipxe_features {
                // An empty option, or one without protocols, says nothing about HTTP.
                Some(features) if features.u8(IPXE_HTTP).is_none() && has_protocols(features) => {
                    Client::IpxeWithoutHttp(platform)
                }
                _ => Client::Ipxe(platform),
            };
        }
        match platform {
            Some(Platform::Bios | Platform::RaspberryPi) | None if is_raspberry(request) => {
                Client::RaspberryPi
            }
            Some(Platform::RaspberryPi) => Client::RaspberryPi,
            Some(platform) if http => Client::Http(platform),
            _ if is_u_boot(request, class) => Client::UBoot(platform.or(u_boot_platform(class))),
            Some(platform) if pxe => Client::Pxe(platform),
            _ if is_petitboot(request) => Client::Petitboot,
            Some(platform) => Client::Firmware(platform),
            None => Client::Plain,
        }
    }

    /// The client's platform; `None` for one that does not load anything.
    pub fn platform(self) -> Option<Platform> {
        match self {
            Self::Plain | Self::Init => None,
            Self::Pxe(platform) | Self::Http(platform) | Self::Firmware(platform) => Some(platform),
            Self::UBoot(platform) => platform,
            Self::Petitboot => Some(Platform::Unknown(arch::OPAL)),
            Self::Ipxe(platform) | Self::IpxeWithoutHttp(platform) => Some(platform),
            Self::RaspberryPi => Some(Platform::RaspberryPi),
        }
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain => f.write_str("DHCP client"),
            Self::Init => f.write_str("netroot's init"),
            Self::Pxe(platform) => write!(f, "{platform} PXE"),
            Self::Http(platform) => write!(f, "{platform} HTTP boot"),
            Self::Ipxe(platform) => write!(f, "iPXE ({platform})"),
            Self::IpxeWithoutHttp(platform) => write!(f, "iPXE without HTTP ({platform})"),
            Self::RaspberryPi => f.write_str("Raspberry Pi ROM"),
            Self::UBoot(Some(platform)) => write!(f, "U-Boot ({platform})"),
            Self::UBoot(None) => f.write_str("U-Boot"),
            Self::Petitboot => f.write_str("Petitboot"),
            Self::Firmware(platform) => write!(f, "firmware ({platform})"),
        }
    }
}

/// Two of four clues: its constant transaction, a MAC prefix of the maker, the maker's UUID, and a BIOS's architecture
/// with such a prefix or UUID. Alone the first could be a coincidence, and the next two could be UEFI or iPXE on the same
/// board; but no board of this maker has a BIOS. The ROM sends option 60 only in its DISCOVER.
fn is_raspberry(request: &Request) -> bool {
    let [a, b, c, ..] = request.header.mac.0;
    let uuid = request.uuid.as_deref().and_then(|uuid| uuid.get(1..));
    let clues = [
        request.header.transaction == RASPBERRY_TRANSACTION,
        RASPBERRY_PREFIXES.contains(&[a, b, c]),
        uuid.is_some_and(|uuid| uuid.starts_with(RASPBERRY_UUID)),
    ];
    let made_there = matches!(clues, [_, true, _] | [_, _, true]);
    let bios = Platform::of(&request.architectures) == Some(Platform::Bios);
    clues.into_iter().filter(|clue| *clue).count() >= 2 || (made_there && bios)
}

/// U-Boot's classes are `U-Boot.armv8`, `U-Boot.armv7`, `U-Boot.arm`, or end so (`AM335x U-Boot SPL`); one that is to
/// boot beside a ProxyDHCP server has a class of PXE's, and still its own number in option 93.
fn is_u_boot(request: &Request, class: &[u8]) -> bool {
    let number = request.architectures.first();
    position(class, b"u-boot").is_some() || number.is_some_and(|it| arch::U_BOOT.contains(it))
}

/// The platform in a class of U-Boot's.
fn u_boot_platform(class: &[u8]) -> Option<Platform> {
    let has = |word: &[u8]| position(class, word).is_some();
    if has(b"armv8") || has(b"arm64") || has(b"aarch64") {
        Some(Platform::EfiArm64)
    } else if has(b"arm") {
        Some(Platform::EfiArm32)
    } else if has(b"riscv64") {
        Some(Platform::EfiRiscv64)
    } else {
        None
    }
}

/// Petitboot runs BusyBox's udhcpc with option 93 and, as nobody else, with both options for PXELINUX's configuration.
fn is_petitboot(request: &Request) -> bool {
    let config = [code::PXELINUX_CONFIG, code::PXELINUX_PREFIX];
    request.architectures.contains(&arch::OPAL)
        || config.iter().all(|code| request.wanted.contains(code))
}

/// Where `word`, in lower case, is in a text, whatever its case.
fn position(text: &[u8], word: &[u8]) -> Option<usize> {
    let mut places = text.windows(word.len());
    places.position(|place| place.eq_ignore_ascii_case(word))
}

/// The number in `PXEClient:Arch:00007:UNDI:003001`.
fn architecture_in(class: &[u8]) -> Option<u16> {
    let text = str::from_utf8(class).ok()?;
    let (_, after) = text.split_once(":Arch:")?;
    after.split(':').next()?.parse().ok()
}

/// iPXE lists its protocols and image formats as suboptions 0x10 to 0x2f of option 175;
/// suboption 1 and others are not features.
fn has_protocols(features: &crate::dhcp::options::Options) -> bool {
    features
        .iter()
        .any(|(code, _)| (0x10..0x30).contains(&code))
}
