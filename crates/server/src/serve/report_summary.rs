//! What a boot report says, read from whatever a machine sends. Pure.

use std::time::Duration;

use netroot_printable::Printable;
use netroot_proto::boot_report::NO_DRIVER;
use serde::Serialize;
use serde_json::Value;

use crate::serve::events::Event;
use crate::serve::reported_secure_boot::ReportedSecureBoot;

/// The most bytes of a sentence, and of a name.
pub(crate) const SENTENCE: usize = 600;
const NAME: usize = 64;
/// The most failures of a boot; the init sends no more.
const FAILURES: usize = 16;
/// The most failures of a boot that are kept, and shown at `/status`: the last ones.
const KEPT_FAILURES: usize = 4;
/// The most steps of a boot.
const STEPS: usize = 32;
/// The most certificates in `db`; the init names no more.
const AUTHORITIES: usize = 16;
/// What JSON adds to a report, and to one of its steps, in bytes.
const JSON: usize = 300;
const JSON_STEP: usize = 80;

/// What a report says, as `/status` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct BootSummary {
    /// Whether the root is mounted.
    pub(crate) booted: bool,
    /// The event's sentence.
    pub(crate) text: String,
    /// The kernel's version.
    pub(crate) kernel: String,
    /// How many attempts failed.
    pub(crate) failed_attempts: u64,
    /// The sentences of the last ones.
    pub(crate) failures: Vec<String>,
    /// The kernel's identifier of the boot; empty from an init that does not report it.
    pub(crate) boot_id: String,
    /// When the init started, in milliseconds since the kernel did.
    pub(crate) init_started_ms: u64,
    /// When it reported.
    pub(crate) reported_ms: u64,
    /// The steps of the last attempt.
    pub(crate) steps: Vec<Part>,
    /// What its firmware says of Secure Boot, if the init reports it.
    pub(crate) secure_boot: Option<ReportedSecureBoot>,
}

impl BootSummary {
    /// What the report is about.
    pub(crate) fn event(&self) -> Event {
        if self.booted {
            let took = self.reported_ms.saturating_sub(self.init_started_ms);
            Event::Booted {
                took: Duration::from_millis(took),
                failed_attempts: self.failed_attempts,
                linux: self.kernel.clone(),
            }
        } else {
            Event::BootFailed {
                attempt: self.failed_attempts.max(1),
                failure: self.failures.last().cloned().unwrap_or_default(),
                late: false,
            }
        }
    }

    /// Whether nothing more is to come of what the firmware says of Secure Boot: of a boot that fails another report follows, and
    /// netroot's init tells it with the report of a good boot alone.
    pub(crate) fn tells_all_of_secure_boot(&self) -> bool {
        self.booted || self.secure_boot.is_some()
    }

    /// Whether the initrd lacked the driver of a network card.
    pub(crate) fn lacks_driver(&self) -> bool {
        self.failures.iter().any(|one| one.contains(NO_DRIVER))
    }

    /// What is kept once its failures have been logged.
    pub(crate) fn shortened(mut self) -> Self {
        let left_out = self.failures.len().saturating_sub(KEPT_FAILURES);
        self.failures.drain(..left_out);
        self
    }

    /// Its length as JSON, in bytes, if nothing is escaped.
    pub(crate) fn length(&self) -> usize {
        let texts = [&self.text, &self.kernel, &self.boot_id];
        let authorities = self.secure_boot.iter().flat_map(|it| &it.authorities);
        let texts = texts.into_iter().chain(&self.failures).chain(authorities);
        let texts = texts.map(String::len);
        let steps = self.steps.iter().map(|step| step.name.len() + JSON_STEP);
        JSON + texts.chain(steps).sum::<usize>()
    }

    /// The failures that were not logged yet: those after the first `logged` ones. The last attempt of a failed boot
    /// is what the report is about ([`Self::event`]), and not among them.
    pub(crate) fn late_failures(&self, logged: u64) -> Vec<Event> {
        let kept = u64::try_from(self.failures.len()).unwrap_or(u64::MAX);
        let first = self.failed_attempts.saturating_sub(kept);
        let last = self.failed_attempts - u64::from(!self.booted && self.failed_attempts > 0);
        (first + 1..)
            .zip(&self.failures)
            .filter(|(attempt, _)| *attempt > logged && *attempt <= last)
            .map(|(attempt, failure)| Event::BootFailed {
                attempt,
                failure: failure.clone(),
                late: true,
            })
            .collect()
    }
}

/// A step of a boot, in milliseconds since the kernel started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) begin_ms: u64,
    pub(crate) end_ms: u64,
}

/// Reads a report; `None` if it states neither success nor failure.
pub(crate) fn read(body: &[u8]) -> Option<BootSummary> {
    let report: Value = serde_json::from_slice(body).ok()?;
    let init_started_ms = number(&report, "init_started_ms");
    let reported_ms = number(&report, "reported_ms");
    // The init counts in 32 bits too; a larger number would only overflow.
    let failed_attempts = number(&report, "failed_attempts").min(u32::MAX.into());
    let list = |name| report.get(name).and_then(Value::as_array);
    let booted = match report.get("outcome")?.as_str()? {
        "switch_root" => true,
        "failed" => false,
        _ => return None,
    };
    let attempts = list("attempts").map_or(&[][..], Vec::as_slice);
    let failures: Vec<String> = attempts
        .iter()
        .skip(attempts.len().saturating_sub(FAILURES))
        .map(|attempt| text(attempt, "failure", SENTENCE))
        .collect();
    if !booted && failures.is_empty() {
        return None;
    }
    let steps = list("steps").into_iter().flatten().take(STEPS);
    let mut summary = BootSummary {
        booted,
        text: String::new(),
        kernel: text(&report, "kernel", NAME),
        failed_attempts,
        failures,
        boot_id: text(&report, "boot_id", NAME),
        init_started_ms,
        reported_ms,
        steps: steps
            .map(|step| Part {
                name: text(step, "name", NAME),
                begin_ms: number(step, "begin_ms"),
                end_ms: number(step, "end_ms"),
            })
            .collect(),
        secure_boot: report.get("secure_boot").and_then(secure_boot),
    };
    summary.text = summary.event().to_string();
    Some(summary)
}

/// `None` if it does not say whether firmware enforces it.
fn secure_boot(reported: &Value) -> Option<ReportedSecureBoot> {
    let flag = |name: &str| reported.get(name).and_then(Value::as_bool);
    let names = reported.get("authorities").and_then(Value::as_array);
    let names = names.into_iter().flatten().take(AUTHORITIES);
    Some(ReportedSecureBoot {
        enforcing: flag("enforcing")?,
        setup_mode: flag("setup_mode").unwrap_or_default(),
        authorities: names.map(|name| cut(name, NAME)).collect(),
    })
}

/// A member that is a string, escaped and then cut to `most` bytes; empty if it is missing.
fn text(value: &Value, name: &str, most: usize) -> String {
    value.get(name).map_or_else(String::new, |it| cut(it, most))
}

/// The same of the string itself.
fn cut(value: &Value, most: usize) -> String {
    let text = value.as_str().unwrap_or_default();
    let text: String = text.chars().take(most).collect();
    let mut text = Printable(&text).to_string();
    let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
    text.truncate(ends.take_while(|end| *end <= most).last().unwrap_or(0));
    // It is kept.
    text.shrink_to_fit();
    text
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or_default()
}
