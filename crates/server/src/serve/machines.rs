//! Who is who, and how far each machine has come.
//!
//! One machine shows itself as a hardware address (DHCP, a script's URL) and as an IP address (TFTP, HTTP, NFS).
//! What is learned here names it in every line, and tells which way of booting it works.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use netroot_net::{ArpEntry, Mac};
use netroot_proto::pxe::strategy::{Progress, Strategies, Strategy};

/// How many machines are remembered: four class C networks.
const KNOWN: usize = 1024;

/// How long a machine that was told its script may take to ask for it.
const UNTIL_SCRIPT: Duration = Duration::from_secs(30);

/// What is known of the machines on this wire. Bounded; forgetting costs a look into the kernel's table.
#[derive(Debug)]
pub(crate) struct Machines {
    addresses: Mutex<HashMap<Ipv4Addr, Mac>>,
    strategies: Mutex<Strategies>,
    /// When machines were told their script that have not asked for it yet.
    told: Mutex<HashMap<Mac, Instant>>,
}

impl Machines {
    /// Nobody is known yet.
    pub(crate) fn new() -> Self {
        Self {
            addresses: Mutex::default(),
            strategies: Mutex::new(Strategies::new(KNOWN)),
            told: Mutex::default(),
        }
    }

    /// Remembers whose address this is.
    pub(crate) fn learn(&self, address: Ipv4Addr, mac: Mac) {
        if address.is_unspecified() {
            return;
        }
        let mut addresses = self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if addresses.len() >= KNOWN && !addresses.contains_key(&address) {
            addresses.clear();
        }
        addresses.insert(address, mac);
    }

    /// Whose address this is: as learned, else as the kernel's neighbour table says.
    pub(crate) fn at(&self, address: Ipv4Addr) -> Option<Mac> {
        {
            let addresses = self
                .addresses
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if let Some(mac) = addresses.get(&address) {
                return Some(*mac);
            }
        }
        let table = std::fs::read_to_string("/proc/net/arp").ok()?;
        // An incomplete entry has an address of zeros.
        let mac = ArpEntry::find(&table, address)?.mac?;
        if !mac.is_unicast() {
            return None;
        }
        self.learn(address, mac);
        Some(mac)
    }

    /// What to try with firmware that asks in `transaction`.
    pub(crate) fn strategy(&self, mac: Mac, transaction: u32, now: Duration) -> Strategy {
        let mut strategies = self
            .strategies
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        strategies.choose(mac, transaction, now)
    }

    /// The machine was told which script is its own.
    pub(crate) fn told_script(&self, mac: Mac, now: Instant) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= KNOWN && !told.contains_key(&mac) {
            told.retain(|_, then| now.duration_since(*then) < UNTIL_SCRIPT);
            if told.len() >= KNOWN {
                return;
            }
        }
        told.insert(mac, now);
    }

    /// Whether the machine was told its script lately and has not asked for it yet.
    pub(crate) fn awaits_script(&self, mac: Mac, now: Instant) -> bool {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.get(&mac)
            .is_some_and(|then| now.duration_since(*then) < UNTIL_SCRIPT)
    }

    /// The machine came this far.
    pub(crate) fn progressed(&self, mac: Mac, progress: Progress) {
        if progress == Progress::Booted {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            told.remove(&mac);
        }
        let mut strategies = self
            .strategies
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        strategies.progressed(mac, progress);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);

    #[test]
    fn a_machine_awaits_its_script_until_it_has_it_and_not_for_ever() {
        let (machines, start) = (Machines::new(), Instant::now());
        assert!(!machines.awaits_script(MAC, start));
        machines.told_script(MAC, start);
        assert!(machines.awaits_script(MAC, start + UNTIL_SCRIPT / 2));
        assert!(!machines.awaits_script(MAC, start + UNTIL_SCRIPT));
        machines.progressed(MAC, Progress::Loaded);
        assert!(machines.awaits_script(MAC, start));
        machines.progressed(MAC, Progress::Booted);
        assert!(!machines.awaits_script(MAC, start));
    }

    #[test]
    fn strangers_do_not_crowd_out_the_machines_that_await_their_script() {
        let (machines, start) = (Machines::new(), Instant::now());
        machines.told_script(MAC, start);
        for number in 0..5000_u32 {
            let [_, b, c, d] = number.to_be_bytes();
            machines.told_script(Mac([2, 0, 1, b, c, d]), start);
        }
        assert!(machines.told.lock().unwrap().len() <= KNOWN);
        assert!(machines.awaits_script(MAC, start));
        let later = start + UNTIL_SCRIPT;
        machines.told_script(MAC, later);
        assert!(machines.awaits_script(MAC, later));
    }

    #[test]
    fn what_was_learned_is_kept_within_bounds() {
        let machines = Machines::new();
        for number in 1..=5000_u32 {
            machines.learn(Ipv4Addr::from_bits(0x0a00_0000 + number), MAC);
        }
        assert!(machines.addresses.lock().unwrap().len() <= KNOWN);
        assert_eq!(
            machines.at(Ipv4Addr::from_bits(0x0a00_0000 + 5000)),
            Some(MAC)
        );
        machines.learn(Ipv4Addr::UNSPECIFIED, MAC);
        assert!(
            !machines
                .addresses
                .lock()
                .unwrap()
                .contains_key(&Ipv4Addr::UNSPECIFIED)
        );
    }
}
