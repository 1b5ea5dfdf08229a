//! ARP probes of addresses before they are offered: which are running, and what their silence is worth.
//!
//! As in RFC 5227 §2.1.1, an address is asked for several times, since a frame may be lost. Fewer times and closer
//! together than there: a machine that got the address probes it once more before it uses it.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::time::Duration;

/// How often an address is asked for.
const REQUESTS: u8 = 2;
/// How long an answer is awaited after each request.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);
/// How long an address counts as free after nobody has answered.
const FRESH_FOR: Duration = Duration::from_secs(600);
/// When an address in stock is probed again, so that it stays fresh.
const REPEAT_AFTER: Duration = Duration::from_secs(480);
/// The most that run at the same time: a flood of DISCOVERs makes no flood of ARP.
const MOST_RUNNING: usize = 512;
/// The most requests that are sent at once, and how long the next ones then wait: 160 a second.
const BURST: usize = 8;
/// See [`BURST`].
const PAUSE: Duration = Duration::from_millis(50);

#[derive(Debug, Clone, Copy)]
struct Running {
    sent: u8,
    next: Duration,
}

/// The probes that run, and the addresses that nobody answered for.
#[derive(Debug, Clone, Default)]
pub(super) struct Probes {
    running: HashMap<Ipv4Addr, Running>,
    silent: HashMap<Ipv4Addr, Duration>,
    /// When the next requests may be sent.
    pause_until: Duration,
}

impl Probes {
    /// Probes the address before all others, unless nobody has answered for it lately.
    pub(super) fn urgent(&mut self, address: Ipv4Addr, now: Duration) {
        if !self.is_silent(address, now) {
            self.start(address, Duration::ZERO);
        }
    }

    /// Probes the address soon, unless nobody has answered for it lately.
    pub(super) fn keep_fresh(&mut self, address: Ipv4Addr, now: Duration) {
        let repeat = |at: &Duration| now >= at.saturating_add(REPEAT_AFTER);
        if self.silent.get(&address).is_none_or(repeat) {
            self.start(address, now);
        }
    }

    fn start(&mut self, address: Ipv4Addr, next: Duration) {
        if self.running.len() < MOST_RUNNING {
            let running = self.running.entry(address);
            running.or_insert(Running { sent: 0, next });
        }
    }

    /// The addresses to ask for now.
    pub(super) fn due(&mut self, now: Duration) -> Vec<Ipv4Addr> {
        if now < self.pause_until {
            return Vec::new();
        }
        let unfinished =
            |(_, running): &(_, &mut Running)| running.next <= now && running.sent < REQUESTS;
        let mut due: Vec<_> = self.running.iter_mut().filter(unfinished).collect();
        due.sort_unstable_by_key(|(address, running)| (running.next, **address));
        due.truncate(BURST);
        if !due.is_empty() {
            self.pause_until = now + PAUSE;
        }
        let asked = due.into_iter().map(|(address, running)| {
            running.sent += 1;
            running.next = now + ANSWER_WITHIN;
            *address
        });
        asked.collect()
    }

    /// The addresses whose probe has ended since the last call without an answer.
    pub(super) fn ended(&mut self, now: Duration) -> Vec<Ipv4Addr> {
        let ended = |running: &Running| running.sent >= REQUESTS && running.next <= now;
        let all: Vec<_> = self
            .running
            .iter()
            .filter(|(_, running)| ended(running))
            .collect();
        let all: Vec<Ipv4Addr> = all.into_iter().map(|(address, _)| *address).collect();
        for address in &all {
            self.running.remove(address);
            self.silent.insert(*address, now);
        }
        self.silent
            .retain(|_, at| now < at.saturating_add(FRESH_FOR));
        all
    }

    /// When something is to be done next.
    pub(super) fn next(&self) -> Option<Duration> {
        let next = self.running.values().map(|running| running.next).min();
        next.map(|next| next.max(self.pause_until))
    }

    /// True if the address was probed, and nobody answered.
    pub(super) fn is_silent(&self, address: Ipv4Addr, now: Duration) -> bool {
        let at = self.silent.get(&address);
        at.is_some_and(|at| now < at.saturating_add(FRESH_FOR))
    }

    /// Somebody uses the address, or may from now on. True if a probe was running.
    pub(super) fn forget(&mut self, address: Ipv4Addr) -> bool {
        self.silent.remove(&address);
        self.running.remove(&address).is_some()
    }
}
