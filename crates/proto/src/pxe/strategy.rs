//! Ways to boot a machine, and which of them works for it.
//!
//! Most firmware boots from the usual answer. Some needs the second request on port 4011
//! (danderson/netboot#43), and some hangs in a loader that uses the firmware's own network
//! driver. Neither reports it: the machine stops and starts again from the beginning. So
//! after answers that do not lead to a boot, the next way is tried.

use std::collections::HashMap;
use std::time::Duration;

use netroot_net::Mac;

/// How the boot file is announced to the firmware.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// Proxy: "load this file" (43.6 = 8). DHCP: file and server in the header, as without
    /// PXE.
    #[default]
    Usual,
    /// Proxy: no option 43, so that the firmware sends a second request to port 4011. DHCP:
    /// with option 60 and 43.6 = 8.
    Other,
}

/// The way to boot a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Strategy {
    /// How the boot file is announced.
    pub style: Style,
    /// True to use [`super::inputs::Loader::second`], if there is one.
    pub second_loader: bool,
}

/// How far a machine has come since its last DHCP answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// It has been sent the name of its boot loader.
    Answered,
    /// It has loaded the boot loader.
    Loaded,
    /// The boot loader has requested its script: the strategy works.
    Booted,
}

#[derive(Debug, Clone)]
struct Record {
    strategy: Strategy,
    transaction: u32,
    failures: u32,
    progress: Progress,
    seen: Duration,
}

/// After this many consecutive failed boots another way is tried. A single failure may be a
/// person pressing Escape, or a machine being switched off.
const MAX_FAILURES: u32 = 2;

/// The strategies for recently seen machines.
#[derive(Debug, Default)]
pub struct Strategies {
    machines: HashMap<Mac, Record>,
    capacity: usize,
}

impl Strategies {
    /// Remembers at most `capacity` machines; the least recently seen is forgotten first.
    pub fn new(capacity: usize) -> Strategies {
        Strategies {
            machines: HashMap::new(),
            capacity,
        }
    }

    /// The strategy for a firmware request with this `transaction`. A new transaction is a new
    /// boot, so an earlier one without progress now counts as failed. Do not call this for
    /// iPXE requests: they show that the strategy worked.
    pub fn choose(&mut self, mac: Mac, transaction: u32, now: Duration) -> Strategy {
        if !self.machines.contains_key(&mac) {
            self.make_room();
        }
        let record = self.machines.entry(mac).or_insert(Record {
            strategy: Strategy::default(),
            transaction,
            failures: 0,
            progress: Progress::Answered,
            seen: now,
        });
        record.seen = now;
        if record.transaction != transaction {
            record.transaction = transaction;
            match record.progress {
                Progress::Booted => record.failures = 0,
                progress => {
                    record.failures += 1;
                    if record.failures >= MAX_FAILURES {
                        record.failures = 0;
                        record.strategy = next(record.strategy, progress);
                    }
                }
            }
            record.progress = Progress::Answered;
        }
        record.strategy
    }

    /// Records that the machine has come this far.
    pub fn progressed(&mut self, mac: Mac, progress: Progress) {
        if let Some(record) = self.machines.get_mut(&mac) {
            record.progress = record.progress.max(progress);
        }
    }

    fn make_room(&mut self) {
        if self.machines.len() >= self.capacity
            && let Some(oldest) = self
                .machines
                .iter()
                .min_by_key(|(_, m)| m.seen)
                .map(|(mac, _)| *mac)
        {
            self.machines.remove(&oldest);
        }
    }
}

/// Without a transfer: the other style. With a transfer but no script: the other loader.
fn next(strategy: Strategy, progress: Progress) -> Strategy {
    match progress {
        Progress::Answered => Strategy {
            style: match strategy.style {
                Style::Usual => Style::Other,
                Style::Other => Style::Usual,
            },
            ..strategy
        },
        Progress::Loaded | Progress::Booted => Strategy {
            second_loader: !strategy.second_loader,
            ..strategy
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const USUAL: Strategy = Strategy {
        style: Style::Usual,
        second_loader: false,
    };

    fn after(boots: &[Option<Progress>]) -> Strategy {
        let mut strategies = Strategies::new(8);
        let mut transaction = 0;
        for progress in boots {
            transaction += 1;
            // Each boot sends its DISCOVER several times.
            strategies.choose(MAC, transaction, Duration::ZERO);
            strategies.choose(MAC, transaction, Duration::ZERO);
            if let Some(progress) = progress {
                strategies.progressed(MAC, *progress);
            }
        }
        strategies.choose(MAC, transaction + 1, Duration::ZERO)
    }

    #[test]
    fn a_working_strategy_is_kept() {
        assert_eq!(after(&[Some(Progress::Booted); 9]), USUAL);
        assert_eq!(after(&[None, Some(Progress::Booted), None]), USUAL);
    }

    #[test]
    fn two_boots_without_a_transfer_change_the_style() {
        let other = Strategy {
            style: Style::Other,
            second_loader: false,
        };
        assert_eq!(after(&[None]), USUAL);
        assert_eq!(after(&[None, None]), other);
        assert_eq!(after(&[None, None, None, None]), USUAL);
        assert_eq!(
            after(&[None, None, Some(Progress::Booted), Some(Progress::Booted)]),
            other
        );
    }

    #[test]
    fn two_boots_that_stop_in_the_loader_change_the_loader() {
        let second = Strategy {
            style: Style::Usual,
            second_loader: true,
        };
        assert_eq!(
            after(&[Some(Progress::Loaded), Some(Progress::Loaded)]),
            second
        );
    }

    #[test]
    fn the_number_of_machines_is_bounded() {
        let mut strategies = Strategies::new(3);
        for n in 0..100 {
            strategies.choose(
                Mac([2, 0, 0, 0, 0, n]),
                1,
                Duration::from_secs(u64::from(n)),
            );
        }
        assert_eq!(strategies.machines.len(), 3);
        assert!(strategies.machines.contains_key(&Mac([2, 0, 0, 0, 0, 99])));
    }
}
