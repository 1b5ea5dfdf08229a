//! ifupdown: the interface is recorded as up, so that `ifup` leaves it unchanged, and is not taken down at shutdown.

use super::run_file::RunFile;
use crate::net::address::Address;

/// The files. `ifup` reads `ifstate.<if>`, which contains the interface's name in `interfaces(5)`; `ifquery` reads
/// `ifstate`, which has a line for each interface (ifupdown 0.8.41).
pub(super) fn files(address: &Address) -> [RunFile; 3] {
    let name = &address.nic.name;
    [
        RunFile::new("network/ifstate", format!("{name}={name}\n")),
        RunFile::new(format!("network/ifstate.{name}"), format!("{name}\n")),
        // It runs `ifdown -a` at shutdown, while systemd still needs the root.
        RunFile::new(
            "systemd/system/networking.service.d/10-netroot.conf",
            "# Written by netroot's init: the root needs its network until the end.\n[Service]\nExecStop=\n",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::tests::leased;
    use super::*;

    #[test]
    fn ifup_finds_the_interface_up_and_shutdown_leaves_it_up() {
        let [state, own, unit] = files(&leased("ip=dhcp"));
        assert_eq!(state.path, "network/ifstate");
        assert_eq!(state.text, "eth0=eth0\n");
        assert_eq!(
            (own.path.as_str(), own.text.as_str()),
            ("network/ifstate.eth0", "eth0\n")
        );
        assert!(unit.text.ends_with("[Service]\nExecStop=\n"));
    }
}
