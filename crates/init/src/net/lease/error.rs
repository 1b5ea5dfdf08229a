//! Why no NIC has an address, and the parameters that the sentence names.

use std::fmt::Write;
use std::net::Ipv4Addr;
use std::time::Duration;

use netroot_net::Mac;
use netroot_proto::cmdline::{IpRequest, Method, NetworkPlan, NicSelector, Origin};

/// Why no NIC has an address.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LeaseError {
    /// The command line allows none of the NICs.
    #[error(
        "no network card to use: the command line names none of those that are there ({there}); correct the device in {asked}"
    )]
    DeviceNotPresent {
        /// The NICs that are present, with all of their names.
        there: String,
        /// The parameters to correct.
        asked: String,
    },
    /// What the command line says of addresses and NICs cannot be read.
    #[error(
        "no network card is set up: {complaint}; correct it, or leave the address to DHCP with ip=dhcp"
    )]
    Unreadable {
        /// The parameter, and what is wrong with it.
        complaint: String,
    },
    /// No cable.
    #[error("no carrier: nothing is at the other end of {interfaces} after {} s; check the cable and the switch's port", waited.as_secs())]
    NoCarrier {
        /// The NICs.
        interfaces: String,
        /// How long was waited.
        waited: Duration,
    },
    /// No DHCP server answered.
    #[error("no address: no {protocol} server answered on {interfaces} within {} s; check that one serves this network and is not out of addresses, that the switch lets this port through (VLAN, spanning tree), or give ip=<address>::<gateway>:<netmask>", waited.as_secs())]
    NoDhcp {
        /// The protocol that was used: DHCP or BOOTP.
        protocol: &'static str,
        /// The NICs with a carrier.
        interfaces: String,
        /// How long servers were asked.
        waited: Duration,
    },
    /// The kernel cannot send what a machine without an address sends.
    #[error(
        "no address: the kernel has no packet sockets, which {protocol} needs; add af_packet to the initrd (netroot initrd), enable CONFIG_PACKET in the kernel, or give ip=<address>::<gateway>:<netmask>"
    )]
    NoPacketSockets {
        /// The protocol that was to be used: DHCP or BOOTP.
        protocol: &'static str,
    },
    /// Another machine said so after the probe.
    #[error(
        "{address}, the address from the DHCP server, is in use by {owner}; it is given back for another one. Give that machine an address outside the DHCP server's range, or reserve its own"
    )]
    InUse {
        /// The address.
        address: Ipv4Addr,
        /// The Ethernet address of the machine that uses it.
        owner: Mac,
    },
}

/// Whether a request names an address or a NIC that cannot be read.
pub(super) fn is_unreadable(request: &IpRequest) -> bool {
    let device = matches!(request.device, Some(NicSelector::Unreadable(_)));
    device || request.method == Method::Unreadable
}

/// The parameters that name NICs.
pub(super) fn asked(network: &NetworkPlan) -> String {
    let mut all = String::new();
    let mut add = |origin: &Origin| {
        let and = if all.is_empty() { "" } else { " and " };
        let _ = write!(all, "{and}{origin}");
    };
    for request in network.addressing.iter().filter(|r| r.device.is_some()) {
        add(&request.origin);
    }
    if let Some(boot) = &network.boot_device {
        add(&boot.origin);
    }
    if let Some(boot) = &network.boot_link {
        add(&boot.origin);
    }
    match all.is_empty() {
        true => "ip=, or BOOTIF=".to_owned(),
        false => all,
    }
}
