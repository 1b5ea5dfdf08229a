//! The helper process that makes isolated networks, keeps them as they have to be, and gives everything back when the
//! server has ended, however that ended.
//!
//! It becomes the unprivileged user, with one capability (`CAP_NET_ADMIN`) and a filter of system calls, and obeys
//! nobody: what it does follows from the settings of the start and from what the kernel tells.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use netroot_net::Prefix;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::thread::CapabilitySet;

use super::firewall::{self, Blocked};
use super::links;
use super::netfilter::Netfilter;
use super::nftables::Table;
use super::note::{self, Note, NoteError, NoteFile, Noted};
use super::subnet::{self, PlanError, Planned, Wanted};
use crate::confinement::identity::Identity;
use crate::confinement::seccomp::Work;
use crate::confinement::{self, Confinement, ConfinementError};
use crate::serve::listen::interface::{Candidate, ChangeSocket, RouteSocket};
use crate::settings::Settings;

/// Where interfaces say whether they forward.
const SWITCHES: &str = "/proc/sys/net/ipv4/conf";
/// How long a cable may take after its interface was taken up: switches learn, cards negotiate.
const CARRIER: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);
/// The switch of the host as a whole.
const ALL: &str = "all";

/// Why there are no isolated networks.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeeperError {
    /// The note.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// It cannot be written.
    #[error("cannot note what has to be undone: {0}")]
    Noting(#[source] io::Error),
    /// Unconfined, it must not serve.
    #[error("the helper process for isolated networks cannot give up its privileges: {0}")]
    Confinement(#[from] ConfinementError),
    /// The interfaces could not be listed.
    #[error("cannot list the network interfaces: {0}")]
    List(#[source] io::Error),
    /// Another interface, or another network.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// An interface.
    #[error("cannot give {interface} the address {address}: {error}")]
    Address {
        /// Which one.
        interface: String,
        /// Its address.
        address: Prefix,
        /// The system's error.
        error: io::Error,
    },
    /// The firewall.
    #[error(
        "cannot keep {interfaces} apart from the other networks (nf_tables; it takes Linux 5.2 with CONFIG_NF_TABLES_INET): {error}"
    )]
    Tables {
        /// The interfaces.
        interfaces: String,
        /// The system's error.
        error: io::Error,
    },
    /// Forwarding.
    #[error("cannot have {interface} forward, which --nat needs: {error}")]
    Forwarding {
        /// Which one.
        interface: String,
        /// The system's error.
        error: io::Error,
    },
}

/// What the process holds.
#[derive(Debug)]
pub(super) struct Keeper {
    networks: Vec<Planned>,
    routes: RouteSocket,
    changes: ChangeSocket,
    netfilter: Netfilter,
    file: NoteFile,
    note: Note,
    /// The tables as they are.
    tables: Vec<Table>,
}

