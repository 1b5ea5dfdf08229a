//! What the server knows of each machine: which hardware address belongs to which IP address, how far it has booted, what
//! it says of itself, and what it is ordered to boot.
//!
//! ```text
//! neighbours, relayed   which hardware address has an IP address, beside this server's own acknowledgements
//! facts, query          what a machine says of itself: in DHCP, and in the query of its script's name
//! nic_trust             whether it boots with the initrd for its network card
//! secure_boot           whether its firmware starts only what is signed, over restarts
//! orders                `boot-once` and `assign`
//! hook_words            the web hook's last word
//! peer                  who asks for a file, and what shows that it is a machine itself
//! unknown               which machines no entry of the configuration is for
//! ```
//!
//! A machine appears with its hardware address (DHCP) or with its IP address (TFTP, HTTP, NFS). Which hardware address
//! an IP address has is believed from two sources only: this server's own acknowledgement, and the kernel's neighbour
//! table. What a machine says of itself (a DHCP message's ciaddr, the name of a script) names nobody: anybody can say it.
//! Nor does the source of a datagram: [`Peer`] is who asks, and what shows that it is a machine itself.

mod facts;
mod file_of_machines;
mod hook_words;
mod neighbours;
mod nic_trust;
mod orders;
mod peer;
mod query;
mod relayed;
pub(crate) mod secure_boot;
mod unknown;

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use netroot_net::Mac;
use netroot_proto::dhcp::request::Request;
use netroot_proto::pxe::client::Client;
use netroot_proto::pxe::strategy::{
    Answered, Before, LoaderChoice, Progress, Strategies, Strategy,
};

use self::facts::Facts;
pub(crate) use self::file_of_machines::Unread;
use self::hook_words::HookWords;
use self::neighbours::Neighbours;
use self::nic_trust::NicTrust;
pub(crate) use self::orders::{
    Alone, Asks, FetchedBy, FileError, Order, Ordered, Orders, WentBack, read as read_orders,
};
pub(crate) use self::peer::{Asker, Peer};
pub(crate) use self::query::answer_in;
use self::relayed::RelayedMachines;
use self::secure_boot::SecureBoots;
use crate::catalog::{Catalog, KnownMachine};
use crate::serve::reported_secure_boot::ReportedSecureBoot;

/// How many machines are remembered: four /24 networks.
const KNOWN: usize = 1024;

/// How long a machine that was offered its script may take to fetch it.
const UNTIL_SCRIPT: Duration = Duration::from_secs(30);

/// What is known of the machines on this network. Bounded; forgetting one costs a look into the kernel's table.
#[derive(Debug)]
pub(crate) struct Machines {
    leases: Mutex<HashMap<IpAddr, Lease>>,
    neighbours: Mutex<Neighbours>,
    strategies: Mutex<Strategies>,
    /// When each machine was offered its script that has not fetched it yet.
    script_offered: Mutex<HashMap<Mac, Instant>>,
    relayed: RelayedMachines,
    facts: Facts,
    orders: OnceLock<Orders>,
    nic_trust: NicTrust,
    secure_boots: SecureBoots,
    hook_words: HookWords,
}

/// An address that this server has acknowledged.
#[derive(Debug, Clone, Copy)]
struct Lease {
    mac: Mac,
    until: Instant,
}

impl Machines {
    /// No machine is known yet.
    pub(crate) fn new() -> Self {
        Self {
            leases: Mutex::default(),
            neighbours: Mutex::new(Neighbours::of_kernel()),
            strategies: Mutex::new(Strategies::new(KNOWN)),
            script_offered: Mutex::default(),
            relayed: RelayedMachines::default(),
            facts: Facts::default(),
            orders: OnceLock::new(),
            nic_trust: NicTrust::default(),
            secure_boots: SecureBoots::default(),
            hook_words: HookWords::default(),
        }
    }

    /// Reads the orders from before a restart, from the folder of the server's state.
    pub(crate) fn open_orders(&self, state: &Path) -> Option<Unread> {
        let (orders, unread) = Orders::open(state);
        let _ = self.orders.set(orders);
        unread
    }

    /// What machines are ordered to boot while the server runs.
    pub(crate) fn orders(&self) -> &Orders {
        self.orders.get_or_init(Orders::default)
    }

    /// Reads what was known of machines' Secure Boot before a restart, from the same folder.
    pub(crate) fn open_secure_boots(&self, state: &Path) -> Option<Unread> {
        self.secure_boots.open(state)
    }

