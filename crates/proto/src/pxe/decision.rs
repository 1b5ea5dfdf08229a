//! The result of [`super::decide::decide`]: a reply, or the reason for not sending one.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};

use super::arch::Platform;
use super::client::Client;
use crate::dhcp::{CLIENT_PORT, MessageType};
use netroot_net::{Mac, Prefix};

/// What to do about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Send this.
    Reply(Box<Reply>),
    /// Send nothing: the message has been processed and needs no answer.
    Noted(Noted),
    /// Do not answer, for this reason.
    Ignore(Reason),
}

impl From<Reply> for Decision {
    fn from(reply: Reply) -> Self {
        Self::Reply(Box::new(reply))
    }
}

/// The effect of a message that needs no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    /// The client released this address.
    Released(Ipv4Addr),
    /// The client found this address in use; it is not assigned for ten minutes, or longer.
    Declined(Ipv4Addr),
}

/// A reply, to be sent from the port that received the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The destination.
    pub destination: Destination,
    /// The source address, one of this server's.
    pub source: Ipv4Addr,
    /// The UDP payload.
    pub packet: Vec<u8>,
    /// The machine that it answers.
    pub machine: Mac,
    /// Whether there is no machine: it answers a [probe](super::probe::is_probe).
    pub to_probe: bool,
    /// The kind of client.
    pub client: Client,
    /// Its contents, for the log.
    pub answer: Answer,
    /// Options that do not fit the client's maximum message size.
    pub left_out: Vec<u8>,
}

/// The contents of a reply, as values; the text is made where it is logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A DHCPOFFER: an address, and what to load.
    Offered {
        /// The address.
        address: Ipv4Addr,
        /// What to load.
        loader: BootFile,
    },
    /// A DHCPACK that grants or renews an address.
    Acknowledged {
        /// The address.
        address: Ipv4Addr,
        /// What to load.
        loader: BootFile,
    },
    /// The DHCPACK to an INFORM (RFC 2131 §4.3.5): everything but an address and times.
    Informed {
        /// The address that the client already has.
        address: Ipv4Addr,
        /// What to load.
        loader: BootFile,
    },
    /// A DHCPNAK.
    Refused {
        /// The address that the client requested.
        address: Ipv4Addr,
        /// The reason.
        why: Refusal,
    },
    /// What to load, in an offer beside another server's address.
    ProxyOffered {
        /// A file name for TFTP, or a URL.
        loader: String,
    },
    /// What to load, in an acknowledgement beside another server's address.
    ProxyAcknowledged {
        /// A file name for TFTP, or a URL.
        loader: String,
    },
    /// Option 17 for netroot's init, in an offer beside another server's address.
    RootOffered {
        /// The root path, as in option 17.
        root: Vec<u8>,
    },
    /// Option 17 for netroot's init, in an acknowledgement beside another server's address.
    RootAcknowledged {
        /// The root path, as in option 17.
        root: Vec<u8>,
    },
}

impl Answer {
    /// The file name or the URL in it.
    pub fn file_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::ProxyOffered { loader }
            | Self::ProxyAcknowledged { loader }
            | Self::Offered {
                loader: BootFile::Named(loader),
                ..
            }
            | Self::Acknowledged {
                loader: BootFile::Named(loader),
                ..
            }
            | Self::Informed {
                loader: BootFile::Named(loader),
                ..
            } => Some(loader),
            _ => None,
        }
    }
}

/// What a client that gets an address is to load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BootFile {
    /// Nothing: it does not boot from the network.
    None,
    /// A file name for TFTP, or a URL.
    Named(String),
    /// Nothing, because no loader exists for its platform. It still gets its address, and
    /// may boot from disk.
    NoLoader(Platform),
    /// Nothing, because it is PXE or HTTP firmware of an architecture that neither option 93
    /// nor option 60 tells. It still gets its address.
    NoArchitecture,
}

