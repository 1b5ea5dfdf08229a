//! A wire that loses frames: it looks like a firewall, or like a server that is stuck, until frames are counted.
//!
//! ARP is what is counted by: every machine answers it, no firewall drops it, and a switch treats it like anything
//! else.

use std::net::Ipv4Addr;
use std::time::Duration;

use netroot_proto::dhcp::Mac;

use crate::clock::Moment;
use crate::net::arp::Arp;

/// Questions asked.
const ASKED: usize = 10;
/// Between two of them.
const PAUSE: Duration = Duration::from_millis(30);
/// How long the answers that are missing may still take: a busy neighbour is no bad wire.
const LAST: Duration = Duration::from_secs(1);
/// So many may go unanswered on a wire that is counted as good.
const FORGIVEN: usize = 1;

/// Frames that were lost between this machine and a neighbour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PacketLoss {
    /// The neighbour that was asked.
    pub(crate) neighbour: Ipv4Addr,
    /// How many of [`ASKED`] questions it answered.
    pub(crate) answered: usize,
}

impl PacketLoss {
    /// Asks a neighbour on the wire of this NIC, for 1.3 s at the most. `None` if it answers as it should, or never.
    pub(crate) fn measure(index: u32, own: Mac, neighbour: Ipv4Addr) -> Option<Self> {
        let arp = Arp::on(index, own)?;
        for _ in 0..ASKED {
            if !arp.ask(neighbour) {
                return None;
            }
            std::thread::sleep(PAUSE);
        }
        let end = Moment::now().after(LAST);
        let mut answered = 0;
        while answered < ASKED && !end.remaining().is_zero() {
            std::thread::sleep(PAUSE);
            answered += arp.claims(neighbour).len();
        }
        Self::judge(neighbour, answered)
    }

    fn judge(neighbour: Ipv4Addr, answered: usize) -> Option<Self> {
        // A neighbour that never answers is not there, which is another fault.
        (1..ASKED - FORGIVEN)
            .contains(&answered)
            .then_some(PacketLoss {
                neighbour,
                answered,
            })
    }

    /// What to do about it, whatever the failure looked like.
    pub(crate) fn advice(&self) -> String {
        let PacketLoss {
            neighbour,
            answered,
        } = self;
        format!(
            "the network loses frames, for {neighbour} answers {answered} of {ASKED} ARP requests: check the cable, its plugs, and the speed and duplex of the switch's port"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

    #[test]
    fn only_a_neighbour_that_answers_some_questions_and_not_others_is_behind_a_bad_wire() {
        // Somebody else may answer too, or one of them twice.
        for answered in [0, 9, 10, 20] {
            assert_eq!(PacketLoss::judge(NEIGHBOUR, answered), None, "{answered}");
        }
        for answered in [1, 5, 8] {
            let loss = PacketLoss::judge(NEIGHBOUR, answered).unwrap();
            assert_eq!(loss.answered, answered);
        }
    }
}
