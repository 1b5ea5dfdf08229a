//! The protocol of a request that was not answered, why in a word, and the fields of that reason.

use netroot_nfs_export::{CallRefusal, Refusal as MountRefusal};
use netroot_proto::pxe::decide::Reason;
use netroot_proto::tftp::name::NameError;

use super::{Ignored, ReportRefusal};
use crate::serve::events::fields::Fields;
use crate::serve::url_path::PathError;

/// The protocol, the reason, and its fields.
pub(in crate::serve::events) fn add_fields(fields: &mut Fields, ignored: &Ignored) {
    let protocol = match ignored {
        Ignored::Dhcp { .. }
        | Ignored::DhcpHardware { .. }
        | Ignored::Bootp
        | Ignored::DhcpSend { .. } => "dhcp",
        Ignored::AdvertisementSend { .. } => "icmpv6",
        Ignored::TftpWrite
        | Ignored::TftpName(_)
        | Ignored::TftpUnknown { .. }
        | Ignored::TftpAddress { .. }
        | Ignored::TftpTooMany
        | Ignored::TftpSocket { .. } => "tftp",
        Ignored::HttpPath(_) | Ignored::HttpUnknown { .. } | Ignored::Report(_) => "http",
        Ignored::Mount { .. }
        | Ignored::NfsCall { .. }
        | Ignored::NfsTooManyConnections
        | Ignored::NfsOutOfThreads => "nfs",
    };
    fields.add("protocol", protocol);
    fields.add("reason", reason(ignored));
    match ignored {
        Ignored::Dhcp { client, reason } => {
            fields.add_client(*client);
            match reason {
                Reason::ForAnotherServer(server) => {
                    fields.add("server", server.map(|server| server.to_string()));
                }
                Reason::NoAnswerTo(message) => fields.add("message", message.to_string()),
                Reason::RelayUnknown(relay) => {
                    fields.add("relay", relay.to_string());
                }
                Reason::NotAllowed { relay, client } => {
                    fields.add("relay", relay.map(|relay| relay.to_string()));
                    fields.add("address", client.to_string());
                }
                Reason::RelayElsewhere { relay, link } => {
                    fields.add("relay", relay.to_string());
                    fields.add("address", link.to_string());
                }
                Reason::RangeElsewhere { first, last } => {
                    fields.add("first", first.to_string());
                    fields.add("last", last.to_string());
                }
                Reason::RouterUnknown(network) => {
                    fields.add("network", network.network().to_string());
                }
                Reason::NotFromItsAddress(address) => fields.add("address", address.to_string()),
                Reason::Port(port) => fields.add("port", *port),
                Reason::NotNetworkBoot
                | Reason::AsksForFile
                | Reason::NoArchitecture
                | Reason::NeedsAddress
                | Reason::NoLoader(_)
                | Reason::NotItsAddress
                | Reason::NoRoot
                | Reason::RangeFull
                | Reason::NoAddress => {}
            }
        }
        Ignored::DhcpHardware { hardware, .. } => fields.add("hardware_type", *hardware),
        Ignored::DhcpSend { error } | Ignored::AdvertisementSend { error } => {
            fields.add("error", error.as_str());
        }
        Ignored::TftpSocket { name, error } => {
            fields.add("name", name.as_str());
            fields.add("error", error.as_str());
        }
        Ignored::TftpAddress { interface, client } => {
            fields.add("interface", interface.as_str());
            fields.add("address", client.to_string());
        }
        Ignored::TftpUnknown { name } | Ignored::HttpUnknown { name } => {
            fields.add("name", name.as_str());
        }
        Ignored::Mount { client, path, .. } => {
            fields.add("address", client.to_string());
            fields.add("path", path.as_str());
        }
        Ignored::NfsCall { client, .. } => fields.add("address", client.to_string()),
        Ignored::Bootp
        | Ignored::TftpWrite
        | Ignored::TftpName(_)
        | Ignored::TftpTooMany
        | Ignored::HttpPath(_)
        | Ignored::Report(_)
        | Ignored::NfsTooManyConnections
        | Ignored::NfsOutOfThreads => {}
    }
}

/// Why something is not answered, in one word: one for each reason, whatever the protocol.
fn reason(ignored: &Ignored) -> &'static str {
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
