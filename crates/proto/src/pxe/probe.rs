//! Detects other DHCP servers on the network, and what they offer to firmware.
//!
//! A probe is a DISCOVER sent from port 68 to 255.255.255.255:67 for a machine that does not
//! exist, with the broadcast flag set so that every answer is received. It takes no lease:
//! it never sends a REQUEST to a server that gives addresses, so the servers release the
//! offered addresses when their offers expire.
//!
//! Every probe carries the client identifier `00`, `netroot-probe`, MAC (option 61, RFC 2132 9.14: type 0 is no
//! hardware address), by which another netroot tells it from a machine: [`is_probe`].

use std::fmt;
use std::net::Ipv4Addr;

use netroot_net::Mac;

use super::arch::{ARCHITECTURES, Platform};
use super::client::RASPBERRY_TRANSACTION;
use super::offer::Offer;
use crate::dhcp::emit::{Draft, LONGEST};
use crate::dhcp::header::{BROADCAST_FLAG, Header};
use crate::dhcp::options::Message;
use crate::dhcp::request::Request;
use crate::dhcp::{INIT_VENDOR_CLASS, MessageType, PARAMETER_REQUEST_LIST, code};

/// What a Raspberry Pi's ROM says in option 97, after the kind's zero byte (a Pi 4).
const RASPBERRY_UUID: &[u8] = b"RPi4\x15\x31\x03\x00\x3c\xda\x66\x72\x4d\xda\x66\x00";
/// How option 61 of every probe begins; the six bytes of its MAC follow, as servers keep one lease for each identifier.
const CLIENT_ID: &[u8] = b"\0netroot-probe";
/// 43.71: the boot item that a client chose from a menu.
const BOOT_ITEM: u8 = 71;
/// What iPXE says of itself in option 175: its version, and the features PXE, HTTP, DNS, TFTP, bzImage
/// and menus (`features.h`).
const IPXE_FEATURES: &[u8] =
    b"\xeb\x03\x01\x00\x00\x21\x01\x01\x13\x01\x01\x17\x01\x01\x15\x01\x01\x18\x01\x01\x27\x01\x01";

/// Whether a message is a [`Probe`], of this netroot or of another one, and there is no machine behind it.
///
/// It is answered like any other. Anybody can send the same, and is then missing in lists of machines; nothing else may
/// depend on it.
pub fn is_probe(request: &Request) -> bool {
    let id = request.client_id.as_deref();
    let mac = id.and_then(|id| id.strip_prefix(CLIENT_ID));
    mac == Some(request.header.mac.0.as_slice())
}

/// Who a DISCOVER pretends to be from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Asker {
    /// An operating system.
    Plain,
    /// netroot's init.
    Init,
    /// PXE firmware of this architecture (option 93), or HTTP boot where the number stands for that.
    Firmware(u16),
    /// iPXE on this architecture.
    Ipxe(u16),
    /// The boot ROM of a Raspberry Pi.
    RaspberryPi,
}

impl Asker {
    /// Option 93.
    pub fn architecture(self) -> Option<u16> {
        match self {
            Self::Plain | Self::Init => None,
            Self::Firmware(number) | Self::Ipxe(number) => Some(number),
            Self::RaspberryPi => Some(0),
        }
    }

    /// Whether its option 60 is `HTTPClient`.
    pub fn is_http(self) -> bool {
        let Self::Firmware(number) = self else {
            return false;
        };
        let mut lines = ARCHITECTURES.iter();
        lines.any(|line| line.number == number && line.http)
    }

    /// The platform of its architecture.
    pub fn platform(self) -> Option<Platform> {
        Platform::of(self.architecture().as_slice())
    }
}

