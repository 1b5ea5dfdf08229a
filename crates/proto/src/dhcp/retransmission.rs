//! When to retransmit an unanswered message.

use std::time::Duration;

/// The first pause. RFC 2131 §4.1 says four seconds, but a switch that forwards one second
/// after the carrier came up should not cost three more.
const FIRST: Duration = Duration::from_secs(1);
/// The longest pause: the most that is lost when a spanning tree, or the negotiation of a
/// bond with its switch, finishes just after a message was lost.
const LONGEST: Duration = Duration::from_secs(4);

/// The deadlines of one message.
#[derive(Debug, Clone)]
pub(super) struct Retransmission {
    at: Option<Duration>,
    pause: Duration,
    sent: u32,
}

impl Retransmission {
    /// A new message, to be sent at `at`.
    pub(super) fn starting(at: Duration) -> Self {
        Retransmission {
            at: Some(at),
            pause: FIRST,
            sent: 0,
        }
    }

    /// The carrier is back: what was sent before may have been lost.
    pub(super) fn restart(&mut self, now: Duration) {
        if self.at.is_some() {
            *self = Retransmission::starting(now);
        }
    }

    /// The message was answered.
    pub(super) fn stop(&mut self) {
        self.at = None;
    }

    /// When the message is sent next.
    pub(super) fn at(&self) -> Option<Duration> {
        self.at
    }

    /// How often it was sent since it was started.
    pub(super) fn sent(&self) -> u32 {
        self.sent
    }

    /// Whether to send it now. The next pause is twice as long.
    pub(super) fn is_due(&mut self, now: Duration) -> bool {
        if self.at.is_none_or(|at| at > now) {
            return false;
        }
        self.at = Some(now.saturating_add(self.pause));
        self.pause = (self.pause * 2).min(LONGEST);
        self.sent = self.sent.saturating_add(1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The milliseconds at which the message is sent, when looked at every 100 ms.
    fn sent(message: &mut Retransmission, from: u64, to: u64) -> Vec<u64> {
        (from..to)
            .step_by(100)
            .filter(|t| message.is_due(Duration::from_millis(*t)))
            .collect()
    }

    #[test]
    fn a_message_is_sent_at_once_and_then_at_longer_intervals() {
        let mut message = Retransmission::starting(Duration::from_secs(5));
        assert!(sent(&mut message, 0, 5_000).is_empty(), "not due yet");
        assert_eq!(
            sent(&mut message, 5_000, 30_000),
            [5_000, 6_000, 8_000, 12_000, 16_000, 20_000, 24_000, 28_000]
        );
    }

    #[test]
    fn a_carrier_repeats_the_message_at_once() {
        let mut message = Retransmission::starting(Duration::ZERO);
        assert_eq!(sent(&mut message, 0, 10_000), [0, 1_000, 3_000, 7_000]);
        message.restart(Duration::from_secs(10));
        assert_eq!(sent(&mut message, 10_000, 12_000), [10_000, 11_000]);
    }

    #[test]
    fn an_answer_ends_it_and_a_carrier_does_not_resume_it() {
        let mut message = Retransmission::starting(Duration::ZERO);
        message.stop();
        message.restart(Duration::from_millis(100));
        assert!(sent(&mut message, 100, 60_000).is_empty());
    }
}
