//! Whether machines boot with the initrd for the network card that their loader told of. Pure but for the lock.
//!
//! An initrd that lacks the driver makes a machine that is never heard of: it cannot report, since it has no network. So
//! one that loads such an initrd and then comes for its script again, without a word in between, gets the one for every
//! card this time. The second time that happens, and at once where another card of the machine lets it report that a
//! driver was missing, it keeps that one, until it boots other files.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use netroot_net::Mac;

/// How many machines are remembered.
const KNOWN: usize = 1024;
/// A script that is fetched sooner after an initrd belongs to the same boot: loaders fetch one again by a query, or
/// somebody at the console tries again.
const SAME_BOOT: Duration = Duration::from_secs(15);
/// How often a machine may be silent.
const SILENT: u8 = 2;

/// What came of the initrds for one network card, by machine. Bounded: the one that was heard of longest ago is forgotten
/// first, and boots as if it were new.
#[derive(Debug, Default)]
pub(crate) struct NicTrust(Mutex<HashMap<Mac, Machine>>);

#[derive(Debug)]
struct Machine {
    /// The drivers of the last such initrd.
    drivers: String,
    /// Of its kernel and initrds.
    tag: String,
    /// When it was fetched, if nothing was heard since.
    loading: Option<Instant>,
    /// How often nothing was.
    silent: u8,
    /// The one for every card is to be loaded this time.
    once: bool,
    /// It is to be loaded always.
    missing: bool,
    changed: Instant,
}

impl NicTrust {
    fn machines(&self) -> MutexGuard<'_, HashMap<Mac, Machine>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A machine loads an initrd with this tag: for cards of these drivers, or for every card.
    pub(crate) fn loads(&self, mac: Mac, tag: &str, drivers: Option<&str>, now: Instant) {
        let mut machines = self.machines();
        let Some(drivers) = drivers else {
            if let Some(machine) = machines.get_mut(&mac) {
                machine.once = false;
                machine.loading = None;
            }
            return;
        };
        match machines.get_mut(&mac) {
            Some(machine) if machine.tag == tag => {
                drivers.clone_into(&mut machine.drivers);
                machine.loading = Some(now);
                machine.changed = now;
            }
            _ => {
                if machines.len() >= KNOWN {
                    let oldest = machines.iter().min_by_key(|(_, one)| one.changed);
                    if let Some(oldest) = oldest.map(|(mac, _)| *mac) {
                        machines.remove(&oldest);
                    }
                }
                let machine = Machine {
                    drivers: drivers.to_owned(),
                    tag: tag.to_owned(),
                    loading: Some(now),
                    silent: 0,
                    once: false,
                    missing: false,
                    changed: now,
                };
                machines.insert(mac, machine);
            }
        }
    }

    /// A machine fetches its script: it boots. Returns the drivers of the initrd that it is not given any more.
    pub(crate) fn boots(&self, mac: Mac, now: Instant) -> Option<String> {
        let mut machines = self.machines();
        let machine = machines.get_mut(&mac)?;
        let loaded = machine.loading?;
        if now.saturating_duration_since(loaded) < SAME_BOOT {
            return None;
        }
        machine.loading = None;
        machine.silent = machine.silent.saturating_add(1);
        machine.once = true;
        machine.changed = now;
        machine.missing |= machine.silent >= SILENT;
        machine.missing.then(|| machine.drivers.clone())
    }

    /// A machine has reported, so that its card works, unless it says that a driver is `missing`. Returns the drivers of
    /// the initrd that it is not given any more.
    pub(crate) fn reported(&self, mac: Mac, missing: bool) -> Option<String> {
        let mut machines = self.machines();
        let machine = machines.get_mut(&mac)?;
        // What it loaded, if that was the one for its card.
        let loaded = machine.loading.take()?;
        machine.changed = machine.changed.max(loaded);
        match missing {
            true => machine.missing = true,
            false => machine.silent = 0,
        }
        missing.then(|| machine.drivers.clone())
    }

    /// Whether a machine boots from these files with the initrd for its card.
    pub(crate) fn allows(&self, mac: Option<Mac>, tag: &str) -> bool {
        let machines = self.machines();
        let machine = mac.and_then(|mac| machines.get(&mac));
        machine.is_none_or(|machine| machine.tag != tag || !(machine.once || machine.missing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);

    fn allows(trust: &NicTrust) -> bool {
        trust.allows(Some(MAC), "0a")
    }

    #[test]
    fn a_machine_that_reports_keeps_its_initrd() {
        let (trust, mut now) = (NicTrust::default(), Instant::now());
        for _ in 0..5 {
            assert_eq!(trust.boots(MAC, now), None);
            assert!(allows(&trust));
            trust.loads(MAC, "0a", Some("e1000e"), now);
            assert_eq!(trust.reported(MAC, false), None);
            now += SAME_BOOT;
        }
        // A script by a query, and one that is asked for again at the console.
        trust.loads(MAC, "0a", Some("e1000e"), now);
        assert_eq!(trust.boots(MAC, now + SAME_BOOT / 2), None);
        assert!(allows(&trust));
    }

    #[test]
    fn a_machine_that_is_silent_gets_the_initrd_for_every_card_once_and_then_always() {
        let (trust, mut now) = (NicTrust::default(), Instant::now());
        trust.loads(MAC, "0a", Some("e1000e"), now);
        now += SAME_BOOT;
        assert_eq!(trust.boots(MAC, now), None);
        // As often as it fetches its script for this boot.
        assert_eq!(trust.boots(MAC, now), None);
        assert!(!allows(&trust));
        trust.loads(MAC, "0a", None, now);
        assert!(allows(&trust), "somebody may have switched it off");
        trust.loads(MAC, "0a", Some("e1000e"), now);
        now += SAME_BOOT;
        assert_eq!(trust.boots(MAC, now).as_deref(), Some("e1000e"));
        trust.loads(MAC, "0a", None, now);
        assert_eq!(trust.reported(MAC, false), None);
        assert_eq!(trust.boots(MAC, now + SAME_BOOT), None, "told once");
        assert!(!allows(&trust));
        assert!(trust.allows(Some(MAC), "0b"), "another kernel");
        assert!(trust.allows(None, "0a"));
    }

    #[test]
    fn a_machine_that_misses_its_driver_gets_the_initrd_for_every_card() {
        let (trust, now) = (NicTrust::default(), Instant::now());
        assert_eq!(trust.reported(MAC, true), None, "it loaded none");
        trust.loads(MAC, "0a", Some("r8169"), now);
        assert_eq!(trust.reported(MAC, true).as_deref(), Some("r8169"));
        assert!(!allows(&trust));
        // A new kernel may have it.
        trust.loads(MAC, "0b", Some("r8169"), now);
        assert!(trust.allows(Some(MAC), "0b"));
    }

    #[test]
    fn machines_are_remembered_in_bounded_number() {
        let (trust, start) = (NicTrust::default(), Instant::now());
        for number in 0..5000_u32 {
            let [a, b, c, d] = number.to_be_bytes();
            let now = start + Duration::from_millis(number.into());
            trust.loads(Mac([2, 0, a, b, c, d]), "0a", Some("e1000e"), now);
        }
        assert_eq!(trust.machines().len(), KNOWN);
    }
}
