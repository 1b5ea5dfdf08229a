//! Whose lease holds, when every NIC asks at once. Pure.

use std::time::Duration;

use netroot_proto::cmdline::{IpRequest, Method, Network};
use netroot_proto::dhcp::Mac;

use crate::clock::Moment;

/// How long a lease without a root waits for another NIC's lease with one.
const GRACE: Duration = Duration::from_secs(10);
/// How long it waits for a NIC that is not even there yet.
const SETTLE: Duration = Duration::from_secs(3);
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

/// How good an address is for mounting a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Root {
    /// Server and path are named, and nothing speaks against them.
    Named,
    /// Server and path are a guess (the kernel's `/tftpboot/%s`), or an attempt with this NIC failed before.
    Doubtful,
    /// Nothing names a server and a path.
    None,
}

/// A NIC in the race.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Runner {
    /// When its address was known, if it is.
    pub(crate) arrived: Option<Moment>,
    /// What that address is good for.
    pub(crate) root: Root,
    /// When an attempt with this NIC failed last.
    pub(crate) failed: Option<Moment>,
    /// Whether it may still get an address: it has a carrier and asks.
    pub(crate) running: bool,
}

/// What to do about the runners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Take this one.
    Take(usize),
    /// There is an address of little worth; look again then.
    WaitUntil(Moment),
    /// Nobody has an address yet.
    Wait,
}

/// The first address with a root wins. Another one waits a little for the other NICs, and then wins all the same:
/// the guess may be right, and else its failure can be told. Of two that failed, the one whose turn is longer ago.
pub(crate) fn judge(runners: &[Runner], now: Moment) -> Verdict {
    let arrived = |(index, runner): (usize, &Runner)| {
        let moment = runner.arrived?;
        Some((runner.root, runner.failed, moment, index))
    };
    let Some((root, _, moment, index)) = runners.iter().enumerate().filter_map(arrived).min()
    else {
        return Verdict::Wait;
    };
    let others = runners.iter().any(|r| r.running && r.arrived.is_none());
    let until = moment.after(if others { GRACE } else { SETTLE });
    if root == Root::Named || now >= until {
        Verdict::Take(index)
    } else {
        Verdict::WaitUntil(until)
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

    fn runner(arrived: Option<u64>, root: Root) -> Runner {
        Runner {
            arrived: arrived.map(at),
            root,
            failed: None,
            running: true,
        }
    }

    fn failed(arrived: u64, failed: u64) -> Runner {
        Runner {
            failed: Some(at(failed)),
            ..runner(Some(arrived), Root::Doubtful)
        }
    }

    #[test]
    fn the_first_lease_with_a_root_wins_over_an_earlier_one_without() {
        let runners = [
            runner(Some(1), Root::None),
            runner(Some(3), Root::Named),
            runner(Some(4), Root::Named),
        ];
        assert_eq!(judge(&runners, at(4)), Verdict::Take(1));
    }

    #[test]
    fn a_lease_without_a_root_waits_for_the_others_and_not_for_ever() {
        let runners = [runner(Some(1), Root::None), runner(None, Root::None)];
        assert_eq!(judge(&runners, at(2)), Verdict::WaitUntil(at(11)));
        assert_eq!(judge(&runners, at(11)), Verdict::Take(0));
    }

    #[test]
    fn a_guessed_root_waits_for_a_named_one_and_goes_before_none() {
        let runners = [
            runner(Some(1), Root::None),
            runner(Some(2), Root::Doubtful),
            runner(None, Root::None),
        ];
        assert_eq!(judge(&runners, at(2)), Verdict::WaitUntil(at(12)));
        assert_eq!(judge(&runners, at(12)), Verdict::Take(1));
    }

    #[test]
    fn a_lease_without_a_root_waits_shortly_for_a_nic_that_is_not_there_yet() {
        let silent = Runner {
            running: false,
            ..runner(None, Root::None)
        };
        assert_eq!(
            judge(&[silent, runner(Some(1), Root::None)], at(1)),
            Verdict::WaitUntil(at(4))
        );
        assert_eq!(
            judge(&[silent, runner(Some(1), Root::None)], at(4)),
            Verdict::Take(1)
        );
        assert_eq!(judge(&[silent], at(1)), Verdict::Wait);
        assert_eq!(judge(&[], at(1)), Verdict::Wait);
    }

    #[test]
    fn nics_that_failed_take_turns_behind_one_that_did_not() {
        assert_eq!(
            judge(&[failed(20, 9), failed(20, 5)], at(60)),
            Verdict::Take(1)
        );
        let fresh = runner(Some(21), Root::Doubtful);
        assert_eq!(
            judge(&[failed(20, 9), failed(20, 5), fresh], at(60)),
            Verdict::Take(2)
        );
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
