//! In whose hands the root's address is. Pure, but for the one look into `/run`.

use std::fs::File;
use std::io::Read;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::time::{Duration, SystemTime};

use rustix::fs::{Mode, OFlags};

use crate::net::netlink::LinkAddress;

/// What became of the root's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// It is there as it was set.
    Ours,
    /// Another program keeps its lease, or moved the NIC to another address.
    TakenOver(&'static str),
    /// The NIC has no address.
    None,
}

/// The longest file of systemd-networkd that is read, in bytes.
const LONGEST: u64 = 4 << 10;

/// Judges by the NIC's addresses. That another address is there says nothing of this one: dhcpcd under an identity
/// of its own gets a lease of its own. An end at this one does: a DHCP client set it, the init's have none. What
/// systemd-networkd was told to keep has none either, but it leaves a file.
pub(super) fn find(
    addresses: &[LinkAddress],
    own: Ipv4Addr,
    networkd: impl FnOnce() -> bool,
) -> Owner {
    match addresses.iter().find(|a| a.own == own) {
        Some(address) if !address.permanent => Owner::TakenOver("a DHCP client of the root"),
        Some(_) if networkd() => Owner::TakenOver("systemd-networkd"),
        Some(_) => Owner::Ours,
        // A client whose lease ended may leave one of these, which reach no server (RFC 3927).
        None if addresses.iter().all(|a| a.own.is_link_local()) => Owner::None,
        None => Owner::TakenOver("whoever gave the NIC another address"),
    }
}

/// Whether systemd-networkd has a lease of the address, and has renewed it in time: its file stays when it ends.
pub(super) fn networkd_has_it(run: &impl AsFd, index: u32, own: Ipv4Addr) -> bool {
    let lease = || {
        let file = rustix::fs::openat(
            run,
            format!("systemd/netif/leases/{index}"),
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .ok()?;
        let file = File::from(file);
        let written = file.metadata().ok()?.modified().ok()?;
        let mut text = String::new();
        file.take(LONGEST).read_to_string(&mut text).ok()?;
        Some((text, written))
    };
    lease().is_some_and(|(text, written)| {
        // A clock that was set back makes it a file of the future.
        let age = SystemTime::now().duration_since(written);
        is_lease_of(&text, own, age.unwrap_or_default())
    })
}

/// Whether a file of systemd-networkd (`sd_dhcp_lease_save`), written so long ago, tells of a lease of the address
/// that goes on. It is written anew when the lease is renewed.
fn is_lease_of(text: &str, own: Ipv4Addr, age: Duration) -> bool {
    let value = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
    };
    let is_own = value("ADDRESS").is_some_and(|a| a.parse() == Ok(own));
    // Seconds up to systemd 253; later a time span ("1h"): then the file's word is all there is.
    let lifetime = value("LIFETIME").and_then(|time| time.parse().ok());
    is_own && lifetime.is_none_or(|seconds| age < Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 7);

    fn address(last: u8, permanent: bool) -> LinkAddress {
        LinkAddress {
            index: 2,
            own: Ipv4Addr::new(10, 0, 0, last),
            prefix: 24,
            permanent,
        }
    }

    #[test]
    fn the_address_as_it_was_set_is_ours_also_beside_another_programs() {
        for permanent in [true, false] {
            let addresses = [address(8, permanent), address(7, true)];
            assert_eq!(find(&addresses, OWN, || false), Owner::Ours);
        }
    }

    #[test]
    fn an_end_at_the_address_is_a_dhcp_clients() {
        let taken = |addresses: &[LinkAddress]| {
            matches!(find(addresses, OWN, || false), Owner::TakenOver(_))
        };
        assert!(taken(&[address(7, false)]));
        assert!(taken(&[address(7, false), address(8, true)]));
        assert!(taken(&[address(8, true)]), "another one in its place");
    }

    #[test]
    fn networkd_is_known_by_its_file() {
        let by = find(&[address(7, true)], OWN, || true);
        assert_eq!(by, Owner::TakenOver("systemd-networkd"));
    }

    #[test]
    fn networkds_file_counts_for_its_address_and_for_its_time() {
        let text = "# This is private data. Do not parse.\nADDRESS=10.0.0.7\nT1=30\nLIFETIME=60\n";
        let (young, old) = (Duration::from_secs(59), Duration::from_secs(60));
        assert!(is_lease_of(text, OWN, young));
        assert!(!is_lease_of(text, OWN, old), "nobody has renewed it");
        let other = Ipv4Addr::new(10, 0, 0, 70);
        assert!(!is_lease_of(text, other, young), "another lease");
        assert!(is_lease_of("ADDRESS=10.0.0.7\nLIFETIME=1min\n", OWN, old));
        assert!(!is_lease_of("", OWN, young));
    }

    #[test]
    fn a_nic_that_reaches_nobody_has_not_been_taken_over() {
        assert_eq!(find(&[], OWN, || false), Owner::None);
        let alone = LinkAddress {
            own: Ipv4Addr::new(169, 254, 3, 4),
            ..address(0, true)
        };
        assert_eq!(find(&[alone], OWN, || false), Owner::None);
    }
}
