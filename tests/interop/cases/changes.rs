//! What changes while the server runs: its address, its interface.

use std::time::Duration;

use anyhow::{Context, Result};
use netroot_proto::dhcp::code;

use super::lab::{Answer, Lab, discover};
use super::row::Row;

const S07: (&str, &str) = ("S07", "openwrt/openwrt#9564, openwrt/openwrt#9618");

pub(super) fn rows() -> Result<Vec<Row>> {
    Ok(vec![
        Row::new(
            S07,
            "the server's address changes",
            "offers from 10.77.9.2; the script is served there",
            changed(
                "address-changes",
                "ip addr del 10.77.9.1/24 dev br0; ip addr add 10.77.9.2/24 brd + dev br0",
                "10.77.9.2",
            ),
        ),
        Row::new(
            S07,
            "the server's interface is deleted and made again",
            "offers from 10.77.9.1; the script is served there",
            changed(
                "interface-made-again",
                "ports=$(ls /sys/class/net/br0/brif); ip link del br0
                 ip link add br0 type bridge; ip addr add 10.77.9.1/24 brd + dev br0; ip link set br0 up
                 for port in $ports; do ip link set $port master br0; done",
                "10.77.9.1",
            ),
        ),
        Row::new(
            S07,
            "the server's interface goes down and up",
            "offers from 10.77.9.1; the script is served there",
            changed("down-and-up", "ip link set br0 down; ip link set br0 up", "10.77.9.1"),
        ),
    ])
}

/// What a machine is offered after these commands, and from where.
fn changed(name: &str, commands: &str, address: &str) -> Result<String> {
    let mut lab = Lab::new(name)?;
    lab.serve(&[])?;
    lab.net.shell(commands)?;
    let discover = discover()?;
    // As firmware does, until it is answered.
    let mut from = None;
    for _ in 0..60 {
        let answer = lab.ask_for(&discover, Duration::from_secs(1));
        if let Ok(Answer::Reply(reply)) = answer {
            from = reply.message.options.address(code::SERVER_ID);
            // The first one may have been on its way.
            if from.is_some_and(|from| from.to_string() == address) {
                break;
            }
        }
    }
    let Some(from) = from else {
        return Ok("no offer".to_owned());
    };
    let url = format!("http://{from}:8069/boot.ipxe");
    let fetch = [
        "curl",
        "-sS",
        "--retry",
        "60",
        "--retry-all-errors",
        "--retry-delay",
        "1",
    ];
    let fetch = [&fetch[..], &["--max-time", "60", &url]].concat();
    let script = lab.client.run(&fetch).context("fetch the script")?;
    Ok(match script.starts_with("#!ipxe") {
        true => format!("offers from {from}; the script is served there"),
        false => format!("offers from {from}, and {script}"),
    })
}
