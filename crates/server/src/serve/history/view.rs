//! A machine's history for programs and pages, as `API.md` documents it.

use std::time::Duration;

use netroot_net::Mac;
use netroot_proto::pxe::client::Client;
use serde::Serialize;
use serde_json::{Map, Value};

use super::boot::{Boot, Outcome, Step};
use super::cures::{self, ShownCure};
use super::record::Record;
use crate::advice::Advice;
use crate::serve::clock::Moment;
use crate::serve::events::{ReadyListener, describe};
use crate::serve::report_summary::BootSummary;

/// The state of a machine that has not booted from here.
pub(super) const SEEN: &str = "seen";
/// The state of a machine that is expected, and has not been heard of.
pub(crate) const UNSEEN: &str = "unseen";

/// What happened to a machine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct MachineHistory {
    /// Its hardware address.
    pub(crate) mac: String,
    /// Its UUID, as its firmware says; anybody may say so.
    pub(crate) uuid: Option<String>,
    /// Other hardware addresses with this UUID: the machine's other NICs.
    pub(crate) other_macs: Vec<String>,
    /// Its addresses, the last one first.
    pub(crate) addresses: Vec<String>,
    /// The firmware that asked first in the last boot.
    pub(crate) firmware: Option<String>,
    /// The image of the last boot that had one.
    pub(crate) image: Option<String>,
    /// What became of the last boot; `seen` of a machine that has not booted from here.
    pub(crate) state: &'static str,
    /// How far the last boot came.
    pub(crate) stage: Option<&'static str>,
    /// When it was heard of first and last, UTC.
    pub(crate) first_seen: String,
    pub(crate) last_seen: String,
    /// The latter, as seconds before now.
    pub(crate) last_seen_seconds: f64,
    /// How many files are being sent to it.
    pub(crate) transfers: u32,
    /// How many boots there were since the server started.
    pub(crate) boot_count: u64,
    /// The last ones, the last one at the end.
    pub(crate) boots: Vec<BootHistory>,
}

/// What happened in a boot.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct BootHistory {
    /// Which one it is of the machine's, from 1.
    pub(crate) number: u64,
    /// When it began, UTC.
    pub(crate) started: String,
    /// How long it took, or takes; seconds.
    pub(crate) seconds: f64,
    /// What became of it.
    pub(crate) outcome: &'static str,
    /// How far it came.
    pub(crate) stage: &'static str,
    /// What it booted, and why that.
    pub(crate) image: Option<String>,
    pub(crate) why: Option<String>,
    /// The sentence of a boot that failed or stopped.
    pub(crate) cause: Option<Cause>,
    /// The sentence of a machine that is refused, waits, or was shown the menu.
    pub(crate) note: Option<String>,
    /// When each stage was reached, in seconds after the start.
    pub(crate) stages: Vec<ReachedStage>,
    /// What happened.
    pub(crate) steps: Vec<StepHistory>,
    /// How many steps there was no room for.
    pub(crate) steps_left_out: u32,
    /// What it reads.
    pub(crate) nfs_calls: u64,
    pub(crate) nfs_bytes: u64,
    /// The part of it until it had run for a minute.
    pub(crate) nfs_boot_calls: u64,
    pub(crate) nfs_boot_bytes: u64,
    /// What the init reported.
    pub(crate) report: Option<BootSummary>,
}

/// Why a boot ended before the machine ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Cause {
    /// A word for programs; `reported` if it is the init's own.
    pub(crate) kind: &'static str,
    /// One sentence.
    pub(crate) text: String,
    /// What to change in the server that is to blame, by product.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) cures: Vec<ShownCure>,
}

/// A stage that was reached.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ReachedStage {
    /// Its name.
    pub(crate) stage: &'static str,
    /// In seconds after the start.
    pub(crate) at: f64,
}

/// What happened once or several times.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct StepHistory {
    /// The first and the last time, in seconds after the start.
    pub(crate) at: f64,
    pub(crate) last: f64,
    /// How often.
    pub(crate) count: u32,
    /// The event's kind, as in `EVENTS.md`.
    pub(crate) kind: &'static str,
    /// The sentence.
    pub(crate) text: String,
    /// The fields of the event's kind.
    #[serde(flatten)]
    pub(crate) fields: Map<String, Value>,
}

