//! ConnMan: kept off the root's NIC.
//!
//! It takes every interface that is up down when it starts, to be rid of what others configured (`cleanup_devices`,
//! src/device.c). Its own exception for a root over NFS needs `/proc/net/pnp`, which only the kernel's own `ip=` makes
//! (`__connman_inet_isrootnfs_device`, src/inet.c). It reads no configuration from `/run`: under systemd its unit is
//! changed, and in a writable layer its configuration, for OpenRC and others.

use std::fmt::Write;

use super::run_file::{RunFile, single_line};
use super::unit::{HEADING, with_argument};
use crate::net::address::Address;

/// The unit's name.
pub(super) const UNIT: &str = "connman.service";
/// Its configuration file.
pub(super) const CONFIG: &str = "/etc/connman/main.conf";
/// The interfaces that are not its own, by the beginning of their names.
const KEY: &str = "NetworkInterfaceBlacklist";
/// What that is where the file does not say (`default_blacklist`, src/main.c).
const DEFAULT: &str = "vmnet,vboxnet,virbr,ifb,ve-,vb-,ham,veth";

/// The file, if the root has a unit of this text.
pub(super) fn file(address: &Address, unit: Option<&str>) -> Option<RunFile> {
    let argument = format!("--nodevice={}", single_line(&address.nic.name));
    with_argument(UNIT, unit, "connmand", &argument)
}

/// The configuration with the NIC excluded.
pub(super) fn config(text: &str, name: &str) -> String {
    let name = single_line(name);
    let is_key = |line: &&str| {
        line.split_once('=')
            .is_some_and(|(key, _)| key.trim() == KEY)
    };
    // The last one counts, as in GLib.
    let others = text.lines().rfind(is_key);
    let others = others.and_then(|line| line.split_once('='));
    let others = others.map_or(DEFAULT, |(_, value)| value.trim());
    let mut new = text.to_owned();
    if !new.is_empty() && !new.ends_with('\n') {
        new.push('\n');
    }
    // Groups of the same name are one.
    let _ = write!(new, "\n{HEADING}[General]\n{KEY}={others}");
    if !others.is_empty() && !others.ends_with(',') {
        new.push(',');
    }
    let _ = writeln!(new, "{name}");
    new
}

#[cfg(test)]
mod tests {
    use super::super::tests::leased;
    use super::*;

    #[test]
    fn the_units_command_excludes_the_nic() {
        let unit = "[Service]\nType=dbus\nExecStart=/usr/sbin/connmand -n\n";
        let file = file(&leased("ip=dhcp"), Some(unit)).unwrap();
        assert_eq!(
            file.path,
            "systemd/system/connman.service.d/10-netroot.conf"
        );
        assert!(
            file.text
                .ends_with("\nExecStart=\nExecStart=/usr/sbin/connmand -n --nodevice=eth0\n")
        );
    }

    #[test]
    fn the_configuration_keeps_what_it_excludes_already() {
        for (text, expected) in [
            ("", "vmnet,vboxnet,virbr,ifb,ve-,vb-,ham,veth,eth0"),
            (
                "# NetworkInterfaceBlacklist = a\n",
                "vmnet,vboxnet,virbr,ifb,ve-,vb-,ham,veth,eth0",
            ),
            (
                "[General]\nNetworkInterfaceBlacklist = vmnet,tap\n[X]\n",
                "vmnet,tap,eth0",
            ),
            ("[General]\nNetworkInterfaceBlacklist=", "eth0"),
        ] {
            let new = config(text, "eth0");
            assert!(new.starts_with(text), "{new}");
            let last = format!("\n[General]\nNetworkInterfaceBlacklist={expected}\n");
            assert!(new.ends_with(&last), "{new}");
        }
    }
}
