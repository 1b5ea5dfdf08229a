//! The timeline: one line per event.
//!
//! A machine is named by its hardware address where that is certain (DHCP, the kernel's neighbour table), else by its
//! IP address.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use jiff::Zoned;
use netroot_net::Mac;
use netroot_printable::Printable;
use netroot_proto::pxe::strategy::Progress;

use super::event::{Event, Machine};
use super::fetch::Fetch;
use super::ignored::Ignored;
use super::line_limits::{LineLimits, Source};
use super::observer::{Fetching, Observer, Whom};
use super::repeats::Repeats;
use super::warning::Warning;
use super::wording::cut;
use super::writer::{About, Output, Writer};
use super::{json, text};
use crate::advice::Advice;
use crate::catalog::{ImageFile, file_of_image};
use crate::serve::artifacts::signed_chain::SignedState;
use crate::serve::artifacts::{FileKind, loaders};
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
    advice: Advice,
}

#[derive(Debug)]
struct Shared {
    format: Format,
    counters: Arc<Counters>,
    output: Output,
    machines: Arc<Machines>,
    repeats: Mutex<Repeats>,
    limits: Mutex<LineLimits>,
    started: Instant,
    observer: OnceLock<Arc<dyn Observer>>,
}

/// How often lines that were left out are reported.
const REPORT_LEFT_OUT: Duration = Duration::from_secs(10);

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
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
                limits: Mutex::new(LineLimits::new()),
                started: Instant::now(),
                observer: OnceLock::new(),
            }),
            advice: Advice::default(),
        }
    }

    /// The same, whose sentences name settings like this.
    pub(crate) fn advising(self, advice: Advice) -> Self {
        Self { advice, ..self }
    }

    /// From now on lines are queued for a thread of their own.
    ///
    /// # Errors
    /// The system's, if the thread cannot be started.
    pub(crate) fn start_writer(&self) -> std::io::Result<Writer> {
        self.shared.output.start_writer()
    }

    /// From now on everything that happens is told to `observer`, too. Only the first one is.
    pub(crate) fn observed_by(&self, observer: Arc<dyn Observer>) {
        let _ = self.shared.observer.set(observer);
    }

    fn observe(&self, whom: Option<Whom>, event: &Event) {
        if let Some(observer) = self.shared.observer.get() {
            observer.happened(whom, event);
        }
    }

    /// Logs an event of the server itself.
    pub(crate) fn server(&self, event: Event) {
        self.observe(None, &event);
        self.write(None, &event);
    }

    /// Logs a warning of the server itself.
    pub(crate) fn warn(&self, warning: Warning) {
        self.server(Event::Warning(warning));
    }

    /// Tells the observer of what is too frequent for the log.
    pub(crate) fn unlogged(&self, machine: Machine, event: &Event) {
        self.observe(Some(Whom::new(self.known(machine), machine)), event);
    }

    /// What an image's root has for machines with Secure Boot. Where not all of them boot it, that is a warning as soon as
    /// there is a machine that needs it. No machine needs it alone where the image is a unified kernel image, too.
    pub(crate) fn tell_signed(&self, image: &str, state: &SignedState, is_unified: bool) {
        let wrong = match state {
            SignedState::Nothing { .. } => Vec::new(),
            SignedState::Unusable { .. } if is_unified => Vec::new(),
            SignedState::Unusable { error } => vec![format!("no machine boots it: {error}")],
            SignedState::Usable(facts) => {
                let conditions = facts.conditions_of_image().map(ToString::to_string);
                let no_kernel = facts.no_kernel.iter().filter(|_| !is_unified);
                let no_kernel = no_kernel.map(|why| format!("no machine boots it: {why}"));
                conditions.chain(no_kernel).collect()
            }
        };
        let secure_boots = self.machines().secure_boots();
        secure_boots.keep_untold(image, wrong);
        if secure_boots.any_is_signed_only() {
            self.signed_is_needed(image);
        }
    }

    /// A machine needs the signed files of an image: tells what is wrong with them, once.
    pub(crate) fn signed_is_needed(&self, image: &str) {
        for error in self.machines().secure_boots().take_untold(image) {
            let image = image.to_owned();
            self.warn(Warning::SecureBoot { image, error });
        }
    }

    /// A machine is sent a file, until what this returns is dropped. `script_of` is the machine that a script is for.
    pub(crate) fn fetching(
        &self,
        sender: Machine,
        script_of: Option<Mac>,
        kind: FileKind,
    ) -> Fetching {
        let Some(observer) = self.shared.observer.get() else {
            return Fetching { observer: None };
        };
        let machine = self.known(sender);
        let machine = self
            .booting(machine, script_of)
            .map_or(machine, Machine::Mac);
        observer.fetch_began(machine, kind);
        Fetching {
            observer: Some((Arc::clone(observer), machine)),
        }
    }

    /// Logs an event of a machine, unless it has caused too many.
    pub(crate) fn machine(&self, machine: Machine, event: Event) {
        let known = self.known(machine);
        // What it loaded has booted, whether or not that was a loader with a script.
        if let (Machine::Mac(mac), Event::Mounted { .. }) = (known, &event) {
            self.machines().progressed(mac, Progress::Booted);
        }
        self.observe(Some(Whom::new(known, machine)), &event);
        self.limited(machine, known, &event);
    }

    /// Logs that a machine has fetched a file, which is also how far its boot has come. `script_of` is the machine that
    /// a script is for.
    pub(crate) fn fetched(&self, sender: Machine, script_of: Option<Mac>, fetch: Fetch) {
        let machine = self.known(sender);
        let booting = self.booting(machine, script_of);
        let progress = match fetch.kind {
            FileKind::Loader => {
                let file = file_of_image(&fetch.name).map(|named| named.file);
                match (booting, file) {
                    (Some(mac), Some(ImageFile::Program)) => self.machines().loaded_unified(mac),
                    (Some(mac), _) => {
                        self.machines().loaded(mac, loaders::chosen(&fetch.name));
                    }
                    (None, _) => {}
                }
                None
            }
            FileKind::Script | FileKind::Kernel | FileKind::Initrd => Some(Progress::Booted),
            FileKind::Other => None,
        };
        if let Some((mac, progress)) = booting.zip(progress) {
            self.machines().progressed(mac, progress);
        }
        let event = Event::Fetched(fetch);
        let whom = Whom::new(booting.map_or(machine, Machine::Mac), sender);
        self.observe(Some(whom), &event);
        self.limited(sender, machine, &event);
    }

    /// The machine that fetches a file.
    fn booting(&self, machine: Machine, script_of: Option<Mac>) -> Option<Mac> {
        match machine {
            Machine::Mac(mac) => Some(mac),
            // Behind a router, where the neighbour table shows nobody: only a machine that was offered its script just
            // now may have come for it.
            Machine::Address(_) => {
                script_of.filter(|mac| self.machines().awaits_script(*mac, Instant::now()))
            }
        }
    }

    /// Logs a request that is not answered: once a minute for each machine and reason, so that a flood fills a
    /// counter and not a screen.
    pub(crate) fn ignored(&self, machine: Machine, ignored: Ignored) {
        self.seldom(machine, Event::Ignored(ignored));
    }

    /// Logs what a machine may cause again and again: once a minute for each sentence.
    pub(crate) fn seldom(&self, machine: Machine, event: Event) {
        let sentence = event.to_string();
        let is_new = lock(&self.shared.repeats).is_new(machine, &sentence, Instant::now());
        let known = self.known(machine);
        self.observe(Some(Whom::new(known, machine)), &event);
        if is_new {
            self.limited(machine, known, &event);
        }
    }

    /// Logs how many lines were left out, every few seconds until the runtime ends.
    pub(crate) async fn report_left_out(self) {
        loop {
            tokio::time::sleep(REPORT_LEFT_OUT).await;
            self.left_out();
        }
    }

    /// Logs how many lines were left out since the last time.
    pub(crate) fn left_out(&self) {
        let now = self.shared.started.elapsed();
        let left_out = lock(&self.shared.limits).take_left_out(now);
        for (machine, lines) in left_out {
            let machine = machine.map(|machine| self.known(machine));
            self.write(machine, &Event::LinesLeftOut { lines });
        }
    }

    /// What is known of the machines.
    pub(crate) fn machines(&self) -> &Machines {
        &self.shared.machines
    }

    /// The same, for another thread.
    pub(crate) fn machines_handle(&self) -> Arc<Machines> {
        Arc::clone(&self.shared.machines)
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

    fn limited(&self, sender: Machine, machine: Machine, event: &Event) {
        let now = self.shared.started.elapsed();
        let nic = match sender {
            Machine::Mac(_) => None,
            Machine::Address(address) => self.shared.machines.nic_at(address),
        };
        let source = Source {
            sender,
            machine: nic.map_or(machine, Machine::Mac),
        };
        if lock(&self.shared.limits).allows(source, event, now) {
            self.write(Some(machine), event);
        } else {
            Counters::count(&self.shared.counters.lines_left_out);
        }
    }

    fn write(&self, machine: Option<Machine>, event: &Event) {
        let about = machine.map_or(About::Server, |_| About::Machine);
        let machine = machine.map(|machine| machine.to_string());
        let machine = machine.as_deref();
        let mut sentence = Printable(&self.advice.told(event.to_string())).to_string();
        if about == About::Machine {
            cut(&mut sentence);
        }
        let now = Zoned::now();
        let line = match self.shared.format {
            Format::Text => {
                let time = now.strftime("%H:%M:%S").to_string();
                let mut line = text::line(&time, machine, event, &sentence);
                for more in text::more_lines(event) {
                    line.push('\n');
                    line += &Printable(more).to_string();
                }
                Some(line)
            }
            Format::Json => {
                let time = format!("{:.3}", now.timestamp());
                json::line(&time, machine, event, &sentence)
            }
        };
        if line.is_some_and(|line| !self.shared.output.line(about, line)) {
            Counters::count(&self.shared.counters.lines_dropped);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    use netroot_proto::pxe::strategy::{Strategy, Style};

    use super::*;
    use crate::serve::events::fetch::Transport;

    const MAC: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
    const OTHER: Mac = Mac([2, 0, 0, 0, 0, 1]);
    /// Behind a router.
    const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 77));

    /// The way that `MAC` is booted after two boots, in each of which `fetch` happens.
    fn after_two_boots(fetch: impl Fn(&Timeline)) -> Style {
        let machines = Arc::new(Machines::new());
        let timeline = Timeline::new(Format::Json, Arc::default(), Arc::clone(&machines));
        let mut strategy = Strategy::default();
        for transaction in 1..=3 {
            let minute = Duration::from_secs(60) * transaction;
            strategy = machines.strategy(MAC, transaction, minute);
            fetch(&timeline);
        }
        strategy.style
    }

    fn fetched_from(timeline: &Timeline, address: IpAddr) {
        let fetch = Fetch {
            kind: FileKind::Script,
            name: "boot/52-54-00-12-34-56.ipxe".to_owned(),
            bytes: 1,
            took: Duration::ZERO,
            by: Transport::Http,
            chosen: None,
        };
        timeline.fetched(Machine::Address(address), Some(MAC), fetch);
    }

    #[test]
    fn who_fetches_another_machines_script_does_not_boot_that_machine() {
        let own = |timeline: &Timeline| {
            timeline.machines().learn(NOBODY, MAC, Duration::MAX);
            fetched_from(timeline, NOBODY);
        };
        let another = |timeline: &Timeline| {
            timeline.machines().learn(NOBODY, OTHER, Duration::MAX);
            fetched_from(timeline, NOBODY);
        };
        assert_eq!(after_two_boots(own), Style::Usual);
        assert_eq!(after_two_boots(another), Style::Other);
        assert_eq!(
            after_two_boots(|timeline| fetched_from(timeline, NOBODY)),
            Style::Other
        );
        let offered = |timeline: &Timeline| {
            timeline.machines().script_offered(MAC, Instant::now());
            fetched_from(timeline, NOBODY);
        };
        assert_eq!(
            after_two_boots(offered),
            Style::Usual,
            "it waits for its script"
        );
    }
}