    /// What is known of machines' Secure Boot.
    pub(crate) fn secure_boots(&self) -> &SecureBoots {
        &self.secure_boots
    }

    /// A machine's init reported what its firmware says of Secure Boot, or nothing of it.
    pub(crate) fn reported_secure_boot(&self, mac: Mac, reported: Option<&ReportedSecureBoot>) {
        let is_known = self.secure_boots.of(mac).is_some();
        let enforcing = reported.map(|it| it.enforcing);
        let comes_to = self.strategies().reported(mac, enforcing, is_known);
        if let (Some(reported), Some(comes_to)) = (reported, comes_to) {
            self.secure_boots.reported(mac, reported, comes_to);
        }
    }

    /// Forgets what is known of a machine's Secure Boot. Returns whether anything was.
    pub(crate) fn forget_secure_boot(&self, mac: Mac) -> bool {
        self.strategies().forget(mac);
        self.secure_boots.forget(mac)
    }

    /// Which machines boot with the initrd for their network card.
    pub(crate) fn nic_trust(&self) -> &NicTrust {
        &self.nic_trust
    }

    /// What the web hook said of machines.
    pub(crate) fn hook_words(&self) -> &HookWords {
        &self.hook_words
    }

    /// What is known of the machine with this hardware address.
    pub(crate) fn known(&self, mac: Option<Mac>) -> KnownMachine {
        mac.map(|mac| self.facts.of(mac)).unwrap_or_default()
    }

    /// Who asks from there.
    pub(crate) fn asker(&self, peer: &Peer) -> Asker {
        Asker {
            machine: KnownMachine {
                address: Some(peer.address),
                ..self.known(self.at(peer.address))
            },
            peer: Some(*peer),
        }
    }

    /// Remembers what a DHCP request says, and returns all that is known of its machine; of iPXE's with the number by which
    /// the script's URL confirms it.
    pub(crate) fn hear(
        &self,
        request: &Request,
        client: Client,
        interface: &str,
    ) -> (KnownMachine, Option<u32>) {
        self.facts.learn(request, client, interface, Instant::now())
    }

    /// Remembers what the machine itself says in the query of its script's URL.
    pub(crate) fn hear_query(&self, mac: Mac, query: &str) {
        self.facts
            .learn_said(mac, query::read(query), Instant::now());
    }

    /// Whether who asks from there is the machine `mac`, as far as its address can tell: on the link because the NIC that
    /// answers for the address is the machine's, whatever was acknowledged; from elsewhere because the address was
    /// acknowledged to it, or it was offered its script just now and no relay told of another machine with that address.
    pub(crate) fn is_itself(&self, mac: Mac, peer: &Peer, now: Instant) -> bool {
        let leased = self.leased(peer.address);
        if leased.is_some_and(|leased| leased != mac) {
            return false;
        }
        if let Some(nic) = self.nic_at(peer.address) {
            return nic == mac;
        }
        if peer.on_link {
            return false;
        }
        if leased.is_some() {
            return true;
        }
        let relayed = match peer.address {
            IpAddr::V4(address) => self.relayed.of(address, now),
            IpAddr::V6(_) => None,
        };
        relayed.is_none_or(|relayed| relayed == mac) && self.awaits_script(mac, now)
    }

    /// What somebody who asks may know of what is ordered for the machine `mac`.
    pub(crate) fn asks(&self, mac: Option<Mac>, peer: Option<&Peer>) -> Asks {
        let itself = mac
            .zip(peer)
            .filter(|(mac, peer)| self.is_itself(*mac, peer, Instant::now()));
        match itself {
            Some((_, peer)) if peer.answers => Asks::Itself,
            Some(_) => Asks::MaybeItself,
            None => Asks::Another,
        }
    }

    /// The configuration has the machine, or not.
    pub(crate) fn is_configured(&self, mac: Mac, is_configured: bool) {
        self.facts.is_configured(mac, is_configured);
    }

    /// The lines that adopt a machine which boots `image`, if it is to be told for the first time.
    pub(crate) fn tell_unknown(
        &self,
        mac: Mac,
        image: Option<&str>,
        catalog: &Catalog,
    ) -> Option<String> {
        let heard = self.facts.tell(mac)?;
        Some(unknown::table(mac, &heard, image, catalog))
    }

