//! Events for people: a line, and the sentence of each event. The groups of events have their sentences in their own files.

use std::fmt::{self, Display, Formatter};

use super::decided::Decided;
use super::event::Event;
use super::wording::{size, tenths};
use super::{answer, fetch};
use crate::serve::counters;

/// One line: `19:54:51 52:54:00:77:00:01 UEFI x64 PXE: offered 10.77.0.101, loads snponly.efi`.
pub(super) fn line(time: &str, machine: Option<&str>, event: &Event, sentence: &str) -> String {
    match (event, machine) {
        // What a script waits for: nothing comes before the word.
        (Event::Ready(_), _) => format!("ready: {sentence}"),
        (_, Some(machine)) => format!("{time} {machine} {sentence}"),
        (_, None) => format!("{time} {sentence}"),
    }
}

/// Lines of their own after the one of an event, to be copied.
pub(super) fn more_lines(event: &Event) -> impl Iterator<Item = &str> {
    let adopt = match event {
        Event::Decided(Decided::Unknown { adopt, .. }) => adopt.as_str(),
        _ => "",
    };
    adopt.lines()
}

/// The sentence of an event, without its time and its machine. It may hold what a machine sent: see [`Printable`](netroot_printable::Printable).
impl Display for Event {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::InitrdBuilding { linux, modules } => {
                write!(
                    f,
                    "initrd: building it for Linux {linux} with modules {modules}"
                )
            }
            Self::InitrdNote { note } => write!(f, "initrd: {note}"),
            Self::InitrdBuilt { bytes, took } => {
                let seconds = took.as_secs_f64();
                write!(f, "initrd: {}, built in {seconds:.1} s", size(*bytes))
            }
            Self::InitrdCached { bytes } => {
                write!(f, "initrd: {}, kept from an earlier start", size(*bytes))
            }
            Self::Warning(warning) => write!(f, "warning: {warning}"),
            Self::InterfaceChanged { interface, change } => write!(f, "{interface}{change}"),
            Self::Change(change) => change.fmt(f),
            Self::LeasesRecovered { file } => {
                write!(f, "the leases are written to {} again", file.display())
            }
            Self::Ready(ready) => ready.fmt(f),
            Self::Stopped {
                signal,
                uptime,
                counters,
            } => {
                let seconds = uptime.as_secs();
                let counted = counters::text(counters.iter().copied());
                write!(f, "stopped by {signal} after {seconds} s: {counted}")
            }
            Self::DhcpDiscover { client } => write!(f, "{client}: asks for an address"),
            Self::DhcpAnswer { client, answer } => {
                write!(f, "{client}: ")?;
                answer::write_answer(f, answer)
            }
            Self::OtherOffered(other) => answer::write_other_offer(f, other),
            Self::DhcpRelease { address } => write!(f, "gave {address} back"),
            Self::DhcpDecline { address } => write!(
                f,
                "found {address} in use; no machine gets it for ten minutes"
            ),
            Self::AddressInUse { address } => write!(
                f,
                "uses {address}, which this server did not give it; no other machine gets it meanwhile"
            ),
            Self::Fetched(fetch) => fetch.fmt(f),
            Self::FetchStopped {
                name,
                sent,
                bytes,
                why,
                ..
            } => fetch::write_stopped(f, name, (*sent, *bytes), why),
            Self::Mounted { path } => write!(f, "NFS {path}: mounted"),
            Self::Unmounted { path } => write!(f, "NFS {path}: unmounted"),
            Self::Booted {
                took,
                failed_attempts,
                ..
            } => {
                write!(f, "root mounted {} s after init started", tenths(*took))?;
                match failed_attempts {
                    0 => Ok(()),
                    1 => f.write_str(", after a failed attempt"),
                    many => write!(f, ", after {many} failed attempts"),
                }
            }
            Self::BootFailed {
                attempt,
                failure,
                late: true,
            } => write!(f, "attempt {attempt} failed: {failure}"),
            Self::BootFailed {
                attempt: 0 | 1,
                failure,
                late: false,
            } => write!(f, "boot failed: {failure}"),
            Self::BootFailed {
                attempt,
                failure,
                late: false,
            } => write!(f, "boot failed: {failure} (attempt {attempt})"),
            Self::BootStopped { sentence, .. } => write!(f, "boot stopped: {sentence}"),
            Self::Decided(decided) => decided.fmt(f),
            Self::Ignored(ignored) => write!(f, "not answered: {ignored}"),
            Self::LinesLeftOut { lines: 1 } => f.write_str("1 line left out: there were too many"),
            Self::LinesLeftOut { lines } => {
                write!(f, "{lines} lines left out: there were too many")
            }
        }
    }
}
