//! Events for programs: the only place that makes JSON of them. `crates/server/EVENTS.md` documents it, and a test
//! holds the two against each other.

mod words;

use std::path::Path;
use std::time::Duration;

use netroot_net::Prefix;
use netroot_printable::Printable;
use netroot_proto::pxe::client::Client;
use netroot_proto::pxe::decide::{Answer, BootFile, Reason, Refusal};
use netroot_proto::pxe::probe::OtherServer;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::confinement::Layer;

use super::change::Change;
use super::decided::Decided;
use super::event::{Event, Fetch, Isolated, Ready, ReadyRange, StopCause, Transport};
use super::ignored::Ignored;
use super::interface_change::{InterfaceChange, Lack};
use super::text;
use super::warning::{NotKept, Warning};

/// One line: `time`, `kind` and `machine`, then the fields of the kind, then `text`.
pub(super) fn line(time: &str, machine: Option<&str>, event: &Event, text: &str) -> Option<String> {
    let mut members = Fields {
        are_cut: machine.is_some(),
        members: Vec::new(),
    };
    members.add("time", time);
    members.add("kind", words::kind(event));
    members.add("machine", machine);
    add_fields(&mut members, event);
    members.add("text", text);
    crate::json::to_string(&members).ok()
}

/// An event without its time and its machine.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Described {
    /// The kind.
    pub(crate) kind: &'static str,
    /// The fields of the kind.
    pub(crate) fields: Vec<(&'static str, Value)>,
    /// The sentence.
    pub(crate) text: String,
}

/// What an event about a machine is, in the words of `EVENTS.md`.
pub(crate) fn describe(event: &Event) -> Described {
    let mut fields = Fields {
        are_cut: true,
        members: Vec::new(),
    };
    add_fields(&mut fields, event);
    let mut sentence = Printable(&event.to_string()).to_string();
    text::cut(&mut sentence);
    Described {
        kind: words::kind(event),
        fields: fields.members,
        text: sentence,
    }
}

/// The members of an object, in the order in which they are written.
#[derive(Debug)]
struct Fields {
    /// A machine sent what the strings contain.
    are_cut: bool,
    members: Vec<(&'static str, Value)>,
}

impl Fields {
    fn add(&mut self, name: &'static str, value: impl Into<Value>) {
        let value = match value.into() {
            // A program may print it as it is.
            Value::String(text) => {
                let mut shown = Printable(&text).to_string();
                if self.are_cut {
                    text::cut(&mut shown);
                }
                Value::String(shown)
            }
            other => other,
        };
        self.members.push((name, value));
    }

    /// Seconds, to the millisecond.
    fn add_seconds(&mut self, time: Duration) {
        self.add("seconds", (time.as_secs_f64() * 1000.0).round() / 1000.0);
    }

    fn add_client(&mut self, client: Client) {
        self.add("client", words::client(client));
        if let Some(platform) = client.platform() {
            self.add("platform", words::platform(platform));
        }
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.members.iter().map(|(name, value)| (name, value)))
    }
}

fn add_fields(fields: &mut Fields, event: &Event) {
    match event {
        Event::InitrdBuilding { linux, modules } => {
            fields.add("linux", linux.as_str());
            fields.add("modules", modules.as_str());
        }
        Event::InitrdNote { note } => fields.add("note", note.as_str()),
        Event::InitrdBuilt { bytes, took } => {
            fields.add("bytes", *bytes);
            fields.add_seconds(*took);
        }
        Event::InitrdCached { bytes } => fields.add("bytes", *bytes),
        Event::InterfaceChanged { interface, change } => {
            fields.add("interface", interface.clone());
            add_interface_change(fields, change);
        }
        Event::LeasesRecovered { file } => fields.add("path", file.to_string_lossy()),
        Event::Change(change) => add_change(fields, change),
        Event::Warning(warning) => add_warning(fields, warning),
        Event::Ready(ready) => add_ready(fields, ready),
        Event::Stopped {
            signal,
            uptime,
            counters,
        } => {
            fields.add("signal", *signal);
            fields.add_seconds(*uptime);
            let counters = counters.iter().map(|(name, count)| (*name, json!(count)));
            fields.add("counters", counters.collect::<Value>());
        }
        Event::DhcpDiscover { client } => fields.add_client(*client),
        Event::DhcpAnswer { client, answer } => {
            fields.add_client(*client);
            add_answer(fields, answer);
        }
        Event::OtherOffered(other) => add_other_offer(fields, other),
        Event::DhcpRelease { address }
        | Event::DhcpDecline { address }
        | Event::AddressInUse { address } => {
            fields.add("address", address.to_string());
        }
        Event::Fetched(fetch) => add_fetch(fields, fetch),
        Event::FetchStopped {
            kind,
            name,
            sent,
            bytes,
            why,
        } => {
            fields.add("role", words::file_kind(*kind));
            fields.add("protocol", stop_protocol(why));
            fields.add("name", name.as_str());
            fields.add("bytes_sent", *sent);
            fields.add("bytes", *bytes);
            add_stop_cause(fields, why);
        }
        Event::Mounted { path } | Event::Unmounted { path } => fields.add("path", path.as_str()),
        Event::Booted {
            took,
            failed_attempts,
            linux,
        } => {
            fields.add_seconds(*took);
            fields.add("failed_attempts", *failed_attempts);
            fields.add("linux", linux.as_str());
        }
        Event::BootFailed {
            attempt,
            failure,
            late,
        } => {
            fields.add("attempt", *attempt);
            fields.add("failure", failure.as_str());
            fields.add("late", *late);
        }
        Event::BootStopped { stage, cause, .. } => {
            fields.add("stage", *stage);
            fields.add("cause", *cause);
        }
        Event::Decided(decided) => add_decided(fields, decided),
        Event::Ignored(ignored) => add_ignored(fields, ignored),
        Event::LinesLeftOut { lines } => fields.add("lines", *lines),
    }
}