    /// What puts a machine into the configuration that tried to boot, `image` perhaps, and is not in it.
    pub(crate) fn adopt(&self, mac: Mac, image: Option<&str>, catalog: &Catalog) -> Option<String> {
        let heard = self.facts.heard(mac)?;
        let is_unknown =
            heard.boots && catalog.machine(&heard.known(mac, Instant::now())).is_none();
        is_unknown.then(|| unknown::table(mac, &heard, image, catalog))
    }

    /// This server has acknowledged `address` to the machine, for `time`. Nobody else may call this: until then, or
    /// until the address is acknowledged to another machine, everything that comes from it counts as this machine's.
    pub(crate) fn learn(&self, address: IpAddr, mac: Mac, time: Duration) {
        let now = Instant::now();
        // A lease without an end.
        let year = Duration::from_secs(365 * 24 * 60 * 60);
        let until = now + time.min(year);
        let mut leases = self.leases();
        if leases.len() >= KNOWN && !leases.contains_key(&address) {
            leases.retain(|_, lease| lease.until > now);
            let soonest = leases.iter().min_by_key(|(_, lease)| lease.until);
            if let Some(address) = soonest.map(|(address, _)| *address)
                && leases.len() >= KNOWN
            {
                leases.remove(&address);
            }
        }
        leases.insert(address, Lease { mac, until });
    }

    /// The machine has given the address back: it may come from anybody now.
    pub(crate) fn released(&self, address: IpAddr, mac: Mac) {
        let mut leases = self.leases();
        if leases.get(&address).is_some_and(|lease| lease.mac == mac) {
            leases.remove(&address);
        }
    }

    /// The machine that has this address: as acknowledged, or else as the kernel's neighbour table has it.
    pub(crate) fn at(&self, address: IpAddr) -> Option<Mac> {
        self.leased(address).or_else(|| self.nic_at(address))
    }

    /// The machine to which this address is acknowledged.
    fn leased(&self, address: IpAddr) -> Option<Mac> {
        let now = Instant::now();
        let lease = self.leases().get(&address).copied();
        lease
            .filter(|lease| lease.until > now)
            .map(|lease| lease.mac)
    }

    /// The NIC that answers for this address, as the kernel's neighbour table has it, whatever machine it was
    /// acknowledged to: an attacker may have many leases.
    pub(crate) fn nic_at(&self, address: IpAddr) -> Option<Mac> {
        // Of IPv4 only, as ARP is.
        let IpAddr::V4(address) = address else {
            return None;
        };
        let mut neighbours = self
            .neighbours
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        neighbours.at(address, Instant::now())
    }

    fn leases(&self) -> MutexGuard<'_, HashMap<IpAddr, Lease>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The machines in other networks.
    pub(crate) fn relayed(&self) -> &RelayedMachines {
        &self.relayed
    }

    /// How to answer firmware that asks in `transaction`.
    pub(crate) fn strategy(&self, mac: Mac, transaction: u32, now: Duration) -> Strategy {
        let known = self.secure_boots.of(mac).unwrap_or_default().known();
        self.strategies().choose(mac, transaction, now, known)
    }

    fn strategies(&self) -> MutexGuard<'_, Strategies> {
        self.strategies
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What the answer to the machine's firmware could name. Returns what was known before.
    pub(crate) fn answered(&self, mac: Mac, answered: Answered) -> Before {
        self.strategies().answered(mac, answered)
    }

    /// The machine has loaded this loader.
    pub(crate) fn loaded(&self, mac: Mac, loader: LoaderChoice) {
        self.strategies().loaded(mac, loader);
    }

    /// The loader that the machine has loaded in the boot that it is in.
    pub(crate) fn loaded_now(&self, mac: Mac) -> Option<LoaderChoice> {
        self.strategies().loaded_now(mac)
    }

    /// The machine has loaded a unified kernel image, its first loader.
    pub(crate) fn loaded_unified(&self, mac: Mac) {
        self.strategies().loaded_signed_first(mac);
    }

    /// The same for a request within a boot.
    pub(crate) fn current_strategy(&self, mac: Mac) -> Strategy {
        self.strategies().current(mac)
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
        let shown = self.strategies().progressed(mac, progress);
        self.secure_boots.showed(mac, shown);
    }
}

