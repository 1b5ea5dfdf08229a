//! Ways to boot a machine, and which of them works for it.
//!
//! Most firmware boots from the usual answer. Some needs the second request on port 4011
//! (danderson/netboot#43), and some hangs in a loader that uses the firmware's own network
//! driver. Neither reports it: the machine stops and starts again from the beginning. So
//! after answers that do not lead to a boot, the next way is tried.
//!
//! # Who says that a boot failed
//! A DISCOVER can be sent by anybody in the name of any machine, and a boot that fails before
//! its first file leaves nothing else. What only the machine itself can do is to fetch a file
//! by the address that it was given ([`Progress`]). Therefore:
//!
//! * Once a machine has loaded its boot loader, the announcement that led to it is kept.
//!   Messages alone never change it again; only a server that starts anew forgets it. A forger who
//!   asks while a machine loads can have the next one load the signed chain, which starts
//!   everywhere; the script that comes late takes that back.
//! * The loader is changed only for a machine that has loaded it without coming to its script:
//!   once if none of its boots came there, because firmware with Secure Boot refuses what is not signed
//!   each time, and DHCP does not say that it is on; twice otherwise. What a machine did or reported before
//!   ([`Known`]) is where it begins.
//! * Until a machine has loaded anything, failures count that are as far apart as boots are.
//!   Firmware waits 4 s and more for offers, then for its file, and starts again; a burst of
//!   requests is one attempt. A forger who has this patience makes the server try the other
//!   announcement, which most firmware boots from too; where it does not, two failed boots
//!   of the machine bring the first one back, and the first success ends it.
//! * A machine's report of its Secure Boot counts once after its firmware has asked: the first one is its init's, sent while
//!   the root's init starts. Every program that runs on the machine later can read where reports go, and send another.
//! * A flood of invented machines makes the table forget newcomers, never a machine that has
//!   loaded a file from here.

mod choice;
mod record;
mod secure_boot;

use std::collections::HashMap;
use std::time::Duration;

use netroot_net::Mac;

pub use self::choice::{LoaderChoice, Progress, Strategy, Style};
use self::record::{Record, SHORTEST_ATTEMPT};
pub use self::secure_boot::{Known, SecureBootMode};

/// What an answer to firmware could name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// There was a signed loader that it could be.
    pub can_sign: bool,
    /// Whether it is named.
    pub mode: SecureBootMode,
}

/// What a machine's own report of its Secure Boot comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reported {
    /// The signed chain was given to it because of Secure Boot, which is off: it is given the first loader again.
    pub ends: bool,
    /// What the boot has shown that it reports.
    pub shown: Known,
}

/// What was known when an answer was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Before {
    /// The loader that the machine loaded last.
    pub loaded: Option<LoaderChoice>,
    /// Its Secure Boot.
    pub known: Known,
    /// It loaded a loader since, and started none.
    pub refused: bool,
}

/// The strategies for recently seen machines.
#[derive(Debug, Default)]
pub struct Strategies {
    machines: HashMap<Mac, Record>,
    capacity: usize,
}

impl Strategies {
    /// Remembers at most `capacity` machines; of those that have not loaded anything, the last
    /// one to appear is forgotten first.
    pub fn new(capacity: usize) -> Strategies {
        Strategies {
            machines: HashMap::new(),
            capacity,
        }
    }

    /// The strategy for a firmware request with this `transaction`. A new transaction is a new
    /// boot, unless the last one began a moment ago and has not reported; the one before it now counts as failed if
    /// it made no progress. Do not call this for iPXE requests: they show that the strategy
    /// worked.
    /// A machine that is new begins with what is `known` of it.
    pub fn choose(&mut self, mac: Mac, transaction: u32, now: Duration, known: Known) -> Strategy {
        if !self.machines.contains_key(&mac) {
            self.make_room(now);
        }
        let record = self.machines.entry(mac).or_insert(Record {
            strategy: Strategy {
                loader: match known {
                    Known::SignedOnly => LoaderChoice::Signed,
                    Known::Nothing | Known::Unsigned => LoaderChoice::First,
                },
                ..Strategy::default()
            },
            transaction,
            began: now,
            progress: Progress::Answered,
            announced: false,
            without_loader: 0,
            without_script: 0,
            can_sign: false,
            is_told: false,
            known,
            loaded: None,
            loaded_now: None,
            first_works: known == Known::Unsigned,
            first_failed: false,
            has_reported: false,
            first: now,
            seen: now,
        });
        record.seen = now;
        let next = record.transaction != transaction;
        let is_over = record.has_reported || now >= record.began.saturating_add(SHORTEST_ATTEMPT);
        if next && is_over {
            record.fail();
            record.transaction = transaction;
            record.began = now;
            record.progress = Progress::Answered;
            record.loaded_now = None;
            record.has_reported = false;
        }
        record.strategy
    }

