//! Which machine boots which image.

use std::net::IpAddr;

use netroot_net::Mac;

/// A rule: machines for which every condition holds boot this image. Without any condition it is for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The machine's hardware address.
    pub mac: Option<Mac>,
    /// The name of the interface on which it reaches the server.
    pub interface: Option<String>,
    /// The image's name.
    pub image: String,
}

/// What is known of a machine when it asks for something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct KnownMachine {
    /// Its hardware address, where the request or the neighbour table names it.
    pub(crate) mac: Option<Mac>,
}

/// Where a machine reached the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ArrivedAt<'a> {
    /// The interface's name.
    pub(crate) interface: &'a str,
    /// The server's address there, which everything that the machine is handed out has in it.
    pub(crate) server: IpAddr,
}

impl Rule {
    /// Whether every condition holds.
    pub(super) fn matches(&self, machine: &KnownMachine, arrived: &ArrivedAt<'_>) -> bool {
        let Self {
            mac,
            interface,
            image: _,
        } = self;
        mac.is_none_or(|mac| machine.mac == Some(mac))
            && interface
                .as_deref()
                .is_none_or(|name| arrived.interface == name)
    }
}