fn add_other_offer(fields: &mut Fields, other: &OtherServer) {
    let text = |bytes: &Option<Vec<u8>>| {
        let bytes = bytes.as_ref();
        bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    };
    fields.add("server", other.server.to_string());
    fields.add("address", other.offers.map(|address| address.to_string()));
    fields.add("class", text(&other.class));
    fields.add("file", text(&other.boot_file));
}

fn add_decided(fields: &mut Fields, decided: &Decided) {
    match decided {
        Decided::Unknown { given, adopt } => {
            fields.add("given", given.as_str());
            fields.add("adopt", adopt.as_str());
        }
        Decided::Refused { client, why } => {
            fields.add_client(*client);
            fields.add("why", why.as_str());
        }
        Decided::BootsOnce { image } => fields.add("image", image.as_str()),
        Decided::EveryNic { drivers, reported } => {
            fields.add("drivers", drivers.as_str());
            fields.add("reported", *reported);
        }
        Decided::WentBack { failed, next } => {
            fields.add("failed", failed.as_str());
            fields.add("next", next.as_deref());
        }
        Decided::KeptAddressInUse { address } => fields.add("address", address.to_string()),
    }
}

fn add_ready(fields: &mut Fields, ready: &Ready) {
    let images = ready.images.iter().map(|image| {
        json!({
            "name": Printable(&image.name).to_string(),
            "kind": image.kind,
            "linux": image.linux.as_ref().map(|linux| Printable(linux).to_string()),
            "root": image.root.as_ref().map(|root| Printable(root).to_string()),
        })
    });
    fields.add("images", images.collect::<Value>());
    let listeners = ready.listeners.iter().map(|listener| {
        json!({
            "interface": Printable(&listener.interface).to_string(),
            "address": listener.address.to_string(),
            "prefix": listener.prefix,
            "others": listener.others.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "first": listener.ranges.first().map(|range| range.first.to_string()),
            "last": listener.ranges.first().map(|range| range.last.to_string()),
            "ranges": ranges(&listener.ranges),
            "isolated": listener.isolated.is_some(),
            "nat": listener.isolated == Some(Isolated::WithNat),
            "http_port": listener.http_port,
        })
    });
    fields.add("listeners", listeners.collect::<Value>());
}

fn ranges(ranges: &[ReadyRange]) -> Value {
    let ranges = ranges.iter().map(|range| {
        json!({
            "first": range.first.to_string(),
            "last": range.last.to_string(),
            "relayed": range.relayed.is_some(),
        })
    });
    ranges.collect()
}

