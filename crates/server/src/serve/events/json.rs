//! Events for programs: a line of JSON, with the kind and the fields of each event. The groups of events have theirs in their
//! own files. `crates/server/EVENTS.md` documents it, and a test
//! holds the two against each other.

use netroot_printable::Printable;
use serde_json::{Value, json};

use super::event::Event;
use super::fields::Fields;
use super::wording::cut;
use super::{answer, change, decided, fetch, ignored, interface_change, ready, warning};

/// One line: `time`, `kind` and `machine`, then the fields of the kind, then `text`.
pub(super) fn line(time: &str, machine: Option<&str>, event: &Event, text: &str) -> Option<String> {
    let mut members = Fields::new(machine.is_some());
    members.add("time", time);
    members.add("kind", kind(event));
    members.add("machine", machine);
    add_fields(&mut members, event);
    members.add("text", text);
    crate::json::to_string(&members).ok()
}

/// An event without its time and its machine.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Described {
    /// The kind.
    pub(crate) kind: &'static str,
    /// The fields of the kind.
    pub(crate) fields: Vec<(&'static str, Value)>,
    /// The sentence.
    pub(crate) text: String,
}

/// What an event about a machine is, in the words of `EVENTS.md`.
pub(crate) fn describe(event: &Event) -> Described {
    let mut fields = Fields::new(true);
    add_fields(&mut fields, event);
    let mut sentence = Printable(&event.to_string()).to_string();
    cut(&mut sentence);
    Described {
        kind: kind(event),
        fields: fields.into_members(),
        text: sentence,
    }
}

fn add_fields(fields: &mut Fields, event: &Event) {
    match event {
        Event::InitrdBuilding { linux, modules } => {
            fields.add("linux", linux.as_str());
            fields.add("modules", modules.as_str());
        }
        Event::InitrdNote { note } => fields.add("note", note.as_str()),
        Event::InitrdBuilt { bytes, took } => {
            fields.add("bytes", *bytes);
            fields.add_seconds(*took);
        }
        Event::InitrdCached { bytes } => fields.add("bytes", *bytes),
        Event::InterfaceChanged { interface, change } => {
            fields.add("interface", interface.clone());
            interface_change::add_fields(fields, change);
        }
        Event::LeasesRecovered { file } => fields.add("path", file.to_string_lossy()),
        Event::Change(change) => change::add_fields(fields, change),
        Event::Warning(warning) => warning::json::add_fields(fields, warning),
        Event::Ready(ready) => ready::add_fields(fields, ready),
        Event::Stopped {
            signal,
            uptime,
            counters,
        } => {
            fields.add("signal", *signal);
            fields.add_seconds(*uptime);
            let counters = counters.iter().map(|(name, count)| (*name, json!(count)));
            fields.add("counters", counters.collect::<Value>());
        }
        Event::DhcpDiscover { client } => fields.add_client(*client),
        Event::DhcpAnswer { client, answer } => {
            fields.add_client(*client);
            answer::add_fields(fields, answer);
        }
        Event::OtherOffered(other) => answer::add_other_offer(fields, other),
        Event::DhcpRelease { address }
        | Event::DhcpDecline { address }
        | Event::AddressInUse { address } => {
            fields.add("address", address.to_string());
        }
        Event::Fetched(fetch) => fetch::add_fields(fields, fetch),
        Event::FetchStopped {
            kind,
            name,
            sent,
            bytes,
            why,
        } => {
            fields.add("role", fetch::file_kind(*kind));
            fields.add("protocol", fetch::stop_protocol(why));
            fields.add("name", name.as_str());
            fields.add("bytes_sent", *sent);
            fields.add("bytes", *bytes);
            fetch::add_stop_cause(fields, why);
        }
        Event::Mounted { path } | Event::Unmounted { path } => fields.add("path", path.as_str()),
        Event::Booted {
            took,
            failed_attempts,
            linux,
        } => {
            fields.add_seconds(*took);
            fields.add("failed_attempts", *failed_attempts);
            fields.add("linux", linux.as_str());
        }
        Event::BootFailed {
            attempt,
            failure,
            late,
        } => {
            fields.add("attempt", *attempt);
            fields.add("failure", failure.as_str());
            fields.add("late", *late);
        }
        Event::BootStopped { stage, cause, .. } => {
            fields.add("stage", *stage);
            fields.add("cause", *cause);
        }
        Event::Decided(decided) => decided::add_fields(fields, decided),
        Event::Ignored(ignored) => ignored::json::add_fields(fields, ignored),
        Event::LinesLeftOut { lines } => fields.add("lines", *lines),
    }
}

/// What happened, in one word: one for each kind of event.
fn kind(event: &Event) -> &'static str {
    match event {
        Event::InitrdBuilding { .. } => "initrd-building",
        Event::InitrdNote { .. } => "initrd-note",
        Event::InitrdBuilt { .. } => "initrd-built",
        Event::InitrdCached { .. } => "initrd-cached",
        Event::InterfaceChanged { .. } => "interface-changed",
        Event::Change(it) => change::kind(it),
        Event::LeasesRecovered { .. } => "leases-recovered",
        Event::Warning(_) => "warning",
        Event::Ready(_) => "ready",
        Event::Stopped { .. } => "stopped",
        Event::DhcpDiscover { .. } => "dhcp-discover",
        Event::DhcpAnswer { answer, .. } => answer::kind(answer),
        Event::OtherOffered(_) => "other-offer",
        Event::DhcpRelease { .. } => "dhcp-release",
        Event::DhcpDecline { .. } => "dhcp-decline",
        Event::AddressInUse { .. } => "address-in-use",
        Event::Fetched(fetch) => fetch::file_kind(fetch.kind),
        Event::FetchStopped { .. } => "fetch-stopped",
        Event::Mounted { .. } => "mount",
        Event::Unmounted { .. } => "unmount",
        Event::Booted { .. } => "booted",
        Event::BootFailed { .. } => "boot-failed",
        Event::BootStopped { .. } => "boot-stopped",
        Event::Decided(it) => decided::kind(it),
        Event::Ignored(_) => "ignored",
        Event::LinesLeftOut { .. } => "lines-left-out",
    }
}
