//! The other side of a bond of mode 802.3ad (IEEE 802.1AX §6.4). Pure.
//!
//! An active partner with short timeouts that lets every port aggregate with every other. Not the standard's state
//! machines: it believes the state that the machine reports, and is in sync with it at once.

use std::time::{Duration, Instant};

use super::frame::u16_at;

/// Where LACP is sent to: no bridge forwards it.
const SLOW_PROTOCOLS: [u8; 6] = [0x01, 0x80, 0xc2, 0, 0, 2];
/// The EtherType of slow protocols, LACP's number among them, and its version.
const LACP: [u8; 4] = [0x88, 0x09, 1, 1];
/// The switch as a system, and as the sender of a frame.
const SYSTEM: [u8; 6] = [0x02, 0, 0, 0, 0x13, 0xad];
/// Where in a frame the description of its sender begins, behind the type and length.
const ACTOR: usize = 14 + 4;
const PARTNER: usize = 14 + 24;
/// Length of a description: priority, system, key, port's priority, port, state.
const DESCRIPTION: usize = 15;
/// Where in it the system is, and the state.
const SYSTEM_AT: usize = 2;
const STATE_AT: usize = 14;

// The bits of the state.
const ACTIVE: u8 = 0x01;
const SHORT_TIMEOUT: u8 = 0x02;
const AGGREGATES: u8 = 0x04;
const IN_SYNC: u8 = 0x08;
const COLLECTS: u8 = 0x10;
const DISTRIBUTES: u8 = 0x20;

/// How often each side sends when the other uses short timeouts.
const PERIOD: Duration = Duration::from_secs(1);
/// How long a received state is valid: three periods by the standard, a few more here for an emulated machine.
const TIMEOUT: Duration = Duration::from_secs(10);

/// One port's side of the exchange.
#[derive(Clone, Debug, Default)]
pub(super) struct Partner {
    /// The machine's last report of its own state and of ours, and when it came.
    heard: Option<(Vec<u8>, Instant)>,
    sent: Option<Instant>,
    in_step: bool,
}

/// Whether a frame is LACP, which is for the switch and never forwarded.
pub(super) fn is_lacp(frame: &[u8]) -> bool {
    frame.get(12..16) == Some(&LACP)
}

impl Partner {
    /// Handles a frame from the machine; returns the answer, if it needs one at once.
    pub(super) fn hear(&mut self, port: u16, frame: &[u8], now: Instant) -> Option<Vec<u8>> {
        let actor = frame.get(ACTOR..ACTOR + DESCRIPTION)?;
        let of_us = frame.get(PARTNER..PARTNER + DESCRIPTION)?;
        let knows_us = of_us.get(SYSTEM_AT..SYSTEM_AT + 6) == Some(&SYSTEM)
            && u16_at(of_us, DESCRIPTION - 3) == Some(port);
        let was_in_step = self.in_step;
        self.in_step = knows_us && actor.get(STATE_AT).is_some_and(|s| s & IN_SYNC != 0);
        self.heard = Some((actor.to_owned(), now));
        let news = !knows_us || self.in_step != was_in_step;
        news.then(|| self.speak(port, now))
    }

    /// The periodic frame, if it is due; none to a machine that never sent one.
    pub(super) fn due(&mut self, port: u16, now: Instant) -> Option<Vec<u8>> {
        self.heard.as_ref()?;
        let due = self.sent.is_none_or(|sent| now >= sent + PERIOD);
        due.then(|| self.speak(port, now))
    }

    /// Whether frames pass: both sides are in sync, and the machine still sends.
    pub(super) fn carries(&self, now: Instant) -> bool {
        let heard = self.heard.as_ref();
        self.in_step && heard.is_some_and(|(_, at)| now < *at + TIMEOUT)
    }

    fn speak(&mut self, port: u16, now: Instant) -> Vec<u8> {
        self.sent = Some(now);
        let flows = if self.in_step {
            COLLECTS | DISTRIBUTES
        } else {
            0
        };
        let state = ACTIVE | SHORT_TIMEOUT | AGGREGATES | IN_SYNC | flows;
        let key = [0, 1];
        let priority = [0x80, 0];
        let machine = self.heard.as_ref().map(|(actor, _)| actor.clone());
        let mut frame = [&SLOW_PROTOCOLS[..], &SYSTEM, &LACP].concat();
        frame.extend([1, 20]);
        frame.extend(priority);
        frame.extend(SYSTEM);
        frame.extend(key);
        frame.extend(priority);
        frame.extend(port.to_be_bytes());
        frame.extend([state, 0, 0, 0, 2, 20]);
        frame.extend(machine.unwrap_or_else(|| vec![0; DESCRIPTION]));
        // The collector's delay, and the end.
        frame.extend([0, 0, 0, 3, 16]);
        frame.resize(14 + 110, 0);
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a machine says that believes to be in this state and knows `of_us`.
    fn machine(state: u8, of_us: &[u8]) -> Vec<u8> {
        let mut frame = Partner::default().speak(7, Instant::now());
        frame[ACTOR + SYSTEM_AT..ACTOR + SYSTEM_AT + 6].fill(0x52);
        frame[ACTOR + STATE_AT] = state;
        frame[PARTNER..PARTNER + DESCRIPTION].copy_from_slice(of_us);
        frame
    }

    #[test]
    fn both_sides_are_in_sync_once_the_machine_echoes_our_state() {
        let now = Instant::now();
        let mut partner = Partner::default();
        assert_eq!(partner.due(1, now), None, "nobody spoke");
        let stranger = machine(ACTIVE | AGGREGATES | IN_SYNC, &[0; DESCRIPTION]);
        let answer = partner.hear(1, &stranger, now).unwrap();
        assert!(is_lacp(&answer));
        assert_eq!(answer.len(), 124);
        assert!(!partner.carries(now), "it does not know us");
        assert_eq!(
            answer[PARTNER..PARTNER + DESCRIPTION],
            stranger[ACTOR..ACTOR + DESCRIPTION]
        );
        let us = answer[ACTOR..ACTOR + DESCRIPTION].to_vec();
        let knows = machine(ACTIVE | AGGREGATES | IN_SYNC, &us);
        let answer = partner.hear(1, &knows, now).unwrap();
        assert_eq!(
            answer[ACTOR + STATE_AT] & (COLLECTS | DISTRIBUTES),
            COLLECTS | DISTRIBUTES
        );
        assert!(partner.carries(now));
        assert_eq!(partner.hear(1, &knows, now), None, "nothing is new");
        assert!(partner.due(1, now + PERIOD).is_some());
        assert!(!partner.carries(now + TIMEOUT), "it has gone silent");
    }
}
