//! `/run/net-<if>.conf`, as klibc's ipconfig writes it: initramfs-tools, cloud-init and many scripts read it.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};

use super::run_file::{RunFile, single_line};
use crate::net::address::Address;

/// The file for an address.
pub(super) fn file(address: &Address) -> RunFile {
    let lease = address.lease.as_ref();
    let settings = address.server_settings();
    let gateway = address
        .routes
        .iter()
        .find(|route| route.is_default())
        .and_then(|route| route.gateway);
    let or_zero = |a: Option<IpAddr>| a.unwrap_or(Ipv4Addr::UNSPECIFIED.into()).to_string();
    let dns = |n: usize| or_zero(address.dns.get(n).copied());
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let bytes =
        |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
    let broadcast = address
        .broadcast
        .or_else(|| address.prefix.broadcast())
        .map(IpAddr::V4);
    let asked_at = address.exchange.as_ref().map(|e| e.at.since_kernel());
    let lease_time = lease.and_then(|l| l.lease_time);
    let number = |time: Option<std::time::Duration>| time.unwrap_or_default().as_secs().to_string();
    let lines = [
        ("DEVICE", address.nic.name.clone()),
        (
            "PROTO",
            if lease.is_some() { "dhcp" } else { "none" }.to_owned(),
        ),
        ("IPV4ADDR", address.own().to_string()),
        ("IPV4BROADCAST", or_zero(broadcast)),
        (
            "IPV4NETMASK",
            or_zero(address.prefix.netmask().map(IpAddr::V4)),
        ),
        ("IPV4GATEWAY", or_zero(gateway)),
        ("IPV4DNS0", dns(0)),
        ("IPV4DNS1", dns(1)),
        ("HOSTNAME", text(address.host_name.as_deref())),
        ("DNSDOMAIN", text(address.domain.as_deref())),
        (
            "NISDOMAIN",
            text(
                address
                    .request
                    .as_ref()
                    .and_then(|r| r.nis_domain.as_deref()),
            ),
        ),
        (
            "ROOTSERVER",
            or_zero(
                settings
                    .and_then(|l| l.next_server.or(l.server_id))
                    .map(IpAddr::V4),
            ),
        ),
        (
            "ROOTPATH",
            bytes(settings.and_then(|l| l.root_path.as_deref())),
        ),
        (
            "filename",
            bytes(settings.and_then(|l| l.boot_file.as_deref())),
        ),
        ("UPTIME", number(asked_at)),
        ("DHCPLEASETIME", number(lease_time)),
        ("DOMAINSEARCH", address.search.join(" ")),
    ];
    let mut file = String::new();
    for (name, value) in lines {
        let _ = writeln!(file, "{name}={}", quoted(&value));
    }
    RunFile::new(format!("net-{}.conf", address.nic.name), file)
}

/// Quotes a value for the shell: scripts source the file, and its values come from a server.
fn quoted(value: &str) -> String {
    format!("'{}'", single_line(value).replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{fixed, leased};
    use super::*;

    #[test]
    fn a_lease_is_written_as_ipconfig_writes_it() {
        let file = file(&leased("ip=dhcp"));
        assert_eq!(file.path, "net-eth0.conf");
        for line in [
            "DEVICE='eth0'",
            "PROTO='dhcp'",
            "IPV4ADDR='10.77.0.100'",
            "IPV4BROADCAST='10.77.0.255'",
            "IPV4NETMASK='255.255.255.0'",
            "IPV4GATEWAY='10.77.0.254'",
            "IPV4DNS0='10.77.0.2'",
            "IPV4DNS1='10.77.0.3'",
            "HOSTNAME='box'",
            "DNSDOMAIN='example.org'",
            "ROOTSERVER='10.77.0.1'",
            "filename='ipxe.efi'",
            "UPTIME='1'",
            "DHCPLEASETIME='3600'",
            "DOMAINSEARCH='a.example.org'",
        ] {
            assert!(
                file.text.lines().any(|l| l == line),
                "{line}: {}",
                file.text
            );
        }
    }

    #[test]
    fn a_static_address_is_written_without_a_lease() {
        let text = file(&fixed("ip=10.1.2.3:::255.255.255.0::eth0:off")).text;
        assert!(
            text.contains("PROTO='none'") && text.contains("DHCPLEASETIME='0'"),
            "{text}"
        );
        assert!(text.contains("IPV4GATEWAY='0.0.0.0'"), "{text}");
    }

    #[test]
    fn a_shell_reads_hostile_values_as_values() {
        let mut address = leased("ip=dhcp");
        address.nic.name = "a'b".into();
        let folder = std::env::temp_dir().join(format!("netroot-ipconfig-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("conf");
        std::fs::write(&path, file(&address).text).unwrap();
        let said = std::process::Command::new("sh")
            .args([
                "-euc",
                ". \"$0\"; printf %s \"$DEVICE|$ROOTPATH|$IPV4ADDR\"",
            ])
            .arg(&path)
            .output()
            .unwrap();
        std::fs::remove_dir_all(folder).unwrap();
        assert_eq!(
            String::from_utf8_lossy(&said.stdout),
            "a'b|10.77.0.1:/srv/it's $(reboot)`x`\"|10.77.0.100"
        );
    }
}
