//! Who may mount: a list of networks.

use std::net::{IpAddr, Ipv4Addr};

use netroot_net::Prefix;

/// The client addresses that may mount an export. An empty list admits nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressList {
    networks: Vec<Prefix>,
}

impl AddressList {
    /// Every machine that reaches the server over IPv4.
    #[must_use]
    pub fn everyone() -> Self {
        Self::networks([Prefix::clamped(Ipv4Addr::UNSPECIFIED, 0)])
    }

    /// The machines of these networks; host bits are ignored.
    #[must_use]
    pub fn networks(networks: impl IntoIterator<Item = Prefix>) -> Self {
        Self {
            networks: networks.into_iter().map(Prefix::network).collect(),
        }
    }

    /// Whether a client at this address may mount. An IPv4 address that an IPv6 socket shows as `::ffff:a.b.c.d`
    /// counts as IPv4.
    #[must_use]
    pub fn contains(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        self.networks.iter().any(|network| network.contains(client))
    }

    /// The networks as the MOUNT protocol's EXPORT lists them; an empty list means everyone there.
    pub(crate) fn groups(&self) -> impl Iterator<Item = String> + '_ {
        let everyone = self.networks.iter().any(|network| network.length() == 0);
        self.networks
            .iter()
            .filter(move |_| !everyone)
            .map(Prefix::to_string)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(text: &str) -> IpAddr {
        IpAddr::V4(text.parse().unwrap())
    }

    fn list(networks: &[&str]) -> AddressList {
        AddressList::networks(networks.iter().map(|network| network.parse().unwrap()))
    }

    #[test]
    fn a_network_contains_its_machines_and_no_others() {
        let list = list(&["192.0.2.77/24", "10.0.0.1/32"]);
        assert!(list.contains(v4("192.0.2.1")));
        assert!(list.contains(v4("10.0.0.1")));
        assert!(!list.contains(v4("192.0.3.1")));
        assert!(!list.contains(v4("10.0.0.2")));
        assert_eq!(
            list.groups().collect::<Vec<_>>(),
            ["192.0.2.0/24", "10.0.0.1/32"]
        );
    }

    #[test]
    fn an_empty_list_admits_nobody_and_everyone_must_be_asked_for() {
        assert!(!AddressList::default().contains(v4("127.0.0.1")));
        assert!(AddressList::everyone().contains(v4("203.0.113.9")));
        assert_eq!(AddressList::everyone().groups().count(), 0);
    }

    #[test]
    fn an_ipv4_mapped_address_counts_as_ipv4_and_other_ipv6_addresses_do_not() {
        assert!(list(&["10.0.0.0/8"]).contains("::ffff:10.1.2.3".parse().unwrap()));
        assert!(!AddressList::everyone().contains("fe80::1".parse().unwrap()));
    }
}
