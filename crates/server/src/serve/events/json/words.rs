//! The fixed words in the JSON: kinds, reasons, clients, platforms.

use netroot_nfs_export::{CallRefusal, Refusal as MountRefusal};
use netroot_proto::pxe::arch::Platform;
use netroot_proto::pxe::client::Client;
use netroot_proto::pxe::decide::{Answer, Reason};
use netroot_proto::tftp::name::NameError;

use crate::serve::artifacts::FileKind;
use crate::serve::events::change::{Age, Change};
use crate::serve::events::decided::Decided;
use crate::serve::events::event::{Event, Fetch};
use crate::serve::events::ignored::{Ignored, ReportRefusal};
use crate::serve::events::interface_change::Lack;
use crate::serve::url_path::PathError;

/// What happened, in one word: one for each kind of event.
pub(in crate::serve::events) fn kind(event: &Event) -> &'static str {
    match event {
        Event::InitrdBuilding { .. } => "initrd-building",
        Event::InitrdNote { .. } => "initrd-note",
        Event::InitrdBuilt { .. } => "initrd-built",
        Event::InitrdCached { .. } => "initrd-cached",
        Event::InterfaceChanged { .. } => "interface-changed",
        Event::Change(Change::RootReplaced { .. }) => "root-replaced",
        Event::Change(Change::RootReleased { .. }) => "root-released",
        Event::Change(Change::KernelFound { .. }) => "kernel-found",
        Event::Change(Change::NewBoots { .. }) => "new-boots",
        Event::Change(Change::NicInitrd { .. }) => "nic-initrd",
        Event::Change(Change::LoaderReplaced { .. }) => "loader-replaced",
        Event::Change(Change::ImageAdded { .. }) => "image-added",
        Event::Change(Change::ImageChanged { .. }) => "image-changed",
        Event::Change(Change::ImageRemoved { .. }) => "image-removed",
        Event::Change(Change::AssignmentsChanged) => "assignments-changed",
        Event::LeasesRecovered { .. } => "leases-recovered",
        Event::Warning(_) => "warning",
        Event::Ready(_) => "ready",
        Event::Stopped { .. } => "stopped",
        Event::DhcpDiscover { .. } => "dhcp-discover",
        Event::DhcpAnswer { answer, .. } => match answer {
            Answer::Offered { .. } => "dhcp-offer",
            Answer::Acknowledged { .. } => "dhcp-ack",
            Answer::Informed { .. } => "dhcp-inform",
            Answer::Refused { .. } => "dhcp-nak",
            Answer::ProxyOffered { .. } => "proxy-offer",
            Answer::ProxyAcknowledged { .. } => "proxy-ack",
            Answer::RootOffered { .. } => "root-offer",
            Answer::RootAcknowledged { .. } => "root-ack",
        },
        Event::OtherOffered(_) => "other-offer",
        Event::DhcpRelease { .. } => "dhcp-release",
        Event::DhcpDecline { .. } => "dhcp-decline",
        Event::AddressInUse { .. } => "address-in-use",
        Event::Fetched(Fetch { kind: file, .. }) => file_kind(*file),
        Event::FetchStopped { .. } => "fetch-stopped",
        Event::Mounted { .. } => "mount",
        Event::Unmounted { .. } => "unmount",
        Event::Booted { .. } => "booted",
        Event::BootFailed { .. } => "boot-failed",
        Event::BootStopped { .. } => "boot-stopped",
        Event::Decided(Decided::Unknown { .. }) => "unknown-machine",
        Event::Decided(Decided::Refused { .. }) => "refused",
        Event::Decided(Decided::BootsOnce { .. }) => "boots-once",
        Event::Decided(Decided::WentBack { .. }) => "went-back",
        Event::Decided(Decided::EveryNic { .. }) => "every-nic",
        Event::Decided(Decided::KeptAddressInUse { .. }) => "kept-address-in-use",
        Event::Ignored(_) => "ignored",
        Event::LinesLeftOut { .. } => "lines-left-out",
    }
}

/// What a file is to a boot.
pub(super) fn file_kind(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Loader => "loader",
        FileKind::Script => "script",
        FileKind::Kernel => "kernel",
        FileKind::Initrd => "initrd",
        FileKind::Other => "file",
    }
}

