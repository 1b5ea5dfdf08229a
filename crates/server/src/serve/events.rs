//! The timeline: one line per step and machine.
//!
//! Owns what a person (or, with `--json`, a program) reads while machines boot: which machine, which step, what
//! happened. A machine is named by its hardware address as soon as anything tells it (DHCP, a script's URL, the
//! kernel's neighbour table); until then by its IP address. It refuses to let the terminal slow the network down:
//! once serving, lines go through a bounded queue, and a full one drops lines and counts them.

use std::collections::HashMap;
use std::fmt;
use std::io::Write;
use std::net::Ipv4Addr;
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Zoned;
use netroot_proto::dhcp::Mac;
use netroot_proto::pxe::strategy::Progress;
use serde::Serialize;

use super::artifacts::Role;
use super::counters::Counters;
use super::machines::Machines;

/// How many lines may wait for a slow terminal.
const QUEUED_LINES: usize = 1024;
/// How many (machine, reason) pairs are remembered as told, and for how long.
const TOLD: usize = 1024;
const TOLD_FOR: Duration = Duration::from_secs(60);

/// How long the last lines may take.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// `<HH:MM:SS> <machine> <text>`, local time.
    Text,
    /// One JSON object per line.
    Json,
}

/// What happened, as a word for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Step {
    /// The server itself: what it made, found, or cannot do.
    Server,
    /// Every socket is bound and the initrd exists.
    Ready,
    /// A machine asked for an address.
    DhcpDiscover,
    /// It was offered one.
    DhcpOffer,
    /// It has one.
    DhcpAck,
    /// It asked for what it must not have.
    DhcpNak,
    /// It was told its boot loader beside another server's address.
    Proxy,
    /// A file went over TFTP.
    Tftp,
    /// A file went over HTTP that is none of the three below.
    Http,
    /// The loader fetched its script.
    Script,
    /// The loader fetched the kernel.
    Kernel,
    /// The loader fetched the initrd.
    Initrd,
    /// An NFS client mounted or unmounted.
    Mount,
    /// The init says how the boot went.
    Init,
    /// Something was not answered, and why.
    Ignored,
    /// The server ends.
    Stop,
}

/// Whom a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Machine {
    /// A hardware address.
    Mac(Mac),
    /// An address whose machine is looked up.
    Address(Ipv4Addr),
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mac(mac) => mac.fmt(f),
            Self::Address(address) => address.fmt(f),
        }
    }
}

#[derive(Serialize)]
struct JsonLine<'a> {
    time: String,
    machine: Option<&'a str>,
    step: Step,
    text: &'a str,
}

/// Where every part of the server says what it did. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Timeline {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    format: Format,
    counters: Arc<Counters>,
    writer: OnceLock<SyncSender<String>>,
    machines: Arc<Machines>,
    told: Mutex<HashMap<(Machine, String), Instant>>,
}

/// The thread that writes lines; ends when the timeline and its clones are gone, or when told.
#[derive(Debug)]
pub(crate) struct Writer {
    thread: Option<JoinHandle<()>>,
    lines: SyncSender<String>,
}

/// The line that tells the writer thread to end: no event looks like it.
const END: &str = "";

impl Writer {
    /// Writes what is queued and returns. A terminal that takes nothing (Ctrl-S) does not hold up the end for long.
    pub(crate) fn finish(mut self) {
        let end = Instant::now() + LAST_WORDS;
        while self.lines.try_send(END.to_owned()).is_err() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        let Some(thread) = self.thread.take() else {
            return;
        };
        while !thread.is_finished() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        if thread.is_finished() {
            // The thread only writes and cannot panic; nothing is left to do if it did.
            let _ = thread.join();
        }
    }
}

impl Timeline {
    /// A timeline that writes to standard output.
    pub(crate) fn new(format: Format, counters: Arc<Counters>, machines: Arc<Machines>) -> Self {
        Self {
            shared: Arc::new(Shared {
                format,
                counters,
                writer: OnceLock::new(),
                machines,
                told: Mutex::default(),
            }),
        }
    }

    /// From now on lines are queued for a thread of their own.
    pub(crate) fn start_writer(&self) -> std::io::Result<Writer> {
        let (lines, queue) = mpsc::sync_channel::<String>(QUEUED_LINES);
        let thread = std::thread::Builder::new()
            .name("timeline".to_owned())
            .stack_size(64 * 1024)
            .spawn(move || {
                for line in queue {
                    if line == END {
                        break;
                    }
                    write_line(&line);
                }
            })?;
        // Only ever set once: `serve` starts one writer.
        let _ = self.shared.writer.set(lines.clone());
        Ok(Writer {
            thread: Some(thread),
            lines,
        })
    }

