//! Who may mount: a list of IPv4 networks.

use std::net::{IpAddr, Ipv4Addr};

/// The client addresses that an export is for. An empty list is for nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressList {
    networks: Vec<Network>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: Ipv4Addr,
    prefix: u8,
}

/// A network that cannot be meant.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{address}/{prefix} is no network: an IPv4 prefix has at most 32 bits; write {address}/32 for one machine"
)]
pub struct PrefixTooLong {
    /// The address before the slash.
    pub address: Ipv4Addr,
    /// The number after it.
    pub prefix: u8,
}

impl AddressList {
    /// Every machine that can reach the server.
    #[must_use]
    pub fn everyone() -> Self {
        Self {
            networks: vec![Network {
                address: Ipv4Addr::UNSPECIFIED,
                prefix: 0,
            }],
        }
    }

    /// The machines of these networks, each an address and the length of its prefix in bits; bits of the address
    /// beyond the prefix are ignored.
    ///
    /// # Errors
    /// [`PrefixTooLong`] for a prefix of more than 32 bits.
    pub fn networks(
        networks: impl IntoIterator<Item = (Ipv4Addr, u8)>,
    ) -> Result<Self, PrefixTooLong> {
        networks
            .into_iter()
            .map(|(address, prefix)| {
                let mask = mask(prefix).ok_or(PrefixTooLong { address, prefix })?;
                Ok(Network {
                    address: Ipv4Addr::from_bits(address.to_bits() & mask),
                    prefix,
                })
            })
            .collect::<Result<_, _>>()
            .map(|networks| Self { networks })
    }

    /// Whether a client at this address may mount. An IPv4 address that an IPv6 socket shows as `::ffff:a.b.c.d`
    /// counts as what it is; other IPv6 addresses are on no list.
    #[must_use]
    pub fn contains(&self, client: IpAddr) -> bool {
        let IpAddr::V4(client) = client.to_canonical() else {
            return false;
        };
        self.networks.iter().any(|network| {
            mask(network.prefix)
                .is_some_and(|mask| client.to_bits() & mask == network.address.to_bits())
        })
    }

    /// The networks as the MOUNT protocol's EXPORT shows them; none at all stands for everyone there.
    pub(crate) fn groups(&self) -> impl Iterator<Item = String> + '_ {
        let everyone = self.networks.iter().any(|network| network.prefix == 0);
        self.networks
            .iter()
            .filter(move |_| !everyone)
            .map(|network| format!("{}/{}", network.address, network.prefix))
    }
}

/// The netmask of a prefix of 0 to 32 bits.
fn mask(prefix: u8) -> Option<u32> {
    match prefix {
        0 => Some(0),
        1..=32 => u32::MAX.checked_shl(32 - u32::from(prefix)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(text: &str) -> IpAddr {
        IpAddr::V4(text.parse().unwrap())
    }

    #[test]
    fn a_network_contains_its_machines_and_no_others() {
        let list = AddressList::networks([
            ("192.0.2.77".parse().unwrap(), 24),
            ("10.0.0.1".parse().unwrap(), 32),
        ])
        .unwrap();
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
    fn an_empty_list_is_for_nobody_and_everyone_is_said_explicitly() {
        assert!(!AddressList::default().contains(v4("127.0.0.1")));
        assert!(AddressList::everyone().contains(v4("203.0.113.9")));
        assert_eq!(AddressList::everyone().groups().count(), 0);
    }

    #[test]
    fn an_ipv4_address_in_ipv6_clothes_counts_as_ipv4_and_other_ipv6_does_not_count() {
        let list = AddressList::networks([("10.0.0.0".parse().unwrap(), 8)]).unwrap();
        assert!(list.contains("::ffff:10.1.2.3".parse().unwrap()));
        assert!(!AddressList::everyone().contains("fe80::1".parse().unwrap()));
    }

    #[test]
    fn a_prefix_of_33_bits_is_refused_by_name() {
        let error = AddressList::networks([("10.0.0.0".parse().unwrap(), 33)]).unwrap_err();
        assert!(error.to_string().contains("10.0.0.0/33"));
    }
}
