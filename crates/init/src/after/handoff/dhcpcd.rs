//! dhcpcd: kept off the root's NIC.
//!
//! With its usual configuration it requests a second lease under an identity of its own, and replaces the kernel's
//! routes by its own. When that lease expires it removes them, including the route to the local network: the root's
//! address remains but reaches nothing (measured with dhcpcd 9.4.1). It reads no configuration from `/run`: under systemd
//! its unit is changed to exclude the NIC, and in a writable layer `/etc/dhcpcd.conf` is, which OpenRC's and runit's
//! services (Alpine, Void) read too. It still manages other NICs, and one that its command line names.

use super::run_file::{RunFile, single_line};
use super::unit::{HEADING, with_argument};
use crate::net::address::Address;

/// The unit's name.
pub(super) const UNIT: &str = "dhcpcd.service";
/// Its configuration file.
pub(super) const CONFIG: &str = "/etc/dhcpcd.conf";

/// The files. `unit` is the text of the root's `dhcpcd.service`, whose command gets one more argument.
pub(super) fn files(address: &Address, unit: Option<&str>) -> Vec<RunFile> {
    let name = single_line(&address.nic.name);
    let mut files = vec![RunFile::new(
        format!("systemd/system/dhcpcd@{name}.service.d/10-netroot.conf"),
        format!("{HEADING}[Unit]\nConditionPathExists=!/run/netroot\n"),
    )];
    let argument = format!("--denyinterfaces {name}");
    files.extend(with_argument(UNIT, unit, "dhcpcd", &argument));
    files
}

/// The configuration with the NIC excluded. A line that comes after an `interface` block belongs to it (dhcpcd.conf(5)),
/// so this one comes first.
pub(super) fn config(text: &str, name: &str) -> String {
    format!("{HEADING}denyinterfaces {}\n{text}", single_line(name))
}

#[cfg(test)]
mod tests {
    use super::super::tests::leased;
    use super::*;

    #[test]
    fn the_units_command_excludes_the_nic_and_keeps_its_arguments() {
        let unit = "[Service]\nType=forking\nExecStart=/usr/sbin/dhcpcd -q -b\nExecStop=/usr/sbin/dhcpcd -x\n";
        let [own, all] = <[RunFile; 2]>::try_from(files(&leased("ip=dhcp"), Some(unit))).unwrap();
        assert_eq!(
            own.path,
            "systemd/system/dhcpcd@eth0.service.d/10-netroot.conf"
        );
        assert_eq!(all.path, "systemd/system/dhcpcd.service.d/10-netroot.conf");
        assert!(
            all.text.ends_with(
                "\nExecStart=\nExecStart=/usr/sbin/dhcpcd -q -b --denyinterfaces eth0\n"
            ),
            "{}",
            all.text
        );
    }

    #[test]
    fn the_nic_is_excluded_before_any_block_of_an_interface() {
        let text = config("duid\ninterface eth1\nmetric 9\n", "eth0");
        assert!(
            text.ends_with("\ndenyinterfaces eth0\nduid\ninterface eth1\nmetric 9\n"),
            "{text}"
        );
    }
}
