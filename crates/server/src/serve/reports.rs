//! Boot reports: what machines say themselves about how their boot went.
//!
//! The command line names `POST /report/<mac>`, and the init sends its report there after each failure and before
//! the switch to the root. A machine without a screen is heard here. A report is taken from its machine's own
//! address only, is bounded in size and in number, and what of it makes no sense is passed over.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Bytes};
use hyper::{Request, StatusCode};
use netroot_proto::dhcp::Mac;
use serde::Serialize;
use serde_json::Value;

use super::events::{Machine, Step, Timeline};
use super::machines::mac_from_text;

/// Where reports are sent, before the machine's hardware address.
pub(crate) const PATH: &str = "/report/";
/// The longest report in bytes; the init's has 2 to 30 kB.
const BODY: usize = 64 << 10;
/// How long a report may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);
/// How often a machine is heard: so many reports within so long. The init pauses for two seconds and longer between
/// attempts, but the good one may follow the bad one at once, when somebody is at its prompt.
const MOST: u32 = 4;
const WINDOW: Duration = Duration::from_secs(2);
/// How many machines' last reports are kept.
const KEPT: usize = 256;
/// Characters of a sentence, and of a name.
const SENTENCE: usize = 600;
const NAME: usize = 64;
/// Steps of a boot.
const STEPS: usize = 32;

/// The last report of each machine.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    kept: Mutex<HashMap<Mac, Kept>>,
}

#[derive(Debug)]
struct Kept {
    received: Instant,
    told: Told,
    /// Of the window that the last report fell into: when it began, and how many reports came in it.
    window: (Instant, u32),
}

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
    /// When the init started, in milliseconds since the kernel did.
    pub(crate) init_started_ms: u64,
    /// When it reported.
    pub(crate) reported_ms: u64,
    /// The parts of the last attempt.
    pub(crate) steps: Vec<Part>,
}

/// A part of a boot, in milliseconds since the kernel started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Part {
    name: String,
    begin_ms: u64,
    end_ms: u64,
}

/// A report with its age, as `/status` shows it.
#[derive(Debug, Serialize)]
pub(crate) struct Last {
    seconds_ago: u64,
    #[serde(flatten)]
    told: Told,
}

/// Why a report is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    /// The path names no machine.
    #[error("the path names no hardware address")]
    NoMachine,
    /// Somebody else's.
    #[error("a machine reports for itself only")]
    NotItsOwn,
    /// Too many.
    #[error("it reports too often")]
    TooOften,
    /// Too much, or too slow.
    #[error("its report is longer than {BODY} bytes or did not arrive")]
    Body,
    /// Nothing in it.
    #[error("its report says neither success nor failure")]
    Meaningless,
}

impl Refusal {
    fn status(self) -> StatusCode {
        match self {
            Self::NoMachine => StatusCode::NOT_FOUND,
            Self::NotItsOwn => StatusCode::FORBIDDEN,
            Self::TooOften => StatusCode::TOO_MANY_REQUESTS,
            Self::Body => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Meaningless => StatusCode::BAD_REQUEST,
        }
    }
}

impl Reports {
    /// Takes the report that `peer` sends, and tells it. Returns the answer's status and text.
    pub(crate) async fn take<B>(
        &self,
        request: Request<B>,
        peer: Ipv4Addr,
        timeline: &Timeline,
    ) -> (StatusCode, String)
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        match self.accept(request, peer, timeline).await {
            Ok(()) => (StatusCode::NO_CONTENT, String::new()),
            Err(refusal) => {
                timeline.ignored(
                    Machine::Address(peer),
                    format_args!("a boot report: {refusal}"),
                );
                (refusal.status(), format!("{refusal}\n"))
            }
        }
    }

    async fn accept<B>(
        &self,
        request: Request<B>,
        peer: Ipv4Addr,
        timeline: &Timeline,
    ) -> Result<(), Refusal>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let path = request.uri().path().strip_prefix(PATH);
        let mac = path.and_then(mac_from_text).ok_or(Refusal::NoMachine)?;
        if timeline.machines().at(peer) != Some(mac) {
            return Err(Refusal::NotItsOwn);
        }
        if self.heard_enough(mac) {
            return Err(Refusal::TooOften);
        }
        let body = Limited::new(request.into_body(), BODY).collect();
        let body = tokio::time::timeout(BODY_TIME, body).await;
        let Ok(Ok(body)) = body else {
            return Err(Refusal::Body);
        };
        let told = read(&body.to_bytes()).ok_or(Refusal::Meaningless)?;
        timeline.machine(Machine::Mac(mac), Step::Init, &told.text);
        self.keep(mac, told);
        Ok(())
    }

    fn heard_enough(&self, mac: Mac) -> bool {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(&mac)
            .is_some_and(|Kept { window, .. }| window.0.elapsed() < WINDOW && window.1 >= MOST)
    }

    fn keep(&self, mac: Mac, told: Told) {
        let received = Instant::now();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT && !kept.contains_key(&mac) {
            let oldest = kept.iter().min_by_key(|(_, last)| last.received);
            if let Some(oldest) = oldest.map(|(mac, _)| *mac) {
                kept.remove(&oldest);
            }
        }
        let window = match kept.get(&mac) {
            Some(Kept { window, .. }) if window.0.elapsed() < WINDOW => (window.0, window.1 + 1),
            _ => (received, 1),
        };
        let report = Kept {
            received,
            told,
            window,
        };
        kept.insert(mac, report);
    }

    /// The last report of each machine.
    pub(crate) fn last(&self) -> BTreeMap<String, Last> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let last = |last: &Kept| Last {
            seconds_ago: last.received.elapsed().as_secs(),
            told: last.told.clone(),
        };
        kept.iter()
            .map(|(mac, kept)| (mac.to_string(), last(kept)))
            .collect()
    }

    /// The same for people, a line each.
    pub(crate) fn text(&self) -> String {
        let line = |(mac, Last { seconds_ago, told }): (String, Last)| {
            format!("  {mac} {} ({seconds_ago} s ago)\n", told.text)
        };
        self.last().into_iter().map(line).collect()
    }
}

