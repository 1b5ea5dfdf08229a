//! What the init remembers of a boot for its report: the phases and the failed attempts.

use crate::clock::Moment;

/// Attempts that are kept: the most recent ones.
pub(super) const ATTEMPTS: usize = 16;
/// Characters of a failure's sentence that are kept: it may list all the exports of a server.
pub(super) const SENTENCE: usize = 600;
/// Phases that are kept of one attempt; there are fewer.
pub(super) const PHASES: usize = 32;

/// The record of a boot so far.
#[derive(Debug)]
pub(crate) struct BootReport {
    pub(super) kernel: String,
    pub(super) cmdline: String,
    pub(super) started: Moment,
    /// Those before the first attempt, then those of the current attempt.
    pub(super) phases: Vec<Phase>,
    /// How many of them came before the first attempt.
    once: Option<usize>,
    began: Moment,
    pub(super) attempts: Vec<Attempt>,
    /// How many attempts failed, including those that are no longer kept.
    pub(super) count: u32,
}

/// A part of the boot.
#[derive(Debug)]
pub(super) struct Phase {
    pub(super) name: &'static str,
    pub(super) begin: Moment,
    pub(super) end: Option<Moment>,
}

/// A failed attempt.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) begin: Moment,
    pub(super) end: Moment,
    pub(super) phase: &'static str,
    pub(super) failure: String,
}

impl BootReport {
    /// Starts the record, with the phase `early`.
    pub(crate) fn new(kernel: &str, cmdline: &str, started: Moment) -> Self {
        let mut report = Self {
            kernel: kernel.to_owned(),
            cmdline: cmdline.trim_end().to_owned(),
            started,
            phases: Vec::new(),
            once: None,
            began: started,
            attempts: Vec::new(),
            count: 0,
        };
        report.enter("early", started);
        report
    }

    /// Whether an attempt has failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.count > 0
    }

    /// Ends the current phase and begins this one.
    pub(crate) fn begin(&mut self, name: &'static str) {
        self.enter(name, Moment::now());
    }

    /// Begins an attempt with this phase, and forgets the phases of the previous attempt.
    pub(crate) fn attempt(&mut self, name: &'static str) {
        let now = Moment::now();
        let once = *self.once.get_or_insert(self.phases.len());
        self.end(now);
        self.phases.truncate(once);
        self.began = now;
        self.enter(name, now);
    }

    /// Records the command line as it was changed at the rescue prompt.
    pub(crate) fn set_cmdline(&mut self, cmdline: &str) {
        cmdline.clone_into(&mut self.cmdline);
    }

    /// Records that the attempt failed, in its current phase.
    pub(crate) fn failed(&mut self, failure: &str) {
        self.failed_at(failure, Moment::now());
    }

    /// Why the last attempt failed.
    pub(crate) fn last_failure(&self) -> Option<&str> {
        self.attempts.last().map(|attempt| attempt.failure.as_str())
    }

    pub(super) fn failed_at(&mut self, failure: &str, now: Moment) {
        self.end(now);
        self.count = self.count.saturating_add(1);
        if self.attempts.len() >= ATTEMPTS {
            self.attempts.remove(0);
        }
        self.attempts.push(Attempt {
            begin: self.began,
            end: now,
            phase: self.phases.last().map_or("early", |phase| phase.name),
            failure: failure.chars().take(SENTENCE).collect(),
        });
    }

    pub(super) fn enter(&mut self, name: &'static str, now: Moment) {
        self.end(now);
        if self.phases.len() < PHASES {
            let (begin, end) = (now, None);
            self.phases.push(Phase { name, begin, end });
        }
    }

    fn end(&mut self, now: Moment) {
        if let Some(phase) = self.phases.last_mut() {
            phase.end.get_or_insert(now);
        }
    }
}