    /// A line about the server itself.
    pub(crate) fn server(&self, step: Step, text: impl fmt::Display) {
        self.write(None, step, &text.to_string());
    }

    /// A line about a machine.
    pub(crate) fn machine(&self, machine: Machine, step: Step, text: impl fmt::Display) {
        let machine = self.known(machine);
        self.write(Some(&machine.to_string()), step, &text.to_string());
    }

    /// A line about a thing that a machine has fetched, which is also how far it has come.
    pub(crate) fn fetched(
        &self,
        machine: Machine,
        role: Role,
        otherwise: Step,
        text: impl fmt::Display,
    ) {
        let machine = self.known(machine);
        if let Machine::Mac(mac) = machine {
            match role {
                Role::Loader => self.shared.machines.progressed(mac, Progress::Loaded),
                Role::Script | Role::Kernel | Role::Initrd => {
                    self.shared.machines.progressed(mac, Progress::Booted);
                }
                Role::Other => {}
            }
        }
        let step = match role {
            Role::Script => Step::Script,
            Role::Kernel => Step::Kernel,
            Role::Initrd => Step::Initrd,
            Role::Loader | Role::Other => otherwise,
        };
        self.write(Some(&machine.to_string()), step, &text.to_string());
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

    /// A line about something that was not answered: once a minute for each machine and reason, so that a flood
    /// costs a counter and not a screen.
    pub(crate) fn ignored(&self, machine: Machine, reason: impl fmt::Display) {
        let reason = reason.to_string();
        let now = Instant::now();
        {
            let mut told = self
                .shared
                .told
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if told.len() >= TOLD {
                told.retain(|_, at| now.duration_since(*at) < TOLD_FOR);
            }
            let key = (machine, reason.clone());
            let fresh = told
                .get(&key)
                .is_none_or(|at| now.duration_since(*at) >= TOLD_FOR);
            if !fresh || told.len() >= TOLD {
                return;
            }
            told.insert(key, now);
        }
        self.machine(
            machine,
            Step::Ignored,
            format_args!("not answered: {reason}"),
        );
    }

    fn write(&self, machine: Option<&str>, step: Step, text: &str) {
        let text = printable(text);
        let now = Zoned::now();
        let line = match self.shared.format {
            Format::Text => match (step, machine) {
                // What a script waits for: nothing before the word.
                (Step::Ready, _) => format!("ready: {text}"),
                (_, Some(machine)) => format!("{} {machine} {text}", now.strftime("%H:%M:%S")),
                (_, None) => format!("{} {text}", now.strftime("%H:%M:%S")),
            },
            Format::Json => {
                let line = JsonLine {
                    time: format!("{:.3}", now.timestamp()),
                    machine,
                    step,
                    text: &text,
                };
                match serde_json::to_string(&line) {
                    Ok(line) => line,
                    Err(_) => return,
                }
            }
        };
        match self.shared.writer.get() {
            None => write_line(&line),
            Some(queue) => {
                if queue.try_send(line).is_err() {
                    Counters::count(&self.shared.counters.lines_dropped);
                }
            }
        }
    }
}

/// A reader that has gone away (`netroot serve | head`) must not end the server: errors are of no use here.
fn write_line(line: &str) {
    let mut output = std::io::stdout().lock();
    let _ = writeln!(output, "{line}");
    let _ = output.flush();
}

/// What a machine sent is shown without anything that a terminal would act on.
fn printable(text: &str) -> String {
    text.chars()
        .map(|character| {
            if character.is_control() {
                '\u{fffd}'
            } else {
                character
            }
        })
        .collect()
}

/// `8.1 MB`, `912 bytes`: for people.
pub(crate) fn size_text(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..1_000_000 => format!("{} kB", (bytes + 500) / 1000),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_machine_sent_cannot_move_the_cursor() {
        assert_eq!(printable("a\x1b[2Jb\n"), "a\u{fffd}[2Jb\u{fffd}");
    }

    #[test]
    fn sizes_are_told_in_units_that_fit() {
        assert_eq!(size_text(912), "912 bytes");
        assert_eq!(size_text(72_345), "72 kB");
        assert_eq!(size_text(8_154_321), "8.1 MB");
    }

    #[test]
    fn a_step_is_a_word_that_programs_can_match() {
        assert_eq!(
            serde_json::to_string(&Step::DhcpAck).unwrap(),
            "\"dhcp-ack\""
        );
    }
}