impl fmt::Display for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let platform = || self.platform().unwrap_or(Platform::Bios);
        match self {
            Self::Plain => f.write_str("operating system"),
            Self::Init => f.write_str("netroot's init"),
            Self::Firmware(_) if self.is_http() => write!(f, "{} HTTP boot", platform()),
            Self::Firmware(_) => write!(f, "{} PXE", platform()),
            Self::Ipxe(_) => write!(f, "iPXE ({})", platform()),
            Self::RaspberryPi => f.write_str("Raspberry Pi ROM"),
        }
    }
}

/// A DISCOVER, and the values that identify its answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The MAC of a machine that does not exist. Use a locally administered address (second
    /// digit 2, 6, a or e), always the same, so that servers reserve only one address for it.
    pub mac: Mac,
    /// Random; distinguishes the answers to this probe from those to an earlier one.
    pub transaction: u32,
    /// Who the request pretends to be from.
    pub asker: Asker,
}

/// A server that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherServer {
    /// Its address: option 54, else the source address of the answer.
    pub server: Ipv4Addr,
    /// The offered address; `None` from a ProxyDHCP server.
    pub offers: Option<Ipv4Addr>,
    /// True if it claims to support PXE or HTTP boot (option 60). If it offers an address as
    /// well, UEFI firmware waits for *its* port 4011, and a proxy has no chance.
    pub claims_boot: bool,
    /// Option 60 where it claims that, such as `PXEClient`.
    pub class: Option<Vec<u8>>,
    /// The boot file of its own that it offers; iPXE prefers it to a proxy's.
    pub boot_file: Option<Vec<u8>>,
    /// Option 17.
    pub root_path: Option<Vec<u8>>,
}

impl OtherServer {
    /// True if it assigns addresses: only one server on a network should.
    pub fn is_dhcp_server(&self) -> bool {
        self.offers.is_some()
    }
}

impl OtherServer {
    /// The server of an offer that a machine with the addresses `own` hears. A file that is loaded from there is not one of
    /// the other server's: its administrator names what this machine serves.
    pub fn of(offer: Offer, own: impl Fn(Ipv4Addr) -> bool) -> Self {
        let claims_boot = offer.is_pxe() || offer.is_http();
        let is_ours = offer.loaded_from().is_some_and(own);
        Self {
            server: offer.server,
            offers: offer.address,
            claims_boot,
            class: offer.class.filter(|_| claims_boot),
            boot_file: offer.file.filter(|_| !is_ours),
            root_path: offer.root_path,
        }
    }
}

impl Probe {
    /// The transaction: a Raspberry Pi's is always the same.
    pub fn transaction(&self) -> u32 {
        match self.asker {
            Asker::RaspberryPi => RASPBERRY_TRANSACTION,
            _ => self.transaction,
        }
    }

    /// The UDP payload of the DISCOVER. Repeat it after one, two and four seconds: some
    /// servers ping an address for three seconds before they offer it.
    pub fn discover(&self) -> Vec<u8> {
        let mut draft = Draft::new(Header {
            flags: BROADCAST_FLAG,
            ..Header::of_client(self.mac, self.transaction())
        });
        draft.push(code::MESSAGE_TYPE, &[MessageType::Discover.into()]);
        self.push_identity(&mut draft);
        draft.emit(LONGEST).bytes
    }

    /// The UDP payload of the request that PXE firmware sends to a boot server's port 4011, for `item` of its menu if
    /// there is one. `own` is the address that the answer is to be sent to. Not for a server that gave an address.
    pub fn boot_request(&self, own: Ipv4Addr, item: Option<u16>) -> Vec<u8> {
        let mut draft = Draft::new(Header {
            client_ip: own,
            ..Header::of_client(self.mac, self.transaction())
        });
        draft.push(code::MESSAGE_TYPE, &[MessageType::Request.into()]);
        self.push_identity(&mut draft);
        if let Some(item) = item {
            let [high, low] = item.to_be_bytes();
            let vendor = [BOOT_ITEM, 4, high, low, 0, 0, code::END];
            draft.push(code::VENDOR_SPECIFIC, &vendor);
        }
        draft.emit(LONGEST).bytes
    }

