//! Saying the same thing again until somebody answers.
//!
//! smoltcp takes a new transaction number for every DISCOVER, and a server that takes three seconds to answer
//! (dnsmasq pings the address first) then answers a question that is no longer open. So smoltcp asks once, and
//! this repeats its frame, the same but for the time that passed: an answer to any copy counts.

use std::time::Duration;

use smoltcp::wire::{
    ETHERNET_HEADER_LEN, IPV4_HEADER_LEN, IpAddress, Ipv4Packet, UDP_HEADER_LEN, UdpPacket,
};

use crate::clock::Moment;

/// The first pause. RFC 2131 §4.1 says four seconds, but a switch that forwards one second after the carrier came
/// should not cost three more.
const FIRST: Duration = Duration::from_secs(1);
/// The longest pause: what the end of a spanning tree's silence, or of a bond's talk with its switch, may cost at most.
const LONGEST: Duration = Duration::from_secs(4);
/// After so many times the same is asked in the other words that there are for it (BOOTP): by then, seven seconds,
/// any DHCP server has answered, and one that knows both would give the machine two addresses.
const OTHER_WORDS: u32 = 4;
/// Where `secs` is within a DHCP message (RFC 2131 §2).
const SECS: usize = 8;

/// The last frame sent, and when it goes out again.
#[derive(Debug)]
pub(super) struct Repeat {
    frame: Vec<u8>,
    /// The same question in other words.
    beside: Option<Vec<u8>>,
    /// How often it went out since the carrier came.
    sent: u32,
    first_sent: Option<Moment>,
    at: Option<Moment>,
    pause: Duration,
}

impl Repeat {
    pub(super) fn new() -> Self {
        Repeat {
            frame: Vec::new(),
            beside: None,
            sent: 0,
            first_sent: None,
            at: None,
            pause: FIRST,
        }
    }

    /// A new frame takes the place of the last one. `beside` says the same in other words, for those who do not
    /// understand it: it goes out too once nobody has answered for a while.
    pub(super) fn take(&mut self, frame: Vec<u8>, beside: Option<Vec<u8>>, now: Moment) {
        *self = Repeat {
            frame,
            beside,
            sent: 0,
            first_sent: None,
            at: Some(now),
            pause: FIRST,
        };
    }

    /// The carrier is there (again): what was said before may not have been heard.
    pub(super) fn at_once(&mut self, now: Moment) {
        if self.at.is_some() {
            self.at = Some(now);
            self.pause = FIRST;
            self.sent = 0;
        }
    }

    /// It was answered.
    pub(super) fn stop(&mut self) {
        self.at = None;
    }

    /// The last frame, be it answered or not.
    pub(super) fn frame(&self) -> &[u8] {
        &self.frame
    }

    /// When there is something to send.
    pub(super) fn at(&self) -> Option<Moment> {
        self.at
    }

    /// The frame, if it is time to send it, and what goes out beside it. The next pause is twice as long.
    pub(super) fn due(&mut self, now: Moment) -> Option<(&[u8], Option<&[u8]>)> {
        if self.at? > now {
            return None;
        }
        self.at = Some(now.after(self.pause));
        self.pause = (self.pause * 2).min(LONGEST);
        let first = *self.first_sent.get_or_insert(now);
        // Relays and second servers may wait for a client that asks in vain for some time.
        let seconds = now.since(first).as_secs();
        set_seconds(&mut self.frame, seconds);
        self.sent = self.sent.saturating_add(1);
        let beside = self.beside.as_mut().filter(|_| self.sent >= OTHER_WORDS);
        if let Some(beside) = beside.map(Vec::as_mut_slice) {
            set_seconds(beside, seconds);
            return Some((&self.frame, Some(beside)));
        }
        Some((&self.frame, None))
    }
}

/// Writes the seconds since the first try into a DHCP frame, and its checksum.
fn set_seconds(frame: &mut [u8], seconds: u64) {
    let seconds = u16::try_from(seconds).unwrap_or(u16::MAX).to_be_bytes();
    let Some(packet) = frame.get_mut(ETHERNET_HEADER_LEN..) else {
        return;
    };
    let Ok(header) = Ipv4Packet::new_checked(&*packet) else {
        return;
    };
    let (source, destination) = (header.src_addr(), header.dst_addr());
    // smoltcp writes no IP options.
    let Some(datagram) = packet.get_mut(IPV4_HEADER_LEN..) else {
        return;
    };
    let at = UDP_HEADER_LEN + SECS;
    let Some(field) = datagram.get_mut(at..at + 2) else {
        return;
    };
    field.copy_from_slice(&seconds);
    let Ok(mut udp) = UdpPacket::new_checked(datagram) else {
        return;
    };
    udp.fill_checksum(&IpAddress::Ipv4(source), &IpAddress::Ipv4(destination));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Moment {
        Moment::at(Duration::from_millis(milliseconds))
    }

    /// The moments at which a frame goes out, when looked at every 100 ms.
    fn sent(repeat: &mut Repeat, from: u64, to: u64) -> Vec<u64> {
        (from..to)
            .step_by(100)
            .filter(|t| repeat.due(at(*t)).is_some())
            .collect()
    }

    #[test]
    fn a_frame_goes_out_at_once_and_then_ever_rarer() {
        let mut repeat = Repeat::new();
        assert!(sent(&mut repeat, 0, 5_000).is_empty(), "nothing to say yet");
        repeat.take(vec![1], None, at(5_000));
        assert_eq!(
            sent(&mut repeat, 5_000, 30_000),
            [5_000, 6_000, 8_000, 12_000, 16_000, 20_000, 24_000, 28_000]
        );
    }

    #[test]
    fn a_carrier_makes_it_go_out_at_once() {
        let mut repeat = Repeat::new();
        repeat.take(vec![1], None, at(0));
        assert_eq!(sent(&mut repeat, 0, 10_000), [0, 1_000, 3_000, 7_000]);
        repeat.at_once(at(10_000));
        assert_eq!(sent(&mut repeat, 10_000, 12_000), [10_000, 11_000]);
    }

    #[test]
    fn an_answer_ends_it_and_a_carrier_does_not_bring_it_back() {
        let mut repeat = Repeat::new();
        repeat.take(vec![1], None, at(0));
        repeat.stop();
        repeat.at_once(at(100));
        assert!(sent(&mut repeat, 100, 60_000).is_empty());
    }

    #[test]
    fn other_words_go_out_once_nobody_has_answered_for_a_while() {
        let mut repeat = Repeat::new();
        repeat.take(vec![1], Some(vec![2]), at(0));
        let mut both = |from: u64, to: u64| -> Vec<u64> {
            let mut due = |t: &u64| repeat.due(at(*t)).is_some_and(|(_, b)| b == Some(&[2]));
            (from..to).step_by(100).filter(&mut due).collect()
        };
        assert_eq!(both(0, 25_000), [7_000, 11_000, 15_000, 19_000, 23_000]);
        repeat.at_once(at(25_000));
        assert_eq!(sent(&mut repeat, 25_000, 30_000), [25_000, 26_000, 28_000]);
        assert!(
            repeat.due(at(32_000)).is_some_and(|(_, b)| b.is_some()),
            "the fourth time since the carrier came"
        );
    }
}
