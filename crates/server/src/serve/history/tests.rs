//! Boots made of events, and what is said of them.

mod causes;
mod floods;
mod secure_boot;
mod states;

use std::time::Duration;

use netroot_net::Mac;
use netroot_proto::pxe::arch::Platform;
use netroot_proto::pxe::client::Client;
use netroot_proto::pxe::decide::{Answer, BootFile, Refusal};
use netroot_proto::pxe::probe::OtherServer;

use super::boot::Outcome;
use super::cause::CauseOfDeath;
use super::judge::{Verdict, judge, patience};
use super::record::Record;
use super::stage::Stage;
use super::*;
use crate::serve::clock::Moment;
use crate::serve::events::{Fetch, Transport};

const MAC: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
const UEFI: Client = Client::Pxe(Platform::EfiX64);
const BIOS: Client = Client::Pxe(Platform::Bios);
const IPXE: Client = Client::Ipxe(Platform::EfiX64);
const INIT: Client = Client::Init;

/// A moment so many seconds after the server's start.
fn at(seconds: u64) -> Moment {
    let now = Duration::from_secs(1000 + seconds);
    Moment {
        now,
        wall: Duration::from_secs(1_764_158_400 + seconds),
    }
}

fn asks(client: Client) -> Event {
    Event::DhcpDiscover { client }
}

fn offered(client: Client, loader: &str) -> Event {
    let loader = loader.to_owned();
    let answer = Answer::ProxyOffered { loader };
    Event::DhcpAnswer { client, answer }
}

fn fetched(kind: FileKind, name: &str) -> Event {
    Event::Fetched(Fetch {
        kind,
        name: name.to_owned(),
        bytes: 1000,
        took: Duration::from_millis(10),
        by: Transport::Http,
        chosen: None,
    })
}

fn loader() -> Event {
    fetched(FileKind::Loader, "snponly.efi")
}

fn script() -> Event {
    fetched(FileKind::Script, "boot/52-54-00-12-34-56.ipxe")
}

fn kernel() -> Event {
    fetched(FileKind::Kernel, "vmlinuz")
}

fn initrd() -> Event {
    fetched(FileKind::Initrd, "initrd.img")
}

fn mounted() -> Event {
    let path = "/debian".to_owned();
    Event::Mounted { path }
}

fn booted() -> Event {
    Event::Booted {
        took: Duration::from_secs(3),
        failed_attempts: 0,
        linux: "6.1.0".to_owned(),
    }
}

fn failed(failure: &str) -> Event {
    Event::BootFailed {
        attempt: 1,
        failure: failure.to_owned(),
        late: false,
    }
}

/// What UEFI firmware does until its machine runs.
fn whole_boot() -> Vec<Event> {
    vec![
        asks(UEFI),
        offered(UEFI, "snponly.efi"),
        loader(),
        asks(IPXE),
        offered(IPXE, "http://10.0.0.1:8069/boot/52-54-00-12-34-56.ipxe"),
        script(),
        kernel(),
        initrd(),
        asks(INIT),
        mounted(),
        booted(),
    ]
}

/// A machine to which these events happened, a second apart.
fn after(events: &[Event]) -> Record {
    let mut record = Record::new(at(0));
    for (second, event) in (0..).zip(events) {
        record.apply(event, at(second));
    }
    record
}

#[test]
fn one_boot_goes_through_firmware_ipxe_and_init() {
    let events = whole_boot();
    let record = after(&events);
    assert_eq!(record.boots.len(), 1);
    let boot = record.last().unwrap();
    assert_eq!(boot.outcome, Outcome::Running);
    assert_eq!(boot.firmware, Some(UEFI));
    assert_eq!(boot.steps.len(), events.len());
    let stages: Vec<_> = boot.reached.iter().map(|(stage, _)| *stage).collect();
    assert_eq!(
        stages,
        [
            Stage::Discover,
            Stage::Offer,
            Stage::Loader,
            Stage::Ipxe,
            Stage::Script,
            Stage::Kernel,
            Stage::Initrd,
            Stage::Init,
            Stage::Mount,
            Stage::Running
        ]
    );
    assert_eq!(boot.ended, Some(Duration::from_secs(10)));
}

