//! Which hardware address belongs to which IP address, and how far each machine has booted.
//!
//! A machine appears with its hardware address (DHCP, a script's URL) or with its IP address (TFTP, HTTP, NFS). What
//! is learned here names it in every event, and decides which way of booting it is tried.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use netroot_net::{ArpEntry, Mac};
use netroot_proto::pxe::strategy::{Progress, Strategies, Strategy};

/// How many machines are remembered: four /24 networks.
const KNOWN: usize = 1024;

/// How long a machine that was offered its script may take to fetch it.
const UNTIL_SCRIPT: Duration = Duration::from_secs(30);

/// What is known of the machines on this network. Bounded; forgetting one costs a look into the kernel's ARP table.
#[derive(Debug)]
pub(crate) struct Machines {
    addresses: Mutex<HashMap<IpAddr, Mac>>,
    strategies: Mutex<Strategies>,
    /// When each machine was offered its script that has not fetched it yet.
    script_offered: Mutex<HashMap<Mac, Instant>>,
}

impl Machines {
    /// No machine is known yet.
    pub(crate) fn new() -> Self {
        Self {
            addresses: Mutex::default(),
            strategies: Mutex::new(Strategies::new(KNOWN)),
            script_offered: Mutex::default(),
        }
    }

    /// Remembers which machine has this address.
    pub(crate) fn learn(&self, address: IpAddr, mac: Mac) {
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

    /// The machine that has this address: as learned, or else from the kernel's ARP table.
    pub(crate) fn at(&self, address: IpAddr) -> Option<Mac> {
        {
            let addresses = self
                .addresses
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if let Some(mac) = addresses.get(&address) {
                return Some(*mac);
            }
        }
        // Of IPv4 only, as ARP is.
        let IpAddr::V4(neighbour) = address else {
            return None;
        };
        let table = std::fs::read_to_string("/proc/net/arp").ok()?;
        // An incomplete entry has an address of zeros.
        let mac = ArpEntry::find(&table, neighbour)?.mac?;
        if !mac.is_unicast() {
            return None;
        }
        self.learn(address, mac);
        Some(mac)
    }

    /// How to answer firmware that asks in `transaction`.
    pub(crate) fn strategy(&self, mac: Mac, transaction: u32, now: Duration) -> Strategy {
        let mut strategies = self
            .strategies
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        strategies.choose(mac, transaction, now)
    }

    /// The machine was offered its script.
    pub(crate) fn script_offered(&self, mac: Mac, now: Instant) {
        let mut offered = self.script_offers();
        if offered.len() >= KNOWN && !offered.contains_key(&mac) {
            offered.retain(|_, then| now.duration_since(*then) < UNTIL_SCRIPT);
            if offered.len() >= KNOWN {
                return;
            }
        }
        offered.insert(mac, now);
    }

    /// Whether the machine was offered its script lately and has not fetched it yet.
    pub(crate) fn awaits_script(&self, mac: Mac, now: Instant) -> bool {
        self.script_offers()
            .get(&mac)
            .is_some_and(|then| now.duration_since(*then) < UNTIL_SCRIPT)
    }

    fn script_offers(&self) -> MutexGuard<'_, HashMap<Mac, Instant>> {
        self.script_offered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The machine has got this far.
    pub(crate) fn progressed(&self, mac: Mac, progress: Progress) {
        if progress == Progress::Booted {
            self.script_offers().remove(&mac);
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
    use std::net::Ipv4Addr;

    use super::*;

    const MAC: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);

    #[test]
    fn a_machine_awaits_its_script_until_it_has_fetched_it_or_thirty_seconds_have_passed() {
        let (machines, start) = (Machines::new(), Instant::now());
        assert!(!machines.awaits_script(MAC, start));
        machines.script_offered(MAC, start);
        assert!(machines.awaits_script(MAC, start + UNTIL_SCRIPT / 2));
        assert!(!machines.awaits_script(MAC, start + UNTIL_SCRIPT));
        machines.progressed(MAC, Progress::Loaded);
        assert!(machines.awaits_script(MAC, start));
        machines.progressed(MAC, Progress::Booted);
        assert!(!machines.awaits_script(MAC, start));
    }

    #[test]
    fn a_flood_of_machines_does_not_evict_those_that_await_their_script() {
        let (machines, start) = (Machines::new(), Instant::now());
        machines.script_offered(MAC, start);
        for number in 0..5000_u32 {
            let [_, b, c, d] = number.to_be_bytes();
            machines.script_offered(Mac([2, 0, 1, b, c, d]), start);
        }
        assert!(machines.script_offers().len() <= KNOWN);
        assert!(machines.awaits_script(MAC, start));
        let later = start + UNTIL_SCRIPT;
        machines.script_offered(MAC, later);
        assert!(machines.awaits_script(MAC, later));
    }

    #[test]
    fn the_number_of_remembered_machines_is_bounded() {
        let machines = Machines::new();
        for number in 1..=5000_u32 {
            machines.learn(Ipv4Addr::from_bits(0x0a00_0000 + number).into(), MAC);
        }
        assert!(machines.addresses.lock().unwrap().len() <= KNOWN);
        assert_eq!(
            machines.at(Ipv4Addr::from_bits(0x0a00_0000 + 5000).into()),
            Some(MAC)
        );
        machines.learn(Ipv4Addr::UNSPECIFIED.into(), MAC);
        assert!(
            !machines
                .addresses
                .lock()
                .unwrap()
                .contains_key(&IpAddr::from(Ipv4Addr::UNSPECIFIED))
        );
    }
}
