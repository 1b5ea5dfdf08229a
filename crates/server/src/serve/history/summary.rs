//! A machine's history in short: a line of a list.

use netroot_net::Mac;
use serde::Serialize;

use super::boot::Boot;
use super::record::Record;
use super::view::{Cause, seconds, utc};
use crate::advice::Advice;
use crate::serve::clock::Moment;

/// What a list shows of a machine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct MachineSummary {
    /// Its hardware address.
    #[serde(skip)]
    pub(crate) address: Mac,
    /// The same as text.
    pub(crate) mac: String,
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
    /// When the last boot began, UTC.
    pub(crate) started: Option<String>,
    /// How long it took, or takes; seconds.
    pub(crate) seconds: Option<f64>,
    /// Why it failed or stopped.
    pub(crate) cause: Option<Cause>,
    /// What is said of one that is refused, waits, or was shown the menu.
    pub(crate) note: Option<String>,
    /// When it was heard of last, UTC.
    pub(crate) last_seen: String,
    /// The same as seconds before now.
    pub(crate) last_seen_seconds: f64,
    /// How many boots there were since the server started.
    pub(crate) boot_count: u64,
}

impl MachineSummary {
    /// As it is `now`.
    pub(super) fn new(mac: Mac, record: &Record, now: Moment) -> Self {
        let last = record.last();
        let image = record.boots.iter().rev().find_map(Boot::image_name);
        let took = last.map(|last| last.ended.unwrap_or_else(|| last.elapsed(now.now)));
        Self {
            address: mac,
            mac: mac.to_string(),
            addresses: record.addresses.iter().map(ToString::to_string).collect(),
            firmware: last.and_then(|last| last.firmware).map(|it| it.to_string()),
            image: image.map(str::to_owned),
            state: last.map_or("seen", |last| last.outcome.name()),
            stage: last.map(|last| last.stage.name()),
            started: last.map(|last| utc(last.started.wall)),
            seconds: took.map(seconds),
            cause: last.and_then(|last| Cause::new(&last.outcome, &[])),
            note: last.and_then(|last| last.outcome.note()),
            last_seen: utc(record.heard.wall),
            last_seen_seconds: seconds(now.now.saturating_sub(record.heard.now)),
            boot_count: record.count,
        }
    }

    /// The same, whose sentences name settings like this.
    pub(super) fn told(mut self, advice: Advice) -> Self {
        self.cause = self.cause.map(|cause| cause.told(advice));
        self
    }
}
