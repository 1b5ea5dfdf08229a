//! The timeline: one line per event.
//!
//! A machine is named by its hardware address where that is certain (DHCP, the kernel's neighbour table), else by its
//! IP address.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use jiff::Zoned;
use netroot_net::Mac;
use netroot_printable::Printable;
use netroot_proto::pxe::strategy::Progress;

use super::event::{Event, Fetch, Machine};
use super::ignored::Ignored;
use super::repeats::Repeats;
use super::writer::{Output, Writer};
use super::{json, text};
use crate::serve::artifacts::FileKind;
use crate::serve::counters::Counters;
use crate::serve::machines::Machines;

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// `<HH:MM:SS> <machine> <text>`, local time.
    Text,
    /// One JSON object per line, as `EVENTS.md` documents it.
    Json,
}

/// Where every part of the server logs what happened. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Timeline {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    format: Format,
    counters: Arc<Counters>,
    output: Output,
    machines: Arc<Machines>,
    repeats: Mutex<Repeats>,
}

impl Timeline {
    /// A timeline that writes to standard output.
    pub(crate) fn new(format: Format, counters: Arc<Counters>, machines: Arc<Machines>) -> Self {
        Self {
            shared: Arc::new(Shared {
                format,
                counters,
                output: Output::default(),
                machines,
                repeats: Mutex::default(),
            }),
        }
    }

    /// From now on lines are queued for a thread of their own.
    ///
    /// # Errors
    /// The system's, if the thread cannot be started.
    pub(crate) fn start_writer(&self) -> std::io::Result<Writer> {
        self.shared.output.start_writer()
    }

    /// Logs an event of the server itself.
    pub(crate) fn server(&self, event: Event) {
        self.write(None, &event);
    }

    /// Logs an event of a machine.
    pub(crate) fn machine(&self, machine: Machine, event: Event) {
        self.write(Some(self.known(machine)), &event);
    }

    /// Logs that a machine has fetched a file, which is also how far its boot has come. `script_of` is the machine that
    /// a script is for.
    pub(crate) fn fetched(&self, machine: Machine, script_of: Option<Mac>, fetch: Fetch) {
        let machine = self.known(machine);
        let machines = self.machines();
        let booting = match machine {
            Machine::Mac(mac) => Some(mac),
            // Behind a router, where the neighbour table shows nobody: only a machine that was offered its script just
            // now may have come for it.
            Machine::Address(_) => {
                script_of.filter(|mac| machines.awaits_script(*mac, Instant::now()))
            }
        };
        let progress = match fetch.kind {
            FileKind::Loader => Some(Progress::Loaded),
            FileKind::Script | FileKind::Kernel | FileKind::Initrd => Some(Progress::Booted),
            FileKind::Other => None,
        };
        if let Some((mac, progress)) = booting.zip(progress) {
            machines.progressed(mac, progress);
        }
        self.write(Some(machine), &Event::Fetched(fetch));
    }

    /// Logs a request that is not answered: once a minute for each machine and reason, so that a flood fills a
    /// counter and not a screen.
    pub(crate) fn ignored(&self, machine: Machine, ignored: Ignored) {
        let is_new = self
            .shared
            .repeats
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_new(machine, ignored.to_string(), Instant::now());
        if !is_new {
            return;
        }
        self.machine(machine, Event::Ignored(ignored));
    }

    /// What is known of the machines.
    pub(crate) fn machines(&self) -> &Machines {
        &self.shared.machines
    }

    fn known(&self, machine: Machine) -> Machine {
        match machine {
            Machine::Mac(_) => machine,
            Machine::Address(address) => self
                .shared
                .machines
                .at(address)
                .map_or(machine, Machine::Mac),
        }
    }

    fn write(&self, machine: Option<Machine>, event: &Event) {
        let machine = machine.map(|machine| machine.to_string());
        let (machine, sentence) = (
            machine.as_deref(),
            Printable(&event.to_string()).to_string(),
        );
        let now = Zoned::now();
        let line = match self.shared.format {
            Format::Text => {
                let time = now.strftime("%H:%M:%S").to_string();
                Some(text::line(&time, machine, event, &sentence))
            }
            Format::Json => {
                let time = format!("{:.3}", now.timestamp());
                json::line(&time, machine, event, &sentence)
            }
        };
        if line.is_some_and(|line| !self.shared.output.line(line)) {
            Counters::count(&self.shared.counters.lines_dropped);
        }
    }
}
