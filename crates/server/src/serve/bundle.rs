//! `netroot bundle`: everything about one machine's last boot in one file, for a bug report.
//!
//! The file has a JSON object a line, so that a person can read it and `grep` finds something. Each has a `part`: `bundle` (the
//! first: what made it), `host`, `interface`, `image`, `dhcp-server` (another one that was found), `warning`, `machine`, `boot` (the last one at
//! the end), `datagram`, `script`, `file`. No secrets are in it ([`redaction`]). `tests/sim/bundles.rs` replays the messages.

mod digest;
mod redaction;

use std::net::Ipv4Addr;
use std::time::SystemTime;

use netroot_net::Mac;
use netroot_proto::pxe::inputs::{Loader, SignedLoader, SubnetOptions};
use netroot_proto::pxe::probe::OtherServer;
use netroot_proto::pxe::strategy::{LoaderChoice, Style};
use serde_json::{Map, Value, json};

use self::redaction::redact;
use crate::catalog::ArrivedAt;
use crate::serve::artifacts::{ArtifactStore, Content, Found};
use crate::serve::history::{Datagram, History, Inputs, MachineHistory, Way, utc};
use crate::serve::machines::Asker;
use crate::serve::status::Status;

/// The version of the format: parts and members may be added without a new one.
const FORMAT: u32 = 1;

/// The bundle of a machine, before its files have been read.
#[derive(Debug)]
pub(crate) struct Bundle {
    lines: Vec<Value>,
    /// What it loaded, with their names.
    files: Vec<(String, Content)>,
}

impl Bundle {
    /// What is known of `mac`; `None` if nothing is.
    pub(crate) fn of(
        mac: Mac,
        history: &History,
        status: &Status,
        artifacts: &ArtifactStore,
    ) -> Option<Self> {
        let ready = status.ready(&artifacts.catalog());
        let machine = history.machine(mac, &ready.listeners)?;
        let (datagrams, chosen) = history.last_boot(mac);
        let mut lines = vec![
            json!({
                "part": "bundle",
                "format": FORMAT,
                "version": env!("CARGO_PKG_VERSION"),
                "machine": mac.to_string(),
                "made": utc(now()),
                "uptime_seconds": status.started.elapsed().as_secs(),
            }),
            host(),
        ];
        lines.extend(ready.listeners.iter().map(|listener| {
            json!({
                "part": "interface",
                "interface": listener.interface,
                "address": format!("{}/{}", listener.address, listener.prefix),
                "mode": listener.mode(),
                "http_port": listener.http_port,
            })
        }));
        // As machines on the first interface mount it.
        let server = ready.listeners.first().map(|first| first.address);
        for image in artifacts.catalog().images() {
            lines.push(json!({
                "part": "image",
                "name": image.name,
                "kind": image.kind.word(),
                "linux": image.linux(),
                "append": image.append,
                "root": server.and_then(|server| image.nfsroot(server)),
            }));
        }
        let others = history.other_servers();
        lines.extend(
            others
                .iter()
                .map(|(interface, other)| other_server(interface, other)),
        );
        let files = loaded(&machine, artifacts);
        lines.extend(history.warnings().iter().map(|warning| {
            let mut line = json!({ "part": "warning" });
            merge(&mut line, warning);
            line
        }));
        lines.extend(machine_lines(machine));
        lines.extend(datagrams.iter().map(datagram));
        if let Some(chosen) = chosen {
            lines.push(json!({
                "part": "script",
                "image": chosen.image(),
                "why": chosen.why,
                "text": chosen.script,
            }));
        }
        Some(Self { lines, files })
    }

    /// The file. It reads what the machine loaded, which may wait for a disk.
    pub(crate) fn into_text(self) -> String {
        let mut lines = self.lines;
        for (name, content) in self.files {
            let hash = digest::sha256(&content);
            lines.push(json!({
                "part": "file",
                "name": name,
                "bytes": content.length(),
                "sha256": hash.ok(),
            }));
        }
        let mut text = String::new();
        for mut line in lines {
            redact(&mut line);
            text += &with_part_first(line);
            text.push('\n');
        }
        text
    }
}

/// A line of JSON that says first which part it is.
fn with_part_first(mut line: Value) -> String {
    let part = line.as_object_mut().and_then(|line| line.remove("part"));
    let part = part.unwrap_or_default();
    let rest = crate::json::to_string(&line).unwrap_or_default();
    let rest = rest.strip_prefix('{').unwrap_or("}");
    format!("{{\"part\":{part},{rest}")
}

/// The machine on one line, and each of its boots on another one.
fn machine_lines(machine: MachineHistory) -> Vec<Value> {
    let Ok(Value::Object(mut machine)) = serde_json::to_value(machine) else {
        return Vec::new();
    };
    let boots = machine.remove("boots");
    let mut lines = vec![part("machine", machine)];
    for boot in boots
        .as_ref()
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        if let Value::Object(boot) = boot {
            lines.push(part("boot", boot.clone()));
        }
    }
    lines
}