/// For `tests/fuzz`.
#[cfg(fuzzing)]
pub(crate) use self::query::fuzz as fuzz_query;

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
    fn an_acknowledged_address_is_its_machines_until_the_lease_ends_or_another_has_it() {
        let machines = Machines::new();
        let address = Ipv4Addr::new(192, 0, 2, 7).into();
        let other = Mac([2, 0, 0, 0, 0, 1]);
        machines.learn(address, MAC, Duration::from_secs(3600));
        assert_eq!(machines.at(address), Some(MAC));
        machines.learn(address, other, Duration::MAX);
        assert_eq!(machines.at(address), Some(other));
        machines.released(address, MAC);
        assert_eq!(machines.at(address), Some(other), "not MAC's any more");
        machines.released(address, other);
        assert_eq!(machines.at(address), None);
        machines.learn(address, MAC, Duration::ZERO);
        assert_eq!(machines.at(address), None);
    }

    fn peer(last: u8, on_link: bool) -> Peer {
        Peer {
            address: Ipv4Addr::new(192, 0, 2, last).into(),
            on_link,
            answers: true,
        }
    }

    #[test]
    fn on_the_link_a_machine_is_itself_by_the_nic_that_answers_for_its_address() {
        let other = Mac([2, 0, 0, 0, 0, 1]);
        let entry = |last: u8, mac| format!("192.0.2.{last} 0x1 0x2 {mac} * br0\n");
        let machines = Machines {
            neighbours: Mutex::new(Neighbours::of_text(
                &[entry(7, MAC), entry(8, other)].concat(),
            )),
            ..Machines::new()
        };
        let is_itself = |mac, last| machines.is_itself(mac, &peer(last, true), Instant::now());
        assert!(is_itself(MAC, 7) && is_itself(other, 8) && !is_itself(MAC, 8));
        // Its lease alone is not enough: another one may have taken the address over.
        machines.learn(peer(8, true).address, MAC, Duration::MAX);
        assert!(!is_itself(MAC, 8) && !is_itself(other, 8));
        machines.learn(peer(9, true).address, MAC, Duration::MAX);
        machines.script_offered(MAC, Instant::now());
        assert!(!is_itself(MAC, 9), "no NIC answers for it");
    }

    #[test]
    fn behind_a_router_a_machine_is_itself_by_its_lease_or_while_it_awaits_its_script() {
        let (machines, now) = (Machines::new(), Instant::now());
        let is_itself = |last| machines.is_itself(MAC, &peer(last, false), now);
        assert!(!is_itself(77));
        machines.learn(peer(77, false).address, MAC, Duration::MAX);
        assert!(is_itself(77) && !is_itself(78));
        machines.script_offered(MAC, now);
        assert!(is_itself(78));
        // A relay told that this is another machine's.
        machines.learn(
            peer(79, false).address,
            Mac([2, 0, 0, 0, 0, 1]),
            Duration::MAX,
        );
        assert!(!is_itself(79));
        machines
            .relayed
            .learn(&relayed::tests::request(9), relayed::tests::RELAY, now);
        let of_relay = Peer {
            address: Ipv4Addr::new(10, 9, 0, 9).into(),
            ..peer(0, false)
        };
        assert!(!machines.is_itself(MAC, &of_relay, now));
        let relayed = Mac([2, 0, 0, 0, 0, 9]);
        machines.script_offered(relayed, now);
        assert!(machines.is_itself(relayed, &of_relay, now));
    }

    #[test]
    fn who_has_not_answered_yet_may_have_invented_its_address() {
        let machines = Machines::new();
        machines.learn(peer(77, false).address, MAC, Duration::MAX);
        let asks = |answers| {
            let peer = Peer {
                answers,
                ..peer(77, false)
            };
            machines.asks(Some(MAC), Some(&peer))
        };
        assert_eq!((asks(true), asks(false)), (Asks::Itself, Asks::MaybeItself));
        assert_eq!(machines.asks(Some(MAC), None), Asks::Another);
        assert_eq!(machines.asks(None, Some(&peer(77, false))), Asks::Another);
    }

    #[test]
    fn the_number_of_remembered_addresses_is_bounded_and_those_that_end_first_go_first() {
        let machines = Machines::new();
        let address = |number: u32| IpAddr::from(Ipv4Addr::from_bits(0x0a00_0000 + number));
        machines.learn(address(0), MAC, Duration::from_secs(7200));
        for number in 1..=5000_u32 {
            machines.learn(address(number), MAC, Duration::from_secs(3600));
        }
        assert!(machines.leases().len() <= KNOWN);
        assert_eq!(machines.at(address(5000)), Some(MAC));
        assert_eq!(machines.at(address(0)), Some(MAC));
    }
}