#[test]
fn a_boot_begins_with_firmware_that_asks_again_after_it_came_further() {
    let mut events = whole_boot();
    events.extend(whole_boot());
    // iPXE in the ROM of a NIC is the firmware.
    events.extend([asks(IPXE), script(), kernel()]);
    events.extend([asks(IPXE), script()]);
    let record = after(&events);
    assert_eq!(record.count, 4);
    assert_eq!(record.boots[3].stage, Stage::Script);
    // Repetitions of a request, and another way of the same firmware, are the same boot.
    let http = Client::Http(Platform::EfiX64);
    let record = after(&[
        asks(UEFI),
        asks(UEFI),
        offered(UEFI, "x"),
        asks(UEFI),
        asks(http),
    ]);
    assert_eq!(record.count, 1);
    assert_eq!(record.boots[0].steps[0].count, 3);
}

/// It asks DHCP itself after it, where nothing was left by who loaded it.
#[test]
fn the_script_that_ipxe_asks_for_by_itself_is_none_of_the_machine() {
    for name in ["autoexec.ipxe", "x86_64-sb/autoexec.ipxe"] {
        let first = fetched(FileKind::Script, name);
        let record = after(&[asks(UEFI), loader(), first, asks(IPXE), script()]);
        assert_eq!(record.boots.len(), 1, "{name}");
        let first = fetched(FileKind::Script, name);
        assert_eq!(super::step::stage(&first), Some(Stage::Ipxe), "{name}");
    }
}

#[test]
fn what_a_running_machine_does_is_no_boot() {
    let mut events = whole_boot();
    events.extend([asks(Client::Plain), mounted(), asks(Client::Plain)]);
    let record = after(&events);
    assert_eq!((record.count, record.boots[0].steps.len()), (1, 11));
    assert_eq!(record.heard, at(13));
    // A laptop is no machine that boots.
    assert_eq!(after(&[asks(Client::Plain)]).count, 0);
    // Nor is one that runs, and that a server which has started since hears of: it renews its lease, or looks for its root.
    let address = [10, 0, 0, 7].into();
    let loader = BootFile::None;
    for answer in [
        Answer::Acknowledged {
            address,
            loader: loader.clone(),
        },
        Answer::Informed { address, loader },
        Answer::RootAcknowledged { root: Vec::new() },
    ] {
        let client = INIT;
        assert_eq!(after(&[Event::DhcpAnswer { client, answer }]).count, 0);
    }
}

#[test]
fn a_running_machine_that_is_refused_its_address_asks_for_another_one_and_does_not_boot() {
    let answered = |answer| Event::DhcpAnswer {
        client: INIT,
        answer,
    };
    let (old, new) = ([10, 0, 0, 7].into(), [10, 0, 0, 8].into());
    let refused = || {
        answered(Answer::Refused {
            address: old,
            why: Refusal::OutOfRange,
        })
    };
    let loader = BootFile::None;
    let moves = vec![
        refused(),
        asks(INIT),
        asks(INIT),
        answered(Answer::Offered {
            address: new,
            loader: loader.clone(),
        }),
        answered(Answer::Acknowledged {
            address: new,
            loader,
        }),
    ];
    // A server that has started since knows nothing of it; another one has seen its boot.
    assert_eq!(after(&moves).count, 0);
    let record = after(&[whole_boot(), moves.clone()].concat());
    assert_eq!((record.count, record.boots[0].steps.len()), (1, 11));
    // Later its init boots again, or its firmware does.
    for first in [INIT, UEFI] {
        let record = after(&[&moves[..], &[asks(first)]].concat());
        assert_eq!(record.count, 1, "{first}");
    }
    assert_eq!(after(&[refused(), asks(UEFI), asks(INIT)]).count, 1);
    // As long as it has none, it goes on asking.
    let mut record = after(&[refused()]);
    for later in [4, 60, 120, 180, 240, 300] {
        record.apply(&asks(INIT), at(later));
        assert_eq!(record.count, 0, "{later} s later");
    }
    // One that was switched off since, or never asked itself, is not waited for.
    for (later, boots) in [(150, 0), (151, 1)] {
        let mut record = after(&[refused()]);
        record.apply(&asks(INIT), at(later));
        assert_eq!(record.count, boots, "{later} s later");
    }
    // One that boots, and is refused what it was offered, goes on with that boot.
    let record = after(&[asks(INIT), refused(), asks(INIT)]);
    assert_eq!((record.count, record.boots[0].steps.len()), (1, 2));
}

