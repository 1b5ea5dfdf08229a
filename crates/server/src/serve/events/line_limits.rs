//! How many lines each client may cause: what one client does never hides what another one does.
//!
//! A line counts three times: for its source (the address that the packet came from), for the machine that has this
//! address (an attacker may have many), and for all machines. There are three such sets of limits, since anybody can
//! send a packet in another's name or in the name of thousands: one for what only a client can cause that receives our
//! answers, one for everything else about such clients, and one for strangers. So a flood of made-up addresses costs
//! other strangers their lines, and nobody else.

use std::collections::HashMap;
use std::time::Duration;

use netroot_limits::{LeftOut, Rate, RateLimiter};

use super::event::{Event, Machine};
use super::fetch::StopCause;
use super::ignored::Ignored;

/// Lines of one source. A machine that boots causes 12 to 20; a Raspberry Pi, which asks for dozens of files that do
/// not exist, 60.
const SOURCE: Rate = Rate {
    burst: 128,
    every: Duration::from_secs(1),
};
/// Lines of one machine, whatever the number of its addresses.
const MACHINE: Rate = Rate {
    burst: 512,
    every: Duration::from_millis(250),
};
/// Lines of all machines: 200 may boot at once.
const TOTAL: Rate = Rate {
    burst: 4096,
    every: Duration::from_millis(50),
};
/// Lines of all strangers: 100 may boot at once for the first time, with each DHCP message sent twice.
const STRANGERS: Rate = Rate {
    burst: 1024,
    every: Duration::from_millis(200),
};
const UNLIMITED: Rate = Rate {
    burst: u32::MAX,
    every: Duration::ZERO,
};
/// How many sources, and machines, are remembered: four /24 networks.
const REMEMBERED: usize = 1024;
/// How many machines each report about left out lines names, for each of the limits.
const NAMED: usize = 8;

/// The limits of the log.
#[derive(Debug)]
pub(super) struct LineLimits {
    /// Of events that show that the client receives what it is sent.
    proven: Limits,
    /// Of other events of machines that have caused one of the former.
    known: Limits,
    /// Of all others.
    strangers: Limits,
    /// The machines that have received what they were sent, and when that was noticed last.
    machines: HashMap<Machine, Duration>,
}

/// Where an event comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source {
    /// As the event has it.
    pub(super) sender: Machine,
    /// The machine that answers for this address, as far as is known.
    pub(super) machine: Machine,
}

impl LineLimits {
    /// Nobody has caused a line yet.
    pub(super) fn new() -> Self {
        Self {
            proven: Limits::new(TOTAL),
            known: Limits::new(TOTAL),
            strangers: Limits::new(STRANGERS),
            machines: HashMap::new(),
        }
    }

    /// Whether an event may be logged at `now`, a time that never goes back. If not, it is counted.
    pub(super) fn allows(&mut self, source: Source, event: &Event, now: Duration) -> bool {
        let limits = if is_proof(event) {
            self.remember(source.machine, now);
            &mut self.proven
        } else if self.machines.contains_key(&source.machine) {
            &mut self.known
        } else {
            &mut self.strangers
        };
        limits.allows(source, now)
    }

    /// How many lines were left out since the last call, by machine; `None`: of machines that are not named.
    pub(super) fn take_left_out(&mut self, now: Duration) -> Vec<(Option<Machine>, u64)> {
        let mut all = Vec::new();
        let mut others = 0;
        for limits in [&mut self.proven, &mut self.known, &mut self.strangers] {
            for left_out in limits.take_left_out(now) {
                others += left_out.others;
                for (machine, lines) in left_out.keys {
                    add(&mut all, Some(machine), lines);
                }
            }
        }
        if others > 0 {
            all.push((None, others));
        }
        all
    }

    fn remember(&mut self, machine: Machine, now: Duration) {
        if self.machines.len() >= REMEMBERED && !self.machines.contains_key(&machine) {
            let oldest = self.machines.iter().min_by_key(|(_, at)| **at);
            if let Some(oldest) = oldest.map(|(machine, _)| *machine) {
                self.machines.remove(&oldest);
            }
        }
        self.machines.insert(machine, now);
    }
}

fn add(all: &mut Vec<(Option<Machine>, u64)>, machine: Option<Machine>, lines: u64) {
    match all.iter_mut().find(|(known, _)| *known == machine) {
        Some((_, sum)) => *sum += lines,
        None => all.push((machine, lines)),
    }
}

/// Whether only a client that receives our answers can cause this: it has acknowledged a transfer, or has a TCP
/// connection.
fn is_proof(event: &Event) -> bool {
    match event {
        Event::Fetched(_)
        | Event::Mounted { .. }
        | Event::Unmounted { .. }
        | Event::Booted { .. }
        | Event::BootFailed { .. } => true,
        Event::FetchStopped { why, .. } => matches!(why, StopCause::HttpClosed),
        Event::Ignored(ignored) => matches!(
            ignored,
            Ignored::HttpPath(_)
                | Ignored::HttpUnknown { .. }
                | Ignored::Report(_)
                | Ignored::Mount { .. }
                | Ignored::NfsCall { .. }
                | Ignored::NfsTooManyConnections
                | Ignored::NfsOutOfThreads
        ),
        _ => false,
    }
}

#[derive(Debug)]
struct Limits {
    senders: RateLimiter<Machine>,
    machines: RateLimiter<Machine>,
}

