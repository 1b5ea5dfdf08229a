use std::net::Ipv4Addr;
use std::sync::Arc;

use http_body_util::Full;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::serve::counters::Counters;
use crate::serve::events::Format;
use crate::serve::machines::Machines;
use crate::serve::report_summary::SENTENCE;
use crate::serve::report_tokens::ReportTokens;

const MAC: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9));
const GOOD: &str = r#"{"outcome":"switch_root","kernel":"6.1.0","init_started_ms":420,
    "reported_ms":1690,"failed_attempts":0,
    "steps":[{"name":"early","begin_ms":420,"end_ms":450}],"unknown":[null]}"#;

const FAILED: &str =
    r#"{"outcome":"failed","failed_attempts":1,"attempts":[{"failure":"no carrier"}]}"#;

fn timeline() -> Timeline {
    let machines = Machines::new();
    machines.learn(PEER, MAC, Duration::from_secs(3600));
    let counters = Arc::new(Counters::default());
    Timeline::new(Format::Text, counters, Arc::new(machines))
}

fn tokens() -> Arc<ReportTokens> {
    Arc::new(ReportTokens::new([0; 16]))
}

fn reports() -> Reports {
    Reports::new(tokens(), Arc::new(History::new()), Arc::default())
}

/// Where a machine's script says that it reports.
fn path_of(mac: Mac) -> String {
    tokens().issue(mac, Some(mac)).unwrap()
}

fn post(reports: &Reports, peer: IpAddr, path: &str, body: &str) -> StatusCode {
    post_to(&timeline(), reports, peer, path, body)
}

fn post_to(
    timeline: &Timeline,
    reports: &Reports,
    peer: IpAddr,
    path: &str,
    body: &str,
) -> StatusCode {
    let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
    let request = Request::post(path).body(body).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let taken = reports.take(request, peer, |_| "debian".to_owned(), timeline);
    runtime.block_on(taken).0
}

#[test]
fn a_good_boot_is_reported_with_its_time() {
    let summary = read(GOOD.as_bytes()).unwrap();
    assert!(summary.booted);
    assert_eq!(summary.text, "root mounted 1.2 s after init started");
    assert_eq!(summary.kernel, "6.1.0");
    assert_eq!(summary.steps[0].end_ms, 450);
    let later = GOOD.replace("\"failed_attempts\":0", "\"failed_attempts\":3");
    assert_eq!(
        read(later.as_bytes()).unwrap().text,
        "root mounted 1.2 s after init started, after 3 failed attempts"
    );
}

#[test]
fn a_failure_is_reported_with_its_last_sentence_with_control_characters_escaped() {
    let report = r#"{"outcome":"failed","failed_attempts":2,"attempts":[
        {"failure":"old"},{"failure":"no carrier: \u001b[2J; check the cable"}]}"#;
    let summary = read(report.as_bytes()).unwrap();
    assert_eq!(
        summary.text,
        "boot failed: no carrier: \\u{1b}[2J; check the cable (attempt 2)"
    );
    assert!(!summary.booted);
}

/// A report of one boot with this many failures, of which it contains the last sixteen.
fn after(failures: u64, outcome: &str) -> BootSummary {
    let first = failures.saturating_sub(16) + 1;
    let attempts: Vec<Value> = (first..=failures)
        .map(|number| json!({ "failure": format!("reason {number}") }))
        .collect();
    let report = json!({
        "outcome": outcome, "boot_id": "b", "failed_attempts": failures, "attempts": attempts,
    });
    read(report.to_string().as_bytes()).unwrap()
}

/// The sentences of the failures that were not logged yet.
fn late(summary: &BootSummary, logged: u64) -> Vec<String> {
    let events = summary.late_failures(logged);
    events.iter().map(ToString::to_string).collect()
}

#[test]
fn failures_that_could_not_be_sent_are_logged_once_with_the_next_report() {
    let good = after(2, "switch_root");
    let both = ["attempt 1 failed: reason 1", "attempt 2 failed: reason 2"];
    assert_eq!(late(&good, 0), both);
    assert_eq!(late(&good, 1), both[1..]);
    assert!(late(&good, 2).is_empty());
    let failed = after(2, "failed");
    assert_eq!(failed.text, "boot failed: reason 2 (attempt 2)");
    assert_eq!(late(&failed, 0), both[..1]);
    let many = late(&after(40, "failed"), 0);
    assert_eq!(many.len(), 15);
    assert_eq!(many[0], "attempt 25 failed: reason 25");

    let reports = reports();
    let machine = Machine::Mac(MAC);
    assert_eq!(reports.logged_failures(machine, &good), 0);
    reports.keep(machine, "debian".to_owned(), failed);
    assert_eq!(reports.logged_failures(machine, &good), 2);
    let other = BootSummary {
        boot_id: "c".into(),
        ..good
    };
    assert_eq!(reports.logged_failures(machine, &other), 0, "another boot");
}

