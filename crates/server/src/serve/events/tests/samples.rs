//! At least one event of every variant, with every choice of fields.

mod warnings;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use netroot_net::{Mac, Prefix};
use netroot_nfs_export::{CallRefusal, Refusal as MountRefusal};
use netroot_proto::dhcp::MessageType;
use netroot_proto::pxe::arch::Platform;
use netroot_proto::pxe::client::Client;
use netroot_proto::pxe::decide::{Answer, BootFile, Reason, Refusal};
use netroot_proto::pxe::probe::OtherServer;
use netroot_proto::tftp::name::NameError;

pub(super) use self::warnings::warnings;
use crate::serve::artifacts::{Chosen, FileKind, Follows};
use crate::serve::events::*;
use crate::serve::url_path::PathError;
use crate::settings::Choice;

pub(super) const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 101);
pub(super) const FIRMWARE: Client = Client::Pxe(Platform::EfiX64);

pub(super) fn answers() -> Vec<(Client, Answer)> {
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
        (plain, || BootFile::NoArchitecture),
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

pub(super) fn fetches() -> Vec<Event> {
    let mut events = Vec::new();
    for kind in [
        FileKind::Loader,
        FileKind::Script,
        FileKind::Kernel,
        FileKind::Initrd,
        FileKind::Other,
    ] {
        let tftp = Transport::Tftp {
            block_size: 1468,
            window: 4,
            repeated: 2,
        };
        for by in [tftp, Transport::Http] {
            events.push(Event::Fetched(Fetch {
                kind,
                name: "snponly.efi".to_owned(),
                bytes: 174_080,
                took: Duration::from_millis(12),
                by,
                chosen: None,
            }));
        }
    }
    events.push(Event::Fetched(Fetch {
        kind: FileKind::Script,
        name: "boot/52-54-00-12-34-56.ipxe".to_owned(),
        bytes: 1000,
        took: Duration::from_millis(1),
        by: Transport::Http,
        chosen: Some(Arc::new(Chosen {
            choice: Choice::Image("debian".to_owned()),
            why: "the default".to_owned(),
            follows: Follows::Root { reports: true },
            script: String::new(),
        })),
    }));
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
            kind: FileKind::Kernel,
            name,
            sent: 5,
            bytes: 10,
            why,
        });
    }
    events
}

fn ignored() -> Vec<Ignored> {
    let error = || "network is unreachable".to_owned();
    let name = || "absent".to_owned();
    let dhcp = |client, reason| Ignored::Dhcp { client, reason };
    let mut all = vec![
        dhcp(FIRMWARE, Reason::ForAnotherServer(Some(ADDRESS))),
        dhcp(FIRMWARE, Reason::NoLoader(Platform::EfiX64)),
        dhcp(
            Client::UBoot(Some(Platform::EfiArm64)),
            Reason::NeedsAddress,
        ),
        dhcp(Client::Petitboot, Reason::NeedsAddress),
        dhcp(
            Client::Firmware(Platform::Unknown(12)),
            Reason::NeedsAddress,
        ),
        Ignored::DhcpHardware { hardware: 32 },
        Ignored::Bootp,
        Ignored::DhcpSend { error: error() },
        Ignored::AdvertisementSend { error: error() },
        Ignored::TftpWrite,
        Ignored::TftpUnknown { name: name() },
        Ignored::TftpAddress {
            interface: "eth0".to_owned(),
            client: ADDRESS.into(),
        },
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
        Reason::AsksForFile,
        Reason::NoArchitecture,
        Reason::NoAnswerTo(MessageType::Offer),
        Reason::NotItsAddress,
        Reason::NotFromItsAddress(ADDRESS),
        Reason::RelayUnknown(ADDRESS),
        Reason::NoRoot,
        Reason::RangeFull,
        Reason::NoAddress,
        Reason::NotAllowed {
            relay: Some(ADDRESS),
            client: ADDRESS,
        },
        Reason::NotAllowed {
            relay: None,
            client: ADDRESS,
        },
        Reason::RelayElsewhere {
            relay: ADDRESS,
            link: ADDRESS,
        },
        Reason::RangeElsewhere {
            first: ADDRESS,
            last: ADDRESS,
        },
        Reason::RouterUnknown(Prefix::clamped(ADDRESS, 24)),
        Reason::Port(69),
    ];
    all.extend(plain.map(|reason| dhcp(Client::Plain, reason)));
    for error in [
        NameError::Empty,
        NameError::TooLong { len: 2000 },
        NameError::ParentDirectory,
        NameError::NotText,
    ] {
        all.push(Ignored::TftpName(error.clone()));
        all.push(Ignored::HttpPath(PathError::Name(error)));
    }
    let reports = [
        ReportRefusal::NoMachine,
        ReportRefusal::NotItsToken,
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
        client: [10, 88, 0, 77].into(),
        path: "/absent".to_owned(),
        why,
    }));
    let calls = [CallRefusal::Address, CallRefusal::Credential];
    all.extend(calls.map(|why| Ignored::NfsCall {
        client: [10, 88, 0, 77].into(),
        why,
    }));
    all
}

