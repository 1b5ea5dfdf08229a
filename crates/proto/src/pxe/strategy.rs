//! Two ways to try with each machine, and remembering which one worked.
//!
//! Most firmware boots by the usual answer. Some wants the second leg on port 4011 instead
//! (danderson/netboot#43), and some hangs in a loader that uses the firmware's own network
//! driver. Neither reports it: the machine falls silent and asks again from the start. So
//! an answer that leads to nothing is followed by another one.

use std::collections::HashMap;
use std::time::Duration;

use netroot_net::Mac;

/// How the firmware is given its boot file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// Proxy: "load this file" (43.6 = 8). DHCP: file and server in the header, as if PXE
    /// did not exist.
    #[default]
    Usual,
    /// Proxy: nothing in 43, so that the firmware asks again on port 4011. DHCP: with
    /// option 60 and 43.6 = 8.
    Other,
}

/// What to try with a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Strategy {
    /// How the firmware is given it.
    pub style: Style,
    /// True for [`super::config::Loader::second`], where there is one.
    pub second_loader: bool,
}

/// How far a machine has come since it was last given an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// It was sent a boot file.
    Told,
    /// It has loaded the boot loader.
    Loaded,
    /// The boot loader has asked for its script: the strategy works.
    Booted,
}

#[derive(Debug, Clone)]
struct Memory {
    strategy: Strategy,
    transaction: u32,
    failures: u32,
    progress: Progress,
    seen: Duration,
}

/// Boots in a row that must lead to nothing before another way is tried. One may be a
/// person who pressed Escape, or a machine switched off.
const PATIENCE: u32 = 2;

/// The strategies of all machines seen lately.
#[derive(Debug, Default)]
pub struct Strategies {
    machines: HashMap<Mac, Memory>,
    most: usize,
}

impl Strategies {
    /// Remembers at most `most` machines; the one seen longest ago is forgotten first.
    pub fn new(most: usize) -> Strategies {
        Strategies {
            machines: HashMap::new(),
            most,
        }
    }

    /// The strategy for firmware that asks in `transaction`. A new transaction is a new
    /// boot, so this is where an earlier one without progress counts as failed. Do not ask
    /// for iPXE: it is the sign that the strategy worked.
    pub fn choose(&mut self, mac: Mac, transaction: u32, now: Duration) -> Strategy {
        if !self.machines.contains_key(&mac) {
            self.make_room();
        }
        let memory = self.machines.entry(mac).or_insert(Memory {
            strategy: Strategy::default(),
            transaction,
            failures: 0,
            progress: Progress::Told,
            seen: now,
        });
        memory.seen = now;
        if memory.transaction != transaction {
            memory.transaction = transaction;
            match memory.progress {
                Progress::Booted => memory.failures = 0,
                progress => {
                    memory.failures += 1;
                    if memory.failures >= PATIENCE {
                        memory.failures = 0;
                        memory.strategy = next(memory.strategy, progress);
                    }
                }
            }
            memory.progress = Progress::Told;
        }
        memory.strategy
    }

    /// The machine came this far.
    pub fn progressed(&mut self, mac: Mac, progress: Progress) {
        if let Some(memory) = self.machines.get_mut(&mac) {
            memory.progress = memory.progress.max(progress);
        }
    }

    fn make_room(&mut self) {
        if self.machines.len() >= self.most
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

/// No transfer: send the boot file in the other form. A transfer, but no script: load the other loader.
fn next(strategy: Strategy, progress: Progress) -> Strategy {
    match progress {
        Progress::Told => Strategy {
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
    fn two_boots_that_end_in_the_loader_change_the_loader() {
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
    fn memory_is_bounded() {
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
