//! Which NIC's address is used when every NIC asks at once. Pure.

use std::time::Duration;

use crate::clock::Moment;

/// How long a lease without a root waits for another NIC's lease with one.
const GRACE: Duration = Duration::from_secs(10);
/// How long it waits for a NIC that has not appeared yet.
const SETTLE: Duration = Duration::from_secs(3);
/// How long to wait for the NIC that the firmware booted from before using any NIC: a boot loader that saw another
/// network card may have named it, or its driver may not be in the initrd.
pub(crate) const BOOT_LINK_GRACE: Duration = Duration::from_secs(20);

/// What is known about the root that an address leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RootKnown {
    /// Server and path are named, and nothing contradicts them.
    Named,
    /// Server and path are a guess (the kernel's `/tftpboot/%s`), or an attempt with this NIC failed before.
    Doubtful,
    /// Nothing names a server and a path.
    None,
}

/// A NIC that may be selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NicState {
    /// When its address was known, if it is.
    pub(crate) arrived: Option<Moment>,
    /// What is known about the root that it leads to.
    pub(crate) root: RootKnown,
    /// When an attempt with this NIC failed last.
    pub(crate) failed: Option<Moment>,
    /// Whether it may still get an address: it has a carrier and asks.
    pub(crate) asking: bool,
}

/// What to do about the NICs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Selection {
    /// Use this one.
    Take(usize),
    /// An address is available that may not lead to a root; check again at this moment.
    WaitUntil(Moment),
    /// No NIC has an address yet.
    Wait,
}

/// The first address with a root wins. Any other waits a little for the other NICs, and is then taken anyway:
/// the guess may be right, and if not, its failure can be reported. Of two NICs that failed, the one that was tried
/// longer ago is taken.
pub(crate) fn select(nics: &[NicState], now: Moment) -> Selection {
    let arrived = |(index, nic): (usize, &NicState)| {
        let moment = nic.arrived?;
        Some((nic.root, nic.failed, moment, index))
    };
    let Some((root, _, moment, index)) = nics.iter().enumerate().filter_map(arrived).min() else {
        return Selection::Wait;
    };
    let others = nics.iter().any(|r| r.asking && r.arrived.is_none());
    let until = moment.after(if others { GRACE } else { SETTLE });
    if root == RootKnown::Named || now >= until {
        Selection::Take(index)
    } else {
        Selection::WaitUntil(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::at(Duration::from_secs(seconds))
    }

    fn nic(arrived: Option<u64>, root: RootKnown) -> NicState {
        NicState {
            arrived: arrived.map(at),
            root,
            failed: None,
            asking: true,
        }
    }

    fn failed(arrived: u64, failed: u64) -> NicState {
        NicState {
            failed: Some(at(failed)),
            ..nic(Some(arrived), RootKnown::Doubtful)
        }
    }

    #[test]
    fn the_first_lease_with_a_root_wins_over_an_earlier_one_without() {
        let nics = [
            nic(Some(1), RootKnown::None),
            nic(Some(3), RootKnown::Named),
            nic(Some(4), RootKnown::Named),
        ];
        assert_eq!(select(&nics, at(4)), Selection::Take(1));
    }

    #[test]
    fn a_lease_without_a_root_waits_for_the_others_for_a_limited_time() {
        let nics = [nic(Some(1), RootKnown::None), nic(None, RootKnown::None)];
        assert_eq!(select(&nics, at(2)), Selection::WaitUntil(at(11)));
        assert_eq!(select(&nics, at(11)), Selection::Take(0));
    }

    #[test]
    fn a_guessed_root_waits_for_a_named_one_and_goes_before_none() {
        let nics = [
            nic(Some(1), RootKnown::None),
            nic(Some(2), RootKnown::Doubtful),
            nic(None, RootKnown::None),
        ];
        assert_eq!(select(&nics, at(2)), Selection::WaitUntil(at(12)));
        assert_eq!(select(&nics, at(12)), Selection::Take(1));
    }

    #[test]
    fn a_lease_without_a_root_waits_shortly_for_a_nic_that_is_not_there_yet() {
        let silent = NicState {
            asking: false,
            ..nic(None, RootKnown::None)
        };
        assert_eq!(
            select(&[silent, nic(Some(1), RootKnown::None)], at(1)),
            Selection::WaitUntil(at(4))
        );
        assert_eq!(
            select(&[silent, nic(Some(1), RootKnown::None)], at(4)),
            Selection::Take(1)
        );
        assert_eq!(select(&[silent], at(1)), Selection::Wait);
        assert_eq!(select(&[], at(1)), Selection::Wait);
    }

    #[test]
    fn nics_that_failed_take_turns_behind_one_that_did_not() {
        assert_eq!(
            select(&[failed(20, 9), failed(20, 5)], at(60)),
            Selection::Take(1)
        );
        let fresh = nic(Some(21), RootKnown::Doubtful);
        assert_eq!(
            select(&[failed(20, 9), failed(20, 5), fresh], at(60)),
            Selection::Take(2)
        );
    }
}
