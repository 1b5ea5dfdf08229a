//! A client's message, typed, for a server. Options are looked up by number here and nowhere
//! after.

use std::net::Ipv4Addr;

use netroot_net::PciId;
use thiserror::Error;

use super::emit::{LONGEST, SAFE_LENGTH};
use super::header::{Header, HeaderError};
use super::options::{Defect, Message, Options};
use super::relay::Relay;
use super::{MessageType, code};

/// A client's message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The fixed fields.
    pub header: Header,
    /// What the message is for.
    pub kind: MessageType,
    /// Option 93: architectures, the machine's own first. Several are allowed.
    pub architectures: Vec<u16>,
    /// Option 60: `PXEClient:Arch:00007:UNDI:003001`.
    pub vendor_class: Option<Vec<u8>>,
    /// Option 77: the classes of RFC 3004, or one raw text.
    pub user_classes: Vec<Vec<u8>>,
    /// Option 175: what this iPXE can do; `None` if the client is not iPXE or does not say.
    pub ipxe_features: Option<Options>,
    /// Option 97 as it came, to be echoed: a zero byte and the machine's UUID.
    pub uuid: Option<Vec<u8>>,
    /// Option 61 as it came.
    pub client_id: Option<Vec<u8>>,
    /// Option 50: the address that the client would like.
    pub requested_address: Option<Ipv4Addr>,
    /// Option 54: the server that the message is for.
    pub server_id: Option<Ipv4Addr>,
    /// Option 55: the options that the client wants.
    pub wanted: Vec<u8>,
    /// Option 43.71: the boot item (type, layer) that a PXE client wants.
    pub boot_item: Option<[u8; 4]>,
    /// Option 12, any bytes.
    pub host_name: Option<Vec<u8>>,
    /// The relay that passed it on.
    pub relay: Option<Relay>,
    /// Option 82, to be echoed last.
    pub relay_agent: Option<Vec<u8>>,
    /// Option 118, to be echoed.
    pub subnet_selection: Option<Ipv4Addr>,
    /// Longest UDP payload to answer with, from option 57 and what EDK2 takes.
    pub longest_reply: usize,
    /// What could not be read.
    pub defects: Vec<Defect>,
}

/// Why a datagram is not a client's message.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RequestError {
    /// It is no DHCP message.
    #[error("not a DHCP message")]
    Header(#[source] HeaderError),
    /// A client that has neither a hardware address nor an identifier (option 61).
    #[error("a client with hardware type {kind}, without an address or an identifier")]
    Nameless {
        /// `htype`.
        kind: u8,
    },
    /// A server sent it, perhaps this one.
    #[error("a server's message, not a client's")]
    FromServer,
    /// No option 53: a client that knows BOOTP only (RFC 951).
    #[error("no message type (option 53)")]
    NoMessageType(netroot_net::Mac),
    /// The hardware address is zero or a group's.
    #[error("{0} is not a machine's hardware address")]
    NotAMachine(netroot_net::Mac),
}

/// PXE's boot item within option 43 (PXE 2.1 §2.2.3).
const BOOT_ITEM: u8 = 71;
/// iPXE's bus ID within option 175 (`DHCP_EB_BUS_ID`, include/ipxe/dhcp.h).
const IPXE_BUS_ID: u8 = 177;