/// What a report comes to; `None` if it says nothing.
fn read(body: &[u8]) -> Option<Told> {
    let report: Value = serde_json::from_slice(body).ok()?;
    let init_started_ms = number(&report, "init_started_ms");
    let reported_ms = number(&report, "reported_ms");
    let failed_attempts = number(&report, "failed_attempts");
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
    let steps = list("steps").into_iter().flatten().take(STEPS);
    Some(Told {
        booted,
        text,
        kernel: self::text(&report, "kernel", NAME),
        failed_attempts,
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http_body_util::Full;
    use proptest::prelude::*;

    use super::*;
    use crate::serve::counters::Counters;
    use crate::serve::events::Format;
    use crate::serve::machines::Machines;

    const MAC: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
    const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
    const GOOD: &str = r#"{"outcome":"switch_root","kernel":"6.1.0","init_started_ms":420,
        "reported_ms":1690,"failed_attempts":0,
        "steps":[{"name":"early","begin_ms":420,"end_ms":450}],"unknown":[null]}"#;

    const FAILED: &str =
        r#"{"outcome":"failed","failed_attempts":1,"attempts":[{"failure":"no carrier"}]}"#;

    fn timeline() -> Timeline {
        let machines = Machines::new();
        machines.learn(PEER, MAC);
        let counters = Arc::new(Counters::default());
        Timeline::new(Format::Text, counters, Arc::new(machines))
    }

    fn post(reports: &Reports, peer: Ipv4Addr, path: &str, body: &str) -> StatusCode {
        let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
        let request = Request::post(path).body(body).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let timeline = timeline();
        let taken = reports.take(request, peer, &timeline);
        runtime.block_on(taken).0
    }

    #[test]
    fn a_good_boot_is_told_with_its_time() {
        let told = read(GOOD.as_bytes()).unwrap();
        assert!(told.booted);
        assert_eq!(told.text, "root mounted 1.2 s after init started");
        assert_eq!(told.kernel, "6.1.0");
        assert_eq!(told.steps[0].end_ms, 450);
        let later = GOOD.replace("\"failed_attempts\":0", "\"failed_attempts\":3");
        assert_eq!(
            read(later.as_bytes()).unwrap().text,
            "root mounted 1.2 s after init started, after 3 failed attempts"
        );
    }

    #[test]
    fn a_failure_is_told_with_the_last_sentence_and_without_its_controls() {
        let report = r#"{"outcome":"failed","failed_attempts":2,"attempts":[
            {"failure":"old"},{"failure":"no carrier: \u001b[2J; check the cable"}]}"#;
        let told = read(report.as_bytes()).unwrap();
        assert_eq!(
            told.text,
            "boot failed: no carrier: \u{fffd}[2J; check the cable (attempt 2)"
        );
        assert!(!told.booted);
    }

    #[test]
    fn a_report_is_taken_from_its_own_machine_only_and_not_in_a_flood() {
        let reports = Reports::default();
        let path = "/report/52-54-00-12-34-56";
        for (peer, path, body, status) in [
            (PEER, "/report/52-54-00-12-34-57", GOOD, 403),
            (Ipv4Addr::new(192, 0, 2, 77), path, GOOD, 403),
            (PEER, "/report/nobody", GOOD, 404),
            (PEER, path, "no JSON", 400),
            (PEER, path, "{}", 400),
            (PEER, path, r#"{"outcome":"failed","attempts":[]}"#, 400),
            (PEER, path, &" ".repeat(BODY + 1), 413),
            (PEER, path, FAILED, 204),
            // The prompt's user corrected it at once.
            (PEER, path, GOOD, 204),
            (PEER, path, GOOD, 204),
            (PEER, path, GOOD, 204),
            (PEER, path, GOOD, 429),
        ] {
            assert_eq!(
                post(&reports, peer, path, body),
                status,
                "{peer} {path} {body:.40}"
            );
        }
        let last = serde_json::to_value(reports.last()).unwrap();
        assert_eq!(last["52:54:00:12:34:56"]["booted"], true);
        assert!(reports.text().contains("root mounted 1.2 s"));
    }

    #[test]
    fn the_reports_that_are_kept_are_bounded_and_the_newest_ones() {
        let reports = Reports::default();
        let told = read(GOOD.as_bytes()).unwrap();
        for number in 0..2000_u32 {
            let [_, b, c, d] = number.to_be_bytes();
            reports.keep(Mac([2, 0, 0, b, c, d]), told.clone());
        }
        let last = reports.last();
        assert_eq!(last.len(), KEPT);
        assert!(last.contains_key("02:00:00:00:07:cf"));
    }

    proptest! {
        #[test]
        fn whatever_is_sent_is_read_within_bounds(body in any::<Vec<u8>>(), cut in 0..GOOD.len()) {
            let _ = read(&body);
            let _ = read(&GOOD.as_bytes()[..cut]);
        }

        #[test]
        fn a_sentence_of_any_length_is_cut(failure in "\\PC{0,2000}") {
            let attempts = [serde_json::json!({"failure": failure})];
            let report = serde_json::json!({"outcome": "failed", "attempts": attempts});
            let told = read(report.to_string().as_bytes()).unwrap();
            prop_assert!(told.text.chars().count() <= SENTENCE + 20);
        }
    }
}
