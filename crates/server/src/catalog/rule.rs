//! Which machine boots which image.

use std::net::IpAddr;

use netroot_net::Mac;

use crate::settings::Rule;

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

/// Whether every condition holds.
pub(super) fn matches(rule: &Rule, machine: &KnownMachine, arrived: &ArrivedAt<'_>) -> bool {
    let by_mac = |mac| rule.macs.iter().any(|prefix| prefix.contains(mac));
    let mac = rule.macs.is_empty() || machine.mac.is_some_and(by_mac);
    let mut interfaces = rule.interfaces.iter();
    let interface = rule.interfaces.is_empty() || interfaces.any(|it| it == arrived.interface);
    mac && interface
}