fn add_answer(fields: &mut Fields, answer: &Answer) {
    match answer {
        Answer::Offered { address, loader }
        | Answer::Acknowledged { address, loader }
        | Answer::Informed { address, loader } => {
            fields.add("address", address.to_string());
            match loader {
                BootFile::None => {}
                BootFile::Named(file) => fields.add("loader", file.as_str()),
                BootFile::NoLoader(platform) => {
                    fields.add("no_loader_for", words::platform(*platform));
                }
                BootFile::NoArchitecture => fields.add("no_loader_for", "unknown"),
            }
        }
        Answer::Refused { address, why } => {
            fields.add("address", address.to_string());
            let reason = match why {
                Refusal::OtherNetwork => "other-network",
                Refusal::OutOfRange => "out-of-range",
                Refusal::InUse => "in-use",
                Refusal::HasAnother(_) => "has-another",
            };
            fields.add("reason", reason);
            if let Refusal::HasAnother(own) = why {
                fields.add("own_address", own.to_string());
            }
        }
        Answer::ProxyOffered { loader } | Answer::ProxyAcknowledged { loader } => {
            fields.add("loader", loader.as_str());
        }
        Answer::RootOffered { root } | Answer::RootAcknowledged { root } => {
            fields.add("root", String::from_utf8_lossy(root));
        }
    }
}

fn add_fetch(fields: &mut Fields, fetch: &Fetch) {
    let protocol = match fetch.by {
        Transport::Tftp { .. } => "tftp",
        Transport::Http => "http",
    };
    fields.add("protocol", protocol);
    fields.add("name", fetch.name.as_str());
    fields.add("bytes", fetch.bytes);
    fields.add_seconds(fetch.took);
    if let Transport::Tftp {
        block_size,
        window,
        repeated,
    } = fetch.by
    {
        fields.add("blksize", block_size);
        fields.add("windowsize", window);
        fields.add("blocks_repeated", repeated);
    }
    if let Some(chosen) = &fetch.chosen {
        fields.add("image", chosen.image());
        fields.add("why", chosen.why.as_str());
    }
}

fn stop_protocol(why: &StopCause) -> &'static str {
    match why {
        StopCause::TftpError { .. } | StopCause::TftpTimeout | StopCause::TftpUnreadable { .. } => {
            "tftp"
        }
        StopCause::HttpClosed => "http",
    }
}

fn add_stop_cause(fields: &mut Fields, why: &StopCause) {
    match why {
        StopCause::TftpError { code, message } => {
            fields.add("reason", "client-error");
            fields.add("code", *code);
            fields.add("message", message.as_str());
        }
        StopCause::TftpTimeout => fields.add("reason", "timeout"),
        StopCause::TftpUnreadable { error } => {
            fields.add("reason", "unreadable");
            fields.add("error", error.as_str());
        }
        StopCause::HttpClosed => fields.add("reason", "closed"),
    }
}

fn add_interface_change(fields: &mut Fields, change: &InterfaceChange) {
    let listed = |addresses: &[Prefix]| {
        let addresses = addresses.iter().map(|one| Value::from(one.to_string()));
        addresses.collect::<Vec<_>>()
    };
    match change {
        InterfaceChange::Lost(lack) => {
            fields.add("change", words::lack(*lack));
            if let Lack::NotTheAddress(address) = lack {
                fields.add("address", address.to_string());
            }
        }
        InterfaceChange::Back { addresses } => {
            fields.add("change", "back");
            fields.add("added", listed(addresses));
        }
        InterfaceChange::Differs(differences) => {
            fields.add("change", "differs");
            if let Some(name) = &differences.renamed_from {
                fields.add("renamed_from", name.clone());
            }
            fields.add("made_anew", differences.made_anew);
            fields.add("removed", listed(&differences.removed));
            fields.add("added", listed(&differences.added));
            if let Some(mac) = differences.mac {
                fields.add("mac", mac.to_string());
            }
            if let Some(mtu) = differences.mtu {
                fields.add("mtu", mtu);
            }
        }
    }
}

fn add_change(fields: &mut Fields, change: &Change) {
    match change {
        Change::RootReplaced { root } | Change::RootReleased { root } => {
            fields.add("path", root.to_string_lossy());
        }
        Change::KernelFound {
            image,
            linux,
            served,
            age,
            modules_gone,
        } => {
            fields.add("image", image.as_str());
            fields.add("linux", linux.as_str());
            fields.add("served", served.as_str());
            fields.add("age", words::age(*age));
            fields.add("modules_gone", *modules_gone);
        }
        Change::NewBoots { image, linux } => {
            fields.add("image", image.as_str());
            fields.add("linux", linux.as_str());
        }
        Change::NicInitrd {
            image,
            drivers,
            bytes,
            took,
        } => {
            fields.add("image", image.as_str());
            fields.add("drivers", drivers.as_str());
            fields.add("bytes", *bytes);
            fields.add_seconds(*took);
        }
        Change::LoaderReplaced { loader } => fields.add("loader", loader.as_str()),
        Change::ImageAdded { image }
        | Change::ImageChanged { image }
        | Change::ImageRemoved { image } => fields.add("image", image.as_str()),
        Change::AssignmentsChanged => {}
    }
}

