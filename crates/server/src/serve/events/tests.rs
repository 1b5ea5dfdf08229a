//! `EVENTS.md` and the JSON say the same: every kind, every field of it, every warning and every reason.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use netroot_nfs_export::Refusal as MountRefusal;
use netroot_proto::dhcp::MessageType;
use netroot_proto::pxe::arch::Platform;
use netroot_proto::pxe::client::Client;
use netroot_proto::pxe::decide::{Answer, BootFile, Reason, Refusal};
use netroot_proto::tftp::name::NameError;
use serde_json::{Map, Value};

use super::*;
use crate::serve::artifacts::store::Role;
use crate::serve::url_path::PathError;

const DOCUMENT: &str = include_str!("../../../EVENTS.md");

const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 101);
const FIRMWARE: Client = Client::Pxe(Platform::EfiX64);

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

fn answers() -> Vec<(Client, Answer)> {
    let file = || BootFile::Named("snponly.efi".to_owned());
    let loader = || "snponly.efi".to_owned();
    let root = || b"10.0.0.1:/debian".to_vec();
    let missing = || BootFile::NoLoader(Platform::EfiArm64);
    let (plain, address) = (Client::Plain, ADDRESS);
    let mut answers = vec![
        (FIRMWARE, Answer::ProxyOffered { loader: loader() }),
        (FIRMWARE, Answer::ProxyAcknowledged { loader: loader() }),
        (Client::Init, Answer::RootOffered { root: root() }),
        (Client::Init, Answer::RootAcknowledged { root: root() }),
    ];
    for (client, loader) in [
        (FIRMWARE, file as fn() -> BootFile),
        (Client::Pxe(Platform::EfiArm64), missing),
        (plain, || BootFile::None),
    ] {
        let loader = || loader();
        answers.extend([
            (
                client,
                Answer::Offered {
                    address,
                    loader: loader(),
                },
            ),
            (
                client,
                Answer::Acknowledged {
                    address,
                    loader: loader(),
                },
            ),
            (
                client,
                Answer::Informed {
                    address,
                    loader: loader(),
                },
            ),
        ]);
    }
    for why in [
        Refusal::OtherNetwork,
        Refusal::OutOfRange,
        Refusal::InUse,
        Refusal::HasAnother(ADDRESS),
    ] {
        answers.push((plain, Answer::Refused { address, why }));
        answers.push((FIRMWARE, Answer::Refused { address, why }));
    }
    answers
}

fn fetches() -> Vec<Event> {
    let mut events = Vec::new();
    for role in [
        Role::Loader,
        Role::Script,
        Role::Kernel,
        Role::Initrd,
        Role::Other,
    ] {
        let tftp = Transport::Tftp {
            block_size: 1468,
            window: 4,
            repeated: 2,
        };
        for by in [tftp, Transport::Http] {
            events.push(Event::Fetched(Fetch {
                role,
                name: "snponly.efi".to_owned(),
                bytes: 174_080,
                took: Duration::from_millis(12),
                by,
            }));
        }
    }
    for why in [
        StopCause::TftpError {
            code: 0,
            message: "no".to_owned(),
        },
        StopCause::TftpTimeout,
        StopCause::TftpUnreadable {
            error: "input/output error".to_owned(),
        },
        StopCause::HttpClosed,
    ] {
        let name = "vmlinuz".to_owned();
        events.push(Event::FetchStopped {
            role: Role::Kernel,
            name,
            sent: 5,
            bytes: 10,
            why,
        });
    }
    events
}

fn warnings() -> Vec<Warning> {
    let (error, server) = (|| "no space left".to_owned(), ADDRESS);
    let interface = || "eth0".to_owned();
    vec![
        Warning::StateFolder {
            folder: "/var/lib/netroot".into(),
            error: error(),
        },
        Warning::NoDhcpServer {
            interface: interface(),
        },
        Warning::TwoDhcpServers { server },
        Warning::ClaimsBoot { server },
        Warning::NamesFile {
            server,
            file: "pxelinux.0".to_owned(),
        },
        Warning::OtherProxy { server },
        Warning::MissingLoader {
            loader: "snponly.efi",
            machines: "UEFI machines",
            searched: vec!["/usr/lib/ipxe".into(), "/usr/share/ipxe".into()],
        },
        Warning::LeasesUnreadable { error: error() },
        Warning::LeasesUnwritable { error: error() },
        Warning::NoPortmapper { error: error() },
        Warning::ExportKey {
            file: "/var/lib/netroot/export.key".into(),
            error: error(),
        },
        Warning::NoFileHandles,
        Warning::NoIpv6 {
            interface: interface(),
            error: error(),
        },
    ]
}

