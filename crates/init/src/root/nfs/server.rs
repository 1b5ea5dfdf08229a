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
    /// How much to ask.
    pub(crate) questions: Questions,
}

/// How much a server is asked before the kernel mounts from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Questions {
    /// Where it is: its ports, and whether they answer. The kernel's client asks for the rest itself, in less time, but does
    /// not tell what was wrong; and it waits for a server that is not there longer than this program would.
    Ports,
    /// Everything that explains why a mount fails: the export, and the program to run in it.
    All,
}
