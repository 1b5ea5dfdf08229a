//! The kind of client that sent a request.

use std::fmt;

use super::arch::Platform;
use crate::dhcp::INIT_VENDOR_CLASS;
use crate::dhcp::request::Request;

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
}

/// The transaction number that every Raspberry Pi ROM uses for every boot.
const RASPBERRY_TRANSACTION: u32 = 0x26f3_0339;
/// MAC prefixes of Raspberry Pi Ltd.
const RASPBERRY_PREFIXES: [[u8; 3]; 6] = [
    [0xb8, 0x27, 0xeb],
    [0xdc, 0xa6, 0x32],
    [0xe4, 0x5f, 0x01],
    [0xd8, 0x3a, 0xdd],
    [0x28, 0xcd, 0xc1],
    [0x2c, 0xcf, 0x67],
];
/// iPXE's feature flag "HTTP" in option 175.
const IPXE_HTTP: u8 = 0x13;

impl Client {
    /// Identifies the client by options 60, 77, 93 and 175.
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
            _ if !pxe && !http && !is_raspberry(request) => Client::Plain,
            Some(Platform::Bios | Platform::RaspberryPi) if is_raspberry(request) => {
                Client::RaspberryPi
            }
            None if is_raspberry(request) => Client::RaspberryPi,
            Some(platform) if http => Client::Http(platform),
            Some(platform) => Client::Pxe(platform),
            None => Client::Plain,
        }
    }

    /// The client's platform; `None` for one that does not load anything.
    pub fn platform(self) -> Option<Platform> {
        match self {
            Self::Plain | Self::Init => None,
            Self::Pxe(platform) | Self::Http(platform) => Some(platform),
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
        }
    }
}

/// Requires both: the transaction number alone could be a coincidence, and the MAC prefix
/// alone could be UEFI or iPXE on the same board. The ROM sends option 60 only in its DISCOVER.
fn is_raspberry(request: &Request) -> bool {
    let [a, b, c, ..] = request.header.mac.0;
    request.header.transaction == RASPBERRY_TRANSACTION && RASPBERRY_PREFIXES.contains(&[a, b, c])
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