impl Keeper {
    /// In the new process: undoes what was left behind, and makes the networks.
    pub(super) fn start(
        settings: &Settings,
        wanted: &[Wanted],
        identity: Option<Identity>,
    ) -> Result<Self, KeeperError> {
        let _ = rustix::thread::set_name(c"netroot-isolate");
        let folder = note::folder(&settings.state);
        let first = wanted.first().map_or("", |one| one.interface.as_str());
        let mut file = note::open_own(&folder, first)?;
        let mut others = note::others(&folder, &note::file_name(first));
        others.check(wanted.iter().map(|one| one.interface.as_str()))?;
        confinement::confine(&Confinement {
            identity,
            capabilities: CapabilitySet::NET_ADMIN,
            read: vec!["/proc".into()],
            write: vec![SWITCHES.into()],
            work: Work::OpeningSockets,
        })?;
        let routes = RouteSocket::open().map_err(KeeperError::List)?;
        let changes = ChangeSocket::open_with_forwarding().map_err(KeeperError::List)?;
        let interfaces: Vec<_> = wanted.iter().map(|one| one.interface.clone()).collect();
        let interfaces = interfaces.join(", ");
        let netfilter = Netfilter::open();
        let netfilter = netfilter.map_err(|error| KeeperError::Tables { interfaces, error })?;
        let boot = note::this_boot();
        for old in others.abandoned.iter_mut().chain([&mut file]) {
            // Not one of another network namespace, whose next server gives back what is in it.
            if let Some(note) = old.read(&boot) {
                give_back(&routes, &netfilter, &note);
                let _ = old.clear();
            }
        }
        let candidates = routes.list().map_err(KeeperError::List)?;
        let routed = routes.routes().map_err(KeeperError::List)?;
        let networks = subnet::plan(wanted, &candidates, &routed)?;
        let noted = |one: &Planned| Noted {
            name: one.name.clone(),
            brought_up: one.down,
        };
        let note = Note {
            boot,
            networks: networks.iter().map(noted).collect(),
            host_forwards: links::forwards(ALL).unwrap_or(false),
            forwarding: Vec::new(),
        };
        let mut keeper = Self {
            networks,
            routes,
            changes,
            netfilter,
            file,
            note,
            tables: Vec::new(),
        };
        match keeper.make() {
            Ok(()) => Ok(keeper),
            Err(error) => {
                keeper.end();
                Err(error)
            }
        }
    }

    /// The firewalls that are in the way.
    pub(super) fn blocked(&self) -> Vec<Blocked> {
        let nat = || self.networks.iter().filter(|one| one.nat);
        if nat().next().is_none() {
            return Vec::new();
        }
        // What cannot be found out is not told.
        let Ok(ruleset) = self.netfilter.ruleset() else {
            return Vec::new();
        };
        let blocked = nat().flat_map(|one| firewall::blocked(&ruleset, &one.name));
        blocked.collect()
    }

    /// Follows the interfaces until the server's end of `socket` is closed.
    pub(super) fn keep(&mut self, socket: &OwnedFd) {
        loop {
            let mut waiting = [
                PollFd::new(socket, PollFlags::IN),
                PollFd::new(&self.changes, PollFlags::IN),
            ];
            match poll(&mut waiting, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => return,
            }
            let [server, _] = waiting;
            // The server says nothing: there is only its end.
            if !server.revents().is_empty() {
                return;
            }
            if self.changes.changed().is_ok() {
                // Where it fails, the next change is another try.
                let _ = self.follow();
            }
        }
    }

    /// Gives everything back.
    pub(super) fn end(&mut self) {
        give_back(&self.routes, &self.netfilter, &self.note);
        let _ = self.file.clear();
    }

    fn make(&mut self) -> Result<(), KeeperError> {
        self.file.write(&self.note).map_err(KeeperError::Noting)?;
        for network in &self.networks {
            configure(&self.routes, network)?;
        }
        if self.networks.iter().any(|one| one.down) {
            self.await_carrier();
        }
        self.follow()
    }

    /// No cable is no error: one may be plugged in later.
    fn await_carrier(&self) {
        let waiting = || {
            let candidates = self.routes.list().unwrap_or_default();
            let mut taken_up = self.networks.iter().filter(|one| one.down);
            taken_up.any(|one| {
                let mut found = candidates.iter();
                found.any(|found| found.index() == one.index && !found.has_carrier())
            })
        };
        let end = Instant::now() + CARRIER;
        while waiting() && Instant::now() < end {
            std::thread::sleep(PAUSE);
        }
    }

