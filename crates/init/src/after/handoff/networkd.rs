//! systemd-networkd and systemd-resolved: `/run/systemd/network/10-netroot-<if>.network`.
//!
//! networkd uses the first file, sorted by name across all directories, whose `[Match]` applies: `10-` precedes the
//! `20-wired.network` that many roots have. With that one, networkd would start by removing all addresses;
//! `KeepConfiguration=yes` prevents that at its start, at its stop and when the lease expires.

use std::fmt::Write;

use netroot_proto::dhcp::options::Message;
use netroot_proto::dhcp::{code, frame};

use super::root_nic::RootNic;
use super::run_file::{RunFile, single_line};
use crate::net::address::{Address, ip_addresses};

/// The files.
pub(super) fn files(root_nic: &RootNic<'_>) -> Vec<RunFile> {
    let address = root_nic.address;
    let name = &address.nic.name;
    let mut files = vec![RunFile::new(
        format!("systemd/network/10-netroot-{name}.network"),
        network(root_nic),
    )];
    if let Some(text) = resolved(address) {
        // For a root with systemd-resolved and without systemd-networkd.
        files.push(RunFile::new(
            "systemd/resolved.conf.d/10-netroot.conf",
            text,
        ));
    }
    files
}

fn network(root_nic: &RootNic<'_>) -> String {
    let address = root_nic.address;
    let mut text =
        String::from("# Written by netroot's init: the root is on this interface.\n[Match]\n");
    // udev may rename a card, but not a virtual link that was created with a name.
    let _ = if root_nic.is_card {
        writeln!(text, "MACAddress={}\nType=ether", address.nic.mac)
    } else {
        writeln!(text, "Name={}", single_line(&address.nic.name))
    };
    text.push_str("\n[Network]\nKeepConfiguration=yes\nIgnoreCarrierLoss=yes\n");
    if is_identified_by_mac(address) {
        text.push_str("DHCP=ipv4\n");
        // Those of the lease come with networkd's own lease.
        let leased = address
            .lease
            .as_ref()
            .map(|l| ip_addresses(&l.dns))
            .unwrap_or_default();
        for server in address.dns.iter().filter(|a| !leased.contains(a)) {
            let _ = writeln!(text, "DNS={server}");
        }
        text.push_str("\n[DHCPv4]\nClientIdentifier=mac\n");
        return text;
    }
    let _ = writeln!(text, "Address={}", address.prefix);
    for server in &address.dns {
        let _ = writeln!(text, "DNS={server}");
    }
    let domains: Vec<&str> = domains(address).collect();
    if !domains.is_empty() {
        let _ = writeln!(text, "Domains={}", domains.join(" "));
    }
    for route in address.routes_in_order() {
        let _ = writeln!(text, "\n[Route]\nDestination={}", route.destination);
        let _ = match route.gateway {
            Some(gateway) => writeln!(text, "Gateway={gateway}\nGatewayOnLink=yes"),
            None => writeln!(text, "Scope=link"),
        };
    }
    text
}

/// Whether the server identifies this machine by what networkd sends with `ClientIdentifier=mac`. If not, networkd would
/// get another lease: then it is given the address as a static one, and the renewer keeps the lease.
fn is_identified_by_mac(address: &Address) -> bool {
    if address
        .lease
        .as_ref()
        .is_none_or(|l| l.renew_after.is_none())
    {
        return false;
    }
    let asked = address.exchange.as_ref().map(|e| e.request.as_slice());
    let Some(message) = asked.and_then(frame::from_client) else {
        return false;
    };
    let Ok(message) = Message::read(message) else {
        return false;
    };
    match message.options.bytes(code::CLIENT_ID) {
        Some([1, mac @ ..]) => mac == address.nic.mac.0,
        // Without an identifier the server goes by `chaddr`, and might treat networkd's identifier as a new client.
        Some(_) | None => false,
    }
}

fn resolved(address: &Address) -> Option<String> {
    if address.dns.is_empty() {
        return None;
    }
    let servers: Vec<String> = address.dns.iter().map(ToString::to_string).collect();
    let mut text = format!(
        "# Written by netroot's init.\n[Resolve]\nDNS={}\n",
        servers.join(" ")
    );
    let domains: Vec<&str> = domains(address).collect();
    if !domains.is_empty() {
        let _ = writeln!(text, "Domains={}", domains.join(" "));
    }
    Some(text)
}

/// The domain, then the search list. Names consist of letters, digits and `-_.`: [`Lease`] ensures that.
///
/// [`Lease`]: netroot_proto::dhcp::lease::Lease
pub(super) fn domains(address: &Address) -> impl Iterator<Item = &str> {
    let domain = address.domain.as_deref();
    let search = address.search.iter().map(String::as_str);
    domain
        .into_iter()
        .chain(search.filter(move |s| Some(*s) != domain))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{fixed, leased};
    use super::*;
    use netroot_proto::dhcp::emit::{Draft, SAFE_LENGTH};
    use netroot_proto::dhcp::header::Header;
    use std::net::Ipv4Addr;

    fn text(address: &Address, is_card: bool) -> String {
        files(&RootNic { address, is_card }).remove(0).text
    }

    /// An address that was requested with this client identifier.
    fn asked_as(identifier: &[u8], cmdline: &str) -> Address {
        let mut address = leased(cmdline);
        let mac = address.nic.mac;
        let mut draft = Draft::new(Header::of_client(mac, 1));
        draft.push(code::CLIENT_ID, identifier);
        let bytes = draft.emit(SAFE_LENGTH).bytes;
        address.exchange.as_mut().unwrap().request =
            frame::broadcast((mac, Ipv4Addr::UNSPECIFIED), &bytes);
        address
    }

    #[test]
    fn networkd_takes_over_the_lease_and_keeps_the_configuration() {
        let address = asked_as(
            &[1, 0x52, 0x54, 0, 0x77, 0, 1],
            "ip=dhcp nameserver=9.9.9.9",
        );
        let text = text(&address, true);
        for line in [
            "MACAddress=52:54:00:77:00:01",
            "KeepConfiguration=yes",
            "DHCP=ipv4",
            "ClientIdentifier=mac",
            "DNS=9.9.9.9",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}: {text}");
        }
        assert!(
            !text.contains("Address=10.77") && !text.contains("DNS=10.77"),
            "{text}"
        );
    }

    #[test]
    fn under_another_identity_the_address_is_static() {
        let address = asked_as(b"\0the firmware's", "ip=dhcp");
        let text = text(&address, true);
        assert!(!text.contains("DHCP="), "{text}");
        for line in [
            "Address=10.77.0.100/24",
            "Destination=0.0.0.0/0",
            "Gateway=10.77.0.254",
            "DNS=10.77.0.2",
            "Domains=example.org a.example.org",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}: {text}");
        }
    }

    #[test]
    fn a_static_address_stays_static_and_a_bond_is_matched_by_name() {
        let text = text(&fixed("ip=10.1.2.3::10.1.2.254:24::eth0:off"), false);
        assert!(
            text.contains("Name=eth0\n") && !text.contains("MACAddress"),
            "{text}"
        );
        assert!(
            text.contains("Address=10.1.2.3/24") && !text.contains("DHCP="),
            "{text}"
        );
    }

    #[test]
    fn resolved_gets_the_name_servers_if_there_are_any() {
        let with = resolved(&leased("ip=dhcp")).unwrap();
        assert!(with.contains("DNS=10.77.0.2 10.77.0.3\nDomains=example.org a.example.org\n"));
        assert_eq!(resolved(&fixed("ip=10.1.2.3:::24::eth0:off")), None);
    }
}
