//! How a NIC gets its address, as the command line asks for it. Pure.

use netroot_net::Mac;
use netroot_proto::cmdline::{IpRequest, Method, NetworkPlan};

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
    name: &str,
    mac: Mac,
    boot_link: Option<Mac>,
) -> Addressing<'a> {
    let requests = &network.addressing;
    let request = match requests.iter().find(|r| r.device.as_deref() == Some(name)) {
        Some(request) => Some(request),
        // Without a device the request is for the boot NIC if one is named, else for every NIC.
        None if boot_link.is_some_and(|boot| boot != mac) => return Addressing::Off,
        None => match requests.iter().find(|r| r.device.is_none()) {
            Some(request) => Some(request),
            None if requests.is_empty() => None,
            None => return Addressing::Off,
        },
    };
    match request {
        Some(request) if request.method == Method::Static => Addressing::Static(request),
        Some(request) if request.method == Method::Off => Addressing::Off,
        request => Addressing::Dhcp(request),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netroot_proto::cmdline::BootPlan;

    const ONE: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const TWO: Mac = Mac([2, 0, 0, 0, 0, 2]);

    fn network(cmdline: &str) -> NetworkPlan {
        BootPlan::parse(cmdline).network
    }

    #[test]
    fn without_ip_every_nic_asks() {
        let network = network("root=/dev/nfs");
        assert_eq!(
            addressing_of(&network, "eth0", ONE, None),
            Addressing::Dhcp(None)
        );
        assert_eq!(
            addressing_of(&network, "eth1", TWO, None),
            Addressing::Dhcp(None)
        );
    }

    #[test]
    fn the_nic_that_the_firmware_booted_from_asks_alone() {
        let network = network("ip=dhcp BOOTIF=01-02-00-00-00-00-01");
        assert!(matches!(
            addressing_of(&network, "eth0", ONE, Some(ONE)),
            Addressing::Dhcp(Some(_))
        ));
        assert_eq!(
            addressing_of(&network, "eth1", TWO, Some(ONE)),
            Addressing::Off
        );
        assert!(
            matches!(
                addressing_of(&network, "eth1", TWO, None),
                Addressing::Dhcp(Some(_))
            ),
            "no longer insisted on"
        );
    }

    #[test]
    fn a_device_in_ip_leaves_the_other_nics_alone() {
        let network = network("ip=10.0.0.7:10.0.0.1::255.255.255.0:host:eth1:off");
        assert!(
            matches!(addressing_of(&network, "eth1", TWO, Some(ONE)), Addressing::Static(r) if r.server.is_some())
        );
        assert_eq!(addressing_of(&network, "eth0", ONE, None), Addressing::Off);
    }

    #[test]
    fn ip_off_leaves_every_nic_alone() {
        assert_eq!(
            addressing_of(&network("ip=off"), "eth0", ONE, None),
            Addressing::Off
        );
    }
}
