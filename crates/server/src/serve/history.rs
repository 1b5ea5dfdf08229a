//! What happened to each machine: made from the events, at one place.
//!
//! ```text
//! Event, nfs_reads → record::apply → Boot { steps, stage, outcome }        one machine; table holds all of them
//! a boot's silence → judge → CauseOfDeath (cause, cures)                   deaths, which watch asks for every few seconds
//! Boot → view::MachineHistory, summary → JSON                              the API, the page, `status`, `bundle`
//! Event → step, stage; datagram                                            what of it is kept, and how far it shows the boot to be
//! a warning → warnings; ended boots → totals                               the page; metrics
//! ```
//!
//! A machine has one hardware address and shows itself as its firmware, as iPXE and as its system: one boot goes through all of
//! them. What is kept is bounded in machines, boots, steps and bytes.

mod boot;
mod cause;
mod cures;
mod datagram;
mod deaths;
mod judge;
mod kept;
pub(crate) mod nfs_reads;
mod record;
mod stage;
mod step;
mod summary;
mod table;
mod totals;
mod view;
mod warnings;
pub(crate) mod watch;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use netroot_net::{Mac, Uuid};
use netroot_proto::pxe::client::Client;
use netroot_proto::pxe::probe::OtherServer;
use tokio::sync::broadcast;

use self::boot::Outcome;
pub(crate) use self::datagram::{Datagram, Inputs, Way};
use self::kept::Kept;
use self::record::{Changed, Record};
use self::stage::Stage;
pub(crate) use self::summary::MachineSummary;
use self::totals::Totals;
pub(crate) use self::view::MachineHistory;
use self::view::SEEN;
pub(crate) use self::view::UNSEEN;
pub(crate) use self::view::utc;
pub(crate) use self::warnings::ShownWarning;
use self::warnings::Warnings;
use crate::advice::Advice;
use crate::serve::artifacts::signed_chain::SignedState;
use crate::serve::artifacts::{Chosen, FileKind};
use crate::serve::clock::Clock;
use crate::serve::events::{Event, Ignored, Machine, Observer, ReadyListener, Whom};
use crate::serve::metrics::Boots;
use crate::serve::report_summary::BootSummary;

/// How many changes a slow subscriber may be behind before it is told that it missed some.
const CHANGES: usize = 256;
/// What happened to each machine.
#[derive(Debug)]
pub(crate) struct History {
    clock: Clock,
    kept: Mutex<Kept>,
    changes: broadcast::Sender<Mac>,
    warnings: Warnings,
    advice: Advice,
}

impl History {
    /// Nothing happened yet.
    pub(crate) fn new() -> Self {
        Self {
            clock: Clock::start(),
            kept: Mutex::default(),
            changes: broadcast::channel(CHANGES).0,
            warnings: Warnings::default(),
            advice: Advice::default(),
        }
    }

    /// The same, whose sentences name settings like this.
    pub(crate) fn advising(self, advice: Advice) -> Self {
        Self { advice, ..self }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The machines that change from now on. Who is too slow misses some ([`broadcast::error::RecvError::Lagged`]) and should
    /// ask for all of them.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Mac> {
        self.changes.subscribe()
    }

    /// One machine; `listeners` are the interfaces that are served, of which cures speak.
    pub(crate) fn machine(&self, mac: Mac, listeners: &[ReadyListener]) -> Option<MachineHistory> {
        let now = self.clock.moment();
        let kept = self.kept();
        let record = kept.machines.get(mac)?;
        Some(kept.view(mac, record, listeners, now).told(self.advice))
    }

    /// How long ago a machine's last boot began in which it was given a script; `None` if none is known.
    pub(crate) fn booted(&self, mac: Mac) -> Option<Duration> {
        let now = self.clock.now();
        let kept = self.kept();
        let boots = &kept.machines.get(mac)?.boots;
        let given = boots.iter().rfind(|boot| boot.stage >= Stage::Script)?;
        Some(given.elapsed(now))
    }

    /// How long ago a machine's last boot began in which this server handed out its script; `None` if none is known. Who is
    /// seen to mount something for the first time was told to by somebody else, or by an earlier run of the server.
    pub(crate) fn told(&self, mac: Mac) -> Option<Duration> {
        let now = self.clock.now();
        let kept = self.kept();
        let boots = &kept.machines.get(mac)?.boots;
        let told = boots.iter().rfind(|boot| boot.chosen.is_some())?;
        Some(told.elapsed(now))
    }

