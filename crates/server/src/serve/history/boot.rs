//! One boot of a machine, as values.

use std::sync::Arc;
use std::time::Duration;

use netroot_proto::pxe::client::Client;

use super::cause::CauseOfDeath;
use super::stage::Stage;
use crate::serve::artifacts::{Chosen, Follows};
use crate::serve::clock::Moment;
use crate::serve::events::Event;
use crate::serve::report_summary::BootSummary;

/// What became of a boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It goes on.
    Booting,
    /// The machine runs.
    Running,
    /// What it was given reports nothing and needs nothing more from here.
    HandedOver,
    /// It is not to boot from here; what says so.
    Refused(String),
    /// It waits until it is told what to boot; what says so.
    Waiting(String),
    /// It was shown the menu; what says so.
    Menu(String),
    /// The init reported that it failed: its sentence.
    Failed(String),
    /// Nothing more was heard of it.
    Stopped(Box<CauseOfDeath>),
}

impl Outcome {
    /// Every name, for programs.
    pub(crate) const NAMES: [&'static str; 8] = [
        "booting",
        "running",
        "handed-over",
        "refused",
        "waiting",
        "menu",
        "failed",
        "stopped",
    ];

    /// Its name for programs.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Booting => "booting",
            Self::Running => "running",
            Self::HandedOver => "handed-over",
            Self::Refused(_) => "refused",
            Self::Waiting(_) => "waiting",
            Self::Menu(_) => "menu",
            Self::Failed(_) => "failed",
            Self::Stopped(_) => "stopped",
        }
    }

    /// One sentence about a machine that boots no image, and is not to.
    pub(crate) fn note(&self) -> Option<String> {
        match self {
            Self::Refused(why) => Some(format!("boots no image: {why} refuses it")),
            Self::Waiting(why) => Some(format!(
                "waits until it is told what to boot: {why} says so"
            )),
            Self::Menu(why) => Some(format!("was shown the menu: {why} says so")),
            Self::Booting
            | Self::Running
            | Self::HandedOver
            | Self::Failed(_)
            | Self::Stopped(_) => None,
        }
    }

    /// Whether the machine does what it is configured to do, without an image.
    pub(super) const fn is_without_image(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Waiting(_) | Self::Menu(_))
    }
}

/// Something that happened in a boot, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// After the boot's start.
    pub(crate) at: Duration,
    /// The last time, if it happened more than once.
    pub(crate) last: Duration,
    /// How often it happened.
    pub(crate) count: u32,
    /// What.
    pub(crate) event: Event,
}

/// What a machine reads of its root.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct NfsUse {
    /// NFS calls that used a file.
    pub(crate) calls: u64,
    /// Bytes of replies.
    pub(crate) bytes: u64,
}

impl NfsUse {
    /// So much more.
    pub(super) fn add(&mut self, calls: u64, bytes: u64) {
        self.calls = self.calls.saturating_add(calls);
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// From a machine's first request to what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Boot {
    /// Which one it is of the machine's, since the server started, from 1.
    pub(crate) number: u64,
    /// When it began.
    pub(crate) started: Moment,
    /// When the machine was last heard of in it, on the server's clock.
    pub(crate) heard: Duration,
    /// How far it has come.
    pub(crate) stage: Stage,
    /// When each stage was reached, after the start, in the order in which they were.
    pub(crate) reached: Vec<(Stage, Duration)>,
    /// What became of it.
    pub(crate) outcome: Outcome,
    /// When that was known, after the start.
    pub(crate) ended: Option<Duration>,
    /// What happened.
    pub(crate) steps: Vec<Step>,
    /// How many steps there was no room for.
    pub(crate) left_out: u32,
    /// The firmware that asked first.
    pub(crate) firmware: Option<Client>,
    /// What its script boots.
    pub(crate) chosen: Option<Arc<Chosen>>,
    /// The init's last report.
    pub(crate) report: Option<BootSummary>,
    /// What it reads.
    pub(crate) nfs: NfsUse,
    /// The part of it that belongs to the boot.
    pub(crate) nfs_of_boot: NfsUse,
    /// It has asked for what its firmware loads.
    pub(crate) asked: bool,
    /// The machine has begun another one, and was booting files that start it anew where they fail.
    pub(crate) started_again: bool,
    /// It had the initrd, came for its script again, and has not loaded the initrd since.
    pub(crate) came_back: bool,
    /// Its cause of death has been logged.
    pub(crate) told: bool,
}

impl Boot {
    /// One that begins now.
    pub(crate) fn new(number: u64, now: Moment) -> Self {
        Self {
            number,
            started: now,
            heard: now.now,
            stage: Stage::Discover,
            reached: vec![(Stage::Discover, Duration::ZERO)],
            outcome: Outcome::Booting,
            ended: None,
            steps: Vec::new(),
            left_out: 0,
            firmware: None,
            chosen: None,
            report: None,
            nfs: NfsUse::default(),
            nfs_of_boot: NfsUse::default(),
            asked: false,
            started_again: false,
            came_back: false,
            told: false,
        }
    }

    /// The time since its start.
    pub(crate) fn elapsed(&self, now: Duration) -> Duration {
        now.saturating_sub(self.started.now)
    }

    /// The image's name.
    pub(crate) fn image_name(&self) -> Option<&str> {
        self.chosen.as_ref()?.image()
    }

    /// What is heard of it after its script, if all goes well; a script of an earlier server boots a root.
    pub(crate) fn follows(&self) -> Follows {
        let unknown = Follows::Root { reports: false };
        self.chosen
            .as_ref()
            .map_or(unknown, |chosen| chosen.follows)
    }

    /// The events of its steps.
    pub(crate) fn events(&self) -> impl Iterator<Item = &Event> {
        self.steps.iter().map(|step| &step.event)
    }
}
