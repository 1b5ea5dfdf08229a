//! `EVENTS.md` and the JSON say the same: every kind, every field of it, every warning and every reason.

mod samples;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use netroot_printable::{Printable, is_printable};
use netroot_proto::pxe::arch::Platform;
use netroot_proto::pxe::client::Client;
use netroot_proto::pxe::decide::{Answer, BootFile, Refusal};
use serde_json::{Map, Value};

use self::samples::{ADDRESS, FIRMWARE, answers, fetches, image, listener, samples, warnings};
use super::*;

const DOCUMENT: &str = include_str!("../../../EVENTS.md");

/// What a heading of the document has below it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Kind {
    /// Fields that every event of the kind has.
    always: BTreeSet<String>,
    /// Fields that some events of the kind have.
    sometimes: BTreeSet<String>,
    /// By the value of `warning` or `reason`: the fields that come with it.
    values: BTreeMap<String, BTreeSet<String>>,
}

/// The words in backquotes of a table's cell.
fn words(cell: &str) -> BTreeSet<String> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

fn documented() -> BTreeMap<String, Kind> {
    let mut kinds: BTreeMap<String, Kind> = BTreeMap::new();
    let mut current = None;
    let mut lists_values = false;
    for line in DOCUMENT.lines() {
        if let Some(name) = line.strip_prefix("### `") {
            let name = name.trim_end_matches('`').to_owned();
            assert!(!kinds.contains_key(&name), "{name} is documented twice");
            kinds.insert(name.clone(), Kind::default());
            current = Some(name);
            continue;
        }
        let Some(kind) = current.as_ref().and_then(|name| kinds.get_mut(name)) else {
            continue;
        };
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let &["", first, second, _, ""] = &cells[..] else {
            continue;
        };
        if first.starts_with("Value of") || first == "Field" {
            lists_values = first != "Field";
            continue;
        }
        let Some(name) = words(first).pop_first() else {
            continue;
        };
        let is_new = match second {
            _ if lists_values => kind.values.insert(name, words(second)).is_none(),
            "always" => kind.always.insert(name),
            _ => kind.sometimes.insert(name),
        };
        assert!(is_new, "documented twice: {line}");
    }
    kinds
}

/// An event's line, read back.
fn object(event: &Event) -> Map<String, Value> {
    let text = event.to_string();
    let line = json::line("2026-11-26T01:34:58.123Z", None, event, &text).unwrap();
    serde_json::from_str(&line).unwrap()
}

#[test]
fn every_kind_and_every_field_is_documented_and_nothing_else_is() {
    let mut used: BTreeMap<String, Kind> = BTreeMap::new();
    for event in samples() {
        let mut object = object(&event);
        for member in ["time", "machine", "text"] {
            assert!(object.remove(member).is_some(), "{event:?} has no {member}");
        }
        let kind = object.remove("kind").unwrap();
        let kind = kind.as_str().unwrap().to_owned();
        let mut fields: BTreeSet<String> = object.keys().cloned().collect();
        let is_new = !used.contains_key(&kind);
        let known = used.entry(kind).or_default();
        let selector = match event {
            Event::Warning(_) => Some("warning"),
            Event::Ignored(_) => Some("reason"),
            _ => None,
        };
        if let Some(selector) = selector {
            let value = object[selector].as_str().unwrap().to_owned();
            let common = BTreeSet::from(["warning", "protocol", "reason"].map(str::to_owned));
            let own = fields.difference(&common).cloned().collect();
            fields = fields.intersection(&common).cloned().collect();
            if let Some(before) = known.values.insert(value.clone(), own) {
                assert_eq!(before, known.values[&value], "{value}");
            }
        }
        if is_new {
            known.always = fields;
        } else {
            let missing: Vec<String> = known.always.difference(&fields).cloned().collect();
            for field in missing {
                known.always.remove(&field);
                known.sometimes.insert(field);
            }
            known
                .sometimes
                .extend(fields.difference(&known.always).cloned());
        }
    }
    let documented = documented();
    for (kind, used) in &used {
        assert_eq!(
            Some(used),
            documented.get(kind),
            "{kind}: in the JSON and in EVENTS.md"
        );
    }
    let used: Vec<&String> = used.keys().collect();
    assert_eq!(used, documented.keys().collect::<Vec<_>>());
}

#[test]
fn a_line_of_json_needs_no_prose_to_be_understood() {
    let offer = Event::DhcpAnswer {
        client: FIRMWARE,
        answer: Answer::Offered {
            address: ADDRESS,
            loader: BootFile::Named("snponly.efi".to_owned()),
        },
    };
    let line = json::line("T", Some("52:54:00:12:34:56"), &offer, &offer.to_string());
    assert_eq!(
        line.as_deref(),
        Some(
            "{\"time\":\"T\",\"kind\":\"dhcp-offer\",\"machine\":\"52:54:00:12:34:56\",\"client\":\"pxe\",\
             \"platform\":\"efi-x64\",\"address\":\"10.0.0.101\",\"loader\":\"snponly.efi\",\
             \"text\":\"UEFI x64 PXE: offered 10.0.0.101, loads snponly.efi\"}"
        )
    );
}

