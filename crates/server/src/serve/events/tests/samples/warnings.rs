//! At least one of every warning.

use std::time::Duration;

use netroot_initramfs::Architecture;

use super::ADDRESS;
use crate::confinement::Layer;
use crate::serve::events::warning::UnreadFile;
use crate::serve::events::*;

pub(in crate::serve::events::tests) fn warnings() -> Vec<Warning> {
    let (error, server) = (|| "no space left".to_owned(), ADDRESS.into());
    let interface = || "eth0".to_owned();
    vec![
        Warning::StateFolder {
            folder: "/var/lib/netroot".into(),
            error: error(),
        },
        Warning::NoDhcpServer {
            interface: interface(),
        },
        Warning::ForwardingBlocked {
            interface: interface(),
            by: "Docker (chain FORWARD in the table ip filter)".to_owned(),
            cure: vec!["iptables -I DOCKER-USER -i eth0 -j ACCEPT".to_owned()],
        },
        Warning::TwoDhcpServers { server },
        Warning::ClaimsBoot {
            server,
            class: "PXEClient".to_owned(),
            cures: Vec::new(),
        },
        Warning::NamesFile {
            server,
            file: "pxelinux.0".to_owned(),
            cures: Vec::new(),
        },
        Warning::LeasesNotAllowed {
            server,
            offers: server,
            interface: "eth0".to_owned(),
            networks: "10.1.0.0/24".to_owned(),
        },
        Warning::RangeNotAllowed {
            first: server,
            last: server,
        },
        Warning::OtherProxy { server },
        Warning::MissingLoader {
            architecture: Architecture::X86_64,
            loader: "snponly.efi",
            machines: "UEFI machines",
            searched: vec!["/usr/lib/ipxe".into(), "/usr/share/ipxe".into()],
        },
        Warning::SignedIpxe {
            error: "the boot loader is not signed".to_owned(),
        },
        Warning::SecureBoot {
            image: "debian".to_owned(),
            error: "shim is not signed".to_owned(),
        },
        Warning::SecureBootsUnreadable(UnreadFile {
            file: "/var/lib/netroot/secure-boot.json.unreadable".into(),
            error: error(),
            is_set_aside: true,
        }),
        Warning::SecureBootsUnreadable(UnreadFile {
            file: "/var/lib/netroot/secure-boot.json".into(),
            error: error(),
            is_set_aside: false,
        }),
        Warning::OrdersUnreadable(UnreadFile {
            file: "/var/lib/netroot/orders.json.unreadable".into(),
            error: error(),
            is_set_aside: true,
        }),
        Warning::OrdersUnreadable(UnreadFile {
            file: "/var/lib/netroot/orders.json".into(),
            error: error(),
            is_set_aside: false,
        }),
        Warning::OrdersUnwritable {
            file: "/var/lib/netroot/orders.json".into(),
            error: error(),
        },
        Warning::AddressNotKept {
            name: "pc1".to_owned(),
            address: ADDRESS.into(),
            why: NotKept::Proxy,
        },
        Warning::LeasesUnreadable {
            file: "/var/lib/netroot/leases-eth0.redb.unreadable".into(),
            error: error(),
        },
        Warning::LeasesUnwritable {
            file: "/var/lib/netroot/leases-eth0.redb".into(),
            error: error(),
        },
        Warning::NoPortmapper { error: error() },
        Warning::ExportKey {
            file: "/var/lib/netroot/export.key".into(),
            error: error(),
        },
        Warning::PrivateKeys {
            root: "/srv/debian".into(),
            files: vec!["/etc/ssh/ssh_host_rsa_key".to_owned()],
        },
        Warning::PasswordHashes {
            root: "/srv/debian".into(),
            files: vec!["/etc/shadow".to_owned(), "/etc/shadow-".to_owned()],
        },
        Warning::RootGone {
            root: "/srv/debian".into(),
        },
        Warning::ConfigurationKept {
            error: "/etc/netroot/conf.d/lab.toml:3: expected a value".to_owned(),
        },
        Warning::WithoutEffect {
            error: "/etc/netroot/netroot.toml:9: rule: no machine comes to this rule".to_owned(),
        },
        Warning::DropInLeftOut {
            error: "/etc/netroot/conf.d/lab.toml:3: expected a value".to_owned(),
        },
        Warning::SwapNotServed {
            image: Some("debian".to_owned()),
            error: "debian: /srv/new cannot be served".to_owned(),
        },
        Warning::TreeGone {
            error: "cannot open /srv/old: No such file or directory".to_owned(),
        },
        Warning::OtherHandles {
            root: "/srv/debian".into(),
            machines: (7..20).map(|last| [10, 0, 0, last].into()).collect(),
        },
        Warning::TakesRestart {
            what: vec!["[[network]]", "[server]"],
        },
        Warning::RootNotFollowed {
            root: "/srv/debian".into(),
            error: error(),
        },
        Warning::KernelKept {
            image: "debian".to_owned(),
            linux: "6.1.0-50-amd64".to_owned(),
            modules_gone: true,
            error: error(),
        },
        Warning::NoNicInitrd {
            image: "debian".to_owned(),
            nic: "8086:10d3".to_owned(),
            error: error(),
        },
        Warning::NoUnified {
            image: "debian".to_owned(),
            error: "there is no linuxx64.efi.stub".to_owned(),
        },
        Warning::UnifiedLeavesOut {
            image: "debian".to_owned(),
            left_out: vec!["systemd.hostname=${name}".to_owned()],
        },
        Warning::GenerationLeftOut {
            image: "guix@43".to_owned(),
            error: "cannot read /gnu".to_owned(),
        },
        Warning::GenerationMissing {
            image: "guix@42".to_owned(),
            by: "the default".to_owned(),
            ordered: false,
        },
        Warning::GenerationMissing {
            image: "guix@42".to_owned(),
            by: "an order for 52:54:00:12:34:56".to_owned(),
            ordered: true,
        },
        Warning::ImageKept {
            image: "rescue".to_owned(),
            error: error(),
        },
        Warning::LoadersKept { error: error() },
        Warning::NoControl {
            path: "/run/netroot-server/control".into(),
            error: error(),
        },
        Warning::IsolationEnded,
        Warning::SignerEnded,
        Warning::ApiCertificate {
            error: Some(error()),
        },
        Warning::ApiCertificate { error: None },
        Warning::ApiTokens {
            error: Some(error()),
        },
        Warning::ApiTokens { error: None },
        Warning::Hook {
            url: "http://127.0.0.1:9000/assign".to_owned(),
            error: error(),
            left_alone: Some(Duration::from_secs(10)),
        },
        Warning::ApiPlain {
            listen: "0.0.0.0:8070".to_owned(),
        },
        Warning::OwnRoot,
        Warning::Submounts(Submounted {
            root: "/srv/debian".into(),
            served: vec!["usr".to_owned()],
            unserved: vec![(
                "of this machine's kernel".to_owned(),
                vec!["proc".to_owned()],
            )],
        }),
        Warning::NoFileHandles {
            root: "/srv/debian".into(),
        },
        Warning::NoIpv6 {
            interface: interface(),
            error: error(),
        },
        Warning::NotOurFolder {
            folder: "/var/lib".into(),
            option: "--state",
            has_unified: false,
        },
        Warning::NotConfined {
            layer: Layer::Landlock,
        },
        Warning::RangeElsewhere {
            interface: "eth0".to_owned(),
            first: ADDRESS.into(),
            last: ADDRESS.into(),
        },
        Warning::NotFollowed {
            interface: "eth0".to_owned(),
            error: "UDP port 67 is taken".to_owned(),
        },
        Warning::RangeExhausted {
            first: ADDRESS.into(),
            last: ADDRESS.into(),
            leased: 199,
            set_aside: 1,
        },
    ]
}
