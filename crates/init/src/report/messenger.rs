//! The report of a good boot on its way: carried by a small process, so that the boot waits for nobody.
//!
//! It is this same program with another name, and runs from the copy that the [`crate::shutdown`] program is: nothing
//! of the image is kept for it. It goes on while the root's init starts, tries for a while, and ends.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use netroot_proto::cmdline::{BootPlan, ReportUrl};

use super::post::{SendError, post_within};
use crate::boot::Machine;
use crate::clock::Moment;
use crate::console::warn;
use crate::resolve::Resolver;

/// Its name.
pub(crate) const NAME: &str = "@netroot-report";
/// How long it tries altogether.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long it tries at once, and how long it rests between.
const ATTEMPT: Duration = Duration::from_secs(5);
const REST: Duration = Duration::from_secs(1);
/// The longest report.
const LONGEST: u64 = 256 << 10;

/// A report, and where it goes.
pub(crate) struct Letter {
    pub(super) url: ReportUrl,
    resolver: Resolver,
    text: String,
}

impl Letter {
    /// This report, if the command line wants it sent and there is an address to send it from.
    pub(super) fn new(machine: &Machine, text: String) -> Option<Self> {
        let url = machine.plan.report.as_ref()?.value.clone();
        let resolver = Resolver::of(machine.address.as_ref()?);
        Some(Self {
            url,
            resolver,
            text,
        })
    }

    /// Sends it, and returns after `patience` in any case.
    pub(super) fn send_within(&self, patience: Duration) -> Result<(), SendError> {
        post_within(&self.url, &self.resolver, &self.text, patience)
    }

    /// Has a process of its own send it. `program` is this program in a place that outlives the image.
    pub(crate) fn send_beside(&self, program: &str) {
        if let Err(e) = self.hand_over(program) {
            warn!("the boot report is not sent to {}: {e}", self.url);
        }
    }

    fn hand_over(&self, program: &str) -> io::Result<()> {
        // What it has to say comes when the console is somebody else's.
        let log = OpenOptions::new().write(true).open("/dev/kmsg");
        let mut child = Command::new(program)
            .arg0(NAME)
            .arg(self.url.to_string())
            .args(self.resolver.lists())
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log.map_or_else(|_| Stdio::null(), Stdio::from))
            .spawn()?;
        match child.stdin.take() {
            Some(mut input) => input.write_all(self.text.as_bytes()),
            None => Ok(()),
        }
    }
}

/// The life of the messenger.
pub(crate) fn run(arguments: &[String]) -> ExitCode {
    let [url, servers, search] = arguments else {
        return ExitCode::FAILURE;
    };
    let Some(url) = BootPlan::parse(&format!("netroot.report={url}")).report else {
        return ExitCode::FAILURE;
    };
    let (url, resolver) = (url.value, Resolver::read(servers, search));
    let mut text = String::new();
    if io::stdin().take(LONGEST).read_to_string(&mut text).is_err() {
        return ExitCode::FAILURE;
    }
    let deadline = Moment::now().after(PATIENCE);
    loop {
        match post_within(&url, &resolver, &text, ATTEMPT.min(deadline.remaining())) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(e) if e.is_final() || deadline.remaining() <= REST => {
                // One call, one line: `<28>` is LOG_DAEMON, a warning.
                let line = format!("<28>netroot: the boot report was not sent to {url}: {e}\n");
                let _ = io::stderr().write_all(line.as_bytes());
                return ExitCode::FAILURE;
            }
            Err(_) => thread::sleep(REST),
        }
    }
}
