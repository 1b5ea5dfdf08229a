//! ifupdown: the interface counts as up, so that `ifup` leaves it as it is, and nobody takes it down at shutdown.

use super::Note;
use crate::net::address::Address;

/// The files. `ifup` asks `ifstate.<if>`, which holds the name that the interface has in `interfaces(5)`; `ifquery`
/// asks `ifstate`, which has a line for each interface (ifupdown 0.8.41).
pub(super) fn notes(address: &Address) -> [Note; 3] {
    let name = &address.nic.name;
    [
        Note::new("network/ifstate", format!("{name}={name}\n")),
        Note::new(format!("network/ifstate.{name}"), format!("{name}\n")),
        // `ifdown -a` when the machine ends, while systemd still needs its root.
        Note::new(
            "systemd/system/networking.service.d/10-netroot.conf",
            "# Written by netroot's init: the root needs its network to the last.\n[Service]\nExecStop=\n",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::tests::leased;
    use super::*;

    #[test]
    fn ifup_finds_the_interface_up_and_nobody_takes_it_down() {
        let [state, own, unit] = notes(&leased("ip=dhcp"));
        assert_eq!(state.path, "network/ifstate");
        assert_eq!(state.text, "eth0=eth0\n");
        assert_eq!(
            (own.path.as_str(), own.text.as_str()),
            ("network/ifstate.eth0", "eth0\n")
        );
        assert!(unit.text.ends_with("[Service]\nExecStop=\n"));
    }
}