fn add_warning(fields: &mut Fields, warning: &Warning) {
    match warning {
        Warning::StateFolder { folder, error } => {
            fields.add("warning", "state-folder");
            fields.add("path", folder.to_string_lossy());
            fields.add("error", error.as_str());
        }
        Warning::NotOurFolder { folder, option: _ } => {
            fields.add("warning", "not-our-folder");
            fields.add("path", folder.to_string_lossy());
        }
        Warning::NotConfined { layer } => {
            fields.add("warning", "not-confined");
            let layer = match layer {
                Layer::Landlock => "landlock",
                Layer::Seccomp => "seccomp",
            };
            fields.add("layer", layer);
        }
        Warning::NoDhcpServer { interface } => {
            fields.add("warning", "no-dhcp-server");
            fields.add("interface", interface.as_str());
        }
        Warning::IsolationEnded => fields.add("warning", "isolation-ended"),
        Warning::ForwardingBlocked {
            interface,
            by,
            cure,
        } => {
            fields.add("warning", "forwarding-blocked");
            fields.add("interface", interface.as_str());
            fields.add("by", by.as_str());
            fields.add("cure", cure.join(" && "));
        }
        Warning::TwoDhcpServers { server } => {
            fields.add("warning", "two-dhcp-servers");
            fields.add("server", server.to_string());
        }
        Warning::ClaimsBoot {
            server,
            class,
            cures: _,
        } => {
            fields.add("warning", "dhcp-claims-boot");
            fields.add("server", server.to_string());
            fields.add("class", class.as_str());
        }
        Warning::NamesFile {
            server,
            file,
            cures: _,
        } => {
            fields.add("warning", "dhcp-names-file");
            fields.add("server", server.to_string());
            fields.add("file", file.as_str());
        }
        Warning::LeasesNotAllowed {
            server,
            offers,
            interface,
            networks: _,
        } => {
            fields.add("warning", "leases-not-allowed");
            fields.add("server", server.to_string());
            fields.add("address", offers.to_string());
            fields.add("interface", interface.as_str());
        }
        Warning::RangeNotAllowed { first, last } => {
            fields.add("warning", "range-not-allowed");
            fields.add("first", first.to_string());
            fields.add("last", last.to_string());
        }
        Warning::OtherProxy { server } => {
            fields.add("warning", "other-proxy");
            fields.add("server", server.to_string());
        }
        Warning::MissingLoader {
            loader,
            machines,
            searched,
        } => {
            fields.add("warning", "missing-loader");
            fields.add("loader", *loader);
            fields.add("machines", *machines);
            let searched = searched
                .iter()
                .map(|folder| Printable(&folder.to_string_lossy()).to_string());
            fields.add("searched", searched.collect::<Value>());
        }
        Warning::OrdersUnreadable { file, error } => {
            fields.add("warning", "orders-unreadable");
            fields.add("path", file.to_string_lossy());
            fields.add("error", error.as_str());
        }
        Warning::OrdersUnwritable { file, error } => {
            fields.add("warning", "orders-unwritable");
            fields.add("path", file.to_string_lossy());
            fields.add("error", error.as_str());
        }
        Warning::AddressNotKept { name, address, why } => {
            fields.add("warning", "address-not-kept");
            fields.add("name", name.as_str());
            fields.add("address", address.to_string());
            let why = match why {
                NotKept::Proxy => "proxy",
                NotKept::Elsewhere => "elsewhere",
                NotKept::Taken => "taken",
            };
            fields.add("why", why);
        }
        Warning::LeasesUnreadable { file, error } => {
            fields.add("warning", "leases-unreadable");
            fields.add("path", file.to_string_lossy());
            fields.add("error", error.as_str());
        }
        Warning::LeasesUnwritable { file, error } => {
            fields.add("warning", "leases-unwritable");
            fields.add("path", file.to_string_lossy());
            fields.add("error", error.as_str());
        }
        Warning::NoPortmapper { error } => {
            fields.add("warning", "no-portmapper");
            fields.add("error", error.as_str());
        }
        Warning::ExportKey { file, error } => {
            fields.add("warning", "export-key");
            fields.add("path", file.to_string_lossy());
            fields.add("error", error.as_str());
        }
        Warning::ConfigurationKept { error } => {
            fields.add("warning", "configuration-kept");
            fields.add("error", error.as_str());
        }
        Warning::DropInLeftOut { error } => {
            fields.add("warning", "drop-in-left-out");
            fields.add("error", error.as_str());
        }
        Warning::TakesRestart { what } => {
            fields.add("warning", "takes-restart");
            fields.add("what", what.as_slice());
        }
        Warning::RootGone { root } => {
            fields.add("warning", "root-gone");
            fields.add("path", root.to_string_lossy());
        }
        Warning::RootNotFollowed { root, error } => {
            fields.add("warning", "root-not-followed");
            fields.add("path", root.to_string_lossy());
            fields.add("error", error.as_str());
        }
        Warning::KernelKept {
            image,
            linux,
            modules_gone,
            error,
        } => {
            fields.add("warning", "kernel-kept");
            fields.add("image", image.as_str());
            fields.add("linux", linux.as_str());
            fields.add("modules_gone", *modules_gone);
            fields.add("error", error.as_str());
        }
        Warning::NoNicInitrd { image, nic, error } => {
            fields.add("warning", "no-nic-initrd");
            fields.add("image", image.as_str());
            fields.add("nic", nic.as_str());
            fields.add("error", error.as_str());
        }
        Warning::ImageKept { image, error } => {
            fields.add("warning", "image-kept");
            fields.add("image", image.as_str());
            fields.add("error", error.as_str());
        }
        Warning::LoadersKept { error } => {
            fields.add("warning", "loaders-kept");
            fields.add("error", error.as_str());
        }
        Warning::NoControl { path, error } => {
            fields.add("warning", "no-control");
            fields.add("path", path.to_string_lossy());
            fields.add("error", error.as_str());
        }
        Warning::ApiCertificate { error } => {
            fields.add("warning", "api-certificate");
            fields.add("error", error.as_str());
        }
        Warning::Hook {
            url,
            error,
            left_alone,
        } => {
            fields.add("warning", "hook");
            fields.add("url", url.as_str());
            fields.add("error", error.as_str());
            fields.add("left_alone", left_alone.map(|time| time.as_secs()));
        }
        Warning::ApiPlain { listen } => {
            fields.add("warning", "api-plain");
            fields.add("listen", listen.as_str());
        }
        Warning::PrivateKeys { root, files } => {
            fields.add("warning", "private-keys");
            add_files(fields, root, files);
        }
        Warning::PasswordHashes { root, files } => {
            fields.add("warning", "password-hashes");
            add_files(fields, root, files);
        }
        Warning::OwnRoot => fields.add("warning", "own-root"),
        Warning::Submounts(below) => {
            fields.add("warning", "submounts");
            fields.add("root", below.root.to_string_lossy());
            let paths = |paths: &[String]| {
                let paths = paths.iter().map(|path| Printable(path).to_string());
                paths.collect::<Value>()
            };
            fields.add("served", paths(&below.served));
            let unserved = below.unserved.iter();
            let unserved = unserved.map(|(why, unserved)| (why.clone(), paths(unserved)));
            fields.add("unserved", unserved.collect::<Value>());
        }
        Warning::NoFileHandles { root } => {
            fields.add("warning", "no-file-handles");
            fields.add("root", root.to_string_lossy());
        }
        Warning::NoIpv6 { interface, error } => {
            fields.add("warning", "no-ipv6");
            fields.add("interface", interface.as_str());
            fields.add("error", error.as_str());
        }
        Warning::RangeElsewhere {
            interface,
            first,
            last,
        } => {
            fields.add("warning", "range-elsewhere");
            fields.add("interface", interface.clone());
            fields.add("first", first.to_string());
            fields.add("last", last.to_string());
        }
        Warning::NotFollowed { interface, error } => {
            fields.add("warning", "not-followed");
            fields.add("interface", interface.clone());
            fields.add("error", error.clone());
        }
        Warning::RangeExhausted {
            first,
            last,
            leased,
            set_aside,
        } => {
            fields.add("warning", "range-exhausted");
            fields.add("first", first.to_string());
            fields.add("last", last.to_string());
            fields.add("leased", *leased);
            fields.add("set_aside", *set_aside);
        }
    }
}

fn add_files(fields: &mut Fields, root: &Path, files: &[String]) {
    fields.add("root", root.to_string_lossy());
    let files = files.iter().map(|file| Printable(file).to_string());
    fields.add("files", files.collect::<Value>());
}

fn add_ignored(fields: &mut Fields, ignored: &Ignored) {
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
    fields.add("reason", words::ignored(ignored));
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
