//! NetworkManager: a profile with the address, and a word that the card has it already.
//!
//! The profile is a fixed one, also for a lease: NetworkManager then shows the card as connected and has the name
//! servers, and no end of a lease can make it take the address away. The lease is the renewer's. The file in
//! `devices/` is what NetworkManager itself leaves in an initramfs: it takes a card over that is configured so
//! without taking it down first.

use std::fmt::Write;

use super::networkd::domains;
use super::{Known, Note, in_line};

/// The files. Profiles must be for root alone: NetworkManager reads no other.
pub(super) fn notes(known: &Known<'_>) -> Vec<Note> {
    let address = known.address;
    let name = in_line(&address.nic.name);
    if !known.is_card {
        // A profile of a bond or VLAN would have to name its parts: it is left alone instead.
        let text = format!(
            "# Written by netroot's init: the root is on this interface.\n\
             [device-netroot]\nmatch-device=interface-name:={name}\nmanaged=0\n"
        );
        return vec![Note::new("NetworkManager/conf.d/10-netroot.conf", text)];
    }
    let [a, b, c, d, e, f] = address.nic.mac.0;
    // Always the same for a card: what the root remembers of a profile stays true.
    let uuid = format!("6e657472-6f6f-8474-8000-{a:02x}{b:02x}{c:02x}{d:02x}{e:02x}{f:02x}");
    let mut text = format!(
        "# Written by netroot's init: the root is on this interface.\n\
         [connection]\nid=netroot {name}\nuuid={uuid}\ntype=ethernet\nautoconnect-priority=999\n\n\
         [ethernet]\nmac-address={}\n\n\
         [ipv4]\nmethod=manual\naddress1={}/{}\n",
        address.nic.mac, address.own, address.prefix
    );
    let mut number = 0;
    for route in address.routes_in_order() {
        match route.gateway {
            Some(gateway) if route.prefix == 0 => {
                let _ = writeln!(text, "gateway={gateway}");
            }
            gateway => {
                number += 1;
                let gateway = gateway.map(|g| format!(",{g}")).unwrap_or_default();
                let _ = writeln!(
                    text,
                    "route{number}={}/{}{gateway}",
                    route.destination, route.prefix
                );
            }
        }
    }
    if !address.dns.is_empty() {
        let servers: Vec<String> = address.dns.iter().map(|a| format!("{a};")).collect();
        let _ = writeln!(text, "dns={}", servers.concat());
    }
    let domains: Vec<String> = domains(address).map(|d| format!("{d};")).collect();
    if !domains.is_empty() {
        let _ = writeln!(text, "dns-search={}", domains.concat());
    }
    text.push_str("\n[ipv6]\nmethod=auto\n");
    let device = format!("[device]\nmanaged=true\nconnection-uuid={uuid}\nnm-owned=false\n");
    vec![
        Note {
            mode: 0o600,
            ..Note::new(
                format!("NetworkManager/system-connections/netroot-{name}.nmconnection"),
                text,
            )
        },
        Note::new(
            format!("NetworkManager/devices/{}", address.nic.index),
            device,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::tests::leased;
    use super::*;

    #[test]
    fn the_profile_holds_all_of_the_lease_and_the_device_names_the_profile() {
        let address = leased("ip=dhcp");
        let known = Known {
            address: &address,
            is_card: true,
        };
        let [profile, device] = <[Note; 2]>::try_from(notes(&known)).unwrap();
        assert_eq!(profile.mode, 0o600);
        for line in [
            "uuid=6e657472-6f6f-8474-8000-525400770001",
            "mac-address=52:54:00:77:00:01",
            "method=manual",
            "address1=10.77.0.100/24",
            "gateway=10.77.0.254",
            "dns=10.77.0.2;10.77.0.3;",
            "dns-search=example.org;a.example.org;",
        ] {
            assert!(
                profile.text.lines().any(|l| l == line),
                "{line}: {}",
                profile.text
            );
        }
        assert_eq!(device.path, "NetworkManager/devices/2");
        assert!(
            device
                .text
                .contains("connection-uuid=6e657472-6f6f-8474-8000-525400770001\n")
        );
    }

    #[test]
    fn a_bond_is_left_alone() {
        let address = leased("ip=dhcp");
        let known = Known {
            address: &address,
            is_card: false,
        };
        let [note] = <[Note; 1]>::try_from(notes(&known)).unwrap();
        assert!(
            note.text
                .contains("match-device=interface-name:=eth0\nmanaged=0\n")
        );
    }
}
