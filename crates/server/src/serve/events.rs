//! What happened, as values, and the timeline that shows it.
//!
//! * [`event`]: an [`Event`] is a kind with its fields. [`warning`], [`ignored`], [`change`], [`decided`], [`answer`],
//!   [`interface_change`], [`fetch`] and [`ready`] are groups of them, each with its sentences and its JSON.
//! * [`text`]: an event for people; [`wording`] is what sentences are made of.
//! * [`json`]: an event for programs, as `EVENTS.md` documents it; [`fields`] are its members.
//! * [`observer`]: who is told of every event beside the log.
//! * [`timeline`]: one line per event, on standard output ([`writer`]); [`repeats`] and
//!   [`line_limits`] keep floods out of it.

mod answer;
mod change;
mod decided;
mod event;
mod fetch;
mod fields;
mod ignored;
mod interface_change;
mod json;
mod line_limits;
mod observer;
mod ready;
mod repeats;
mod text;
mod timeline;
mod warning;
mod wording;
mod writer;

pub(crate) use change::{Age, Change};
pub(crate) use decided::{Decided, WhySigned};
pub(crate) use event::{Event, Machine};
pub(crate) use fetch::{Fetch, StopCause, Transport};
pub(crate) use ignored::{Ignored, ReportRefusal};
pub(crate) use interface_change::{Differences, InterfaceChange, Lack};
pub(crate) use json::describe;
pub(crate) use observer::{Fetching, Observer, Whom};
pub(crate) use ready::{Isolated, Ready, ReadyImage, ReadyListener, ReadyRange};
pub(crate) use timeline::{Format, Timeline};
pub(crate) use warning::{NotKept, Submounted, Warning};

#[cfg(test)]
mod tests;
