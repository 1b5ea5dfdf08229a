//! What becomes of a frame. Pure: frames and times in, frames out.

use std::time::{Duration, Instant};

use super::frame::{bootp_of, tag_of, tagged, untagged};
use super::lacp::{Partner, is_lacp};
use super::{Manners, Question};

/// Where a frame goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Out {
    /// To the network.
    Up(Vec<u8>),
    /// To the machine's card at this port.
    Down(usize, Vec<u8>),
}

/// The ports of a switch, and what passed them.
#[derive(Debug)]
pub(super) struct Fabric {
    manners: Manners,
    ports: Vec<Port>,
    questions: Vec<Question>,
}

#[derive(Clone, Debug, Default)]
struct Port {
    /// When the machine's first frame came: when its driver had set the link up.
    up: Option<Instant>,
    partner: Partner,
}

/// Questions are kept for the tests to look at; a machine that asks for hours must not fill the memory.
const MOST_QUESTIONS: usize = 10_000;

impl Fabric {
    pub(super) fn new(ports: usize, manners: Manners) -> Self {
        Self {
            manners,
            ports: vec![Port::default(); ports],
            questions: Vec::new(),
        }
    }

    /// The DHCP messages of the machine so far, whether or not they passed.
    pub(super) fn questions(&self) -> &[Question] {
        &self.questions
    }

    /// A frame of the machine.
    pub(super) fn sent_by_machine(&mut self, at: usize, frame: &[u8], now: Instant) -> Vec<Out> {
        let carries = self.carries(at, now);
        let Some(port) = self.ports.get_mut(at) else {
            return Vec::new();
        };
        let up = *port.up.get_or_insert(now);
        if self.manners.lacp && is_lacp(frame) {
            let answer = port.partner.hear(number(at), frame, now);
            return answer
                .map(|frame| Out::Down(at, frame))
                .into_iter()
                .collect();
        }
        let passing = match self.manners.vlan {
            Some(vlan) => untagged(frame, vlan),
            None => Some(frame.to_owned()),
        };
        let passing = passing.filter(|_| carries);
        if let Some(bootp) = bootp_of(frame).filter(|_| self.questions.len() < MOST_QUESTIONS) {
            self.questions.push(Question {
                port: at,
                after: now.saturating_duration_since(up),
                kind: bootp.kind,
                transaction: bootp.transaction,
                seconds: bootp.seconds,
                vlan: tag_of(frame),
                passed: passing.is_some(),
            });
        }
        passing.map(Out::Up).into_iter().collect()
    }

    /// A frame of the network. Ports that are one link share: each frame goes to one of them.
    pub(super) fn sent_by_network(&mut self, frame: &[u8], now: Instant) -> Vec<Out> {
        let open: Vec<usize> = (0..self.ports.len())
            .filter(|at| self.carries(*at, now))
            .collect();
        let chosen = if self.manners.lacp {
            share(frame, open.len())
                .and_then(|turn| open.get(turn).copied())
                .into_iter()
                .collect()
        } else {
            open
        };
        let frame = match self.manners.vlan {
            Some(vlan) => tagged(frame, vlan),
            None => Some(frame.to_owned()),
        };
        let Some(frame) = frame else {
            return Vec::new();
        };
        chosen
            .into_iter()
            .map(|at| Out::Down(at, frame.clone()))
            .collect()
    }

    /// What the switch says by itself by now.
    pub(super) fn own_words(&mut self, now: Instant) -> Vec<Out> {
        let ports = self.ports.iter_mut().enumerate();
        ports
            .filter_map(|(at, port)| Some(Out::Down(at, port.partner.due(number(at), now)?)))
            .collect()
    }

    fn carries(&self, at: usize, now: Instant) -> bool {
        let Some(port) = self.ports.get(at) else {
            return false;
        };
        let listening = self.manners.silence;
        let forwards = listening == Duration::ZERO
            || port
                .up
                .is_some_and(|up| now.saturating_duration_since(up) >= listening);
        forwards && (!self.manners.lacp || port.partner.carries(now))
    }
}

/// Which of so many ports a frame takes: frames of one talk take the same, so that they stay in order.
fn share(frame: &[u8], ports: usize) -> Option<usize> {
    // Behind an IPv4 header of 20 bytes come the ports.
    let talk = frame.get(26..38).unwrap_or(frame);
    let sum: usize = talk.iter().map(|byte| usize::from(*byte)).sum();
    sum.checked_rem(ports)
}

/// LACP counts ports from one.
fn number(port: usize) -> u16 {
    u16::try_from(port + 1).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::frame::tests::discover;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_port_is_silent_from_the_first_frame_on_for_its_time() {
        let manners = Manners {
            silence: 45 * SECOND,
            ..Manners::default()
        };
        let mut fabric = Fabric::new(1, manners);
        let up = Instant::now();
        assert!(
            fabric.sent_by_network(&discover(0), up).is_empty(),
            "no card"
        );
        assert!(fabric.sent_by_machine(0, &discover(0), up).is_empty());
        assert!(
            fabric
                .sent_by_machine(0, &discover(44), up + 44 * SECOND)
                .is_empty()
        );
        assert!(
            fabric
                .sent_by_network(&discover(0), up + 44 * SECOND)
                .is_empty()
        );
        let last = discover(46);
        assert_eq!(
            fabric.sent_by_machine(0, &last, up + 46 * SECOND),
            [Out::Up(last.clone())]
        );
        assert_eq!(
            fabric.sent_by_network(&last, up + 46 * SECOND),
            [Out::Down(0, last.clone())]
        );
        let passed: Vec<bool> = fabric.questions().iter().map(|q| q.passed).collect();
        assert_eq!(passed, [false, false, true]);
        assert_eq!(fabric.questions()[2].after, 46 * SECOND);
    }

    #[test]
    fn on_a_tagged_port_the_network_never_sees_a_tag_and_the_machine_always_does() {
        let manners = Manners {
            vlan: Some(7),
            ..Manners::default()
        };
        let (mut fabric, now) = (Fabric::new(1, manners), Instant::now());
        let plain = discover(0);
        let tagged = tagged(&plain, 7).unwrap();
        assert!(fabric.sent_by_machine(0, &plain, now).is_empty());
        assert_eq!(
            fabric.sent_by_machine(0, &tagged, now),
            [Out::Up(plain.clone())]
        );
        assert_eq!(fabric.sent_by_network(&plain, now), [Out::Down(0, tagged)]);
        let tags: Vec<Option<u16>> = fabric.questions().iter().map(|q| q.vlan).collect();
        assert_eq!(tags, [None, Some(7)]);
    }

    #[test]
    fn ports_of_one_link_carry_nothing_before_lacp_is_done() {
        let manners = Manners {
            lacp: true,
            ..Manners::default()
        };
        let (mut fabric, now) = (Fabric::new(2, manners), Instant::now());
        assert!(fabric.sent_by_machine(0, &discover(0), now).is_empty());
        assert!(fabric.sent_by_network(&discover(0), now).is_empty());
        assert!(fabric.own_words(now).is_empty());
    }
}