fn part(name: &str, members: Map<String, Value>) -> Value {
    let named = [("part".to_owned(), name.into())];
    Value::Object(named.into_iter().chain(members).collect())
}

fn merge(line: &mut Value, more: &impl serde::Serialize) {
    if let (Value::Object(line), Ok(Value::Object(more))) = (line, serde_json::to_value(more)) {
        line.extend(more);
    }
}

fn host() -> Value {
    let uname = rustix::system::uname();
    json!({
        "part": "host",
        "system": uname.sysname().to_string_lossy(),
        "release": uname.release().to_string_lossy(),
        "version": uname.version().to_string_lossy(),
        "architecture": uname.machine().to_string_lossy(),
    })
}

fn other_server(interface: &str, other: &OtherServer) -> Value {
    let text = |bytes: &Option<Vec<u8>>| {
        let bytes = bytes.as_ref();
        bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    };
    json!({
        "part": "dhcp-server",
        "interface": interface,
        "server": other.server.to_string(),
        "offers": other.offers.map(|offers| offers.to_string()),
        "claims_boot": other.claims_boot,
        "boot_file": text(&other.boot_file),
        "root_path": text(&other.root_path),
    })
}

fn datagram(datagram: &Datagram) -> Value {
    let time = utc(datagram.at.wall);
    let hex: String = datagram
        .payload
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    match &datagram.way {
        Way::In {
            interface,
            from,
            port,
            inputs,
        } => json!({
            "part": "datagram",
            "way": "in",
            "time": time,
            "interface": interface,
            "from": from.to_string(),
            "port": port,
            "inputs": inputs.as_deref().map(decided_by),
            "payload": hex,
        }),
        Way::Out { from, to } => json!({
            "part": "datagram",
            "way": "out",
            "time": time,
            "from": from.to_string(),
            "to": to.to_string(),
            "payload": hex,
        }),
    }
}

/// What the answer depended on.
fn decided_by(inputs: &Inputs) -> Value {
    let loader = inputs.loader.as_ref().map(
        |Loader {
             first,
             second,
             signed,
             ..
         }| {
            let signed = signed.as_ref().map(
                |SignedLoader {
                     file,
                     over_http,
                     by_proxy,
                 }| json!({ "file": file, "over_http": over_http, "by_proxy": by_proxy }),
            );
            json!({ "first": first, "second": second, "signed": signed })
        },
    );
    let choice = match inputs.strategy.loader {
        LoaderChoice::First => "first",
        LoaderChoice::Signed => "signed",
        LoaderChoice::Second => "second",
    };
    let gives = inputs.gives.as_ref().map(|(options, ranges)| {
        let ranges = ranges.iter();
        let ranges = ranges.map(|(first, last)| json!([first.to_string(), last.to_string()]));
        gives(options, ranges.collect())
    });
    json!({
        "server": inputs.server.to_string(),
        "network": inputs.network.to_string(),
        "behind_relays": inputs.behind_relays,
        "http_port": inputs.http_port,
        "script_path": inputs.script_path,
        "root_path": inputs.root_path,
        "loader": loader,
        "other_style": inputs.strategy.style == Style::Other,
        "loader_choice": choice,
        "host_name": inputs.host_name,
        "refused": inputs.refused,
        "gives": gives,
    })
}

fn gives(options: &SubnetOptions, ranges: Value) -> Value {
    let listed = |addresses: &[Ipv4Addr]| {
        let addresses = addresses
            .iter()
            .map(|address| Value::from(address.to_string()));
        addresses.collect::<Value>()
    };
    json!({
        "ranges": ranges,
        "lease_seconds": options.lease_time.as_secs(),
        "routers": listed(&options.routers),
        "dns": listed(&options.dns),
        "domain": options.domain,
        "mtu": options.mtu,
        "ntp": listed(&options.ntp),
    })
}

/// The files of the last boot that are still served.
fn loaded(machine: &MachineHistory, artifacts: &ArtifactStore) -> Vec<(String, Content)> {
    let steps = machine
        .boots
        .last()
        .into_iter()
        .flat_map(|boot| &boot.steps);
    let files = steps.filter(|step| ["loader", "kernel", "initrd", "file"].contains(&step.kind));
    let names = files.filter_map(|step| step.fields.get("name")?.as_str());
    let arrived = ArrivedAt {
        interface: "",
        server: Ipv4Addr::UNSPECIFIED.into(),
    };
    let found = names.filter_map(
        |name| match artifacts.find(name, &arrived, Asker::default) {
            Found::Artifact(artifact) => Some((name.to_owned(), artifact.content)),
            Found::InFolder(_) | Found::Nothing => None,
        },
    );
    found.collect()
}

fn now() -> std::time::Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}
