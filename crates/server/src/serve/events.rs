//! What happened, as values, and the timeline that shows it.
//!
//! * [`event`]: an [`Event`] is a kind with its fields; [`warning`], [`ignored`], [`decided`] and [`interface_change`] are groups of them.
//! * [`text`]: an event for people, the only place that makes sentences.
//! * [`json`]: an event for programs, as `EVENTS.md` documents it.
//! * [`observer`]: who is told of every event beside the log.
//! * [`timeline`]: one line per event, on standard output ([`writer`]); [`repeats`] and
//!   [`line_limits`] keep floods out of it.

mod change;
mod decided;
mod event;
mod ignored;
mod interface_change;
mod json;
mod line_limits;
mod observer;
mod repeats;
mod text;
mod timeline;
mod warning;
mod writer;

pub(crate) use change::{Age, Change};
pub(crate) use decided::Decided;
pub(crate) use event::{
    Event, Fetch, Isolated, Machine, Ready, ReadyImage, ReadyListener, ReadyRange, StopCause,
    Transport,
};
pub(crate) use ignored::{Ignored, ReportRefusal};
pub(crate) use interface_change::{Differences, InterfaceChange, Lack};
pub(crate) use json::describe;
pub(crate) use observer::{Fetching, Observer, Whom};
pub(crate) use timeline::{Format, Timeline};
pub(crate) use warning::{NotKept, Submounted, Warning};

#[cfg(test)]
mod tests;
