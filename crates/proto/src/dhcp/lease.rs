//! What a client may use of an OFFER or an ACK.
//!
//! [`Lease::read`] takes the raw message, not a parsed one: smoltcp's `Repr` drops the
//! router when a server sends two. Invalid values are tolerated and listed in
//! [`Lease::notes`]: each is a line for the console, and none reaches the kernel.

mod reader;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use netroot_net::{Prefix, Route};
use thiserror::Error;

pub use super::note::{IGNORED_MTU, Note, SHORT_LEASE};

use super::header::HeaderError;
use super::options::Message;
use super::{MessageType, code, is_host_address};
use reader::Reader;

/// The facts of a lease, checked. See [`Lease::read`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// OFFER or ACK; `None` for a plain BOOTP reply.
    pub message: Option<MessageType>,
    /// The client's address.
    pub address: Ipv4Addr,
    /// The network's prefix length: option 1, else by address class.
    pub prefix: u8,
    /// Usable default gateways, best first, those inside the network before others. Use
    /// [`Lease::default_gateway`], which knows about option 121.
    pub routers: Vec<Ipv4Addr>,
    /// Option 121. If not empty, `routers` must be ignored (RFC 3442).
    pub routes: Vec<Route>,
    /// DNS servers.
    pub dns: Vec<Ipv4Addr>,
    /// A host name of letters, digits, `-`, `_` and `.`, at most 64 bytes.
    pub host_name: Option<String>,
    /// The DNS domain, in the same letters, without a final dot.
    pub domain: Option<String>,
    /// The DNS search list (119).
    pub search: Vec<String>,
    /// Option 17 as it came, up to a final zero; may contain control characters.
    pub root_path: Option<Vec<u8>>,
    /// The interface's MTU in bytes, above 576.
    pub mtu: Option<u16>,
    /// Option 28, if it fits the network.
    pub broadcast: Option<Ipv4Addr>,
    /// NTP servers.
    pub ntp: Vec<Ipv4Addr>,
    /// Option 54: who gave the lease.
    pub server_id: Option<Ipv4Addr>,
    /// `siaddr`: the server of the next boot step, if any.
    pub next_server: Option<Ipv4Addr>,
    /// The boot file's name: `file`, else option 67.
    pub boot_file: Option<Vec<u8>>,
    /// How long the address may be used; `None` is without end.
    pub lease_time: Option<Duration>,
    /// When to renew (T1), counted from the ACK; `None` is never.
    pub renew_after: Option<Duration>,
    /// When to ask any server (T2), counted from the ACK; `None` is never.
    pub rebind_after: Option<Duration>,
    /// What was invalid in the message, and what was done about it.
    pub notes: Vec<Note>,
}

/// Why a message gives no lease.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LeaseError {
    /// It is no DHCP message.
    #[error("not a DHCP message")]
    Header(#[from] HeaderError),
    /// It comes from another client.
    #[error("a client's message, not a server's")]
    FromClient,
    /// It is a NAK or something else that carries no lease.
    #[error("a {0} carries no lease")]
    NotALease(MessageType),
    /// The address given cannot be a host's.
    #[error("the server assigns {0}, which no host can have")]
    NoAddress(Ipv4Addr),
}

impl Lease {
    /// Reads the UDP payload of an OFFER, an ACK or a BOOTP reply.
    pub fn read(datagram: &[u8]) -> Result<Lease, LeaseError> {
        let message = Message::read(datagram)?;
        if message.header.from_client {
            return Err(LeaseError::FromClient);
        }
        let kind = message.kind();
        match kind {
            None | Some(MessageType::Offer | MessageType::Ack) => {}
            Some(other) => return Err(LeaseError::NotALease(other)),
        }
        // The ACK of an INFORM leaves yiaddr 0 (RFC 2131 §4.3.5): the address is ciaddr.
        let address = if message.header.your_ip.is_unspecified() {
            message.header.client_ip
        } else {
            message.header.your_ip
        };
        if !is_host_address(address) {
            return Err(LeaseError::NoAddress(address));
        }
        let mut reader = Reader {
            message: &message,
            notes: Vec::new(),
        };
        reader
            .notes
            .extend(message.options.defects().iter().copied().map(Note::Damaged));
        let prefix = reader.prefix(address);
        if reader::is_all_of_its_network(address, prefix) {
            return Err(LeaseError::NoAddress(address));
        }
        let routes = reader.routes();
        let routers = reader.routers(address, prefix, routes.is_empty());
        let (lease_time, renew_after, rebind_after) = reader.times();
        Ok(Lease {
            message: kind,
            address,
            prefix,
            routers,
            routes,
            dns: reader.hosts(code::NAME_SERVERS),
            host_name: reader.host_name(),
            domain: reader.domain(),
            search: reader.search(),
            root_path: reader.root_path(),
            mtu: reader.mtu(),
            broadcast: reader.broadcast(address, prefix),
            ntp: reader.hosts(code::NTP_SERVERS),
            server_id: reader.server_id(),
            next_server: Some(message.header.next_server).filter(|a| is_host_address(*a)),
            boot_file: message.boot_file().map(<[u8]>::to_vec),
            lease_time,
            renew_after,
            rebind_after,
            notes: reader.notes,
        })
    }

    /// An address and nothing else.
    pub fn of_address(address: Ipv4Addr, prefix: u8) -> Lease {
        Lease {
            message: None,
            address,
            prefix,
            routers: Vec::new(),
            routes: Vec::new(),
            dns: Vec::new(),
            host_name: None,
            domain: None,
            search: Vec::new(),
            root_path: None,
            mtu: None,
            broadcast: None,
            ntp: Vec::new(),
            server_id: None,
            next_server: None,
            boot_file: None,
            lease_time: None,
            renew_after: None,
            rebind_after: None,
            notes: Vec::new(),
        }
    }

    /// The default gateway: of option 121 if there is one, else the first router.
    pub fn default_gateway(&self) -> Option<IpAddr> {
        if self.routes.is_empty() {
            return self.routers.first().copied().map(IpAddr::V4);
        }
        self.routes
            .iter()
            .find(|route| route.is_default())
            .and_then(|route| route.gateway)
    }

    /// The routes to install, in order: those of option 121, or one default route. A
    /// gateway that is not [`Lease::is_on_link`] needs a host route first.
    pub fn routes_to_install(&self) -> Vec<Route> {
        if !self.routes.is_empty() {
            // The kernel refuses a gateway that it has no route to, so the networks that
            // are on this link go first.
            let (mut on_link, through): (Vec<Route>, Vec<Route>) = self
                .routes
                .iter()
                .partition(|route| route.gateway.is_none());
            on_link.extend(through);
            return on_link;
        }
        let default = self.routers.first().copied().map(Route::default_via);
        default.into_iter().collect()
    }

    /// True when `address` is in the lease's own network.
    pub fn is_on_link(&self, address: impl Into<IpAddr>) -> bool {
        Prefix::clamped(self.address, self.prefix).contains(address)
    }
}

#[cfg(test)]
mod tests;
