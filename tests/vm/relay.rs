//! Machines behind a real relay (dnsmasq's), from the firmware to the root's init.

use anyhow::{Context, Result, ensure};
use netroot_harness::{
    Bridge, Dnsmasq, Net, NetrootServe, Nic, QUICK_KERNEL_PARAMETERS, RelayedNetwork, Rom,
    TinyRoot, VmBuilder,
};

use crate::lan::{Facts, MACHINE, SERVER, TIMEOUT};

/// The other DHCP server, in the server's network.
const MAIN: &str = "10.77.0.2";

/// Boots a machine behind a relay to `servers`; `serve` starts what answers.
fn boots_behind_a_relay<T>(
    name: &str,
    servers: &[&str],
    arguments: &[&str],
    beside: impl FnOnce(&Net, &Bridge) -> Result<T>,
) -> Result<()> {
    let net = Net::new(name)?;
    let bridge = net.bridge("br0", &format!("{SERVER}/24"))?;
    let relayed = RelayedNetwork::new(name, &net, &bridge, servers)?;
    let tap = relayed.far.tap("machine", &relayed.bridge)?;
    let _beside = beside(&net, &bridge)?;
    let root = TinyRoot::make()?;
    let mut all = vec!["--interface", "br0", "--modules", "virtio_net"];
    all.extend(["--no-probe", "--append", QUICK_KERNEL_PARAMETERS]);
    all.extend(arguments);
    let server = NetrootServe::start(&net, root.path(), &all)?;
    let nic = Nic::virtio(&tap, MACHINE).with_rom(Rom::Ipxe);
    let vm = VmBuilder::new(&relayed.far, "console").nic(nic).start()?;
    let facts = Facts::of(&vm)?;
    facts.assert_overlay();
    let addresses = facts.all("fib");
    ensure!(addresses.contains("|-- 10.88.0.1"), "{addresses}");
    server
        .output()
        .wait_for("root mounted ", "its report", TIMEOUT)
        .context("a report from behind the router")?;
    Ok(())
}

#[test]
fn a_machine_behind_a_relay_boots_with_an_address_from_us() -> Result<()> {
    let there = "10.88.0.100-10.88.0.199/24";
    let ranges = ["--dhcp", "10.77.0.100-10.77.0.199", "--dhcp", there];
    boots_behind_a_relay("relay-own", &[SERVER], &ranges, |_, _| Ok(()))
}

#[test]
fn a_machine_behind_a_relay_boots_beside_another_server() -> Result<()> {
    let allow = ["--allow", "10.88.0.0/24"];
    boots_behind_a_relay("relay-beside", &[MAIN, SERVER], &allow, |net, bridge| {
        let main = Net::new("relay-beside-main")?;
        net.cable(bridge, &main, "lan", &format!("{MAIN}/24"))?;
        main.shell(&format!(
            "ip route add default via {}",
            RelayedNetwork::NEAR
        ))?;
        let router = format!("--dhcp-option=3,{}", RelayedNetwork::FAR);
        let dnsmasq = Dnsmasq::start(&main, "lan", "10.88.0.100", "10.88.0.199", &[&router])?;
        Ok((dnsmasq, main))
    })
}
