//! How a NIC gets its address, as the command line asks for it. Pure.

use netroot_net::Mac;
use netroot_proto::cmdline::{IpRequest, Method, NetworkPlan};

use crate::net::nic::Nic;

/// How a NIC gets its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Addressing<'a> {
    /// By DHCP or BOOTP, with the other settings of the command line.
    Dhcp(Option<&'a IpRequest>),
    /// The command line names the address.
    Static(&'a IpRequest),
    /// Leave it alone.
    Off,
}

/// What the command line asks for on a NIC. `boot_link` is the NIC that the firmware booted from, as long as only
/// that one may be used.
pub(crate) fn addressing_of<'a>(
    network: &'a NetworkPlan,
    nic: &Nic,
    boot_link: Option<Mac>,
) -> Addressing<'a> {
    let requests = &network.addressing;
    let is_about = |r: &&IpRequest| r.device.as_ref().is_some_and(|d| nic.is_selected_by(d));
    let request = match requests.iter().find(is_about) {
        Some(request) => Some(request),
        // Without a device the request is for the boot NIC if one is named, else for every NIC.
        None if boot_link.is_some_and(|boot| boot != nic.mac) => return Addressing::Off,
        None => match requests.iter().find(|r| r.device.is_none()) {
            Some(request) => Some(request),
            None if requests.is_empty() => None,
            None => return Addressing::Off,
        },
    };
    match request {
        Some(request) if request.method == Method::Static => Addressing::Static(request),
        Some(request) if matches!(request.method, Method::Off | Method::Unreadable) => {
            Addressing::Off
        }
        request => Addressing::Dhcp(request),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netroot_proto::cmdline::BootPlan;

    const ONE: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const TWO: Mac = Mac([2, 0, 0, 0, 0, 2]);

    fn nic(name: &str, mac: Mac) -> Nic {
        Nic {
            name: name.to_owned(),
            mac,
            original_mac: mac,
            ..crate::net::address::tests::nic()
        }
    }

    fn network(cmdline: &str) -> NetworkPlan {
        BootPlan::parse(cmdline).network
    }

    #[test]
    fn without_ip_every_nic_asks() {
        let network = network("root=/dev/nfs");
        assert_eq!(
            addressing_of(&network, &nic("eth0", ONE), None),
            Addressing::Dhcp(None)
        );
        assert_eq!(
            addressing_of(&network, &nic("eth1", TWO), None),
            Addressing::Dhcp(None)
        );
    }

    #[test]
    fn the_nic_that_the_firmware_booted_from_asks_alone() {
        let network = network("ip=dhcp BOOTIF=01-02-00-00-00-00-01");
        assert!(matches!(
            addressing_of(&network, &nic("eth0", ONE), Some(ONE)),
            Addressing::Dhcp(Some(_))
        ));
        assert_eq!(
            addressing_of(&network, &nic("eth1", TWO), Some(ONE)),
            Addressing::Off
        );
        assert!(
            matches!(
                addressing_of(&network, &nic("eth1", TWO), None),
                Addressing::Dhcp(Some(_))
            ),
            "no longer insisted on"
        );
    }

    #[test]
    fn a_device_in_ip_leaves_the_other_nics_alone() {
        let network = network("ip=10.0.0.7:10.0.0.1::255.255.255.0:host:eth1:off");
        assert!(
            matches!(addressing_of(&network, &nic("eth1", TWO), Some(ONE)), Addressing::Static(r) if r.server.is_some())
        );
        assert_eq!(
            addressing_of(&network, &nic("eth0", ONE), None),
            Addressing::Off
        );
    }

    #[test]
    fn ip_off_leaves_every_nic_alone() {
        assert_eq!(
            addressing_of(&network("ip=off"), &nic("eth0", ONE), None),
            Addressing::Off
        );
    }

    #[test]
    fn a_nic_is_found_by_udevs_names_and_by_its_address() {
        let udev_names = vec!["ens3".to_owned(), "enp0s3".to_owned()];
        let eth0 = Nic {
            udev_names,
            ..nic("eth0", ONE)
        };
        let eth1 = nic("eth1", TWO);
        for cmdline in [
            "ip=enp0s3:dhcp",
            "ip=:::::ens3:dhcp",
            "ip=eth0:dhcp",
            "ip=02-00-00-00-00-01:dhcp",
            "ip=BOOTIF:dhcp BOOTIF=01-02-00-00-00-00-01",
        ] {
            let network = network(cmdline);
            let found = addressing_of(&network, &eth0, None);
            assert!(matches!(found, Addressing::Dhcp(Some(_))), "{cmdline}");
            let other = addressing_of(&network, &eth1, None);
            assert_eq!(other, Addressing::Off, "{cmdline}");
        }
    }

    #[test]
    fn what_cannot_be_read_sets_no_nic_up() {
        for cmdline in [
            "ip=10.0.0.300::::::off",
            "ip=10.0.0.7:::24::a/b:off",
            "ip=BOOTIF:dhcp",
        ] {
            let network = network(cmdline);
            let found = addressing_of(&network, &nic("eth0", ONE), None);
            assert_eq!(found, Addressing::Off, "{cmdline}");
        }
    }
}