#[test]
fn a_report_is_accepted_only_from_its_own_machine_and_not_in_a_flood() {
    let reports = reports();
    let other = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x57]);
    let (own, other) = (path_of(MAC), path_of(other));
    let path = own.as_str();
    for (peer, path, body, status) in [
        (PEER, other.as_str(), GOOD, 403),
        (PEER, "/report/52-54-00-12-34-56", GOOD, 403),
        (
            PEER,
            "/report/52-54-00-12-34-56/0123456789abcdef01234567",
            GOOD,
            403,
        ),
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

/// The init reads firmware's variables for the report of a good boot alone.
#[test]
fn after_a_failed_attempt_the_report_that_tells_of_secure_boot_counts_once() {
    let (reports, timeline) = (reports(), timeline());
    let machines = timeline.machines();
    machines.strategy(MAC, 1, Duration::ZERO);
    let tells = |enforcing: bool| {
        let told = format!("\"secure_boot\":{{\"enforcing\":{enforcing}}},\"kernel\"");
        GOOD.replace("\"kernel\"", &told)
    };
    let enforcing = || {
        let known = machines.secure_boots().of(MAC)?;
        known.reported.map(|it| it.enforcing)
    };
    let path = path_of(MAC);
    let post = |body: &str| assert_eq!(post_to(&timeline, &reports, PEER, &path, body), 204);
    post(FAILED);
    assert_eq!(enforcing(), None);
    post(&tells(true));
    assert_eq!(enforcing(), Some(true));
    // A good boot of which nothing is told leaves nobody else to tell it.
    machines.strategy(MAC, 2, Duration::from_secs(60));
    post(GOOD);
    post(&tells(false));
    assert_eq!(enforcing(), Some(true));
}

#[test]
fn only_the_newest_reports_are_kept() {
    let reports = reports();
    let summary = read(GOOD.as_bytes()).unwrap();
    for number in 0..2000_u32 {
        let [_, b, c, d] = number.to_be_bytes();
        reports.keep(
            Machine::Mac(Mac([2, 0, 0, b, c, d])),
            "debian".to_owned(),
            summary.clone(),
        );
    }
    let last = reports.last();
    assert_eq!(last.len(), KEPT);
    assert!(last.contains_key("02:00:00:00:07:cf"));
}

#[test]
fn a_report_from_an_address_that_nobody_is_known_by_is_told_under_that_address() {
    let reports = reports();
    let routed = Ipv4Addr::new(192, 0, 2, 77).into();
    for path in [tokens().issue(MAC, None).unwrap(), path_of(MAC)] {
        assert_eq!(post(&reports, routed, &path, GOOD), 204);
    }
    assert_eq!(
        post(&reports, routed, "/report/52-54-00-12-34-56", GOOD),
        403
    );
    let last = reports.last();
    let of: Vec<_> = last.keys().collect();
    assert_eq!(of, ["192.0.2.77"]);
}

#[test]
fn what_is_kept_of_reports_is_bounded_in_bytes() {
    let reports = reports();
    // As long as a report may be, of the characters that take the most bytes.
    let worst = "\u{1f600}\"".repeat(300);
    let attempts = vec![json!({"failure": worst}); 16];
    let steps = vec![json!({"name": worst, "begin_ms": u64::MAX, "end_ms": u64::MAX}); 32];
    let report = json!({"outcome": "failed", "failed_attempts": 16, "kernel": worst, "boot_id": worst,
        "attempts": attempts, "steps": steps});
    let summary = read(report.to_string().as_bytes()).unwrap();
    assert!(summary.length() < 20_000, "{}", summary.length());
    for number in 0..1000_u32 {
        let [_, b, c, d] = number.to_be_bytes();
        let machine = Machine::Mac(Mac([2, 0, 0, b, c, d]));
        reports.keep(machine, "debian".to_owned(), summary.clone());
    }
    let shown = serde_json::to_string(&reports.last()).unwrap();
    assert!(shown.len() <= 2 * KEPT_BYTES, "{}", shown.len());
    assert!(shown.contains("02:00:00:00:03:e7"), "the newest");
    assert!(reports.last().len() > 20);
}

proptest! {
    #[test]
    fn any_body_is_read_without_a_panic(body in any::<Vec<u8>>(), cut in 0..GOOD.len()) {
        let _ = read(&body);
        let _ = read(&GOOD.as_bytes()[..cut]);
    }

    #[test]
    fn a_long_sentence_is_truncated(failure in "\\PC{0,2000}") {
        let attempts = [json!({"failure": failure})];
        let report = json!({"outcome": "failed", "attempts": attempts});
        let summary = read(report.to_string().as_bytes()).unwrap();
        prop_assert!(summary.text.len() <= SENTENCE + 30);
    }

    #[test]
    fn numbers_of_any_size_are_counted(count in prop_oneof![any::<u64>(), Just(u64::MAX)], listed in 0_usize..40, booted in any::<bool>()) {
        let outcome = if booted { "switch_root" } else { "failed" };
        let attempts = vec![json!({"failure": "x"}); listed];
        let report = json!({"outcome": outcome, "failed_attempts": count, "attempts": attempts});
        if let Some(summary) = read(report.to_string().as_bytes()) {
            prop_assert!(summary.late_failures(0).len() <= 16);
        }
    }
}

#[test]
fn reports_that_came_at_once_keep_no_place_for_ever() {
    let reports = reports();
    for _ in 0..10 {
        reports.keep(Machine::Mac(MAC), "debian".to_owned(), after(1, "failed"));
    }
    let mut accepted = reports.accepted.lock().unwrap();
    let left_out = accepted.take_left_out(9, Duration::ZERO);
    assert_eq!((left_out.keys, left_out.others), (Vec::new(), 0));
}
