//! Where a frame goes. Pure: frames and times in, frames out.

use std::time::{Duration, Instant};

use super::frame::{read_bootp, tag_of, tagged, untagged};
use super::lacp::{Partner, is_lacp};

/// How a switch treats a machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SwitchConfig {
    /// A spanning tree: a port blocks for this long after the machine's first frame.
    pub silence: Duration,
    /// Tagged ports: frames carry this VLAN towards the machine, and no tag towards the network.
    pub vlan: Option<u16>,
    /// Aggregated ports: they pass nothing before LACP (802.3ad) has completed.
    pub lacp: bool,
}

/// A DHCP message that a machine sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DhcpMessage {
    /// The port that received it.
    pub port: usize,
    /// How long after the port's first frame.
    pub after: Duration,
    /// The message's type (RFC 2132 §9.6): 1 is a DISCOVER.
    pub kind: u8,
    /// Its transaction ID.
    pub transaction: u32,
    /// Its `secs` field: for how long the machine has been asking.
    pub seconds: u16,
    /// Its VLAN tag.
    pub vlan: Option<u16>,
    /// Whether it was forwarded.
    pub passed: bool,
}

/// Where a frame goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Out {
    /// To the network.
    Up(Vec<u8>),
    /// To the machine's card at this port.
    Down(usize, Vec<u8>),
}

/// The ports of a switch, and the DHCP messages seen.
#[derive(Debug)]
pub(super) struct Fabric {
    config: SwitchConfig,
    ports: Vec<Port>,
    dhcp_messages: Vec<DhcpMessage>,
}

#[derive(Clone, Debug, Default)]
struct Port {
    /// When the machine's first frame arrived: its driver had set the link up.
    up: Option<Instant>,
    partner: Partner,
}

/// Messages are kept for the tests to inspect; a machine that asks for hours must not fill the memory.
const MOST_MESSAGES: usize = 10_000;

impl Fabric {
    pub(super) fn new(ports: usize, config: SwitchConfig) -> Self {
        Self {
            config,
            ports: vec![Port::default(); ports],
            dhcp_messages: Vec::new(),
        }
    }

    /// The DHCP messages of the machine so far, whether or not they passed.
    pub(super) fn dhcp_messages(&self) -> &[DhcpMessage] {
        &self.dhcp_messages
    }

    /// A frame from the machine.
    pub(super) fn sent_by_machine(&mut self, at: usize, frame: &[u8], now: Instant) -> Vec<Out> {
        let carries = self.carries(at, now);
        let Some(port) = self.ports.get_mut(at) else {
            return Vec::new();
        };
        let up = *port.up.get_or_insert(now);
        if self.config.lacp && is_lacp(frame) {
            let answer = port.partner.hear(number(at), frame, now);
            return answer
                .map(|frame| Out::Down(at, frame))
                .into_iter()
                .collect();
        }
        let passing = match self.config.vlan {
            Some(vlan) => untagged(frame, vlan),
            None => Some(frame.to_owned()),
        };
        let passing = passing.filter(|_| carries);
        if let Some(bootp) = read_bootp(frame).filter(|_| self.dhcp_messages.len() < MOST_MESSAGES)
        {
            self.dhcp_messages.push(DhcpMessage {
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

    /// A frame from the network. Of aggregated ports, one gets it.
    pub(super) fn sent_by_network(&mut self, frame: &[u8], now: Instant) -> Vec<Out> {
        let open: Vec<usize> = (0..self.ports.len())
            .filter(|at| self.carries(*at, now))
            .collect();
        let chosen = if self.config.lacp {
            share(frame, open.len())
                .and_then(|turn| open.get(turn).copied())
                .into_iter()
                .collect()
        } else {
            open
        };
        let frame = match self.config.vlan {
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

    /// The frames that the switch itself must send by now.
    pub(super) fn due_frames(&mut self, now: Instant) -> Vec<Out> {
        let ports = self.ports.iter_mut().enumerate();
        ports
            .filter_map(|(at, port)| Some(Out::Down(at, port.partner.due(number(at), now)?)))
            .collect()
    }

    fn carries(&self, at: usize, now: Instant) -> bool {
        let Some(port) = self.ports.get(at) else {
            return false;
        };
        let listening = self.config.silence;
        let forwards = listening == Duration::ZERO
            || port
                .up
                .is_some_and(|up| now.saturating_duration_since(up) >= listening);
        forwards && (!self.config.lacp || port.partner.carries(now))
    }
}

/// Which of the ports a frame takes: frames of one conversation take the same, so that they stay in order.
fn share(frame: &[u8], ports: usize) -> Option<usize> {
    // The UDP or TCP ports follow an IPv4 header of 20 bytes.
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
    fn a_port_blocks_for_its_delay_after_the_first_frame() {
        let config = SwitchConfig {
            silence: 45 * SECOND,
            ..SwitchConfig::default()
        };
        let mut fabric = Fabric::new(1, config);
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
        let passed: Vec<bool> = fabric.dhcp_messages().iter().map(|q| q.passed).collect();
        assert_eq!(passed, [false, false, true]);
        assert_eq!(fabric.dhcp_messages()[2].after, 46 * SECOND);
    }

    #[test]
    fn a_tagged_port_tags_towards_the_machine_and_untags_towards_the_network() {
        let config = SwitchConfig {
            vlan: Some(7),
            ..SwitchConfig::default()
        };
        let (mut fabric, now) = (Fabric::new(1, config), Instant::now());
        let plain = discover(0);
        let tagged = tagged(&plain, 7).unwrap();
        assert!(fabric.sent_by_machine(0, &plain, now).is_empty());
        assert_eq!(
            fabric.sent_by_machine(0, &tagged, now),
            [Out::Up(plain.clone())]
        );
        assert_eq!(fabric.sent_by_network(&plain, now), [Out::Down(0, tagged)]);
        let tags: Vec<Option<u16>> = fabric.dhcp_messages().iter().map(|q| q.vlan).collect();
        assert_eq!(tags, [None, Some(7)]);
    }

    #[test]
    fn aggregated_ports_pass_nothing_before_lacp_completes() {
        let config = SwitchConfig {
            lacp: true,
            ..SwitchConfig::default()
        };
        let (mut fabric, now) = (Fabric::new(2, config), Instant::now());
        assert!(fabric.sent_by_machine(0, &discover(0), now).is_empty());
        assert!(fabric.sent_by_network(&discover(0), now).is_empty());
        assert!(fabric.due_frames(now).is_empty());
    }
}