    /// What tells a server who asks.
    fn push_identity(&self, draft: &mut Draft) {
        let wanted = [
            PARAMETER_REQUEST_LIST,
            &[
                code::VENDOR_SPECIFIC,
                code::VENDOR_CLASS,
                code::TFTP_SERVER_NAME,
                code::BOOT_FILE_NAME,
                code::IPXE,
            ],
        ];
        draft.push(code::PARAMETER_REQUEST_LIST, &wanted.concat());
        draft.push(code::MAX_MESSAGE_SIZE, &1500u16.to_be_bytes());
        draft.push(code::CLIENT_ID, &[CLIENT_ID, &self.mac.0].concat());
        if self.asker == Asker::Init {
            draft.push(code::VENDOR_CLASS, INIT_VENDOR_CLASS);
        }
        let Some(architecture) = self.asker.architecture() else {
            return;
        };
        let kind = match self.asker.is_http() {
            true => "HTTPClient",
            false => "PXEClient",
        };
        // The format that servers match: class, architecture, UNDI version.
        draft.push(
            code::VENDOR_CLASS,
            format!("{kind}:Arch:{architecture:05}:UNDI:003001").as_bytes(),
        );
        draft.push(code::CLIENT_ARCH, &architecture.to_be_bytes());
        draft.push(code::CLIENT_NDI, &[1, 3, 1]);
        let mut uuid = vec![0];
        match self.asker {
            Asker::RaspberryPi => uuid.extend_from_slice(RASPBERRY_UUID),
            _ => {
                uuid.extend_from_slice(&[0; 10]);
                uuid.extend_from_slice(&self.mac.0);
            }
        }
        draft.push(code::CLIENT_UUID, &uuid);
        if let Asker::Ipxe(_) = self.asker {
            // Not length-prefixed, as iPXE sends it.
            draft.push(code::USER_CLASS, b"iPXE");
            draft.push(code::IPXE, IPXE_FEATURES);
        }
    }

    /// Decodes a datagram received from `source`. `None` if it does not answer this probe.
    pub fn offer(&self, datagram: &[u8], source: Ipv4Addr) -> Option<Offer> {
        let message = Message::read(datagram).ok()?;
        if !message.header.answers(self.mac, self.transaction()) {
            return None;
        }
        Offer::read(&message, source)
    }

    /// Decodes a datagram received on port 68 from `source`. `None` if it does not answer
    /// this probe, or if it is from one of this machine's own addresses, `own`.
    pub fn answer(
        &self,
        datagram: &[u8],
        source: Ipv4Addr,
        own: &[Ipv4Addr],
    ) -> Option<OtherServer> {
        let offer = self.offer(datagram, source)?;
        if own.contains(&offer.server) || own.contains(&source) {
            return None;
        }
        Some(OtherServer::of(offer, |it| own.contains(&it)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKERS: [Asker; 5] = [
        Asker::Plain,
        Asker::Init,
        Asker::Firmware(7),
        Asker::Ipxe(0),
        Asker::RaspberryPi,
    ];

    #[test]
    fn every_probe_is_known_as_one_and_no_other_machine_is() {
        for asker in ASKERS {
            let probe = Probe {
                mac: Mac([2, 0, 0, 0, 0, 9]),
                transaction: 7,
                asker,
            };
            let own = Ipv4Addr::new(10, 0, 0, 2);
            for sent in [probe.discover(), probe.boot_request(own, Some(1))] {
                let mut request = Request::read(&sent).unwrap();
                assert!(request.defects.is_empty(), "{asker}: {:?}", request.defects);
                assert!(is_probe(&request), "{asker}");
                request.header.mac = Mac([2, 0, 0, 0, 0, 8]);
                assert!(!is_probe(&request), "{asker}");
                request.client_id = None;
                assert!(!is_probe(&request), "{asker}");
            }
        }
    }
}
