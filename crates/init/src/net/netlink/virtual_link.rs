//! Creating bonds, VLANs and bridges, and changing a link's name, address and master.
//!
//! The messages are built by pure functions; `IFLA_*` numbers are those of include/uapi/linux/if_link.h.

use netroot_proto::cmdline::{Bond, BondAttribute};

use super::link::{IFF_UP, IFLA_ADDRESS, IFLA_IFNAME, RTM_DELLINK, RTM_NEWLINK, link_message};
use super::route::{NetlinkError, RouteSocket};
use netroot_proto::netlink::{ACK, CREATE, REQUEST, Request};

const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_VLAN_ID: u16 = 1;
const IFLA_BOND_MODE: u16 = 1;
const IFLA_BOND_ARP_IP_TARGET: u16 = 8;
const IFLA_BOND_PRIMARY: u16 = 11;
const IFLA_BR_FORWARD_DELAY: u16 = 1;

/// Nested attributes.
#[derive(Debug, Default)]
pub(crate) struct Attributes(Vec<u8>);

impl Attributes {
    /// Adds one; it is padded to four bytes.
    fn add(&mut self, kind: u16, value: &[u8]) {
        let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }
}

/// The attributes of a new bond. Most of them cannot be changed once it has ports.
pub(crate) fn bond_data(bond: &Bond) -> Attributes {
    let mut data = Attributes::default();
    data.add(IFLA_BOND_MODE, &[bond.mode as u8]);
    // Without link monitoring, which is the kernel's default, a dead port would still be used.
    let monitored = |(a, _): &(BondAttribute, u32)| {
        matches!(a, BondAttribute::MiiMonitor | BondAttribute::ArpInterval)
    };
    if !bond.attributes.iter().any(monitored) {
        data.add(BondAttribute::MiiMonitor.number(), &100u32.to_ne_bytes());
    }
    for (attribute, value) in &bond.attributes {
        match u8::try_from(*value) {
            Ok(byte) if attribute.width() == 1 => data.add(attribute.number(), &[byte]),
            _ => data.add(attribute.number(), &value.to_ne_bytes()),
        }
    }
    if !bond.arp_targets.is_empty() {
        let mut targets = Attributes::default();
        for (number, target) in (0..).zip(&bond.arp_targets) {
            targets.add(number, &target.octets());
        }
        data.add(IFLA_BOND_ARP_IP_TARGET, &targets.0);
    }
    data
}

/// The attributes of a new VLAN: its number.
pub(crate) fn vlan_data(id: u16) -> Attributes {
    let mut data = Attributes::default();
    data.add(IFLA_VLAN_ID, &id.to_ne_bytes());
    data
}

/// The attributes of a new bridge. It forwards at once: nothing is behind it yet that could form a loop.
pub(crate) fn bridge_data() -> Attributes {
    let mut data = Attributes::default();
    data.add(IFLA_BR_FORWARD_DELAY, &0u32.to_ne_bytes());
    data
}

/// A link to create, or to change if it exists.
#[derive(Debug)]
pub(crate) struct NewLink<'a> {
    /// `bond`, `vlan` or `bridge`.
    pub(crate) kind: &'a str,
    /// The link's name.
    pub(crate) name: &'a str,
    /// The index of the link below a VLAN.
    pub(crate) carried_by: Option<u32>,
    /// Its Ethernet address; the kernel chooses one for `None`.
    pub(crate) address: Option<[u8; 6]>,
    /// The attributes of its kind.
    pub(crate) data: &'a Attributes,
}

fn create_request(sequence: u32, new: &NewLink<'_>) -> Request {
    let mut info = Attributes::default();
    info.add(IFLA_INFO_KIND, new.kind.as_bytes());
    info.add(IFLA_INFO_DATA, &new.data.0);
    let flags = REQUEST | ACK | CREATE;
    let mut request = Request::new(RTM_NEWLINK, flags, sequence, &link_message(0, 0, 0))
        .attribute(IFLA_IFNAME, &terminated(new.name));
    if let Some(index) = new.carried_by {
        request = request.attribute(IFLA_LINK, &index.to_ne_bytes());
    }
    if let Some(address) = new.address {
        request = request.attribute(IFLA_ADDRESS, &address);
    }
    request.attribute(IFLA_LINKINFO, &info.0)
}

fn change_request(sequence: u32, index: u32, attribute: u16, value: &[u8]) -> Request {
    let fixed = link_message(index, 0, 0);
    Request::new(RTM_NEWLINK, REQUEST | ACK, sequence, &fixed).attribute(attribute, value)
}

fn set_primary_request(sequence: u32, index: u32, port: u32) -> Request {
    let mut data = Attributes::default();
    data.add(IFLA_BOND_PRIMARY, &port.to_ne_bytes());
    let mut info = Attributes::default();
    info.add(IFLA_INFO_KIND, b"bond");
    info.add(IFLA_INFO_DATA, &data.0);
    change_request(sequence, index, IFLA_LINKINFO, &info.0)
}

fn terminated(name: &str) -> Vec<u8> {
    name.bytes().chain([0]).collect()
}

