//! Whether the NIC is still in the renewer's hands. Pure, but for the one look into `/run`.

use std::net::Ipv4Addr;
use std::os::fd::AsFd;

use crate::netlink::LinkAddress;

/// What became of the root's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finding {
    /// It is there as it was set.
    Ours,
    /// Another program manages the NIC.
    TakenOver(&'static str),
    /// The NIC has no address.
    None,
}

/// Judges by the NIC's addresses. An address with an end was set by a DHCP client: the init's have none.
/// systemd-networkd's have none either where it was told to keep them, but it leaves a file.
pub(super) fn find(
    addresses: &[LinkAddress],
    own: Ipv4Addr,
    networkd: impl FnOnce() -> bool,
) -> Finding {
    if networkd() {
        return Finding::TakenOver("systemd-networkd");
    }
    if addresses.iter().any(|a| !a.for_ever) {
        return Finding::TakenOver("a DHCP client of the root");
    }
    if addresses.iter().any(|a| a.own == own) {
        return Finding::Ours;
    }
    if addresses.is_empty() {
        return Finding::None;
    }
    Finding::TakenOver("whoever gave the NIC another address")
}

/// Whether systemd-networkd has a lease on the interface.
pub(super) fn networkd_has_it(run: &impl AsFd, index: u32) -> bool {
    rustix::fs::statat(
        run,
        format!("systemd/netif/leases/{index}"),
        rustix::fs::AtFlags::SYMLINK_NOFOLLOW,
    )
    .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 7);

    fn address(last: u8, for_ever: bool) -> LinkAddress {
        LinkAddress {
            index: 2,
            own: Ipv4Addr::new(10, 0, 0, last),
            prefix: 24,
            for_ever,
        }
    }

    #[test]
    fn the_address_as_it_was_set_is_ours_also_beside_another() {
        let addresses = [address(8, true), address(7, true)];
        assert_eq!(find(&addresses, OWN, || false), Finding::Ours);
    }

    #[test]
    fn an_address_with_an_end_is_a_dhcp_clients() {
        let taken = |addresses: &[LinkAddress]| {
            matches!(find(addresses, OWN, || false), Finding::TakenOver(_))
        };
        assert!(taken(&[address(7, false)]));
        assert!(taken(&[address(7, true), address(8, false)]));
        assert!(taken(&[address(8, true)]), "another one in its place");
    }

    #[test]
    fn networkd_is_known_by_its_file() {
        let by = find(&[address(7, true)], OWN, || true);
        assert_eq!(by, Finding::TakenOver("systemd-networkd"));
    }

    #[test]
    fn a_nic_without_any_address_has_not_been_taken_over() {
        assert_eq!(find(&[], OWN, || false), Finding::None);
    }
}