impl Request {
    /// Reads a UDP payload that came to port 67 or 4011.
    pub fn read(datagram: &[u8]) -> Result<Request, RequestError> {
        let mut message = Message::of_any_hardware(datagram).map_err(RequestError::Header)?;
        if !message.header.from_client {
            return Err(RequestError::FromServer);
        }
        if let Some(hardware) = &message.header.hardware {
            let machine = hardware.machine(message.options.bytes(code::CLIENT_ID));
            let kind = hardware.kind;
            message.header.mac = machine.ok_or(RequestError::Nameless { kind })?;
        }
        if !message.header.mac.is_unicast() {
            return Err(RequestError::NotAMachine(message.header.mac));
        }
        let kind = message.kind();
        let kind = kind.ok_or(RequestError::NoMessageType(message.header.mac))?;
        let options = &message.options;
        let owned = |code| options.bytes(code).map(<[u8]>::to_vec);
        let (pairs, _odd) = options
            .bytes(code::CLIENT_ARCH)
            .unwrap_or_default()
            .as_chunks::<2>();
        let vendor = options.bytes(code::VENDOR_SPECIFIC).map(Options::read);
        Ok(Request {
            kind,
            architectures: pairs.iter().copied().map(u16::from_be_bytes).collect(),
            vendor_class: options.text(code::VENDOR_CLASS).map(<[u8]>::to_vec),
            user_classes: options
                .bytes(code::USER_CLASS)
                .map(user_classes)
                .unwrap_or_default(),
            ipxe_features: options.bytes(code::IPXE).map(Options::read),
            uuid: owned(code::CLIENT_UUID),
            client_id: owned(code::CLIENT_ID),
            requested_address: options
                .address(code::REQUESTED_ADDRESS)
                .filter(|a| !a.is_unspecified()),
            server_id: options
                .address(code::SERVER_ID)
                .filter(|a| !a.is_unspecified()),
            wanted: owned(code::PARAMETER_REQUEST_LIST).unwrap_or_default(),
            boot_item: vendor.and_then(|vendor| vendor.array(BOOT_ITEM)),
            host_name: options.text(code::HOST_NAME).map(<[u8]>::to_vec),
            relay: Relay::of(&message),
            relay_agent: owned(code::RELAY_AGENT),
            subnet_selection: options.address(code::SUBNET_SELECTION),
            longest_reply: longest_reply(options.u16(code::MAX_MESSAGE_SIZE)),
            defects: options.defects().to_vec(),
            header: message.header,
        })
    }

    /// True when the client wants `code`, or gave no list.
    pub fn wants(&self, code: u8) -> bool {
        self.wanted.is_empty() || self.wanted.contains(&code)
    }

    /// The NIC that iPXE boots from, if it is on the PCI bus: what `${netX/busid}` is in its scripts. Whichever of its drivers
    /// it uses, its own ones or the firmware's (undionly.kpxe, snponly.efi), every request has it.
    pub fn nic(&self) -> Option<PciId> {
        let features = self.ipxe_features.as_ref()?;
        features.bytes(IPXE_BUS_ID).and_then(PciId::from_bus_id)
    }

    /// True for iPXE, by its user class or its own options.
    pub fn is_ipxe(&self) -> bool {
        self.ipxe_features.is_some() || self.user_classes.iter().any(|class| class == b"iPXE")
    }
}

/// RFC 3004 wants each class after its length. iPXE sends its one class bare, and so do
/// others: a value that does not add up as a list is one class.
fn user_classes(value: &[u8]) -> Vec<Vec<u8>> {
    let mut classes = Vec::new();
    let mut rest = value;
    while let [len, after @ ..] = rest {
        match after.split_at_checked(usize::from(*len)) {
            Some((class, after)) if !class.is_empty() => {
                classes.push(class.to_vec());
                rest = after;
            }
            _ => return vec![value.to_vec()],
        }
    }
    classes
}

/// Option 57 counts the IP and UDP headers (28 bytes).
fn longest_reply(announced: Option<u16>) -> usize {
    announced.map_or(SAFE_LENGTH, |size| {
        usize::from(size)
            .saturating_sub(28)
            .clamp(SAFE_LENGTH, LONGEST)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_classes_are_read_raw_and_by_rfc_3004() {
        assert_eq!(user_classes(b"iPXE"), [b"iPXE"]);
        assert_eq!(user_classes(b"\x04iPXE"), [b"iPXE"]);
        assert_eq!(user_classes(b"\x04iPXE\x02ab"), [&b"iPXE"[..], b"ab"]);
        assert_eq!(user_classes(b"\x00\x01"), [b"\x00\x01"]);
    }

    #[test]
    fn a_reply_is_never_longer_than_edk2_takes_nor_shorter_than_every_client_takes() {
        assert_eq!(longest_reply(None), 548);
        assert_eq!(longest_reply(Some(300)), 548);
        assert_eq!(longest_reply(Some(1260)), 1232);
        assert_eq!(longest_reply(Some(65535)), 1472);
    }
}