pub(super) fn image(name: &str) -> ReadyImage {
    ReadyImage {
        name: name.to_owned(),
        kind: "root",
        linux: Some("6.1.0".to_owned()),
        root: Some(format!("10.0.0.1:/{name},vers=3")),
    }
}

fn interface_changed(change: InterfaceChange) -> Event {
    Event::InterfaceChanged {
        interface: "eth0".to_owned(),
        change,
    }
}

pub(super) fn listener(range: Option<(IpAddr, IpAddr)>) -> ReadyListener {
    ReadyListener {
        interface: "eth0".to_owned(),
        address: Ipv4Addr::new(10, 0, 0, 1).into(),
        prefix: 24,
        others: Vec::new(),
        ranges: range
            .map(|(first, last)| ReadyRange {
                first,
                last,
                relayed: None,
            })
            .into_iter()
            .collect(),
        isolated: None,
        http_port: 8069,
    }
}

fn changes() -> Vec<Change> {
    let (image, root) = (|| "debian".to_owned(), || "/srv/debian".into());
    let linux = || "6.1.0-51-amd64".to_owned();
    let mut changes: Vec<Change> = [Age::Newer, Age::Older, Age::Same]
        .into_iter()
        .map(|age| Change::KernelFound {
            image: image(),
            linux: linux(),
            served: "6.1.0-50-amd64".to_owned(),
            age,
            modules_gone: age == Age::Newer,
        })
        .collect();
    changes.extend([
        Change::RootReplaced { root: root() },
        Change::RootReleased { root: root() },
        Change::NewBoots {
            image: image(),
            linux: linux(),
        },
        Change::NicInitrd {
            image: image(),
            drivers: "e1000e".to_owned(),
            bytes: 1_576_151,
            took: Duration::from_millis(500),
        },
        Change::ImageSwapped {
            image: image(),
            root: "/srv/new".into(),
            before: root(),
        },
        Change::SwapServed {
            image: image(),
            root: "/srv/new".into(),
            configured: root(),
        },
        Change::TreeLetGo { root: root() },
        Change::LoaderReplaced {
            loader: "snponly.efi".to_owned(),
        },
        Change::GenerationsLimited {
            image: image(),
            offered: 5,
            all: 7,
        },
        Change::ImageAdded { image: image() },
        Change::ImageChanged { image: image() },
        Change::ImageRemoved { image: image() },
        Change::AssignmentsChanged,
        Change::ConfigurationServed,
    ]);
    changes
}