impl RouteSocket {
    /// Creates a link, or changes the existing one of that name.
    pub(crate) fn create_link(&mut self, wanted: &NewLink<'_>) -> Result<(), NetlinkError> {
        let request = create_request(self.next(), wanted);
        self.exchange("create the device", request, |_| {})
    }

    /// Makes a link a port of a bond or a bridge. A bond accepts only a link that is down, and sets it up.
    pub(crate) fn set_master(&mut self, index: u32, master: u32) -> Result<(), NetlinkError> {
        let request = change_request(self.next(), index, IFLA_MASTER, &master.to_ne_bytes());
        self.exchange("add the port", request, |_| {})
    }

    /// Sets a bond's primary port.
    pub(crate) fn set_primary(&mut self, bond: u32, port: u32) -> Result<(), NetlinkError> {
        let request = set_primary_request(self.next(), bond, port);
        self.exchange("set the primary port", request, |_| {})
    }

    /// Removes a virtual link.
    pub(crate) fn remove_link(&mut self, index: u32) -> Result<(), NetlinkError> {
        let fixed = link_message(index, 0, 0);
        let request = Request::new(RTM_DELLINK, REQUEST | ACK, self.next(), &fixed);
        self.exchange("remove the device", request, |_| {})
    }

    /// Renames a link. Older kernels allow that only while it is down.
    pub(crate) fn rename(&mut self, index: u32, name: &str) -> Result<(), NetlinkError> {
        let request = change_request(self.next(), index, IFLA_IFNAME, &terminated(name));
        self.exchange("rename the interface", request, |_| {})
    }

    /// Sets a link's Ethernet address. Many drivers allow that only while it is down.
    pub(crate) fn set_link_address(
        &mut self,
        index: u32,
        address: [u8; 6],
    ) -> Result<(), NetlinkError> {
        let request = change_request(self.next(), index, IFLA_ADDRESS, &address);
        self.exchange("set the Ethernet address", request, |_| {})
    }

    /// Sets a link down.
    pub(crate) fn set_down(&mut self, index: u32) -> Result<(), NetlinkError> {
        let fixed = link_message(index, 0, IFF_UP);
        let request = Request::new(RTM_NEWLINK, REQUEST | ACK, self.next(), &fixed);
        self.exchange("set the interface down", request, |_| {})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netroot_proto::cmdline::BootPlan;

    /// The bytes of hexadecimal text with spaces.
    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        let octet = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
        digits.chunks(2).map(|pair| octet(pair).unwrap()).collect()
    }

    fn bond(cmdline: &str) -> Bond {
        BootPlan::parse(cmdline).network.bonds[0].value.clone()
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_vlan_is_requested_as_ip_link_requests_it() {
        let request = create_request(
            7,
            &NewLink {
                kind: "vlan",
                name: "vlan5",
                carried_by: Some(2),
                address: None,
                data: &vlan_data(5),
            },
        );
        let expected = hex("\
            4c000000 1000 0504 07000000 00000000 \
            00 00 0000 00000000 00000000 00000000 \
            0a00 0300 766c616e3500 0000 \
            0800 0500 02000000 \
            1800 1200 \
              0800 0100 766c616e \
              0c00 0200 \
                0600 0100 0500 0000");
        let bytes = request.finish();
        assert_eq!(bytes.len(), expected.len());
        assert_eq!(bytes, expected);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn the_attributes_of_a_bond_have_the_widths_of_the_kernel() {
        let lacp = bond("bond=bond0:eth0,eth1:mode=802.3ad,miimon=50,lacp_rate=fast");
        assert_eq!(
            bond_data(&lacp).0,
            hex("0500 0100 04 000000 0800 0300 32000000 0500 1500 01 000000")
        );
        let watched = bond("bond=b:eth0:mode=1,arp_interval=200,arp_ip_target=10.0.0.1;10.0.0.2");
        assert_eq!(
            bond_data(&watched).0,
            hex("0500 0100 01 000000 0800 0700 c8000000 \
                 1400 0800 0800 0000 0a000001 0800 0100 0a000002")
        );
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_bond_without_monitoring_gets_miimon() {
        let plain = bond("bond=bond0:eth0,eth1:mode=active-backup");
        assert_eq!(
            bond_data(&plain).0,
            hex("0500 0100 01 000000 0800 0300 64000000")
        );
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn master_name_and_primary_port_are_changed_as_expected() {
        assert_eq!(
            change_request(1, 3, IFLA_MASTER, &9u32.to_ne_bytes()).finish(),
            hex("28000000 1000 0500 01000000 00000000 \
                 00 00 0000 03000000 00000000 00000000 0800 0a00 09000000")
        );
        assert_eq!(
            change_request(1, 3, IFLA_IFNAME, &terminated("lan")).finish()[32..],
            hex("0800 0300 6c616e00")
        );
        assert_eq!(
            set_primary_request(1, 9, 3).finish()[32..],
            hex("1800 1200 0800 0100 626f6e64 0c00 0200 0800 0b00 03000000")
        );
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_bridge_forwards_at_once() {
        assert_eq!(bridge_data().0, hex("0800 0100 00000000"));
    }
}