/// Why a client is refused the requested address (DHCPNAK).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// It is not in the network that the request came from.
    OtherNetwork,
    /// It is not in this server's range.
    OutOfRange,
    /// It is assigned to another machine.
    InUse,
    /// This other address is reserved for the client.
    HasAnother(Ipv4Addr),
}

impl Refusal {
    /// The reason as a sentence about `address`, for option 56 (message) and the log.
    pub fn sentence(self, address: Ipv4Addr) -> String {
        match self {
            Self::OtherNetwork => format!("{address} is not in this network"),
            Self::OutOfRange => format!("{address} is not in the range"),
            Self::InUse => format!("{address} is in use by another machine"),
            Self::HasAnother(own) => {
                format!("{address} was requested, but {own} is reserved for this machine")
            }
        }
    }
}

/// The destination of a reply. It must be sent through the interface on which the request
/// arrived: without a default route the kernel has no route for a broadcast (ENETUNREACH).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// 255.255.255.255, port 68.
    Broadcast,
    /// This address and port, routed by the kernel.
    Unicast(SocketAddrV4),
    /// An Ethernet frame to `mac` with a UDP datagram to `address`, port 68, because the client
    /// cannot answer ARP yet. RFC 2131 §4.1 allows a broadcast where that is impossible.
    Ethernet {
        /// The client's hardware address.
        mac: Mac,
        /// The address that it is being assigned.
        address: Ipv4Addr,
    },
    /// The relay's address: the giaddr if it is in the server's network or sent the request, else
    /// the address that sent it. Port 67, or the one that it sent from if it asks for that.
    Relay(SocketAddrV4),
}

impl Destination {
    /// The address and port for a socket; for [`Destination::Ethernet`], the broadcast address.
    pub fn socket_address(self) -> SocketAddrV4 {
        match self {
            Self::Unicast(address) | Self::Relay(address) => address,
            Self::Broadcast | Self::Ethernet { .. } => {
                SocketAddrV4::new(Ipv4Addr::BROADCAST, CLIENT_PORT)
            }
        }
    }
}

