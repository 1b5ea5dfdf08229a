//! ifupdown, ifupdown-ng and BusyBox's ifup: the interface is recorded as up, so that `ifup` leaves it unchanged.
//!
//! Their services, wicked's and those of RHEL's initscripts take it down at shutdown: under systemd they may not.

use super::run_file::RunFile;
use super::unit::not_stopped;
use crate::net::address::Address;

/// Units that run `ifdown` or the like when they are stopped: ifupdown's and ifupdown-ng's; RHEL's initscripts', whose name
/// is an alias of wicked's; wicked's own. (wicked leaves addresses alone that it did not set, and adopts one that it is
/// leased again: `__ni_netdev_update_addrs`, src/ifconfig.c.)
const UNITS: [&str; 3] = ["networking.service", "network.service", "wicked.service"];

/// The files. `ifup` of ifupdown reads `ifstate.<if>`, which contains the interface's name in `interfaces(5)`; its
/// `ifquery` reads `ifstate`, which has a line for each interface (0.8.41). Alpine's ifupdown-ng and BusyBox have that in
/// `/run` itself; ifupdown-ng adds a count, which is 1 where it is absent (`lif_state_read`, libifupdown/state.c).
pub(super) fn files(address: &Address) -> impl Iterator<Item = RunFile> {
    let name = &address.nic.name;
    let line = format!("{name}={name}\n");
    let states = [
        RunFile::new("network/ifstate", line.clone()),
        RunFile::new(format!("network/ifstate.{name}"), format!("{name}\n")),
        RunFile::new("ifstate", line),
    ];
    states.into_iter().chain(UNITS.map(not_stopped))
}

#[cfg(test)]
mod tests {
    use super::super::tests::leased;
    use super::*;

    #[test]
    fn ifup_finds_the_interface_up_and_shutdown_leaves_it_up() {
        let files: Vec<RunFile> = files(&leased("ip=dhcp")).collect();
        let text = |path: &str| {
            let file = files.iter().find(|file| file.path == path);
            file.map(|file| file.text.as_str()).unwrap_or_default()
        };
        assert_eq!(text("network/ifstate"), "eth0=eth0\n");
        assert_eq!(text("network/ifstate.eth0"), "eth0\n");
        assert_eq!(text("ifstate"), "eth0=eth0\n");
        for unit in ["networking", "network", "wicked"] {
            let drop_in = text(&format!("systemd/system/{unit}.service.d/10-netroot.conf"));
            assert!(drop_in.ends_with("[Service]\nExecStop=\n"), "{unit}");
        }
    }
}
