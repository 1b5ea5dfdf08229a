//! `netroot bundle`: the messages of a boot that somebody reported are decided about once more, and the answers compared
//! with those that were sent.
//!
//! A bundle in `tests/captures/*.bundle` is replayed by `cargo test -p netroot-proto --test sim bundles`.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::time::Duration;

use netroot_proto::dhcp::options::Message;
use netroot_proto::dhcp::pool::Pool;
use netroot_proto::dhcp::request::Request;
use netroot_proto::pxe::client::Client;
use netroot_proto::pxe::decide::{Decision, decide};
use netroot_proto::pxe::inputs::{Arrival, BootOptions, Loader, Role, SignedLoader, SubnetOptions};
use netroot_proto::pxe::strategy::{LoaderChoice, Strategy, Style};
use serde_json::Value;

use super::captures::hex;
use super::decisions::HOUR;

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    let text = value[name].as_str();
    text.unwrap_or_else(|| panic!("no {name} in {value}"))
}

fn addresses(value: &Value) -> Vec<Ipv4Addr> {
    let all = value.as_array().unwrap().iter();
    all.map(|address| address.as_str().unwrap().parse().unwrap())
        .collect()
}

/// What is given with an address, and from which addresses.
fn gives(value: &Value) -> (SubnetOptions, Pool) {
    let ranges = value["ranges"].as_array().unwrap().iter();
    let ranges: Vec<(Ipv4Addr, Ipv4Addr)> = ranges
        .map(|range| (addresses(range)[0], addresses(range)[1]))
        .collect();
    let options = SubnetOptions {
        routers: addresses(&value["routers"]),
        dns: addresses(&value["dns"]),
        domain: value["domain"].as_str().map(str::to_owned),
        mtu: value["mtu"].as_u64().map(|mtu| mtu as u16),
        ntp: addresses(&value["ntp"]),
        ..SubnetOptions::new(Duration::from_secs(
            value["lease_seconds"].as_u64().unwrap(),
        ))
    };
    (options, Pool::of_ranges(&ranges, Vec::new()).unwrap())
}

/// The answer to a message of a bundle, decided now.
fn replay(line: &Value, pool: &mut Option<Pool>) -> Decision {
    let inputs = &line["inputs"];
    let request = Request::read(&hex(text(line, "payload"))).unwrap();
    let platform = Client::of(&request).platform();
    let loader = &inputs["loader"];
    let loaders: Vec<Loader> = platform
        .filter(|_| loader.is_object())
        .map(|platform| Loader {
            platform,
            first: text(loader, "first").to_owned(),
            second: loader["second"].as_str().map(str::to_owned),
            signed: loader["signed"].is_object().then(|| SignedLoader {
                file: text(&loader["signed"], "file").to_owned(),
                over_http: loader["signed"]["over_http"].as_bool().unwrap(),
                by_proxy: loader["signed"]["by_proxy"].as_bool().unwrap(),
            }),
        })
        .into_iter()
        .collect();
    let arrival = Arrival {
        interface: text(line, "interface").to_owned(),
        address: text(inputs, "server").parse().unwrap(),
        network: text(inputs, "network").parse().unwrap(),
        behind_relays: inputs["behind_relays"].as_bool().unwrap(),
        port: line["port"].as_u64().unwrap() as u16,
        source: text(line, "from").parse::<SocketAddrV4>().unwrap(),
    };
    let boots = BootOptions {
        http_port: inputs["http_port"].as_u64().unwrap() as u16,
        script_path: text(inputs, "script_path"),
        loaders: &loaders,
        root_path: inputs["root_path"].as_str().map(str::as_bytes),
        allowed: None,
        host_name: inputs["host_name"].as_str(),
        refused: inputs["refused"].as_bool().unwrap(),
    };
    let strategy = Strategy {
        style: match inputs["other_style"].as_bool().unwrap() {
            true => Style::Other,
            false => Style::Usual,
        },
        loader: match text(inputs, "loader_choice") {
            "first" => LoaderChoice::First,
            "signed" => LoaderChoice::Signed,
            "second" => LoaderChoice::Second,
            other => panic!("loader_choice {other:?}"),
        },
    };
    if inputs["gives"].is_null() {
        return decide(&request, &arrival, &boots, Role::Proxy, strategy, HOUR);
    }
    let (options, fresh) = gives(&inputs["gives"]);
    let role = Role::Authoritative {
        options: &options,
        pool: pool.get_or_insert(fresh),
    };
    decide(&request, &arrival, &boots, role, strategy, HOUR)
}

/// The address that a machine got may have been another one: its pool had leases. It is the same otherwise.
fn without_address(packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    packet[16..20].fill(0);
    packet
}

fn transaction(line: &Value) -> u32 {
    let packet = hex(text(line, "payload"));
    Message::read(&packet).unwrap().header.transaction
}

/// Decides about each message of a bundle. Each answer was sent, and nothing else was. Returns how many there are.
fn replayed(bundle: &str, name: &str) -> usize {
    let lines = bundle
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let lines: Vec<Value> = lines
        .filter(|line: &Value| line["part"] == "datagram")
        .collect();
    let (mut pool, mut answered) = (None, HashSet::new());
    for (number, line) in lines.iter().enumerate() {
        if line["way"] != "in" || line["inputs"].is_null() {
            continue;
        }
        let Decision::Reply(reply) = replay(line, &mut pool) else {
            continue;
        };
        // An answer may wait for a probe of its address, and come after the next message.
        let mut later = lines.iter().enumerate().skip(number + 1);
        let sent = later.find(|(at, later)| {
            let is_answer = later["way"] == "out" && transaction(later) == transaction(line);
            is_answer && !answered.contains(at)
        });
        let place = format!("{name}: datagram {}", number + 1);
        let (at, sent) = sent.unwrap_or_else(|| panic!("{place}: {reply:?}, and nothing was sent"));
        answered.insert(at);
        let sent = hex(text(sent, "payload"));
        assert_eq!(
            without_address(&reply.packet),
            without_address(&sent),
            "{place}"
        );
    }
    let sent = lines
        .iter()
        .enumerate()
        .filter(|(_, it)| it["way"] == "out");
    for (at, sent) in sent {
        assert!(
            answered.contains(&at),
            "{name}: {sent} was sent, and would not be now"
        );
    }
    answered.len()
}

#[test]
fn every_bundles_messages_are_answered_as_they_were() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/captures");
    let mut bundles = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|it| it == "bundle") {
            let bundle = std::fs::read_to_string(&path).unwrap();
            let name = path.display().to_string();
            assert!(replayed(&bundle, &name) > 0, "{name}: no answer");
            bundles += 1;
        }
    }
    assert!(bundles > 0, "there is no bundle");
}