/// Why a request is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A proxy answers only network boot requests (options 60 and 93).
    NotNetworkBoot,
    /// It asks a proxy for a boot file, and has neither a known class nor option 93.
    AsksForFile,
    /// A PXE client whose architecture neither option 93 nor option 60 tells.
    NoArchitecture,
    /// A proxy does not answer firmware that expects an address in each answer.
    NeedsAddress,
    /// The request is for another server; an answer would break the client's boot.
    ForAnotherServer(Option<Ipv4Addr>),
    /// No boot loader exists for this platform.
    NoLoader(Platform),
    /// A message that only servers send, or that is never answered.
    NoAnswerTo(MessageType),
    /// The client releases or declines an address that it does not have.
    NotItsAddress,
    /// The message is about this address, and was sent from another one.
    NotFromItsAddress(Ipv4Addr),
    /// This relay (giaddr) is elsewhere, and nobody says where the message was sent from.
    RelayUnknown(Ipv4Addr),
    /// No root is configured to offer to netroot's init.
    NoRoot,
    /// Every address of the range is in use.
    RangeFull,
    /// The message lacks the address that it needs.
    NoAddress,
    /// The client's machine may not mount the root: neither its address nor its relay's is in an
    /// allowed network.
    NotAllowed {
        /// The relay; `None` for a client that asked directly.
        relay: Option<Ipv4Addr>,
        /// The client's address, or one in its network.
        client: Ipv4Addr,
    },
    /// The relay's client is in a network for which this server has no range.
    RelayElsewhere {
        /// The relay.
        relay: Ipv4Addr,
        /// An address in the client's network: the relay's, or another one that it names.
        link: Ipv4Addr,
    },
    /// No router is known for this network, whose machines could not reach the server.
    RouterUnknown(Prefix),
    /// The interface has no address in the network of this range any more.
    RangeElsewhere {
        /// The range's first address.
        first: Ipv4Addr,
        /// Its last.
        last: Ipv4Addr,
    },
    /// The datagram was received on a port other than 67 and 4011.
    Port(u16),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotNetworkBoot => {
                f.write_str("not a network boot (option 60 is neither PXEClient nor HTTPClient)")
            }
            Self::AsksForFile => f.write_str(
                "it asks for a boot file (option 67), but options 60 and 93 do not tell what it is; name the file in \
                 the server of its address",
            ),
            Self::NoArchitecture => f.write_str(
                "its architecture is in neither option 93 nor option 60 (PXEClient:Arch:…)",
            ),
            Self::NeedsAddress => f.write_str(
                "it takes what to boot only from the server of its address: name the file there, or serve with --dhcp",
            ),
            Self::ForAnotherServer(Some(server)) => write!(f, "the request is for {server}"),
            Self::ForAnotherServer(None) => f.write_str("the request is for another server"),
            Self::NoLoader(Platform::RaspberryPi) => f.write_str(
                "no boot files for a Raspberry Pi: put them into the root's /boot/firmware, or give --tftp-dir",
            ),
            Self::NoLoader(platform) => {
                let file = match platform {
                    Platform::Bios => "undionly.kpxe",
                    Platform::EfiX64 => "snponly.efi",
                    Platform::EfiArm64 => "ipxe-arm64.efi",
                    _ => return write!(f, "no boot loader for {platform}"),
                };
                write!(
                    f,
                    "no boot loader for {platform}: install iPXE's {file} (Debian 13's package ipxe has it), or name its \
                     folder with --ipxe"
                )
            }
            Self::NoAnswerTo(kind) => write!(f, "{kind} is not answered"),
            Self::NotItsAddress => f.write_str("the address is not assigned to it"),
            Self::NotFromItsAddress(address) => {
                write!(
                    f,
                    "the message is about {address}, and was sent from another address"
                )
            }
            Self::RelayUnknown(relay) => {
                write!(
                    f,
                    "relay {relay} is in another network, and did not send the message"
                )
            }
            Self::NoRoot => f.write_str("no root is configured"),
            Self::RangeFull => f.write_str("every address of the range is in use"),
            Self::NoAddress => f.write_str("the message contains no address"),
            Self::NotAllowed {
                relay: Some(relay),
                client,
            } => write!(
                f,
                "it came by the relay {relay} from a network that may not mount the root; allow that network, for \
                 example: --allow {}",
                likely(*client).network()
            ),
            Self::NotAllowed {
                relay: None,
                client,
            } => write!(
                f,
                "its address {client} is in no network that may mount the root; allow that network, for example: \
                 --allow {}",
                likely(*client).network()
            ),
            Self::RelayElsewhere { relay, link } => {
                let network = likely(*link);
                let [first, last] = [100, 200].map(|host| example(network, host));
                write!(
                    f,
                    "it came by the relay {relay} from a network without a range; give addresses there, for example: \
                     --dhcp {first}-{last}/{}, or if another server does, allow it to boot: --allow {}",
                    network.length(),
                    network.network()
                )
            }
            Self::RangeElsewhere { first, last } => write!(
                f,
                "the interface has no address in the network of the range {first}-{last} any more"
            ),
            Self::RouterUnknown(network) => write!(
                f,
                "no relay in {} has been heard of, and machines there need a router; name it behind the range: \
                 --dhcp FIRST-LAST/{},router=ADDRESS",
                network.network(),
                network.length()
            ),
            Self::Port(port) => write!(f, "port {port} is not a DHCP port"),
        }
    }
}

/// The network that an address is most likely in.
fn likely(address: Ipv4Addr) -> Prefix {
    Prefix::clamped(address, 24)
}

/// An address in a /24 network.
fn example(network: Prefix, host: u8) -> Ipv4Addr {
    match network.network().address() {
        std::net::IpAddr::V4(base) => Ipv4Addr::from_bits(base.to_bits() | u32::from(host)),
        std::net::IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
    }
}