impl MachineHistory {
    /// As it is `now`.
    pub(super) fn new(
        mac: Mac,
        record: &Record,
        others: Vec<Mac>,
        listeners: &[ReadyListener],
        now: Moment,
    ) -> Self {
        let last = record.last();
        let image = record.boots.iter().rev().find_map(Boot::image_name);
        Self {
            mac: mac.to_string(),
            uuid: record.uuid.map(|uuid| uuid.to_string()),
            other_macs: others.iter().map(ToString::to_string).collect(),
            addresses: record.addresses.iter().map(ToString::to_string).collect(),
            firmware: last
                .and_then(|last| last.firmware)
                .map(|client: Client| client.to_string()),
            image: image.map(str::to_owned),
            state: last.map_or(SEEN, |last| last.outcome.name()),
            stage: last.map(|last| last.stage.name()),
            first_seen: utc(record.first.wall),
            last_seen: utc(record.heard.wall),
            last_seen_seconds: seconds(now.now.saturating_sub(record.heard.now)),
            transfers: record.fetching,
            boot_count: record.count,
            boots: record
                .boots
                .iter()
                .map(|boot| BootHistory::new(boot, listeners, now))
                .collect(),
        }
    }
}

impl MachineHistory {
    /// The same, whose sentences name settings like this.
    pub(super) fn told(mut self, advice: Advice) -> Self {
        for boot in &mut self.boots {
            boot.cause = boot.cause.take().map(|cause| cause.told(advice));
            for step in &mut boot.steps {
                step.text = advice.told(&step.text).into_owned();
            }
        }
        self
    }
}

impl BootHistory {
    fn new(boot: &Boot, listeners: &[ReadyListener], now: Moment) -> Self {
        let steps = boot.steps.iter().map(StepHistory::new);
        let reached = boot.reached.iter().map(|(stage, at)| ReachedStage {
            stage: stage.name(),
            at: seconds(*at),
        });
        let image = boot.image_name().map(str::to_owned);
        let why = boot.chosen.as_ref().map(|chosen| chosen.why.clone());
        Self {
            number: boot.number,
            started: utc(boot.started.wall),
            seconds: seconds(boot.ended.unwrap_or_else(|| boot.elapsed(now.now))),
            outcome: boot.outcome.name(),
            stage: boot.stage.name(),
            image,
            why,
            cause: Cause::new(&boot.outcome, listeners),
            note: boot.outcome.note(),
            stages: reached.collect(),
            steps: steps.collect(),
            steps_left_out: boot.left_out,
            nfs_calls: boot.nfs.calls,
            nfs_bytes: boot.nfs.bytes,
            nfs_boot_calls: boot.nfs_of_boot.calls,
            nfs_boot_bytes: boot.nfs_of_boot.bytes,
            report: boot.report.clone(),
        }
    }
}

impl Cause {
    /// With the cures, if there are interfaces that they are for.
    pub(super) fn new(outcome: &Outcome, listeners: &[ReadyListener]) -> Option<Self> {
        match outcome {
            Outcome::Failed(sentence) => Some(Self {
                kind: "reported",
                text: sentence.clone(),
                cures: Vec::new(),
            }),
            Outcome::Stopped(cause) => Some(Self {
                kind: cause.kind(),
                text: cause.to_string(),
                cures: match listeners.is_empty() {
                    true => Vec::new(),
                    false => cures::of(cause, listeners),
                },
            }),
            Outcome::Booting
            | Outcome::Running
            | Outcome::HandedOver
            | Outcome::Refused(_)
            | Outcome::Waiting(_)
            | Outcome::Menu(_) => None,
        }
    }
}

impl Cause {
    /// The same, whose sentence names settings like this.
    pub(super) fn told(mut self, advice: Advice) -> Self {
        self.text = advice.told(self.text).into_owned();
        self
    }
}

impl StepHistory {
    fn new(step: &Step) -> Self {
        let described = describe(&step.event);
        let fields = described.fields.into_iter();
        Self {
            at: seconds(step.at),
            last: seconds(step.last),
            count: step.count,
            kind: described.kind,
            text: described.text,
            fields: fields
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        }
    }
}

/// To the millisecond.
pub(super) fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

/// `2026-11-26T01:34:58.123Z`.
pub(crate) fn utc(since_1970: Duration) -> String {
    let time = i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(time)
        .map(|time| format!("{time:.3}"))
        .unwrap_or_default()
}
