//! Whose lease holds, when every NIC asks at once. Pure.

use std::time::Duration;

use netroot_proto::cmdline::{IpRequest, Method, Network};
use netroot_proto::dhcp::Mac;

use crate::clock::Moment;

/// How long a lease without a root waits for another NIC's lease with one.
const GRACE: Duration = Duration::from_secs(10);
/// How long the NIC that the firmware booted from is waited for before any NIC will do: it may have been named by
/// a boot loader that saw another network card, or its driver may not be in the image.
pub(crate) const BOOT_LINK_GRACE: Duration = Duration::from_secs(20);

/// How a NIC gets its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way<'a> {
    /// Ask a DHCP server, with what the command line says besides.
    Ask(Option<&'a IpRequest>),
    /// The command line names the address.
    Fixed(&'a IpRequest),
    /// Leave it alone.
    Off,
}

/// What the command line wants of a NIC. `boot_link` is the NIC that the firmware booted from, while it is still
/// insisted on.
pub(crate) fn way<'a>(
    network: &'a Network,
    name: &str,
    mac: Mac,
    boot_link: Option<Mac>,
) -> Way<'a> {
    let requests = &network.addressing;
    let request = match requests.iter().find(|r| r.device.as_deref() == Some(name)) {
        Some(request) => Some(request),
        // Without a device the request is for the boot NIC if one is named, else for every NIC.
        None if boot_link.is_some_and(|boot| boot != mac) => return Way::Off,
        None => match requests.iter().find(|r| r.device.is_none()) {
            Some(request) => Some(request),
            None if requests.is_empty() => None,
            None => return Way::Off,
        },
    };
    match request {
        Some(request) if request.method == Method::Static => Way::Fixed(request),
        Some(request) if request.method == Method::Off => Way::Off,
        request => Way::Ask(request),
    }
}

/// A NIC in the race.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Runner {
    /// When its address was known, if it is.
    pub(crate) arrived: Option<Moment>,
    /// Whether that address comes with a server and a path to mount.
    pub(crate) rooted: bool,
    /// Whether it may still get an address: it has a carrier and asks.
    pub(crate) running: bool,
}

/// What to do about the runners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Take this one.
    Take(usize),
    /// There is an address without a root; look again then.
    WaitUntil(Moment),
    /// Nobody has an address yet.
    Wait,
}

/// The first address with a root wins. One without waits a little for the others, and then wins all the same, so
/// that its lack can be told.
pub(crate) fn judge(runners: &[Runner], now: Moment) -> Verdict {
    let first = |wanted: fn(&Runner) -> bool| {
        let arrived = runners.iter().enumerate().filter(|(_, r)| wanted(r));
        arrived.filter_map(|(i, r)| r.arrived.map(|t| (t, i))).min()
    };
    if let Some((_, index)) = first(|r| r.rooted) {
        return Verdict::Take(index);
    }
    let Some((arrived, index)) = first(|_| true) else {
        return Verdict::Wait;
    };
    let until = arrived.after(GRACE);
    let others = runners.iter().any(|r| r.running && r.arrived.is_none());
    if others && now < until {
        Verdict::WaitUntil(until)
    } else {
        Verdict::Take(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netroot_proto::cmdline::BootPlan;

    const ONE: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const TWO: Mac = Mac([2, 0, 0, 0, 0, 2]);

    fn at(seconds: u64) -> Moment {
        Moment::at(Duration::from_secs(seconds))
    }

    fn runner(arrived: Option<u64>, rooted: bool) -> Runner {
        Runner {
            arrived: arrived.map(at),
            rooted,
            running: true,
        }
    }

    #[test]
    fn the_first_lease_with_a_root_wins_over_an_earlier_one_without() {
        let runners = [
            runner(Some(1), false),
            runner(Some(3), true),
            runner(Some(4), true),
        ];
        assert_eq!(judge(&runners, at(4)), Verdict::Take(1));
    }

    #[test]
    fn a_lease_without_a_root_waits_for_the_others_and_not_for_ever() {
        let runners = [runner(Some(1), false), runner(None, false)];
        assert_eq!(judge(&runners, at(2)), Verdict::WaitUntil(at(11)));
        assert_eq!(judge(&runners, at(11)), Verdict::Take(0));
    }

    #[test]
    fn a_lease_without_a_root_waits_for_nobody_when_no_other_nic_has_a_carrier() {
        let silent = Runner {
            arrived: None,
            rooted: false,
            running: false,
        };
        assert_eq!(
            judge(&[silent, runner(Some(1), false)], at(1)),
            Verdict::Take(1)
        );
        assert_eq!(judge(&[silent], at(1)), Verdict::Wait);
        assert_eq!(judge(&[], at(1)), Verdict::Wait);
    }

    fn network(cmdline: &str) -> Network {
        BootPlan::parse(cmdline).network
    }

    #[test]
    fn without_ip_every_nic_asks() {
        let network = network("root=/dev/nfs");
        assert_eq!(way(&network, "eth0", ONE, None), Way::Ask(None));
        assert_eq!(way(&network, "eth1", TWO, None), Way::Ask(None));
    }

    #[test]
    fn the_nic_that_the_firmware_booted_from_asks_alone() {
        let network = network("ip=dhcp BOOTIF=01-02-00-00-00-00-01");
        assert!(matches!(
            way(&network, "eth0", ONE, Some(ONE)),
            Way::Ask(Some(_))
        ));
        assert_eq!(way(&network, "eth1", TWO, Some(ONE)), Way::Off);
        assert!(
            matches!(way(&network, "eth1", TWO, None), Way::Ask(Some(_))),
            "no longer insisted on"
        );
    }

    #[test]
    fn a_device_in_ip_leaves_the_other_nics_alone() {
        let network = network("ip=10.0.0.7:10.0.0.1::255.255.255.0:host:eth1:off");
        assert!(
            matches!(way(&network, "eth1", TWO, Some(ONE)), Way::Fixed(r) if r.server.is_some())
        );
        assert_eq!(way(&network, "eth0", ONE, None), Way::Off);
    }

    #[test]
    fn ip_off_leaves_every_nic_alone() {
        assert_eq!(way(&network("ip=off"), "eth0", ONE, None), Way::Off);
    }
}
