//! Who may mount: a list of networks.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use netroot_net::Prefix;

/// The client addresses that may mount an export. An empty list admits nobody. Its clones are the same list: what
/// [`AddressList::set`] changes holds for all of them.
#[derive(Debug, Clone, Default)]
pub struct AddressList {
    networks: Arc<RwLock<Vec<Prefix>>>,
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
        let list = Self::default();
        list.set(networks);
        list
    }

    /// Replaces the networks, for every export that has this list.
    pub fn set(&self, networks: impl IntoIterator<Item = Prefix>) {
        let networks = networks.into_iter().map(Prefix::network).collect();
        *self
            .networks
            .write()
            .unwrap_or_else(PoisonError::into_inner) = networks;
    }

    fn now(&self) -> RwLockReadGuard<'_, Vec<Prefix>> {
        self.networks.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a client at this address may mount. An IPv4 address that an IPv6 socket shows as `::ffff:a.b.c.d`
    /// counts as IPv4.
    #[must_use]
    pub fn contains(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        self.now().iter().any(|network| network.contains(client))
    }

    /// The networks as the MOUNT protocol's EXPORT lists them; an empty list means everyone there.
    pub(crate) fn groups(&self) -> Vec<String> {
        let networks = self.now();
        if networks.iter().any(|network| network.length() == 0) {
            return Vec::new();
        }
        networks.iter().map(Prefix::to_string).collect()
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
        assert_eq!(list.groups(), ["192.0.2.0/24", "10.0.0.1/32"]);
    }

    #[test]
    fn all_clones_of_a_list_are_changed_at_once() {
        let list = list(&["192.0.2.0/24"]);
        let clone = list.clone();
        list.set(["10.0.0.1/8".parse().unwrap()]);
        assert!(clone.contains(v4("10.9.9.9")) && !clone.contains(v4("192.0.2.1")));
        assert_eq!(clone.groups(), ["10.0.0.0/8"]);
    }

    #[test]
    fn an_empty_list_admits_nobody_and_everyone_must_be_asked_for() {
        assert!(!AddressList::default().contains(v4("127.0.0.1")));
        assert!(AddressList::everyone().contains(v4("203.0.113.9")));
        assert_eq!(AddressList::everyone().groups().len(), 0);
    }

    #[test]
    fn an_ipv4_mapped_address_counts_as_ipv4_and_other_ipv6_addresses_do_not() {
        assert!(list(&["10.0.0.0/8"]).contains("::ffff:10.1.2.3".parse().unwrap()));
        assert!(!AddressList::everyone().contains("fe80::1".parse().unwrap()));
    }
}