fn ignored() -> Vec<Ignored> {
    let error = || "network is unreachable".to_owned();
    let name = || "absent".to_owned();
    let dhcp = |client, reason| Ignored::Dhcp { client, reason };
    let mut all = vec![
        dhcp(FIRMWARE, Reason::ForAnotherServer(Some(ADDRESS))),
        dhcp(FIRMWARE, Reason::NoLoader(Platform::EfiX64)),
        Ignored::DhcpSend { error: error() },
        Ignored::AdvertisementSend { error: error() },
        Ignored::TftpWrite,
        Ignored::TftpUnknown { name: name() },
        Ignored::TftpTooMany,
        Ignored::TftpSocket {
            name: name(),
            error: error(),
        },
        Ignored::HttpPath(PathError::Percent),
        Ignored::HttpUnknown { name: name() },
        Ignored::NfsTooManyConnections,
        Ignored::NfsOutOfThreads,
    ];
    let plain = [
        Reason::NotNetworkBoot,
        Reason::NoArchitecture,
        Reason::NoAnswerTo(MessageType::Offer),
        Reason::NotItsAddress,
        Reason::NoRoot,
        Reason::RangeFull,
        Reason::NoAddress,
        Reason::RelayElsewhere(ADDRESS),
        Reason::Port(69),
    ];
    all.extend(plain.map(|reason| dhcp(Client::Plain, reason)));
    for error in [
        NameError::Empty,
        NameError::TooLong { len: 2000 },
        NameError::Climbs,
        NameError::NotText,
    ] {
        all.push(Ignored::TftpName(error.clone()));
        all.push(Ignored::HttpPath(PathError::Name(error)));
    }
    let reports = [
        ReportRefusal::NoMachine,
        ReportRefusal::NotItsOwn,
        ReportRefusal::TooOften,
        ReportRefusal::Body { most: 65536 },
        ReportRefusal::Meaningless,
    ];
    all.extend(reports.map(Ignored::Report));
    let mounts = [
        MountRefusal::Address,
        MountRefusal::NoSuchExport,
        MountRefusal::NoSuchDirectory,
        MountRefusal::NotADirectory,
        MountRefusal::Path,
        MountRefusal::Failed,
    ];
    all.extend(mounts.map(|why| Ignored::Mount {
        path: "/absent".to_owned(),
        why,
    }));
    all
}

fn image(name: &str) -> ReadyImage {
    ReadyImage {
        name: name.to_owned(),
        linux: "6.1.0".to_owned(),
        root: format!("10.0.0.1:/{name},vers=3"),
    }
}

fn listener(range: Option<(Ipv4Addr, Ipv4Addr)>) -> ReadyListener {
    ReadyListener {
        interface: "eth0".to_owned(),
        address: Ipv4Addr::new(10, 0, 0, 1),
        prefix: 24,
        range,
        http_port: 8069,
    }
}

/// At least one event of every variant. A new variant does not compile in [`is_sampled`]: give it a sample here.
fn samples() -> Vec<Event> {
    let (address, path) = (ADDRESS, || "/debian".to_owned());
    let linux = || "6.1.0-50-amd64".to_owned();
    let mut all = vec![
        Event::InitrdBuilding {
            linux: linux(),
            modules: "virtio_net".to_owned(),
        },
        Event::InitrdNote {
            note: "no module r8169".to_owned(),
        },
        Event::InitrdBuilt {
            bytes: 8_154_321,
            took: Duration::from_millis(3210),
        },
        Event::InitrdCached { bytes: 8_154_321 },
        Event::Ready(Ready {
            images: vec![image("debian")],
            listeners: vec![listener(None)],
        }),
        Event::Stopped {
            signal: "SIGTERM",
            uptime: Duration::from_secs(61),
            counters: vec![("dhcp_answered", 2), ("nfs_calls", 0)],
        },
        Event::DhcpDiscover { client: FIRMWARE },
        Event::DhcpDiscover {
            client: Client::Plain,
        },
        Event::DhcpRelease { address },
        Event::DhcpDecline { address },
        Event::Mounted { path: path() },
        Event::Unmounted { path: path() },
        Event::Booted {
            took: Duration::from_millis(1270),
            failed_attempts: 2,
            linux: linux(),
        },
        Event::BootFailed {
            attempt: 1,
            failure: "no carrier".to_owned(),
            late: false,
        },
        Event::BootFailed {
            attempt: 1,
            failure: "no carrier".to_owned(),
            late: true,
        },
    ];
    let answers = answers().into_iter();
    all.extend(answers.map(|(client, answer)| Event::DhcpAnswer { client, answer }));
    all.extend(fetches());
    all.extend(warnings().into_iter().map(Event::Warning));
    all.extend(ignored().into_iter().map(Event::Ignored));
    assert!(all.iter().all(is_sampled));
    all
}

