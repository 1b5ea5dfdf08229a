//! Which program manages the root's address. Pure, except for reading systemd-networkd's file in `/run`.

use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::time::{Duration, SystemTime};

use rustix::fs::{Mode, OFlags};

use crate::net::netlink::LinkAddress;

/// Who manages the root's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// It is set as the init set it.
    Init,
    /// Another program keeps its lease, or gave the NIC another address.
    Other(&'static str),
    /// The NIC has no address.
    Nobody,
}

/// How much of systemd-networkd's file is read, in bytes.
const MAX_LENGTH: u64 = 4 << 10;

/// Judges by the NIC's addresses. A second address says nothing about this one: dhcpcd under an identity of its own gets
/// a lease of its own. A lifetime does: a DHCP client set it, as the init's addresses have none. Neither has an address
/// that systemd-networkd was configured to keep, but networkd leaves a file.
pub(super) fn find(
    addresses: &[LinkAddress],
    own: IpAddr,
    networkd: impl FnOnce() -> bool,
) -> Owner {
    match addresses.iter().find(|a| a.prefix.address() == own) {
        Some(address) if !address.permanent => Owner::Other("a DHCP client of the root"),
        Some(_) if networkd() => Owner::Other("systemd-networkd"),
        Some(_) => Owner::Init,
        // A client whose lease expired may leave a link-local address, which reaches no server (RFC 3927).
        None if addresses.iter().all(is_link_local) => Owner::Nobody,
        None => Owner::Other("the program that gave the NIC another address"),
    }
}

fn is_link_local(address: &LinkAddress) -> bool {
    match address.prefix.address() {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// Whether systemd-networkd has a lease of the address and renews it: its file remains when networkd stops. That of
/// systemd 262 writes none: both renew then, as one client.
pub(super) fn networkd_has_it(run: &impl AsFd, index: u32, own: IpAddr) -> bool {
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
        file.take(MAX_LENGTH).read_to_string(&mut text).ok()?;
        Some((text, written))
    };
    lease().is_some_and(|(text, written)| {
        // After the clock is set back, the file is from the future.
        let age = SystemTime::now().duration_since(written);
        is_lease_of(&text, own, age.unwrap_or_default())
    })
}

/// Whether a file of systemd-networkd (`sd_dhcp_lease_save`) of this age describes a current lease of the address. It is
/// written again at each renewal.
fn is_lease_of(text: &str, own: IpAddr, age: Duration) -> bool {
    let value = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
    };
    let is_own = value("ADDRESS").is_some_and(|a| a.parse() == Ok(own));
    // What cannot be read is no reason to renew beside networkd.
    let lifetime = value("LIFETIME").and_then(time_span);
    is_own && lifetime.is_none_or(|lifetime| age < lifetime)
}

/// Seconds up to systemd 253, later a time span such as `1h 30min` (`format_timespan`, systemd.time(7)). `None` for
/// anything else, such as `infinity`.
fn time_span(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let mut sum: u64 = 0;
    for part in text.split_whitespace() {
        let unit = part.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = part.split_at(unit);
        let seconds: u64 = match unit {
            "s" => 1,
            "min" => 60,
            "h" => 3600,
            "d" => 86_400,
            "w" => 604_800,
            "month" => 2_629_800,
            "y" => 31_557_600,
            _ => return None,
        };
        sum = sum.saturating_add(number.parse::<u64>().ok()?.saturating_mul(seconds));
    }
    (sum > 0).then(|| Duration::from_secs(sum))
}

#[cfg(test)]
mod tests {
    use super::*;
    use netroot_net::Prefix;
    use std::net::Ipv4Addr;

    const OWN: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7));

    fn address(last: u8, permanent: bool) -> LinkAddress {
        LinkAddress {
            index: 2,
            prefix: Prefix::clamped([10, 0, 0, last], 24),
            permanent,
        }
    }

    #[test]
    fn the_address_as_it_was_set_is_the_inits_even_beside_another() {
        for permanent in [true, false] {
            let addresses = [address(8, permanent), address(7, true)];
            assert_eq!(find(&addresses, OWN, || false), Owner::Init);
        }
    }

    #[test]
    fn an_address_with_a_lifetime_belongs_to_a_dhcp_client() {
        let taken =
            |addresses: &[LinkAddress]| matches!(find(addresses, OWN, || false), Owner::Other(_));
        assert!(taken(&[address(7, false)]));
        assert!(taken(&[address(7, false), address(8, true)]));
        assert!(taken(&[address(8, true)]), "another one instead");
    }

    #[test]
    fn networkd_is_recognised_by_its_file() {
        let by = find(&[address(7, true)], OWN, || true);
        assert_eq!(by, Owner::Other("systemd-networkd"));
    }

    #[test]
    fn networkds_file_is_valid_for_its_address_and_lifetime() {
        let text = "# This is private data. Do not parse.\nADDRESS=10.0.0.7\nT1=30\nLIFETIME=60\n";
        let (young, old) = (Duration::from_secs(59), Duration::from_secs(60));
        assert!(is_lease_of(text, OWN, young));
        assert!(!is_lease_of(text, OWN, old), "not renewed");
        let other = [10, 0, 0, 70].into();
        assert!(!is_lease_of(text, other, young), "another lease");
        let span = "ADDRESS=10.0.0.7\nLIFETIME=1min\n";
        assert!(is_lease_of(span, OWN, young) && !is_lease_of(span, OWN, old));
        let unreadable = "ADDRESS=10.0.0.7\nLIFETIME=infinity\n";
        assert!(is_lease_of(unreadable, OWN, old));
        assert!(!is_lease_of("", OWN, young));
    }

    #[test]
    fn a_time_span_is_read_as_systemd_writes_it() {
        let seconds = |text| time_span(text).map(|span| span.as_secs());
        assert_eq!(seconds("60"), Some(60));
        assert_eq!(seconds("1h 30min"), Some(5400));
        assert_eq!(seconds("1w 2d 3h 4s"), Some(788_404));
        for text in [
            "",
            "infinity",
            "1 h",
            "1h30min",
            "99999999999999999999s",
            "1\u{b5}s",
        ] {
            assert_eq!(time_span(text), None, "{text}");
        }
    }

    #[test]
    fn a_nic_without_a_usable_address_has_not_been_taken_over() {
        assert_eq!(find(&[], OWN, || false), Owner::Nobody);
        let alone = LinkAddress {
            prefix: Prefix::clamped([169, 254, 3, 4], 16),
            ..address(0, true)
        };
        assert_eq!(find(&[alone], OWN, || false), Owner::Nobody);
    }
}