#[test]
fn a_boot_that_goes_on_after_a_failure_or_a_pause_is_the_same_boot() {
    let mut record = after(&[script(), kernel(), initrd(), failed("no link")]);
    assert_eq!(
        record.last().unwrap().outcome,
        Outcome::Failed("no link".to_owned())
    );
    record.apply(&asks(INIT), at(10));
    assert_eq!(record.last().unwrap().outcome, Outcome::Booting);
    record.boots[0].stopped(CauseOfDeath::InitStopped, at(500).now);
    record.apply(&booted(), at(600));
    assert_eq!(record.last().unwrap().outcome, Outcome::Running);
    assert_eq!(record.count, 1);
}

#[test]
fn a_machine_without_a_report_runs_once_it_reads() {
    let mut record = after(&[script(), kernel(), initrd(), mounted()]);
    record.used_nfs(50, 5000, at(10));
    assert_eq!(record.last().unwrap().stage, Stage::Reads);
    let changed = record.used_nfs(500, 5_000_000, at(12));
    assert!(changed.ended);
    assert_eq!(record.last().unwrap().outcome, Outcome::Running);
    assert_eq!(record.last().unwrap().nfs.calls, 550);
    // What its services read while they start is the boot's; what it reads later is not.
    record.used_nfs(100, 1000, at(72));
    record.used_nfs(1, 10, at(73));
    assert_eq!(record.last().unwrap().nfs_of_boot.calls, 650);
    assert_eq!(record.last().unwrap().nfs.calls, 651);
}

#[test]
fn the_json_has_what_api_md_documents() {
    let history = History::new();
    let whom = Whom {
        machine: Machine::Mac(MAC),
        address: Some([10, 0, 0, 7].into()),
    };
    let mut changes = history.subscribe();
    for event in whole_boot() {
        history.happened(Some(whom), &event);
    }
    history.identified(MAC, "00112233-4455-6677-8899-aabbccddeeff".parse().unwrap());
    assert_eq!(changes.try_recv().unwrap(), MAC);
    let machine = history.machine(MAC, &[]).unwrap();
    assert_eq!(history.summaries()[0].address.to_string(), machine.mac);
    let json = serde_json::to_value(&machine).unwrap();
    assert_eq!(json["state"], "running");
    assert_eq!(json["addresses"][0], "10.0.0.7");
    assert_eq!(json["boots"][0]["steps"][2]["kind"], "loader");
    assert_eq!(json["boots"][0]["steps"][2]["bytes"], 1000);
    // Each member of the example is there, and nothing else is.
    let document = include_str!("../../../API.md");
    let example = document.split("```json machine\n").nth(1).unwrap();
    let example: serde_json::Value =
        serde_json::from_str(example.split("```").next().unwrap()).unwrap();
    let names = |value: &serde_json::Value| -> Vec<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(names(&json), names(&example));
    let boot = &example["boots"][0];
    assert_eq!(names(&json["boots"][0]), names(boot));
    assert_eq!(
        names(&json["boots"][0]["steps"][2]),
        names(&boot["steps"][2])
    );
}
