//! dhcpcd: a unit drop-in that keeps it off the root's NIC.
//!
//! With its usual configuration it requests a second lease under an identity of its own, and replaces the kernel's
//! routes by its own. When that lease expires it removes them, including the route to the local network: the root's
//! address remains but reaches nothing (measured with dhcpcd 9.4.1). It reads no configuration from `/run`, so its unit
//! is changed to exclude the NIC; it still manages other NICs.

use std::io::Read;
use std::os::fd::AsFd;

use rustix::fs::OFlags;

use super::run_file::{RunFile, single_line};
use crate::net::address::Address;
use crate::root::in_root;
use crate::root::mount_point::ROOT;

/// The unit's name.
const UNIT: &str = "dhcpcd.service";
/// Where systemd looks for it, in order (systemd.unit(5)).
const FOLDERS: [&str; 4] = [
    "etc/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
];
/// How much of a unit is read, in bytes.
const LONGEST: u64 = 64 << 10;

/// The unit of the mounted root, if it has one.
pub(super) fn unit() -> Option<String> {
    FOLDERS
        .iter()
        .find_map(|folder| read(&format!("{folder}/{UNIT}")).ok())
}

fn read(path: &str) -> std::io::Result<String> {
    let root = in_root::directory(ROOT)?;
    let file = in_root::open(root.as_fd(), path, OFlags::RDONLY | OFlags::NONBLOCK)?;
    let mut text = String::new();
    std::fs::File::from(file)
        .take(LONGEST)
        .read_to_string(&mut text)?;
    Ok(text)
}

/// The files. `unit` is the text of the root's `dhcpcd.service`, whose command gets one more argument.
pub(super) fn files(address: &Address, unit: Option<&str>) -> Vec<RunFile> {
    let name = single_line(&address.nic.name);
    let heading =
        "# Written by netroot's init: the root is on this interface, and its lease is kept.\n";
    let mut files = vec![RunFile::new(
        format!("systemd/system/dhcpcd@{name}.service.d/10-netroot.conf"),
        format!("{heading}[Unit]\nConditionPathExists=!/run/netroot\n"),
    )];
    if let Some(command) = unit.and_then(command) {
        files.push(RunFile::new(
            format!("systemd/system/{UNIT}.d/10-netroot.conf"),
            format!(
                "{heading}[Service]\nExecStart=\nExecStart={command} --denyinterfaces {name}\n"
            ),
        ));
    }
    files
}

/// The command that the unit starts, if it is dhcpcd on a single line.
fn command(unit: &str) -> Option<&str> {
    let mut commands = unit
        .lines()
        .filter_map(|line| line.strip_prefix("ExecStart="));
    let command = commands.next()?.trim_end();
    let program = command.split_whitespace().next()?;
    (program.ends_with("/dhcpcd") && !command.ends_with('\\') && commands.next().is_none())
        .then_some(command)
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
    fn a_unit_that_starts_something_else_is_left_unchanged() {
        for unit in [
            "",
            "ExecStart=\n",
            "ExecStart=/bin/sh -c dhcpcd\n",
            "ExecStart=/usr/sbin/dhcpcd \\\n -q\n",
            "ExecStart=/usr/sbin/dhcpcd\nExecStart=/usr/sbin/dhcpcd eth1\n",
        ] {
            assert_eq!(command(unit), None, "{unit}");
        }
    }
}