fn is_sampled(event: &Event) -> bool {
    match event {
        Event::InitrdBuilding { .. }
        | Event::InitrdNote { .. }
        | Event::InitrdBuilt { .. }
        | Event::InitrdCached { .. }
        | Event::Ready(_)
        | Event::Stopped { .. }
        | Event::DhcpDiscover { .. }
        | Event::DhcpAnswer { .. }
        | Event::DhcpRelease { .. }
        | Event::DhcpDecline { .. }
        | Event::Fetched(_)
        | Event::FetchStopped { .. }
        | Event::Mounted { .. }
        | Event::Unmounted { .. }
        | Event::Booted { .. }
        | Event::BootFailed { .. } => true,
        Event::Warning(warning) => match warning {
            Warning::StateFolder { .. }
            | Warning::NoDhcpServer { .. }
            | Warning::TwoDhcpServers { .. }
            | Warning::ClaimsBoot { .. }
            | Warning::NamesFile { .. }
            | Warning::OtherProxy { .. }
            | Warning::MissingLoader { .. }
            | Warning::LeasesUnreadable { .. }
            | Warning::LeasesUnwritable { .. }
            | Warning::NoPortmapper { .. }
            | Warning::ExportKey { .. }
            | Warning::NoFileHandles
            | Warning::NoIpv6 { .. } => true,
        },
        Event::Ignored(ignored) => match ignored {
            Ignored::Dhcp { .. }
            | Ignored::DhcpSend { .. }
            | Ignored::AdvertisementSend { .. }
            | Ignored::TftpWrite
            | Ignored::TftpName(_)
            | Ignored::TftpUnknown { .. }
            | Ignored::TftpTooMany
            | Ignored::TftpSocket { .. }
            | Ignored::HttpPath(_)
            | Ignored::HttpUnknown { .. }
            | Ignored::Report(_)
            | Ignored::Mount { .. }
            | Ignored::NfsTooManyConnections
            | Ignored::NfsOutOfThreads => true,
        },
    }
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
    let range = (Ipv4Addr::new(10, 1, 0, 100), Ipv4Addr::new(10, 1, 0, 200));
    let two = object(&Event::Ready(Ready {
        images: vec![image("debian"), image("alpine")],
        listeners: vec![listener(None), listener(Some(range))],
    }));
    assert_eq!(two["images"][1]["name"], "alpine");
    assert_eq!(two["images"][1]["root"], "10.0.0.1:/alpine,vers=3");
    assert_eq!(two["listeners"][0]["first"], Value::Null);
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
        failure: "\u{9b}2J\u{1b}[2J".to_owned(),
        late: false,
    };
    let text = text::printable(&failed.to_string());
    let line = json::line("T", None, &failed, &text).unwrap();
    assert!(!line.chars().any(char::is_control), "{line}");
    assert!(
        !text::line("T", None, &failed, &text)
            .chars()
            .any(char::is_control)
    );
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
            "UEFI arm64 PXE: offered 10.0.0.101; no boot loader for UEFI arm64",
        ),
    ] {
        let (client, answer) = event;
        assert_eq!(Event::DhcpAnswer { client, answer }.to_string(), sentence);
    }
    assert_eq!(
        fetches()[0].to_string(),
        "TFTP snponly.efi: 174 kB in 0.01 s (blocks of 1468 bytes, windows of 4, 2 blocks repeated)"
    );
    let missing = warnings()[6].to_string();
    assert!(
        missing
            .starts_with("UEFI machines cannot boot: iPXE's snponly.efi is not in /usr/lib/ipxe, ")
    );
    assert!(missing.contains("apt install ipxe"));
}