#[test]
fn the_ready_event_has_every_image_and_every_interface() {
    let one = Ready {
        images: vec![image("debian")],
        listeners: vec![listener(None)],
    };
    assert_eq!(
        one.to_string(),
        "debian with Linux 6.1.0 on eth0 (10.0.0.1/24): ProxyDHCP, TFTP, http://10.0.0.1:8069/, \
         root 10.0.0.1:/debian,vers=3"
    );
    let range = |last| IpAddr::from(Ipv4Addr::new(10, 1, 0, last));
    let range = (range(100), range(200));
    let two = object(&Event::Ready(Ready {
        images: vec![image("debian"), image("alpine")],
        listeners: vec![listener(None), listener(Some(range))],
    }));
    assert_eq!(two["images"][1]["name"], "alpine");
    assert_eq!(two["images"][1]["root"], "10.0.0.1:/alpine,vers=3");
    assert_eq!(two["listeners"][0]["first"], Value::Null);
    assert_eq!(two["listeners"][0]["isolated"], false);
    assert_eq!(two["listeners"][1]["first"], "10.1.0.100");
    assert_eq!(two["listeners"][1]["last"], "10.1.0.200");
}

#[test]
fn numbers_have_their_unit_in_their_name() {
    let tftp = object(&fetches()[0]);
    assert_eq!(tftp["bytes"], 174_080);
    assert_eq!(tftp["seconds"], 0.012);
    assert_eq!(
        (&tftp["blksize"], &tftp["windowsize"]),
        (&1468.into(), &4.into())
    );
}

#[test]
fn what_a_machine_sent_is_harmless_on_a_terminal_in_either_format() {
    let failed = Event::BootFailed {
        attempt: 1,
        failure: "\u{9b}2J\u{1b}[2J\u{202e}gnp.exe\u{2028}".to_owned(),
        late: false,
    };
    let text = Printable(&failed.to_string()).to_string();
    let line = json::line("T", None, &failed, &text).unwrap();
    assert!(line.chars().all(is_printable), "{line}");
    let line = text::line("T", None, &failed, &text);
    assert!(line.chars().all(is_printable), "{line}");
}

#[test]
fn the_lines_that_adopt_a_machine_are_lines_of_their_own() {
    let adopt = "[machine.pc1]\nmac = \"52:54:00:12:34:56\"\nboot = \"debian\"  # or \"menu\"\n";
    let unknown = Event::Decided(Decided::Unknown {
        given: "menu".to_owned(),
        adopt: adopt.to_owned(),
        file: "/etc/netroot/netroot.toml".into(),
    });
    let lines: Vec<&str> = text::more_lines(&unknown).collect();
    assert_eq!(lines.join("\n") + "\n", adopt);
    assert_eq!(object(&unknown)["adopt"], adopt);
    assert_eq!(text::more_lines(&fetches()[0]).count(), 0);
}

#[test]
fn sentences_say_what_happened() {
    for (event, sentence) in [
        (answers()[0].clone(), "UEFI x64 PXE: loads snponly.efi"),
        (
            answers()[2].clone(),
            "netroot's init: offered the root 10.0.0.1:/debian",
        ),
        (
            (
                Client::Plain,
                Answer::Refused {
                    address: ADDRESS,
                    why: Refusal::OutOfRange,
                },
            ),
            "DHCP client: refused: 10.0.0.101 is not in the range",
        ),
        (
            (
                Client::Pxe(Platform::EfiArm64),
                Answer::Offered {
                    address: ADDRESS,
                    loader: BootFile::NoLoader(Platform::EfiArm64),
                },
            ),
            "UEFI arm64 PXE: offered 10.0.0.101; no boot loader for UEFI arm64: install iPXE's ipxe-arm64.efi \
             (Debian 13's package ipxe has it), or name its folder with --ipxe",
        ),
    ] {
        let (client, answer) = event;
        assert_eq!(Event::DhcpAnswer { client, answer }.to_string(), sentence);
    }
    assert_eq!(
        fetches()[0].to_string(),
        "TFTP snponly.efi: 174 kB in 0.01 s (blocks of 1468 bytes, windows of 4, 2 blocks repeated)"
    );
    let missing = warnings()[9].to_string();
    assert!(
        missing
            .starts_with("UEFI machines cannot boot: iPXE's snponly.efi is not in /usr/lib/ipxe, ")
    );
    assert!(missing.contains("apt install ipxe"));
}

#[test]
fn a_folder_that_is_not_netroots_is_told_with_what_is_lost_by_it() {
    for (option, has_unified) in [("--state", false), ("--cache", false), ("--cache", true)] {
        let warning = Warning::NotOurFolder {
            folder: "/srv/shared".into(),
            option,
            has_unified,
        };
        let text = warning.to_string();
        assert_eq!(text.contains("loses its unified kernel image"), has_unified);
        assert!(text.ends_with(&format!("{option} DIR")), "{text}");
    }
}
