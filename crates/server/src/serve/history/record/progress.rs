//! How a boot goes on: its steps, its stage, its end.

use std::time::Duration;

use super::super::boot::{Boot, Outcome, Step};
use super::super::cause::CauseOfDeath;
use super::super::stage::Stage;
use super::super::step;
use crate::serve::events::Event;
use crate::serve::report_summary::BootSummary;

/// How many steps of a boot. One that goes well has 12 to 20; a Raspberry Pi asks for dozens of files.
const STEPS: usize = 64;
/// How many of them may be requests that were not answered.
const UNANSWERED: usize = 16;
/// How many of them may be answers of other servers.
const OVERHEARD: usize = 4;

impl Boot {
    /// Adds a step, or counts it.
    pub(super) fn add(&mut self, event: &Event, now: Duration) {
        let at = self.elapsed(now);
        let kept = step::bounded(event);
        let mut steps = self.steps.iter_mut();
        if let Some(before) = steps.find(|before| step::is_repeated(&before.event, &kept)) {
            before.count = before.count.saturating_add(1);
            before.last = at;
            before.event = kept;
            return;
        }
        let unanswered = |event: &Event| matches!(event, Event::Ignored(_));
        let overheard = |event: &Event| matches!(event, Event::OtherOffered(_));
        let has = |kind: &dyn Fn(&Event) -> bool, most| {
            kind(event) && self.events().filter(|step| kind(step)).count() >= most
        };
        let full =
            self.steps.len() >= STEPS || has(&unanswered, UNANSWERED) || has(&overheard, OVERHEARD);
        if full {
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        self.steps.push(Step {
            at,
            last: at,
            count: 1,
            event: kept,
        });
    }

    /// It has come so far. The stage and the time since the one before, if it had not.
    pub(super) fn reach(&mut self, stage: Stage, now: Duration) -> Option<(Stage, Duration)> {
        if stage <= self.stage {
            return None;
        }
        let at = self.elapsed(now);
        let before = self.reached.last().map_or(Duration::ZERO, |(_, at)| *at);
        self.stage = stage;
        self.reached.push((stage, at));
        Some((stage, at.saturating_sub(before)))
    }

    pub(super) fn end(&mut self, outcome: Outcome, now: Duration) {
        self.outcome = outcome;
        self.ended = Some(self.elapsed(now));
    }

    /// Nothing more was heard of it.
    pub(in crate::serve::history) fn stopped(&mut self, cause: CauseOfDeath, now: Duration) {
        self.end(Outcome::Stopped(Box::new(cause)), now);
    }

    /// What it was given needs nothing more from here.
    pub(in crate::serve::history) fn handed_over(&mut self, now: Duration) {
        self.end(Outcome::HandedOver, now);
    }

    pub(super) fn size(&mut self) -> usize {
        let steps = self.steps.iter_mut().map(step::size).sum::<usize>();
        let report = self.report.as_ref().map_or(0, BootSummary::length);
        let script = self.chosen.as_ref().map_or(0, |it| it.script.len());
        size_of::<Self>() + steps + report + script + 256
    }
}
