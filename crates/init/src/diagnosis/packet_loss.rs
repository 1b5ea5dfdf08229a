//! Packet loss. It looks like a firewall or like a server that hangs, until it is measured.
//!
//! ARP requests are what is counted: every machine answers them, firewalls do not drop them, and switches treat them
//! like any other frame.

use std::net::Ipv4Addr;
use std::time::Duration;

use netroot_net::Mac;

use crate::clock::Moment;
use crate::net::arp::Arp;

/// ARP requests sent.
const REQUESTS: usize = 10;
/// The pause between two requests.
const INTERVAL: Duration = Duration::from_millis(30);
/// How long to wait for late answers: a neighbour may just be busy.
const GRACE: Duration = Duration::from_secs(1);
/// How many requests may go unanswered on a network that counts as good.
const TOLERATED: usize = 1;

/// Frames are lost between this machine and a neighbour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PacketLoss {
    /// The neighbour that was probed.
    pub(crate) neighbour: Ipv4Addr,
    /// How many of [`REQUESTS`] requests it answered.
    pub(crate) answered: usize,
}

impl PacketLoss {
    /// Probes a neighbour on this NIC's network, for up to 1.3 s. `None` if it answers reliably, or never.
    pub(crate) fn measure(index: u32, own: Mac, neighbour: Ipv4Addr) -> Option<Self> {
        let arp = Arp::on(index, own)?;
        for _ in 0..REQUESTS {
            if !arp.probe(neighbour) {
                return None;
            }
            std::thread::sleep(INTERVAL);
        }
        let end = Moment::now().after(GRACE);
        let mut answered = 0;
        while answered < REQUESTS && !end.remaining().is_zero() {
            std::thread::sleep(INTERVAL);
            answered += arp.claims(neighbour).len();
        }
        Self::judge(neighbour, answered)
    }

    fn judge(neighbour: Ipv4Addr, answered: usize) -> Option<Self> {
        // A neighbour that never answers is down, which is another fault.
        (1..REQUESTS - TOLERATED)
            .contains(&answered)
            .then_some(PacketLoss {
                neighbour,
                answered,
            })
    }

    /// What to do about it, whatever the failure looks like.
    pub(crate) fn advice(&self) -> String {
        let PacketLoss {
            neighbour,
            answered,
        } = self;
        format!(
            "the network loses frames ({neighbour} answers {answered} of {REQUESTS} ARP requests): check the cable, its plugs, and the speed and duplex of the switch's port"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

    #[test]
    fn loss_is_reported_when_a_neighbour_answers_only_some_requests() {
        // Another machine may answer too, or one may answer twice.
        for answered in [0, 9, 10, 20] {
            assert_eq!(PacketLoss::judge(NEIGHBOUR, answered), None, "{answered}");
        }
        for answered in [1, 5, 8] {
            let loss = PacketLoss::judge(NEIGHBOUR, answered).unwrap();
            assert_eq!(loss.answered, answered);
        }
    }
}