    /// What became of all boots, for the metrics.
    pub(crate) fn boots(&self) -> Boots {
        let kept = self.kept();
        let Totals {
            boots,
            causes,
            durations,
            stages,
        } = kept.totals.clone();
        let mut states = Outcome::NAMES.map(|state| (state, 0)).to_vec();
        states.push((SEEN, 0));
        for (_, record) in kept.machines.all() {
            let state = record.last().map_or(SEEN, |last| last.outcome.name());
            if let Some((_, machines)) = states.iter_mut().find(|(name, _)| *name == state) {
                *machines += 1;
            }
        }
        let ended = boots.into_iter();
        let stages = stages.into_iter();
        Boots {
            ended: ended
                .map(|((image, outcome), boots)| (image, outcome, boots))
                .collect(),
            causes: causes.into_iter().collect(),
            durations,
            stages: stages.map(|(stage, times)| (stage.name(), times)).collect(),
            machines: states,
            transfers: kept.transfers,
        }
    }

    /// One machine in short.
    pub(crate) fn summary(&self, mac: Mac) -> Option<MachineSummary> {
        let now = self.clock.moment();
        let kept = self.kept();
        let record = kept.machines.get(mac)?;
        Some(MachineSummary::new(mac, record, now).told(self.advice))
    }

    /// All of them in short, the one that was heard of last first.
    pub(crate) fn summaries(&self) -> Vec<MachineSummary> {
        let now = self.clock.moment();
        let kept = self.kept();
        let mut all: Vec<_> = kept.machines.all().collect();
        all.sort_by_key(|(mac, record)| (std::cmp::Reverse(record.heard.now), *mac));
        let all = all.into_iter();
        all.map(|(mac, record)| MachineSummary::new(mac, record, now).told(self.advice))
            .collect()
    }

    /// What is shown of a machine has changed, though nothing happened to it: those who follow it are told.
    pub(crate) fn touch(&self, mac: Mac) {
        // Nobody may be subscribed.
        let _ = self.changes.send(mac);
    }

    /// What the server has warned of lately, the last one at the end.
    pub(crate) fn warnings(&self) -> Vec<ShownWarning> {
        let warnings = self.warnings.shown().into_iter();
        warnings.map(|one| one.told(self.advice)).collect()
    }

    /// Another DHCP server was found.
    pub(crate) fn found(&self, interface: &str, other: &OtherServer) {
        self.kept().learn(interface, other.clone(), true);
    }

    /// Another server was heard while it answered a machine.
    pub(crate) fn overheard(&self, interface: &str, mac: Mac, mut other: OtherServer) {
        let texts = [&mut other.class, &mut other.boot_file, &mut other.root_path];
        for text in texts.into_iter().flatten() {
            text.truncate(kept::OTHERS_TEXT);
        }
        let now = self.clock.moment();
        let mut kept = self.kept();
        let offer = |record: &mut Record| record.overheard(other.clone(), now);
        let is_new = kept.machines.change(mac, now, false, offer).flatten();
        kept.learn(interface, other, is_new.is_some());
        drop(kept);
        if is_new == Some(true) {
            // Nobody may be subscribed.
            let _ = self.changes.send(mac);
        }
    }

    /// A DHCP message of a machine that boots came (`boots`), or an answer to one that is known was sent.
    pub(crate) fn datagram(&self, mac: Mac, boots: bool, way: Way, payload: &[u8]) {
        let at = self.clock.moment();
        let mut kept = self.kept();
        kept.machines.change(mac, at, boots, |record| {
            record.keep(Datagram {
                at,
                way,
                payload: payload.to_vec(),
            });
        });
    }

    /// What the answer to a machine's last message depended on.
    pub(crate) fn decided(&self, mac: Mac, inputs: Inputs) {
        let now = self.clock.moment();
        let mut kept = self.kept();
        let set = |record: &mut Record| record.decided(inputs);
        kept.machines.change(mac, now, false, set);
    }

    /// The DHCP messages of a machine's last boot, and the script that it was handed out.
    pub(crate) fn last_boot(&self, mac: Mac) -> (Vec<Datagram>, Option<Arc<Chosen>>) {
        let kept = self.kept();
        let Some(record) = kept.machines.get(mac) else {
            return (Vec::new(), None);
        };
        let datagrams = record.datagrams_of_last_boot().cloned().collect();
        let chosen = record.last().and_then(|last| last.chosen.clone());
        (datagrams, chosen)
    }

