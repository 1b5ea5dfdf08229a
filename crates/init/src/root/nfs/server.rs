//! The server of an export, and how this machine reaches it.

use std::net::IpAddr;

use netroot_proto::mount::KnownPorts;

use crate::net::next_hop::NextHop;

/// Whom to ask, and as whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Server {
    /// The NFS server.
    pub(crate) address: IpAddr,
    /// The MOUNT server, which `mountaddr=` may say is another machine.
    pub(crate) mount_address: IpAddr,
    /// Our own address.
    pub(crate) own: IpAddr,
    /// Who gets what is sent to the server first.
    pub(crate) hop: NextHop,
    /// The ports that the command line or DHCP named.
    pub(crate) ports: KnownPorts,
}
