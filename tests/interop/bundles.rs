//! The bundles in `tests/captures`, which `tests/sim/bundles.rs` replays: exchanges with a running server.

#![allow(
    clippy::indexing_slicing,
    reason = "serde_json's values have null where there is nothing"
)]

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use netroot_harness::{NetrootServe, TinyRoot, paths};
use netroot_proto::dhcp::{MessageType, code};
use serde_json::Value;

use crate::firmware::{MACHINE, ask, lease_of, message_of};
use crate::lan::{HTTP, Network};

/// With this variable the bundles are written anew.
const WRITE: &str = "NETROOT_WRITE_EXPECTED";

/// What iPXE says beside firmware's options: who it is, and that it has HTTP (option 175.19).
const IPXE: [(u8, &[u8]); 2] = [(code::USER_CLASS, b"iPXE"), (code::IPXE, &[0x13, 1, 1])];

/// The lines of a bundle that have a message.
fn datagrams(bundle: &str) -> Result<Vec<Value>> {
    let lines = bundle.lines().map(serde_json::from_str::<Value>);
    let lines = lines.collect::<Result<Vec<_>, _>>()?;
    let of_dhcp = |line: &Value| line["part"] == "datagram";
    Ok(lines.into_iter().filter(of_dhcp).collect())
}

/// The names of all that answers depended on.
fn inputs(datagrams: &[Value]) -> BTreeSet<String> {
    let inputs = datagrams.iter().filter_map(|it| it["inputs"].as_object());
    inputs.flat_map(|it| it.keys().cloned()).collect()
}

/// Firmware and iPXE ask, and fetch the script. Returns the bundle.
fn exchanged(name: &str, arguments: &[&str]) -> Result<String> {
    let Network { net, client, .. } = Network::new(&format!("bundle-{name}"))?;
    client.shell(&format!(
        "ip link set eth0 address {MACHINE}; ip route replace default dev eth0"
    ))?;
    let root = TinyRoot::signed()?;
    let mut all = vec![
        "--interface",
        "br0",
        "--modules",
        "virtio_net",
        "--no-probe",
    ];
    all.extend(arguments);
    let _server = NetrootServe::start(&net, root.path(), &all)?;
    for options in [&[][..], &IPXE] {
        match arguments.contains(&"--dhcp") {
            true => lease_of(&client, MACHINE, options)?,
            false => ask(
                &client,
                &message_of(MACHINE, MessageType::Discover, options),
            )?,
        };
    }
    let url = format!("{HTTP}/boot/{}.ipxe", MACHINE.hyphenated());
    client.run(&["curl", "-sS", "--fail", "--max-time", "60", &url])?;
    let netroot = paths::netroot()?.display().to_string();
    let state = net.logs().join("state").display().to_string();
    let mac = MACHINE.to_string();
    net.run(&[&netroot, "bundle", &mac, "--state", &state, "-o", "-"])
}

#[test]
fn kept_bundles_have_all_that_a_running_servers_have() -> Result<()> {
    let range = ["--dhcp", "10.77.0.100-10.77.0.199"];
    let signed = [&range[..], &["--secure-boot", "always"]].concat();
    for (name, arguments, messages, choice) in [
        ("dhcp", &range[..], 4, "first"),
        ("proxy", &[], 2, "first"),
        ("signed", &signed, 4, "signed"),
    ] {
        let bundle = exchanged(name, arguments)?;
        let path = paths::workspace().join(format!("tests/captures/{name}.bundle"));
        if std::env::var_os(WRITE).is_some() {
            std::fs::write(&path, &bundle)?;
        }
        let now = datagrams(&bundle)?;
        let came = now.iter().filter(|it| it["way"] == "in");
        let came: Vec<&Value> = came.collect();
        ensure!(came.len() >= messages, "{name}: {now:#?}");
        let first = came.first().context("a message")?;
        ensure!(
            first["inputs"]["loader_choice"] == choice
                && first["inputs"]["loader"]["signed"].is_object(),
            "{name}: {first:#}"
        );
        let kept = datagrams(&std::fs::read_to_string(&path)?)?;
        assert_eq!(
            inputs(&kept),
            inputs(&now),
            "{}: {WRITE}=1 writes it anew",
            path.display()
        );
    }
    Ok(())
}