    /// What a machine would boot has this for machines with Secure Boot.
    pub(crate) fn signed(&self, mac: Mac, signed: Option<Arc<SignedState>>) {
        let now = self.clock.moment();
        let mut kept = self.kept();
        let set = |record: &mut Record| record.signed = signed;
        kept.machines.change(mac, now, false, set);
    }

    /// The other DHCP servers that were found, with the interface.
    pub(crate) fn other_servers(&self) -> Vec<(String, OtherServer)> {
        self.kept().others.clone()
    }

    /// A machine's firmware says its UUID.
    pub(crate) fn identified(&self, mac: Mac, uuid: Uuid) {
        let now = self.clock.moment();
        let mut kept = self.kept();
        let set = |record: &mut Record| record.uuid = Some(uuid);
        kept.machines.change(mac, now, false, set);
    }

    /// The init's report, once it is in the log.
    pub(crate) fn reported(&self, machine: Machine, summary: &BootSummary) {
        self.change(machine, false, |record| {
            record.reported(summary);
            Changed {
                shown: true,
                ..Changed::default()
            }
        });
    }

    /// A machine was sent so much by NFS since the last time.
    pub(crate) fn used_nfs(&self, machine: Machine, calls: u64, bytes: u64) {
        let now = self.clock.moment();
        self.change(machine, false, |record| record.used_nfs(calls, bytes, now));
    }

    fn change(&self, machine: Machine, new: bool, change: impl FnOnce(&mut Record) -> Changed) {
        let now = self.clock.moment();
        let mut kept = self.kept();
        let mac = match machine {
            Machine::Mac(mac) => Some(mac),
            Machine::Address(address) => kept.machines.at(address),
        };
        let Some(mac) = mac else {
            return;
        };
        let mut ended = None;
        let changed = kept.machines.change(mac, now, new, |record| {
            let changed = change(record);
            if let Some(boot) = record.last().filter(|_| changed.ended) {
                let image = boot.image_name().map(str::to_owned);
                ended = Some((image, boot.outcome.name(), boot.ended));
            }
            changed
        });
        if let Some((stage, time)) = changed.and_then(|changed| changed.reached) {
            kept.totals.reached(stage, time);
        }
        if let Some((image, outcome, took)) = ended {
            kept.totals.ended(image.as_deref(), outcome);
            if let Some(took) = took.filter(|_| outcome == "running") {
                kept.totals.ran(took);
            }
        }
        drop(kept);
        if changed.is_some_and(|changed| changed.shown) {
            // Nobody may be subscribed.
            let _ = self.changes.send(mac);
        }
    }
}

impl Observer for History {
    fn happened(&self, whom: Option<Whom>, event: &Event) {
        if whom.is_none() {
            self.warnings.take(event, self.clock.moment());
        }
        let Some(Whom { machine, address }) = whom else {
            return;
        };
        if matches!(
            event,
            Event::BootStopped { .. } | Event::LinesLeftOut { .. }
        ) {
            return;
        }
        let now = self.clock.moment();
        if let (Machine::Mac(mac), Some(address)) = (machine, address)
            && matches!(event, Event::Fetched(_))
        {
            self.kept().machines.seen_at(address, mac);
        }
        // Of the laptops on an office's network nothing is remembered.
        let new = match event {
            Event::Ignored(Ignored::Dhcp { client, .. })
            | Event::DhcpDiscover { client }
            | Event::DhcpAnswer { client, .. } => *client != Client::Plain,
            Event::Ignored(_)
            | Event::DhcpRelease { .. }
            | Event::DhcpDecline { .. }
            | Event::AddressInUse { .. }
            | Event::Unmounted { .. } => false,
            _ => true,
        };
        self.change(machine, new, |record| {
            if let Some(address) = address {
                record.has_address(address);
            }
            record.apply(event, now)
        });
    }

    fn fetch_began(&self, machine: Machine, kind: FileKind) {
        self.kept().transfers += 1;
        let now = self.clock.moment();
        self.change(machine, false, |record| {
            record.fetch_began(kind, now);
            Changed::default()
        });
    }

    fn fetch_ended(&self, machine: Machine) {
        let mut kept = self.kept();
        kept.transfers = kept.transfers.saturating_sub(1);
        drop(kept);
        let now = self.clock.moment();
        self.change(machine, false, |record| {
            record.fetch_ended(now);
            Changed::default()
        });
    }
}

#[cfg(test)]
mod tests;