impl Limits {
    fn new(total: Rate) -> Self {
        Self {
            senders: RateLimiter::new(SOURCE, UNLIMITED, REMEMBERED),
            machines: RateLimiter::new(MACHINE, total, REMEMBERED),
        }
    }

    fn allows(&mut self, source: Source, now: Duration) -> bool {
        // A machine over its limit fills no table with its addresses, and an address over its own takes nothing from
        // the other addresses of its machine.
        let is_over = self.machines.is_over(&source.machine, now);
        (is_over || self.senders.allows(source.sender, now))
            && self.machines.allows(source.machine, now)
    }

    fn take_left_out(&mut self, now: Duration) -> [LeftOut<Machine>; 2] {
        [
            self.senders.take_left_out(NAMED, now),
            self.machines.take_left_out(NAMED, now),
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use netroot_net::Mac;
    use netroot_proto::pxe::client::Client;

    use super::*;

    const START: Duration = Duration::from_secs(100);

    fn mac(number: u32) -> Machine {
        let [_, b, c, d] = number.to_be_bytes();
        Machine::Mac(Mac([2, 0, 0, b, c, d]))
    }

    fn at(number: u32) -> Machine {
        Machine::Address(Ipv4Addr::from_bits(0x0a00_0000 + number).into())
    }

    /// A packet from an address of a machine.
    fn from(address: u32, machine: u32) -> Source {
        Source {
            sender: at(address),
            machine: mac(machine),
        }
    }

    fn dhcp(machine: u32) -> Source {
        Source {
            sender: mac(machine),
            machine: mac(machine),
        }
    }

    fn mounted() -> Event {
        let path = "/".to_owned();
        Event::Mounted { path }
    }

    fn discover() -> Event {
        let client = Client::Plain;
        Event::DhcpDiscover { client }
    }

    fn unknown() -> Event {
        let name = "nonesuch".to_owned();
        Event::Ignored(Ignored::TftpUnknown { name })
    }

    #[test]
    fn twenty_thousand_mounts_are_a_hundred_lines_and_a_count() {
        let mut limits = LineLimits::new();
        let lines = (0..20_000).filter(|_| limits.allows(from(1, 1), &mounted(), START));
        assert_eq!(lines.count(), 128);
        assert!(limits.allows(from(2, 2), &mounted(), START));
        let later = START + Duration::from_secs(10);
        assert_eq!(limits.take_left_out(later), [(Some(at(1)), 19_872)]);
        assert_eq!(limits.take_left_out(later), []);
    }

    #[test]
    fn a_machine_with_hundreds_of_addresses_does_not_use_up_the_total() {
        let mut limits = LineLimits::new();
        for address in 0..5000 {
            for _ in 0..10 {
                limits.allows(from(address, 1), &mounted(), START);
            }
        }
        for honest in 6000..6100 {
            for _ in 0..20 {
                assert!(limits.allows(from(honest, honest), &mounted(), START));
            }
        }
        let left_out = limits.take_left_out(START);
        assert!(left_out.len() <= 2 * NAMED + 1, "{left_out:?}");
        let sum: u64 = left_out.iter().map(|(_, lines)| lines).sum();
        assert_eq!(sum, 50_000 - u64::from(MACHINE.burst));
    }

    #[test]
    fn made_up_machines_cost_strangers_their_lines_and_nobody_else() {
        let mut limits = LineLimits::new();
        assert!(limits.allows(from(7, 7), &mounted(), START));
        let flood =
            (1000..100_000).filter(|number| limits.allows(dhcp(*number), &discover(), START));
        assert_eq!(flood.count(), usize::try_from(STRANGERS.burst).unwrap());
        // A machine that has booted before, and one that only fetches.
        assert!(limits.allows(dhcp(7), &discover(), START));
        assert!(limits.allows(from(7, 7), &unknown(), START));
        assert!(limits.allows(from(8, 8), &mounted(), START));
        assert!(!limits.allows(dhcp(9), &discover(), START));
        let left_out = limits.take_left_out(START);
        let lines = 99_000 - u64::from(STRANGERS.burst) + 1;
        assert_eq!(left_out, [(None, lines)], "one line says so");
    }

    #[test]
    fn packets_in_anothers_name_do_not_hide_what_it_does_itself() {
        let mut limits = LineLimits::new();
        for _ in 0..1000 {
            limits.allows(from(7, 7), &unknown(), START);
        }
        assert!(limits.allows(from(7, 7), &mounted(), START));
    }

    /// 60 machines that this server has never seen: 9 lines of DHCP each, then 5 files, a mount and a report, within a
    /// minute or all at once.
    #[test]
    fn a_classroom_that_boots_loses_no_line() {
        for spread in [Duration::from_secs(60), Duration::ZERO] {
            let mut limits = LineLimits::new();
            for line in 0..16 {
                let now = START + spread * line / 16;
                for number in 1..=60 {
                    let (source, event) = match line {
                        0..9 => (dhcp(number), discover()),
                        _ => (from(number, number), mounted()),
                    };
                    assert!(
                        limits.allows(source, &event, now),
                        "line {line} of {number}"
                    );
                }
            }
            assert_eq!(limits.take_left_out(START), []);
        }
    }

    #[test]
    fn the_tables_are_bounded() {
        let mut limits = LineLimits::new();
        for number in 0..5000 {
            limits.allows(from(number, number), &mounted(), START);
        }
        assert_eq!(limits.machines.len(), REMEMBERED);
    }
}
