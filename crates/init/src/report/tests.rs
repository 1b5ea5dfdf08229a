use serde_json::{Value, json};

use netroot_net::Mac;
use netroot_proto::cmdline::BootPlan;

use crate::diagnosis::{Bus, UnclaimedCard};
use crate::failure::Failure;

use super::record::{ATTEMPTS, PHASES, SENTENCE};
use super::*;

fn at(milliseconds: u64) -> Moment {
    Moment::at(Duration::from_millis(milliseconds))
}

fn nic() -> Nic {
    Nic {
        index: 2,
        name: "eth0".into(),
        mac: Mac([2, 0, 0, 0, 0, 1]),
        original_mac: Mac([2, 0, 0, 0, 0, 1]),
        udev_names: Vec::new(),
        carrier: true,
        running: true,
        mtu: 1500,
    }
}

fn facts(outcome: Outcome<'_>) -> Facts<'_> {
    Facts {
        now: at(9_000),
        boot_id: "8c9a2f64-0a3e-4d37-9f6a-3f2b6a5d0c11".into(),
        outcome,
        nics: vec![(nic(), Some("virtio_net".into()))],
        address: None,
        root: None,
        mounts: Vec::new(),
        warnings: Vec::new(),
        memory_kib: Some(1_234),
    }
}

fn read(report: &BootReport, facts: &Facts<'_>) -> Value {
    serde_json::from_str(&render(report, facts)).unwrap()
}

#[test]
fn a_good_boot_is_reported_with_times_address_and_root() {
    let line =
        "root=/dev/nfs nfsroot=10.1.2.1:/srv/x ip=10.1.2.3::10.1.2.254:24::eth0:off:10.1.2.53\n";
    let plan = BootPlan::parse(line);
    let address = Address::fixed(nic(), &plan.network.addressing[0], &plan.network).unwrap();
    let identity = netroot_proto::mount::MachineIdentity::default();
    let mut report = BootReport::new("6.1.0", line, at(420));
    report.enter("drivers", at(450));
    let mut facts = facts(Outcome::Switch("/sbin/init"));
    facts.root = Some(choose_root_of(&plan, &address.facts(), &identity));
    facts.address = Some(&address);
    let read = read(&report, &facts);
    assert_eq!(read["outcome"], "switch_root");
    assert_eq!(read["init"], "/sbin/init");
    assert_eq!(read["cmdline"], line.trim_end());
    assert_eq!(read["init_started_ms"], 420);
    assert_eq!(read["memory_kib"], 1_234);
    assert_eq!(
        read["steps"],
        json!([
            {"name": "early", "begin_ms": 420, "end_ms": 450},
            {"name": "drivers", "begin_ms": 450, "end_ms": 9000},
        ])
    );
    assert_eq!(read["nics"][0]["driver"], "virtio_net");
    assert_eq!(read["nics"][0]["mac"], "02:00:00:00:00:01");
    assert_eq!(read["address"]["address"], "10.1.2.3/24");
    assert_eq!(read["address"]["routers"], json!(["10.1.2.254"]));
    assert_eq!(read["address"]["from"], "ip=");
    assert_eq!(read["root"]["server"], "10.1.2.1");
    assert_eq!(read["root"]["path"], "/srv/x");
    assert!(!read["root"]["why"].as_str().unwrap().is_empty());
}

#[test]
fn each_attempt_is_reported_with_its_sentence_and_the_step_that_failed() {
    let mut report = BootReport::new("6.1.0", "", at(0));
    report.attempt("link");
    report.begin("dhcp");
    report.failed_at("no address", at(90_000));
    report.attempt("link");
    let read = read(&report, &facts(Outcome::Failed));
    assert_eq!(read["attempts"][0]["step"], "dhcp");
    assert_eq!(read["attempts"][0]["failure"], "no address");
    assert_eq!(read["attempts"][0]["end_ms"], 90_000);
    // The steps are those of the current attempt.
    let names: Vec<&Value> = read["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| &s["name"])
        .collect();
    assert_eq!(names, ["early", "link"]);
}

#[test]
fn a_night_of_failures_makes_a_report_of_bounded_size() {
    let mut report = BootReport::new("6.1.0", "", at(0));
    for number in 0..5_000 {
        report.attempt("link");
        report.failed(&format!("failure {number}{}", " of many words".repeat(500)));
    }
    let read = read(&report, &facts(Outcome::Failed));
    assert_eq!(read["failed_attempts"], 5_000);
    let attempts = read["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), ATTEMPTS);
    let last = attempts.last().unwrap()["failure"].as_str().unwrap();
    assert!(last.starts_with("failure 4999 of many words"));
    assert_eq!(last.len(), SENTENCE);
    assert!(read.to_string().len() < 16 << 10);
    assert!(read["steps"].as_array().unwrap().len() <= PHASES);
}

#[test]
fn text_of_a_hostile_server_cannot_break_the_json() {
    let mut report = BootReport::new("6.1.0", "a=\"\u{1b}[2J\\", at(0));
    report.failed("x\",\"outcome\":\"switch_root\0\u{9b}\n");
    let text = render(&report, &facts(Outcome::Failed));
    assert!(!text.trim_end().chars().any(char::is_control), "{text}");
    let read: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(read["outcome"], "failed");
    assert_eq!(
        read["attempts"][0]["failure"],
        "x\",\"outcome\":\"switch_root\0\u{9b}\n"
    );
}

/// The folder of the reports that the server's tests are sent (`tests/interop/machines/reports.rs`).
const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reports");

/// With this variable they are written anew.
const WRITE: &str = "NETROOT_WRITE_EXPECTED";

#[test]
fn kept_reports_are_those_of_the_init() {
    let plan = BootPlan::parse("root=/dev/nfs nfsroot=10.77.0.1:/second ip=dhcp");
    let no_nic = Failure::NoNic {
        waited: Duration::from_secs(8),
        devices: vec![UnclaimedCard {
            bus: Bus::Pci,
            id: "8086:15f3".to_owned(),
            modalias: "pci:v00008086d000015F3sv00008086sd00000000bc02sc00i00".to_owned(),
            modules: Vec::new(),
            is_unsigned: false,
        }],
    };
    let no_root = Failure::NoRoot {
        reason: NoRoot::Unnamed,
    };
    for (name, failure, outcome) in [
        // It reports once another card has an address.
        ("no-driver", Some(no_nic), Outcome::Failed),
        ("failed", Some(no_root), Outcome::Failed),
        ("booted", None, Outcome::Switch("/sbin/init")),
    ] {
        let mut report = BootReport::new("6.1.0", "ip=dhcp", at(420));
        report.enter("link", at(450));
        if let Some(failure) = failure {
            report.failed_at(&failure.sentence(&plan), at(8_450));
        }
        let report = render(&report, &facts(outcome));
        let path = format!("{KEPT}/{name}.json");
        if std::env::var_os(WRITE).is_some() {
            std::fs::write(&path, &report).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap();
        let [mut kept, report]: [Value; 2] =
            [&kept, &report].map(|text| serde_json::from_str(text).unwrap());
        kept["netroot"] = report["netroot"].clone();
        assert_eq!(kept, report, "{path}: {WRITE}=1 writes it anew");
    }
}

/// The names of all members, including nested ones.
fn names(value: &Value, found: &mut std::collections::BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                found.insert(name.clone());
                names(value, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| names(value, found)),
        _ => {}
    }
}

#[test]
fn report_md_describes_every_member() {
    let described = include_str!("../../REPORT.md");
    let plan = BootPlan::parse("root=/dev/nfs nfsroot=10.1.2.1:/x ip=10.1.2.3:::24::eth0:off");
    let address = Address::fixed(nic(), &plan.network.addressing[0], &plan.network).unwrap();
    let identity = netroot_proto::mount::MachineIdentity::default();
    let mut report = BootReport::new("6.1.0", "", at(420));
    report.failed("no carrier");
    let mut found = std::collections::BTreeSet::new();
    for outcome in [Outcome::Failed, Outcome::Switch("/sbin/init")] {
        let mut facts = facts(outcome);
        facts.root = Some(choose_root_of(&plan, &address.facts(), &identity));
        facts.address = Some(&address);
        names(&read(&report, &facts), &mut found);
    }
    assert!(found.len() > 25, "{found:?}");
    for name in found {
        assert!(described.contains(&format!("`{name}`")), "{name}");
    }
}