    /// Makes the interfaces, the tables and the switches what they have to be.
    fn follow(&mut self) -> Result<(), KeeperError> {
        let candidates = self.routes.list().map_err(KeeperError::List)?;
        for network in &mut self.networks {
            let same = candidates.iter().find(|one| one.index() == network.index);
            if same.is_some() {
                continue;
            }
            let again = candidates.iter().find(|one| one.name() == network.name);
            if let Some(again) = again.filter(|_| network.add) {
                network.index = again.index();
                network.down = !again.is_up();
                configure(&self.routes, network)?;
            }
        }
        let host_forwards = links::forwards(ALL).unwrap_or(false);
        if host_forwards != self.note.host_forwards {
            // Somebody decided for the host as a whole: none of it is this server's any more.
            self.note.host_forwards = host_forwards;
            self.note.forwarding.clear();
        }
        let switched: Vec<&Candidate> = candidates
            .iter()
            .filter(|one| self.has_to_forward(one))
            .filter(|one| links::forwards(one.name()) == Some(false))
            .collect();
        for one in &switched {
            if !self.note.forwarding.iter().any(|name| name == one.name()) {
                self.note.forwarding.push(one.name().to_owned());
            }
        }
        self.file.write(&self.note).map_err(KeeperError::Noting)?;
        // Before anything forwards, it is decided what.
        let tables: Vec<Table> = self.networks.iter().map(|one| self.table(one)).collect();
        if tables != self.tables {
            let made = self.netfilter.make(&tables);
            made.map_err(|error| KeeperError::Tables {
                interfaces: self.names().join(", "),
                error,
            })?;
            self.tables = tables;
        }
        for one in switched {
            let which = (one.name(), one.index());
            let done = links::set_forwarding(&self.routes, which, true);
            done.map_err(|error| KeeperError::Forwarding {
                interface: one.name().to_owned(),
                error,
            })?;
        }
        Ok(())
    }

    fn names(&self) -> Vec<&str> {
        self.networks.iter().map(|one| one.name.as_str()).collect()
    }

    /// Requests come in by the isolated interfaces, and answers by any that leads elsewhere.
    fn has_to_forward(&self, interface: &Candidate) -> bool {
        let isolated = self
            .networks
            .iter()
            .find(|one| one.name == interface.name());
        match isolated {
            Some(isolated) => isolated.nat,
            None => {
                let leads_elsewhere = interface.is_up()
                    && !interface.is_loopback()
                    && interface.networks().next().is_some();
                leads_elsewhere && self.networks.iter().any(|one| one.nat)
            }
        }
    }

    fn table(&self, network: &Planned) -> Table {
        let names = self.names();
        let elsewhere = self.note.forwarding.iter();
        Table {
            interface: network.name.clone(),
            network: network.address,
            nat: network.nat,
            guarded: elsewhere
                .filter(|name| !names.contains(&name.as_str()))
                .cloned()
                .collect(),
        }
    }
}

/// Takes an interface up and gives it its address.
fn configure(routes: &RouteSocket, network: &Planned) -> Result<(), KeeperError> {
    let name = network.name.as_str();
    let add = || {
        if network.add {
            links::add_address(routes, (name, network.index), network.address)?;
        }
        if network.down {
            links::set_up(routes, network.index, true)?;
        }
        Ok(())
    };
    add().map_err(|error| KeeperError::Address {
        interface: network.name.clone(),
        address: network.address,
        error,
    })
}

/// Undoes what is noted, but for what somebody has changed since. What fails is left: there is nobody to tell.
fn give_back(routes: &RouteSocket, netfilter: &Netfilter, note: &Note) {
    let candidates = routes.list().unwrap_or_default();
    let find = |name: &str| candidates.iter().find(|one| one.name() == name);
    if links::forwards(ALL) == Some(note.host_forwards) {
        for interface in note.forwarding.iter().filter_map(|name| find(name)) {
            if links::forwards(interface.name()) == Some(true) {
                let which = (interface.name(), interface.index());
                let _ = links::set_forwarding(routes, which, false);
            }
        }
    }
    for Noted { name, brought_up } in &note.networks {
        // Not before nothing is forwarded any more.
        let _ = netfilter.remove(name);
        let Some(interface) = find(name) else {
            continue;
        };
        let own = links::own_addresses(interface).len();
        let _ = links::remove_own_addresses(routes, interface);
        if *brought_up && interface.networks().count() == own {
            let _ = links::set_up(routes, interface.index(), false);
        }
    }
}
