//! What a server knows of a machine when it decides what it boots.

use std::net::{IpAddr, Ipv4Addr};

use netroot_net::{Mac, PciId, Uuid};
use netroot_proto::pxe::arch::Platform;

/// What is known of a machine when it asks for something. All of it is what a message said: anybody can say it, so it
/// chooses what is booted, and never what somebody may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct KnownMachine {
    /// Its hardware address: of the request, or as the neighbour table has it.
    pub(crate) mac: Option<Mac>,
    /// Its UUID (DHCP's option 97, iPXE's `${uuid}`).
    pub(crate) uuid: Option<Uuid>,
    /// Its serial number (`${serial}`), as SMBIOS has it.
    pub(crate) serial: Option<String>,
    /// Its asset tag (`${asset}`).
    pub(crate) asset: Option<String>,
    /// Who made it (`${manufacturer}`).
    pub(crate) manufacturer: Option<String>,
    /// Its model (`${product}`).
    pub(crate) product: Option<String>,
    /// DHCP's client identifiers (option 61), with their types: firmware, loader and system have different ones.
    pub(crate) client_ids: Vec<Vec<u8>>,
    /// What its firmware is (option 93).
    pub(crate) platform: Option<Platform>,
    /// DHCP's vendor class (option 60).
    pub(crate) vendor_class: Option<Vec<u8>>,
    /// The address that it has.
    pub(crate) address: Option<IpAddr>,
    /// The circuit (option 82.1), by a relay or a switch.
    pub(crate) circuit: Option<Vec<u8>>,
    /// An address in its network, of which a relay told.
    pub(crate) link: Option<Ipv4Addr>,
    /// The NIC that it boots from (option 175.177, `${netX/busid}`).
    pub(crate) nic: Option<PciId>,
}

/// Where a machine reached the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ArrivedAt<'a> {
    /// The interface's name.
    pub(crate) interface: &'a str,
    /// The server's address there, which everything that the machine is handed out has in it. Unspecified (`0.0.0.0`) where nothing
    /// is handed out, and that address is not known.
    pub(crate) server: IpAddr,
}
