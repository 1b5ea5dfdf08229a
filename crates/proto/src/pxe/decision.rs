//! What comes out of [`super::decide::decide`]: a reply, or a reason for silence.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};

use super::arch::Platform;
use crate::dhcp::{CLIENT_PORT, Mac, MessageType, SERVER_PORT};

/// What to do about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Send this.
    Reply(Box<Reply>),
    /// Stay silent, for this reason.
    Ignore(Reason),
}

/// A reply, ready to be sent from the port that the request came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Where it goes.
    pub destination: Destination,
    /// The UDP payload.
    pub packet: Vec<u8>,
    /// Whom it is for.
    pub machine: Mac,
    /// Which step of the boot this is.
    pub step: Step,
    /// What to tell a person: `UEFI x64 PXE: offered 10.0.0.101, loads snponly.efi`.
    pub text: String,
    /// Options for which the client has no room.
    pub left_out: Vec<u8>,
}

/// Where a reply goes, always out of the interface that the request came in on: without
/// a default route the kernel finds no way for a broadcast (ENETUNREACH).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// 255.255.255.255, port 68.
    Broadcast,
    /// This address and port, by the kernel's own routing.
    Unicast(SocketAddrV4),
    /// The client cannot answer ARP yet: an Ethernet frame to `mac`, within it UDP
    /// to `address`, port 68. RFC 2131 §4.1 allows to broadcast where that cannot be done.
    Ethernet {
        /// The client's hardware address.
        mac: Mac,
        /// The address that it is about to have.
        address: Ipv4Addr,
    },
    /// The relay's address, port 67.
    Relay(Ipv4Addr),
}

impl Destination {
    /// Address and port for a socket; an [`Destination::Ethernet`] as its broadcast.
    pub fn socket_address(self) -> SocketAddrV4 {
        match self {
            Self::Unicast(address) => address,
            Self::Relay(address) => SocketAddrV4::new(address, SERVER_PORT),
            Self::Broadcast | Self::Ethernet { .. } => {
                SocketAddrV4::new(Ipv4Addr::BROADCAST, CLIENT_PORT)
            }
        }
    }
}

/// The steps of a boot that are this part's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// An address and what to boot.
    DhcpOffer,
    /// The address granted.
    DhcpAck,
    /// The address refused.
    DhcpNak,
    /// What to boot, beside another server's address.
    ProxyOffer,
    /// The second leg of it.
    ProxyAck,
}

impl Step {
    /// The step's name in events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DhcpOffer => "dhcp-offer",
            Self::DhcpAck => "dhcp-ack",
            Self::DhcpNak => "dhcp-nak",
            Self::ProxyOffer => "proxy-offer",
            Self::ProxyAck => "proxy-ack",
        }
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A proxy answers network boot only: options 60 and 93.
    NotNetworkBoot,
    /// Option 60 says PXE, but no option 93 says for what.
    NoArchitecture,
    /// The client talks to another server; answering would break its boot.
    ForAnotherServer(Option<Ipv4Addr>),
    /// There is nothing to load for this platform.
    NoLoader(Platform),
    /// A message that only servers send, or that no server answers.
    NoAnswerTo(MessageType),
    /// Noted: the client gave its address back.
    Released(Ipv4Addr),
    /// Noted: the client found its address in use.
    Declined(Ipv4Addr),
    /// The client gives back or declines what it does not have.
    NotItsAddress,
    /// There is no root to tell our init of.
    NoRoot,
    /// Every address of the range is in use.
    RangeFull,
    /// The client names no address where the message needs one.
    NoAddress,
    /// The relay is in a network that this server has no range for.
    RelayElsewhere(Ipv4Addr),
    /// The datagram came to a port that this part does not serve.
    Port(u16),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotNetworkBoot => {
                f.write_str("no network boot (option 60 is no PXEClient or HTTPClient)")
            }
            Self::NoArchitecture => f.write_str("no option 93"),
            Self::ForAnotherServer(Some(server)) => write!(f, "it talks to {server}"),
            Self::ForAnotherServer(None) => f.write_str("it talks to another server"),
            Self::NoLoader(platform) => write!(f, "there is no boot loader for {platform}"),
            Self::NoAnswerTo(kind) => write!(f, "a {kind} has no answer"),
            Self::Released(address) => write!(f, "it gave {address} back"),
            Self::Declined(address) => write!(
                f,
                "it found {address} in use; nobody gets it for ten minutes"
            ),
            Self::NotItsAddress => f.write_str("the address is not its own"),
            Self::NoRoot => f.write_str("there is no root to tell it of"),
            Self::RangeFull => f.write_str("every address of the range is in use"),
            Self::NoAddress => f.write_str("it names no address"),
            Self::RelayElsewhere(relay) => {
                write!(f, "relay {relay} is in a network without a range")
            }
            Self::Port(port) => write!(f, "port {port} is none of DHCP"),
        }
    }
}
