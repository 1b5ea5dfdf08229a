//! What a report comes to, for people: read from whatever a machine sends. Pure.

use serde::Serialize;
use serde_json::Value;

/// Characters of a sentence, and of a name.
pub(super) const SENTENCE: usize = 600;
const NAME: usize = 64;
/// Failures of a boot; the init sends no more.
const FAILURES: usize = 16;
/// Steps of a boot.
const STEPS: usize = 32;

/// What a report comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Told {
    /// Whether the root is mounted.
    pub(crate) booted: bool,
    /// The same in words.
    pub(crate) text: String,
    /// The kernel's version.
    pub(crate) kernel: String,
    /// How many attempts failed.
    pub(crate) failed_attempts: u64,
    /// The sentences of the last of them.
    pub(crate) failures: Vec<String>,
    /// The kernel's name of the boot; empty from an init that does not tell it.
    pub(crate) boot_id: String,
    /// When the init started, in milliseconds since the kernel did.
    pub(crate) init_started_ms: u64,
    /// When it reported.
    pub(crate) reported_ms: u64,
    /// The parts of the last attempt.
    pub(crate) steps: Vec<Part>,
}

impl Told {
    /// The failures that nobody heard of: those after the first `heard` ones, in words. That of a failed boot's last
    /// attempt is what the report is about, and not among them.
    pub(super) fn unheard(&self, heard: u64) -> Vec<String> {
        let kept = u64::try_from(self.failures.len()).unwrap_or(u64::MAX);
        let first = self.failed_attempts.saturating_sub(kept);
        let last = self.failed_attempts - u64::from(!self.booted && self.failed_attempts > 0);
        (first + 1..)
            .zip(&self.failures)
            .filter(|(number, _)| *number > heard && *number <= last)
            .map(|(number, failure)| format!("attempt {number} failed: {failure}"))
            .collect()
    }
}

/// A part of a boot, in milliseconds since the kernel started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Part {
    pub(super) name: String,
    pub(super) begin_ms: u64,
    pub(super) end_ms: u64,
}

/// What a report comes to; `None` if it says nothing.
pub(super) fn read(body: &[u8]) -> Option<Told> {
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
    let text = if booted {
        let took = reported_ms.saturating_sub(init_started_ms);
        let (seconds, tenths) = (took / 1000, took % 1000 / 100);
        let after = match failed_attempts {
            0 => String::new(),
            1 => ", after a failed attempt".to_owned(),
            many => format!(", after {many} failed attempts"),
        };
        format!("root mounted {seconds}.{tenths} s after init started{after}")
    } else {
        let failure = text(list("attempts")?.last()?, "failure", SENTENCE);
        let which = match failed_attempts {
            0 | 1 => String::new(),
            many => format!(" (attempt {many})"),
        };
        format!("boot failed: {failure}{which}")
    };
    let attempts = list("attempts").map_or(&[][..], Vec::as_slice);
    let failures = attempts
        .iter()
        .skip(attempts.len().saturating_sub(FAILURES))
        .map(|attempt| self::text(attempt, "failure", SENTENCE));
    let steps = list("steps").into_iter().flatten().take(STEPS);
    Some(Told {
        booted,
        text,
        kernel: self::text(&report, "kernel", NAME),
        failed_attempts,
        failures: failures.collect(),
        boot_id: self::text(&report, "boot_id", NAME),
        init_started_ms,
        reported_ms,
        steps: steps
            .map(|step| Part {
                name: self::text(step, "name", NAME),
                begin_ms: number(step, "begin_ms"),
                end_ms: number(step, "end_ms"),
            })
            .collect(),
    })
}

/// A member that is a text, without what a terminal would act on; nothing if there is none.
fn text(value: &Value, name: &str, most: usize) -> String {
    let text = value.get(name).and_then(Value::as_str).unwrap_or_default();
    let shown = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().take(most).map(shown).collect()
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or_default()
}
