//! The DHCP messages of a machine, as they were on the wire, and what the answers depended on.

use std::mem::size_of;
use std::net::{Ipv4Addr, SocketAddrV4};

use netroot_net::Prefix;
use netroot_proto::pxe::inputs::{Loader, SubnetOptions};
use netroot_proto::pxe::strategy::Strategy;

use crate::serve::clock::Moment;

/// A DHCP message, received or sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Datagram {
    /// When.
    pub(crate) at: Moment,
    /// Which way.
    pub(crate) way: Way,
    /// The UDP payload.
    pub(crate) payload: Vec<u8>,
}

/// Which way a message went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Way {
    /// It came.
    In {
        /// On this interface.
        interface: String,
        /// From here.
        from: SocketAddrV4,
        /// To this port: 67 or 4011.
        port: u16,
        /// What the answer depended on, if there was one to decide about.
        inputs: Option<Box<Inputs>>,
    },
    /// It was sent.
    Out {
        /// From this address.
        from: Ipv4Addr,
        /// To here.
        to: SocketAddrV4,
    },
}

/// What an answer depends on besides the message and the addresses that are given already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inputs {
    /// The server's address as the client knows it.
    pub(crate) server: Ipv4Addr,
    /// Its network.
    pub(crate) network: Prefix,
    /// Whether that is behind relays.
    pub(crate) behind_relays: bool,
    /// The HTTP server's port.
    pub(crate) http_port: u16,
    /// The name of the machine's script, with `{mac}` in it.
    pub(crate) script_path: String,
    /// The root, as in option 17.
    pub(crate) root_path: Option<String>,
    /// The loader for the client's platform.
    pub(crate) loader: Option<Loader>,
    /// Which way to boot it.
    pub(crate) strategy: Strategy,
    /// The machine's name.
    pub(crate) host_name: Option<String>,
    /// Whether it is not to boot.
    pub(crate) refused: bool,
    /// What is given with an address, and the ranges; `None` beside another server.
    pub(crate) gives: Option<(SubnetOptions, Vec<(Ipv4Addr, Ipv4Addr)>)>,
}

impl Datagram {
    /// What it takes, in bytes.
    pub(super) fn size(&self) -> usize {
        let inputs = match &self.way {
            Way::In {
                inputs: Some(_), ..
            } => size_of::<Inputs>() + 256,
            _ => 0,
        };
        size_of::<Self>() + self.payload.capacity() + inputs
    }
}
