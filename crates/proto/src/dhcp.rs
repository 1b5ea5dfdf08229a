//! DHCP (RFC 2131, 2132) for both ends of the boot, as pure code.
//!
//! * [`options`]: the tolerant decoder. One bad option never hides the others.
//! * [`header`]: the fixed part of a message, read through smoltcp's `DhcpPacket`.
//! * [`hardware`]: clients whose hardware is not Ethernet.
//! * [`lease`]: what a client may use of an OFFER or an ACK: [`lease::Lease::read`].
//! * [`exchange`]: how a NIC gets its lease: [`exchange::Exchange`].
//! * [`offers`]: several OFFERs weighed by the root that they lead to.
//! * [`renew`]: keeping a lease while the machine runs: [`renew::Renewer`].
//! * [`inform`]: DHCPINFORM, for what a fixed address lacks.
//! * [`client_identity`]: what a client says about itself.
//! * [`conflict`]: whether another machine uses an offered address.
//! * [`frame`](mod@frame): messages in Ethernet frames.
//! * [`request`]: a client's message, typed, for a server: [`request::Request::read`].
//! * [`relay`]: what a relay says of a client's message.
//! * [`pool`]: which address a machine gets, and for how long.
//! * [`emit`]: messages written byte by byte, in an option order of our choice.
//!
//! The server's decision is in [`crate::pxe::decide`], since what a boot server answers
//! depends on the firmware that asks.
//!
//! smoltcp's own `DhcpRepr` is not used for either side: it knows one router, zeroes
//! `sname` and `file`, and joins no split options.

pub mod client_identity;
mod client_message;
pub mod code;
pub mod conflict;
pub mod emit;
pub mod exchange;
pub mod frame;
pub mod hardware;
pub mod header;
pub mod inform;
pub mod lease;
mod note;
pub mod offers;
pub mod options;
pub mod pool;
pub mod relay;
pub mod renew;
pub mod request;
mod retransmission;
mod routes;
mod transaction;

use std::fmt;
use std::net::Ipv4Addr;

/// The UDP port a server listens on (RFC 2131 §4.1).
pub const SERVER_PORT: u16 = 67;
/// The UDP port a client listens on.
pub const CLIENT_PORT: u16 = 68;
/// The UDP port of a PXE boot server's second leg ("BINL").
pub const BINL_PORT: u16 = 4011;

/// Option 60 of our init, unless `dhcpclass=` says otherwise. It tells the paired boot server
/// which clients to send the root beside another DHCP server.
pub const INIT_VENDOR_CLASS: &[u8] = b"netroot";

/// What the init requests in option 55: mask, routers, name servers, host name,
/// domain, root path, MTU, NTP servers, search list, classless routes.
///
/// 121 is asked for last but read first (RFC 3442).
pub const PARAMETER_REQUEST_LIST: &[u8] = &[
    code::SUBNET_MASK,
    code::ROUTERS,
    code::NAME_SERVERS,
    code::HOST_NAME,
    code::DOMAIN_NAME,
    code::ROOT_PATH,
    code::INTERFACE_MTU,
    code::NTP_SERVERS,
    code::DOMAIN_SEARCH,
    code::CLASSLESS_ROUTES,
];

/// Option 53: the type of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageType {
    /// The client looks for servers.
    Discover,
    /// A server offers an address, and what goes with it.
    Offer,
    /// The client takes an offer, or renews its lease.
    Request,
    /// The client found the address in use.
    Decline,
    /// The server grants the address.
    Ack,
    /// The server refuses the address.
    Nak,
    /// The client is done with the address.
    Release,
    /// The client has an address and wants only the rest.
    Inform,
    /// Anything else, for example the lease queries of RFC 4388.
    Other(u8),
}

impl From<u8> for MessageType {
    fn from(number: u8) -> Self {
        match number {
            1 => Self::Discover,
            2 => Self::Offer,
            3 => Self::Request,
            4 => Self::Decline,
            5 => Self::Ack,
            6 => Self::Nak,
            7 => Self::Release,
            8 => Self::Inform,
            other => Self::Other(other),
        }
    }
}

impl From<MessageType> for u8 {
    fn from(message: MessageType) -> Self {
        match message {
            MessageType::Discover => 1,
            MessageType::Offer => 2,
            MessageType::Request => 3,
            MessageType::Decline => 4,
            MessageType::Ack => 5,
            MessageType::Nak => 6,
            MessageType::Release => 7,
            MessageType::Inform => 8,
            MessageType::Other(number) => number,
        }
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Discover => f.write_str("DISCOVER"),
            Self::Offer => f.write_str("OFFER"),
            Self::Request => f.write_str("REQUEST"),
            Self::Decline => f.write_str("DECLINE"),
            Self::Ack => f.write_str("ACK"),
            Self::Nak => f.write_str("NAK"),
            Self::Release => f.write_str("RELEASE"),
            Self::Inform => f.write_str("INFORM"),
            Self::Other(number) => write!(f, "message type {number}"),
        }
    }
}

/// True for an address that one host can have: not 0.x, loopback, multicast, class E or
/// broadcast. Broken servers assign all of those.
pub fn is_host_address(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    first != 0 && first != 127 && first < 224
}