    /// The strategy of the boot that the machine is in, for a request that begins none: the second one of its firmware, on
    /// port 4011.
    pub fn current(&self, mac: Mac) -> Strategy {
        self.machines
            .get(&mac)
            .map(|record| record.strategy)
            .unwrap_or_default()
    }

    /// The loader that the machine has loaded since its firmware asked, as far as it has not reported since.
    pub fn loaded_now(&self, mac: Mac) -> Option<LoaderChoice> {
        self.machines.get(&mac)?.loaded_now
    }

    /// Records what the answer to the machine could name. Returns what was known before.
    pub fn answered(&mut self, mac: Mac, answered: Answered) -> Before {
        let Some(record) = self.machines.get_mut(&mac) else {
            return Before::default();
        };
        record.can_sign = answered.can_sign && answered.mode == SecureBootMode::Auto;
        record.is_told = answered.can_sign && answered.mode == SecureBootMode::Always;
        if answered.mode == SecureBootMode::Never {
            record.strategy.loader = answered.mode.loader(record.strategy.loader, false);
        }
        Before {
            loaded: record.loaded,
            known: record.known,
            refused: record.without_script > 0 || record.strategy.loader == LoaderChoice::Signed,
        }
    }

    /// The machine has reported whether its firmware enforces Secure Boot, or nothing of it (`None`). One that was given the
    /// signed chain for that reason is given the first loader again if it does not; one whose boots with the first loader
    /// failed for another reason is not. `None` for what does not count: another report of the same boot, or, where the
    /// firmware's request was not seen, one of a machine of which something `is_known`.
    pub fn reported(
        &mut self,
        mac: Mac,
        enforcing: Option<bool>,
        is_known: bool,
    ) -> Option<Reported> {
        let Some(record) = self.machines.get_mut(&mac) else {
            let ends = !enforcing.filter(|_| !is_known)?;
            return Some(Reported {
                ends,
                shown: Known::Nothing,
            });
        };
        let is_first = !std::mem::replace(&mut record.has_reported, true);
        let enforcing = enforcing.filter(|_| is_first)?;
        let loaded = record
            .loaded_now
            .take()
            .filter(|_| record.progress == Progress::Booted && !record.is_told);
        let shown = loaded.map_or(Known::Nothing, Known::of_loader);
        if enforcing {
            record.first_failed = false;
            return Some(Reported { ends: false, shown });
        }
        let ends = !record.first_failed;
        if ends {
            record.known = Known::Unsigned;
            if record.strategy.loader == LoaderChoice::Signed {
                record.strategy.loader = LoaderChoice::First;
            }
        }
        Some(Reported { ends, shown })
    }

    /// What was known of the machine's Secure Boot is forgotten: it is tried anew.
    pub fn forget(&mut self, mac: Mac) {
        self.machines.remove(&mac);
    }

    /// Records that the machine has loaded this loader, like [`Strategies::progressed`].
    pub fn loaded(&mut self, mac: Mac, loader: LoaderChoice) {
        if let Some(record) = self.machines.get_mut(&mac) {
            record.loaded = Some(loader);
            record.loaded_now = Some(loader);
        }
        self.progressed(mac, Progress::Loaded);
    }

    /// The same of a first loader that is signed, but not by those who sign the signed chain (a unified kernel image): that it
    /// starts says nothing of what nobody signed.
    pub fn loaded_signed_first(&mut self, mac: Mac) {
        self.loaded(mac, LoaderChoice::First);
        if let Some(record) = self.machines.get_mut(&mac) {
            record.loaded_now = None;
        }
    }

    /// Records that the machine has come this far. Only what the machine itself has done may
    /// be told: a transfer to an address that is known to be its own. Returns what that shows of its Secure Boot.
    pub fn progressed(&mut self, mac: Mac, progress: Progress) -> Known {
        let Some(record) = self.machines.get_mut(&mac) else {
            return Known::Nothing;
        };
        record.progress = record.progress.max(progress);
        if progress >= Progress::Loaded {
            record.announced = true;
            record.without_loader = 0;
        }
        if progress >= Progress::Booted {
            record.without_script = 0;
            if record.is_told {
                return Known::Nothing;
            }
            // Not one that a request meanwhile has put in its place.
            if let Some(loaded) = record.loaded {
                record.strategy.loader = loaded;
                record.first_works |= loaded == LoaderChoice::First;
            }
            return record.loaded_now.map_or(Known::Nothing, Known::of_loader);
        }
        Known::Nothing
    }

    fn make_room(&mut self, now: Duration) {
        if self.machines.len() >= self.capacity
            && let Some(least) = self
                .machines
                .iter()
                .min_by_key(|(_, record)| record.value(now))
                .map(|(mac, _)| *mac)
        {
            self.machines.remove(&least);
        }
    }
}

#[cfg(test)]
mod tests;