/// At least one event of every variant. A new variant does not compile in [`is_sampled`]: give it a sample here.
pub(super) fn samples() -> Vec<Event> {
    let (address, path) = (ADDRESS.into(), || "/debian".to_owned());
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
        interface_changed(InterfaceChange::Lost(Lack::Gone)),
        interface_changed(InterfaceChange::Lost(Lack::Down)),
        interface_changed(InterfaceChange::Lost(Lack::NoAddress)),
        interface_changed(InterfaceChange::Lost(Lack::NotTheAddress(address))),
        interface_changed(InterfaceChange::Back {
            addresses: vec![Prefix::clamped(ADDRESS, 24)],
        }),
        interface_changed(InterfaceChange::Differs(Differences {
            renamed_from: Some("eth1".to_owned()),
            made_anew: true,
            removed: vec![Prefix::clamped(ADDRESS, 16)],
            added: vec![Prefix::clamped(ADDRESS, 24)],
            mac: Some(Mac([2, 0, 0, 0, 0, 1])),
            mtu: Some(9000),
        })),
        Event::LeasesRecovered {
            file: "/var/lib/netroot/leases-eth0.redb".into(),
        },
        Event::Ready(Ready {
            images: vec![image("debian")],
            listeners: vec![listener(None)],
        }),
        Event::Stopped {
            signal: "SIGTERM",
            uptime: Duration::from_secs(61),
            counters: vec![("dhcp_answered", 2), ("nfs_calls", 0)],
        },
        Event::LinesLeftOut { lines: 19_872 },
        Event::DhcpDiscover { client: FIRMWARE },
        Event::DhcpDiscover {
            client: Client::Plain,
        },
        Event::DhcpRelease { address },
        Event::DhcpDecline { address },
        Event::AddressInUse { address },
        Event::Mounted { path: path() },
        Event::Unmounted { path: path() },
        Event::Booted {
            took: Duration::from_millis(1270),
            failed_attempts: 2,
            linux: linux(),
        },
        Event::BootStopped {
            stage: "kernel",
            cause: "initrd-not-asked",
            sentence: "the kernel was loaded and the initrd never".to_owned(),
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
        Event::Decided(Decided::Unknown {
            given: "debian".to_owned(),
            adopt: "[machine.pc-525400123456]\nmac = \"52:54:00:12:34:56\"\n".to_owned(),
            file: "/etc/netroot/netroot.toml".into(),
        }),
        Event::Decided(Decided::Refused {
            client: FIRMWARE,
            why: "the default".to_owned(),
        }),
        Event::OtherOffered(OtherServer {
            server: ADDRESS,
            offers: Some(ADDRESS),
            claims_boot: true,
            class: Some(b"PXEClient".to_vec()),
            boot_file: Some(b"pxelinux.0".to_vec()),
            root_path: None,
        }),
        Event::Decided(Decided::BootsOnce {
            image: "rescue".to_owned(),
        }),
        Event::Decided(Decided::EveryNic {
            drivers: "e1000e".to_owned(),
            reported: true,
        }),
        Event::Decided(Decided::GivenSigned {
            refused: "snponly.efi".to_owned(),
            signed: "images/debian/shimx64.efi".to_owned(),
            why: WhySigned::Refused,
        }),
        Event::Decided(Decided::WentBack {
            failed: "new".to_owned(),
            next: Some("debian".to_owned()),
        }),
        Event::Decided(Decided::KeptAddressInUse { address }),
    ];
    let answers = answers().into_iter();
    all.extend(answers.map(|(client, answer)| Event::DhcpAnswer { client, answer }));
    all.extend(changes().into_iter().map(Event::Change));
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
        | Event::InterfaceChanged { .. }
        | Event::LeasesRecovered { .. }
        | Event::Ready(_)
        | Event::Stopped { .. }
        | Event::LinesLeftOut { .. }
        | Event::DhcpDiscover { .. }
        | Event::DhcpAnswer { .. }
        | Event::OtherOffered(_)
        | Event::DhcpRelease { .. }
        | Event::DhcpDecline { .. }
        | Event::AddressInUse { .. }
        | Event::Fetched(_)
        | Event::FetchStopped { .. }
        | Event::Mounted { .. }
        | Event::Unmounted { .. }
        | Event::Booted { .. }
        | Event::BootFailed { .. }
        | Event::BootStopped { .. } => true,
        Event::Decided(decided) => match decided {
            Decided::Unknown { .. }
            | Decided::Refused { .. }
            | Decided::BootsOnce { .. }
            | Decided::WentBack { .. }
            | Decided::EveryNic { .. }
            | Decided::GivenSigned { .. }
            | Decided::KeptAddressInUse { .. } => true,
        },
        Event::Change(change) => match change {
            Change::RootReplaced { .. }
            | Change::NicInitrd { .. }
            | Change::RootReleased { .. }
            | Change::KernelFound { .. }
            | Change::NewBoots { .. }
            | Change::ImageSwapped { .. }
            | Change::SwapServed { .. }
            | Change::TreeLetGo { .. }
            | Change::LoaderReplaced { .. }
            | Change::GenerationsLimited { .. }
            | Change::ImageAdded { .. }
            | Change::ImageChanged { .. }
            | Change::ImageRemoved { .. }
            | Change::AssignmentsChanged
            | Change::ConfigurationServed => true,
        },
        Event::Warning(warning) => match warning {
            Warning::StateFolder { .. }
            | Warning::NotOurFolder { .. }
            | Warning::NotConfined { .. }
            | Warning::NoDhcpServer { .. }
            | Warning::IsolationEnded
            | Warning::SignerEnded
            | Warning::ForwardingBlocked { .. }
            | Warning::TwoDhcpServers { .. }
            | Warning::ClaimsBoot { .. }
            | Warning::NamesFile { .. }
            | Warning::LeasesNotAllowed { .. }
            | Warning::RangeNotAllowed { .. }
            | Warning::OtherProxy { .. }
            | Warning::MissingLoader { .. }
            | Warning::SignedIpxe { .. }
            | Warning::SecureBoot { .. }
            | Warning::SecureBootsUnreadable(_)
            | Warning::OrdersUnreadable(_)
            | Warning::OrdersUnwritable { .. }
            | Warning::AddressNotKept { .. }
            | Warning::LeasesUnreadable { .. }
            | Warning::LeasesUnwritable { .. }
            | Warning::NoPortmapper { .. }
            | Warning::ExportKey { .. }
            | Warning::PrivateKeys { .. }
            | Warning::PasswordHashes { .. }
            | Warning::OwnRoot
            | Warning::Submounts(_)
            | Warning::NoFileHandles { .. }
            | Warning::NoIpv6 { .. }
            | Warning::RangeElsewhere { .. }
            | Warning::NotFollowed { .. }
            | Warning::RootGone { .. }
            | Warning::RootNotFollowed { .. }
            | Warning::KernelKept { .. }
            | Warning::NoNicInitrd { .. }
            | Warning::NoUnified { .. }
            | Warning::UnifiedLeavesOut { .. }
            | Warning::GenerationLeftOut { .. }
            | Warning::GenerationMissing { .. }
            | Warning::ImageKept { .. }
            | Warning::LoadersKept { .. }
            | Warning::ConfigurationKept { .. }
            | Warning::WithoutEffect { .. }
            | Warning::DropInLeftOut { .. }
            | Warning::SwapNotServed { .. }
            | Warning::TreeGone { .. }
            | Warning::OtherHandles { .. }
            | Warning::TakesRestart { .. }
            | Warning::NoControl { .. }
            | Warning::ApiCertificate { .. }
            | Warning::ApiTokens { .. }
            | Warning::ApiPlain { .. }
            | Warning::Hook { .. }
            | Warning::RangeExhausted { .. } => true,
        },
        Event::Ignored(ignored) => match ignored {
            Ignored::Dhcp { .. }
            | Ignored::DhcpSend { .. }
            | Ignored::AdvertisementSend { .. }
            | Ignored::TftpWrite
            | Ignored::TftpName(_)
            | Ignored::TftpUnknown { .. }
            | Ignored::TftpAddress { .. }
            | Ignored::TftpTooMany
            | Ignored::TftpSocket { .. }
            | Ignored::HttpPath(_)
            | Ignored::HttpUnknown { .. }
            | Ignored::Report(_)
            | Ignored::Mount { .. }
            | Ignored::NfsCall { .. }
            | Ignored::NfsTooManyConnections
            | Ignored::DhcpHardware { .. }
            | Ignored::Bootp
            | Ignored::NfsOutOfThreads => true,
        },
    }
}
