//! What a module drives, by what it uses of the kernel. Pure.
//!
//! A folder says it for the kernel's own modules. Others lie in `updates/`, `updates/dkms/`, `extra/`, `weak-updates/` or
//! anywhere else.

use serde::Deserialize;

/// What a module drives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriverKind {
    /// Wired network cards.
    Nic,
    /// The transceivers of network cards.
    Phy,
    /// USB controllers.
    UsbHost,
}

/// What is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recognised {
    /// One of the kinds that a set of modules can ask for.
    Driver(DriverKind),
    /// A network device that no machine boots from, in words.
    OtherNetwork(&'static str),
    /// Something else.
    Nothing,
}

/// What each symbol tells, the more telling ones first: a driver of wireless cards registers a network device too. A name
/// that ends with `_` stands for all that begin so.
const SIGNS: [(Recognised, &[&str]); 11] = [
    (
        Recognised::OtherNetwork("wireless"),
        &[
            "cfg80211_",
            "ieee80211_",
            "wiphy_",
            "iw_handler_",
            "wireless_send_event",
        ],
    ),
    (
        Recognised::OtherNetwork("a modem's"),
        &["wwan_", "usb_wwan_", "usb_cdc_wdm_register", "mhi_"],
    ),
    (
        Recognised::OtherNetwork("a CAN bus's"),
        &["alloc_candev_mqs", "register_candev", "open_candev"],
    ),
    (
        Recognised::OtherNetwork("a serial line's"),
        &[
            "ppp_register_channel",
            "ppp_register_net_channel",
            "register_hdlc_device",
            "alloc_hdlcdev",
        ],
    ),
    (
        Recognised::OtherNetwork("a low-power radio's"),
        &["ieee802154_alloc_hw", "hci_register_dev"],
    ),
    (
        Recognised::OtherNetwork("a switch's"),
        &["dsa_register_switch", "devlink_port_switch_"],
    ),
    (
        Recognised::Driver(DriverKind::Nic),
        &[
            "alloc_etherdev_mqs",
            "devm_alloc_etherdev_mqs",
            "register_netdev",
            "devm_register_netdev",
            "usbnet_probe",
        ],
    ),
    (
        Recognised::Driver(DriverKind::Phy),
        &["phy_driver_register", "phy_drivers_register"],
    ),
    (
        Recognised::Driver(DriverKind::UsbHost),
        &["usb_add_hcd", "usb_hcd_pci_probe", "xhci_init_driver"],
    ),
    // Network cards with a set-up of their own (paravirtual ones, tunnels), if they are for a device.
    (
        Recognised::Driver(DriverKind::Nic),
        &["register_netdevice", "alloc_netdev_mqs"],
    ),
    (Recognised::Nothing, &[]),
];

/// What a module that uses these symbols drives.
pub(crate) fn recognise(uses: &[&str]) -> Recognised {
    let found = SIGNS.iter().find(|(_, signs)| {
        signs.iter().any(|sign| {
            uses.iter()
                .any(|used| used == sign || (sign.ends_with('_') && used.starts_with(sign)))
        })
    });
    found.map_or(Recognised::Nothing, |(kind, _)| *kind)
}

/// Whether a module that uses these symbols leaves PHYs to the kernel's library for them.
pub(crate) fn uses_phylib(uses: &[&str]) -> bool {
    const SIGNS: [&str; 5] = [
        "phy_attach",
        "phy_connect",
        "phylink_",
        "mdiobus_",
        "__mdiobus_register",
    ];
    uses.iter()
        .any(|used| SIGNS.iter().any(|sign| used.starts_with(sign)))
}

/// What a module that depends on these others drives, where they are for one kind of network device alone.
pub(crate) fn other_network(needs: &[String]) -> Option<&'static str> {
    const LIBRARIES: [(&str, &[&str]); 5] = [
        ("wireless", &["cfg80211", "mac80211", "lib80211", "rtllib"]),
        ("a modem's", &["wwan", "usb_wwan", "cdc_wdm"]),
        ("a CAN bus's", &["can_dev"]),
        ("a serial line's", &["ppp_generic", "hdlc"]),
        (
            "a low-power radio's",
            &["mac802154", "ieee802154", "bluetooth"],
        ),
    ];
    let mut libraries = LIBRARIES.iter();
    let is_needed = |names: &[&str]| needs.iter().any(|need| names.contains(&need.as_str()));
    let (what, _) = libraries.find(|(_, names)| is_needed(names))?;
    Some(what)
}

/// Whether an alias is that of a device, rather than of a protocol, a file system or a kind of virtual link.
pub(crate) fn is_of_device(alias: &str) -> bool {
    const BUSES: [&str; 17] = [
        "pci",
        "usb",
        "virtio",
        "vmbus",
        "xen",
        "of",
        "acpi",
        "platform",
        "mdio",
        "ssb",
        "bcma",
        "ccw",
        "ccwgroup",
        "auxiliary",
        "fsl-mc",
        "dmi",
        "vio",
    ];
    let bus = alias.split_once(':').map(|(bus, _)| bus);
    bus.is_some_and(|bus| BUSES.contains(&bus.replace('_', "-").as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_is_known_by_what_it_uses() {
        for (uses, expected) in [
            (
                vec!["printk", "alloc_etherdev_mqs", "register_netdev"],
                Recognised::Driver(DriverKind::Nic),
            ),
            (
                vec!["usbnet_probe", "usbnet_disconnect"],
                Recognised::Driver(DriverKind::Nic),
            ),
            (
                vec!["register_netdev", "cfg80211_scan_done"],
                Recognised::OtherNetwork("wireless"),
            ),
            (
                vec!["usbnet_probe", "usb_cdc_wdm_register"],
                Recognised::OtherNetwork("a modem's"),
            ),
            (
                vec!["register_candev", "register_netdev"],
                Recognised::OtherNetwork("a CAN bus's"),
            ),
            (
                vec!["phy_drivers_register"],
                Recognised::Driver(DriverKind::Phy),
            ),
            (vec!["usb_add_hcd"], Recognised::Driver(DriverKind::UsbHost)),
            (vec!["drm_dev_register"], Recognised::Nothing),
            (vec![], Recognised::Nothing),
        ] {
            assert_eq!(recognise(&uses), expected, "{uses:?}");
        }
    }

    #[test]
    fn a_library_tells_what_its_drivers_drive() {
        let needs = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            other_network(&needs(&["rtllib", "lib80211"])),
            Some("wireless")
        );
        assert_eq!(
            other_network(&needs(&["usbnet", "cdc_wdm"])),
            Some("a modem's")
        );
        assert_eq!(other_network(&needs(&["usbnet", "mii"])), None);
    }

    #[test]
    fn aliases_of_devices_are_told_from_others() {
        for (alias, expected) in [
            ("pci:v00008086d000010D3sv*sd*bc*sc*i*", true),
            ("usb:v0BDAp8152d*dc*dsc*dp*ic*isc*ip*in*", true),
            ("mdio:00000000000111001100100100??????", true),
            ("fsl_mc:v00001957ddpni", true),
            ("rtnl-link-ipoib", false),
            ("net-pf-17", false),
            ("fs-nfs", false),
        ] {
            assert_eq!(is_of_device(alias), expected, "{alias}");
        }
    }
}