/// Why something is not answered, in one word: one for each reason, whatever the protocol.
pub(super) fn ignored(ignored: &Ignored) -> &'static str {
    match ignored {
        Ignored::Dhcp { reason, .. } => match reason {
            Reason::NotNetworkBoot => "not-network-boot",
            Reason::AsksForFile => "asks-for-file",
            Reason::NoArchitecture => "no-architecture",
            Reason::NeedsAddress => "needs-address",
            Reason::ForAnotherServer(_) => "other-server",
            Reason::NoLoader(_) => "no-loader",
            Reason::NoAnswerTo(_) => "no-such-answer",
            Reason::NotItsAddress => "not-its-address",
            Reason::NotFromItsAddress(_) => "not-from-its-address",
            Reason::RelayUnknown(_) => "relay-unknown",
            Reason::NoRoot => "no-root",
            Reason::RangeFull => "range-full",
            Reason::NoAddress => "no-address",
            Reason::NotAllowed { .. } => "not-allowed",
            Reason::RelayElsewhere { .. } => "relay-elsewhere",
            Reason::RangeElsewhere { .. } => "range-elsewhere",
            Reason::RouterUnknown(_) => "router-unknown",
            Reason::Port(_) => "wrong-port",
        },
        Ignored::DhcpHardware { .. } => "nameless",
        Ignored::Bootp => "bootp",
        Ignored::DhcpSend { .. } | Ignored::AdvertisementSend { .. } => "send-failed",
        Ignored::TftpWrite => "write",
        Ignored::TftpName(error) | Ignored::HttpPath(PathError::Name(error)) => match error {
            NameError::Empty => "empty-name",
            NameError::TooLong { .. } => "long-name",
            NameError::ParentDirectory => "name-with-dots",
            NameError::NotText => "name-not-text",
        },
        Ignored::HttpPath(PathError::Percent) => "bad-percent",
        Ignored::TftpUnknown { .. } | Ignored::HttpUnknown { .. } => "unknown-name",
        Ignored::TftpAddress { .. } => "other-network",
        Ignored::TftpTooMany => "too-many-transfers",
        Ignored::TftpSocket { .. } => "no-socket",
        Ignored::Report(refusal) => match refusal {
            ReportRefusal::NoMachine => "report-no-machine",
            ReportRefusal::NotItsToken => "report-not-its-token",
            ReportRefusal::NotItsOwn => "report-not-its-own",
            ReportRefusal::TooOften => "report-too-often",
            ReportRefusal::Body { .. } => "report-too-long",
            ReportRefusal::Meaningless => "report-meaningless",
        },
        Ignored::Mount { why, .. } => match why {
            MountRefusal::Address => "address-not-allowed",
            MountRefusal::NoSuchExport => "no-such-export",
            MountRefusal::NoSuchDirectory => "no-such-directory",
            MountRefusal::NotADirectory => "not-a-directory",
            MountRefusal::Path => "bad-path",
            MountRefusal::Failed => "unreadable",
            _ => "refused",
        },
        Ignored::NfsCall { why, .. } => match why {
            CallRefusal::Address => "call-not-allowed",
            CallRefusal::Credential => "credential",
        },
        Ignored::NfsTooManyConnections => "too-many-connections",
        Ignored::NfsOutOfThreads => "out-of-threads",
    }
}

/// A kernel's version beside the one that is served.
pub(super) fn age(age: Age) -> &'static str {
    match age {
        Age::Newer => "newer",
        Age::Older => "older",
        Age::Same => "same",
    }
}

/// What kind of client asks.
pub(super) fn client(client: Client) -> &'static str {
    match client {
        Client::Plain => "plain",
        Client::Init => "init",
        Client::Pxe(_) => "pxe",
        Client::Http(_) => "http-boot",
        Client::Ipxe(_) => "ipxe",
        Client::IpxeWithoutHttp(_) => "ipxe-without-http",
        Client::RaspberryPi => "raspberry-pi",
        Client::UBoot(_) => "u-boot",
        Client::Petitboot => "petitboot",
        Client::Firmware(_) => "firmware",
    }
}

/// What a client runs on.
pub(super) fn platform(platform: Platform) -> String {
    let word = match platform {
        Platform::Bios => "bios",
        Platform::EfiIa32 => "efi-ia32",
        Platform::EfiX64 => "efi-x64",
        Platform::EfiArm32 => "efi-arm32",
        Platform::EfiArm64 => "efi-arm64",
        Platform::EfiRiscv32 => "efi-riscv32",
        Platform::EfiRiscv64 => "efi-riscv64",
        Platform::EfiLoongarch32 => "efi-loongarch32",
        Platform::EfiLoongarch64 => "efi-loongarch64",
        Platform::RaspberryPi => "raspberry-pi",
        Platform::Unknown(number) => return format!("unknown-{number}"),
    };
    word.to_owned()
}

/// Why an interface cannot be served.
pub(in crate::serve::events) fn lack(lack: Lack) -> &'static str {
    match lack {
        Lack::Gone => "gone",
        Lack::Down => "down",
        Lack::NoAddress => "no-address",
        Lack::NotTheAddress(_) => "not-the-address",
    }
}
