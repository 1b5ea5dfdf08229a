//! Where the server listens: a [`Listener`] for each interface that it serves.
//!
//! [`interface`]: which interface, with all its addresses; [`live_interface`]: as it is at the moment. [`role`]: whether another server gives the addresses there
//! or this one; [`allowed`]: from which networks machines may mount and load; [`leases`] keeps the addresses that it gave on disk. [`sockets`]: one of each kind, bound before anything else happens;
//! [`port_owner`] names the program that has a port already. [`arrivals`] waits for datagrams.

pub(crate) mod allowed;
pub(crate) mod arrivals;
pub(crate) mod interface;
pub(crate) mod leases;
pub(crate) mod live_interface;
pub(crate) mod port_owner;
pub(crate) mod role;
pub(crate) mod sockets;

use netroot_net::Prefix;

use self::interface::{Followed, Interface};
use self::role::DhcpRole;
use self::sockets::Sockets;
use crate::settings::NetworkSettings;

/// One interface that is served.
#[derive(Debug)]
pub(crate) struct Listener {
    /// What is configured for it.
    pub(crate) settings: NetworkSettings,
    /// The interface, with its addresses.
    pub(crate) interface: Interface,
    /// The same, whatever happens to it.
    pub(crate) followed: Followed,
    /// Who gives addresses there.
    pub(crate) role: DhcpRole,
    /// Its sockets, but for NFS.
    pub(crate) sockets: Sockets,
}

/// The address by which the server is known on an interface, with its network: an authoritative server's is the one in
/// the network of its range.
pub(crate) fn known_address(role: &DhcpRole, interface: &Interface) -> Prefix {
    match role {
        DhcpRole::Authoritative(addresses) => addresses.on_link().unwrap_or(interface.first()),
        DhcpRole::Proxy => interface.first(),
    }
}
