//! NetworkManager: a profile with the address, and a device file saying that the card is configured by it already.
//!
//! The profile is static even for a lease: NetworkManager then shows the card as connected and knows the name servers,
//! but will not remove the address when a lease expires. The renewer keeps the lease. The file in `devices/` is what
//! NetworkManager itself leaves in an initramfs: it takes over a card with such a file without taking it down first.

use std::fmt::Write;

use super::networkd::domains;
use super::root_nic::RootNic;
use super::run_file::{RunFile, single_line};

/// The files. Profiles must be readable by root only, or NetworkManager ignores them.
pub(super) fn files(root_nic: &RootNic<'_>) -> Vec<RunFile> {
    let address = root_nic.address;
    let name = single_line(&address.nic.name);
    if !root_nic.is_card {
        // A profile for a bond or VLAN would have to describe its ports: it is marked unmanaged instead.
        let text = format!(
            "# Written by netroot's init: the root is on this interface.\n\
             [device-netroot]\nmatch-device=interface-name:={name}\nmanaged=0\n"
        );
        return vec![RunFile::new("NetworkManager/conf.d/10-netroot.conf", text)];
    }
    let [a, b, c, d, e, f] = address.nic.mac.0;
    // Always the same for a card, so that the root's settings for the profile stay valid.
    let uuid = format!("6e657472-6f6f-8474-8000-{a:02x}{b:02x}{c:02x}{d:02x}{e:02x}{f:02x}");
    let mut text = format!(
        "# Written by netroot's init: the root is on this interface.\n\
         [connection]\nid=netroot {name}\nuuid={uuid}\ntype=ethernet\nautoconnect-priority=999\n\n\
         [ethernet]\nmac-address={}\n\n\
         [ipv4]\nmethod=manual\naddress1={}\n",
        address.nic.mac, address.prefix
    );
    let mut number = 0;
    for route in address.routes_in_order() {
        match route.gateway {
            Some(gateway) if route.is_default() => {
                let _ = writeln!(text, "gateway={gateway}");
            }
            gateway => {
                number += 1;
                let gateway = gateway.map(|g| format!(",{g}")).unwrap_or_default();
                let _ = writeln!(text, "route{number}={}{gateway}", route.destination);
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
        RunFile {
            mode: 0o600,
            ..RunFile::new(
                format!("NetworkManager/system-connections/netroot-{name}.nmconnection"),
                text,
            )
        },
        RunFile::new(
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
    fn the_profile_contains_the_whole_lease_and_the_device_names_the_profile() {
        let address = leased("ip=dhcp");
        let root_nic = RootNic {
            address: &address,
            is_card: true,
        };
        let [profile, device] = <[RunFile; 2]>::try_from(files(&root_nic)).unwrap();
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
    fn a_bond_is_marked_unmanaged() {
        let address = leased("ip=dhcp");
        let root_nic = RootNic {
            address: &address,
            is_card: false,
        };
        let [file] = <[RunFile; 1]>::try_from(files(&root_nic)).unwrap();
        assert!(
            file.text
                .contains("match-device=interface-name:=eth0\nmanaged=0\n")
        );
    }
}
