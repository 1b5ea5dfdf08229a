//! Slow and lossy networks: a machine waits for what is late, and boots as soon as it is available.

use std::time::Duration;

use anyhow::{Context, Result};
use netroot_harness::{
    Clients, DhcpMessage, Dnsmasq, Ganesha, Loss, Net, Nic, Switch, SwitchConfig, TinyRoot, Vm,
};

use crate::lan::{Facts, Lan, MACHINE, SERVER, STATIC, TIMEOUT, own_export};

/// The machine's other card.
const OTHER: &str = "52:54:00:77:00:02";

/// A DISCOVER's message type.
const DISCOVER: u8 = 1;

fn assert_never_failed(vm: &Vm) {
    let text = vm.console().text();
    assert!(!text.contains("netroot: boot failed"), "{text}");
}

// A spanning tree (IEEE 802.1D: two times 15 s, and the time to start): the carrier is present at once, but nothing
// passes.
#[test]
fn a_switch_port_blocked_for_45_seconds_is_waited_for_with_one_transaction() -> Result<()> {
    let lan = Lan::new("spanning-tree")?;
    let config = SwitchConfig {
        silence: Duration::from_secs(45),
        ..SwitchConfig::default()
    };
    let switch = Switch::start(&lan.net, &lan.bridge, "stp", 1, config)?;
    let root = TinyRoot::make()?;
    let _server = lan.serve(root.path(), &[])?;
    let machine = lan.machine().nic(Nic::virtio(switch.port(0)?, MACHINE));
    let command_line = format!("{} ip=dhcp ro", own_export(root.path())?);
    let vm = lan.boot_with(machine, &command_line)?;
    let waits = "netroot: waiting for a DHCP server to answer on eth0 (";
    let waits = vm.wait_for(waits, "the machine's word that it waits", TIMEOUT)?;
    Facts::of(&vm)?.assert_read_only_nfs();
    assert_never_failed(&vm);
    let lease = vm.wait_for("netroot: eth0: lease ", "the lease", TIMEOUT)?;
    assert!(waits.end < lease.end);

    let asked: Vec<DhcpMessage> = switch.dhcp_messages();
    let lost = asked.iter().take_while(|question| !question.passed).count();
    assert!(lost >= 2, "it did not ask again: {asked:#?}");
    let (in_vain, heard) = asked.split_at(lost);
    let first = heard.first();
    assert!(first.is_some_and(|q| q.kind == DISCOVER), "{asked:#?}");
    // One transaction, sent repeatedly: an answer to any copy counts.
    let asked: Vec<&DhcpMessage> = in_vain.iter().chain(first).collect();
    for pair in asked.windows(2) {
        assert_eq!(pair[0].kind, DISCOVER, "{pair:?}");
        assert_eq!(pair[0].transaction, pair[1].transaction, "{pair:?}");
    }
    Ok(())
}

#[test]
fn a_nic_that_appears_after_20_seconds_is_used() -> Result<()> {
    let lan = Lan::new("late-card")?;
    let root = TinyRoot::make()?;
    let _server = lan.serve(root.path(), &[])?;
    let machine = lan.machine().nic(Nic::virtio(&lan.tap, MACHINE).later());
    let command_line = format!("{} ip=dhcp ro", own_export(root.path())?);
    let vm = lan.boot_with(machine, &command_line)?;
    let waits = "netroot: waiting for a network card to appear (";
    vm.wait_for(waits, "the machine's word that it waits", TIMEOUT)?;
    std::thread::sleep(Duration::from_secs(20));
    assert!(!vm.console().contains("netroot: eth0"));
    vm.plug_in(0)?;
    Facts::of(&vm)?.assert_read_only_nfs();
    vm.wait_for("netroot: eth0: driver virtio_net", "its driver", TIMEOUT)?;
    assert_never_failed(&vm);
    Ok(())
}

#[test]
fn a_removed_nic_is_forgotten_and_another_is_used() -> Result<()> {
    let lan = Lan::new("card-out")?;
    let root = TinyRoot::make()?;
    let _server = lan.serve(root.path(), &[])?;
    // The first NIC reaches no server.
    lan.net.lose(&lan.tap.0, Loss::ALL)?;
    let second = lan.net.tap("second", &lan.bridge)?;
    let machine = lan.machine();
    let machine = machine.nic(Nic::virtio(&lan.tap, OTHER).later());
    let machine = machine.nic(Nic::virtio(&second, MACHINE).later());
    let command_line = format!("{} ip=dhcp ro", own_export(root.path())?);
    let vm = lan.boot_with(machine, &command_line)?;
    let waits = "netroot: waiting for a network card to appear (";
    vm.wait_for(waits, "the machine's word that it waits", TIMEOUT)?;
    vm.plug_in(0)?;
    let waits = "netroot: waiting for a DHCP server to answer on eth0 (";
    vm.wait_for(waits, "its question", TIMEOUT)?;
    vm.take_out(0)?;
    vm.wait_for("netroot: eth0: gone", "its farewell", TIMEOUT)?;
    vm.plug_in(1)?;
    Facts::of(&vm)?.assert_read_only_nfs();
    assert_never_failed(&vm);
    Ok(())
}

// TCP's retransmission timeouts grow, so that a long transfer has no time limit that a test could wait for: once the
// machine is up, so many frames are lost that three of ten requests get no answer.
#[test]
fn thirty_percent_loss_each_way_only_slows_the_boot() -> Result<()> {
    let lan = Lan::new("loss")?;
    let root = TinyRoot::make()?;
    let _server = lan.serve(root.path(), &[])?;
    let cable = &lan.tap.0;
    lan.net.lose(cable, Loss::each_way(30))?;
    let vm = lan.boot(&format!("{} ip=dhcp ro", own_export(root.path())?))?;
    vm.wait_for("netroot: switch_root to ", "the switch", TIMEOUT)?;
    assert!(lan.net.lost(cable)? > 0);
    lan.net.mend(cable)?;
    lan.net.lose(cable, Loss::each_way(15))?;
    Facts::of(&vm)?.assert_read_only_nfs();
    Ok(())
}

#[test]
fn a_dhcp_server_that_answers_after_five_seconds_is_used() -> Result<()> {
    let lan = Lan::new("slow-dhcp")?;
    let root = TinyRoot::make()?;
    let _ganesha = Ganesha::start(&lan.net, root.path(), "/srv/root", &Clients::All)?;
    let option = format!("--dhcp-option=17,{SERVER}:/srv/root");
    let options = [option.as_str(), "--dhcp-reply-delay=5"];
    let dnsmasq = Dnsmasq::start(&lan.net, "br0", "10.77.0.100", "10.77.0.199", &options)?;
    let vm = lan.boot("root=dhcp ip=dhcp ro")?;
    Facts::of(&vm)?.assert_read_only_nfs();
    assert_never_failed(&vm);
    // The request is repeated meanwhile without change: an answer to any copy counts.
    let log = dnsmasq.log().text();
    let asked = log
        .lines()
        .filter_map(|line| line.split_once(" DHCPDISCOVER("));
    let asked: Vec<&str> = asked.map(|(transaction, _)| transaction).collect();
    assert!(asked.len() > 1, "{log}");
    assert!(
        asked.iter().all(|transaction| transaction == &asked[0]),
        "{log}"
    );
    Ok(())
}

/// Another network on the machine's first NIC: it leases at once and has no root.
fn wrong_network(lan: &Lan, name: &str) -> Result<(Net, Dnsmasq, Nic)> {
    let bridge = lan.net.plain_bridge("br1")?;
    let net = Net::new(&format!("{name}-other"))?;
    lan.net.cable(&bridge, &net, "lan", "10.78.0.254/24")?;
    let dnsmasq = Dnsmasq::start(&net, "lan", "10.78.0.100", "10.78.0.149", &[])?;
    let nic = Nic::virtio(&lan.net.tap("wrong", &bridge)?, OTHER);
    Ok((net, dnsmasq, nic))
}

/// The network of the root, whose DHCP server is slow.
fn slow_network(lan: &Lan, options: &[&str]) -> Result<Dnsmasq> {
    let options = [&["--dhcp-reply-delay=4"], options].concat();
    Dnsmasq::start(&lan.net, "br0", "10.77.0.100", "10.77.0.149", &options)
}

#[test]
fn of_two_cards_the_one_with_a_root_is_used_although_the_other_has_a_lease_first() -> Result<()> {
    let lan = Lan::new("wrong-first")?;
    let (_net, wrong, first) = wrong_network(&lan, "wrong-first")?;
    let root = TinyRoot::make()?;
    let _ganesha = Ganesha::start(&lan.net, root.path(), "/srv/root", &Clients::All)?;
    let option = format!("--dhcp-option=17,{SERVER}:/srv/root");
    let _right = slow_network(&lan, &[&option])?;
    let machine = lan.machine().nic(first);
    let machine = machine.nic(Nic::virtio(&lan.tap, MACHINE));
    let vm = lan.boot_with(machine, "root=dhcp ip=dhcp ro")?;
    let facts = Facts::of(&vm)?;
    facts.assert_read_only_nfs();
    vm.wait_for("netroot: eth1: lease 10.77.0.", "the lease", TIMEOUT)?;
    assert!(wrong.log().contains("DHCPACK(lan) 10.78.0."));
    let addresses = facts.all("fib");
    assert!(!addresses.contains("10.78.0."), "{addresses}");
    assert_never_failed(&vm);
    Ok(())
}

// The wrong network has a router, so the root might be behind it: only an attempt shows.
#[test]
fn a_root_unreachable_by_the_first_nic_is_mounted_by_the_second() -> Result<()> {
    let lan = Lan::new("wrong-router")?;
    let (_net, wrong, first) = wrong_network(&lan, "wrong-router")?;
    let root = TinyRoot::make()?;
    let _ganesha = Ganesha::start(&lan.net, root.path(), "/srv/root", &Clients::All)?;
    let _right = slow_network(&lan, &[])?;
    let machine = lan.machine().nic(first);
    let machine = machine.nic(Nic::virtio(&lan.tap, MACHINE));
    let command_line = format!("root=/dev/nfs nfsroot={SERVER}:/srv/root ip=dhcp ro");
    let vm = lan.boot_with(machine, &command_line)?;
    let facts = Facts::of(&vm)?;
    facts.assert_read_only_nfs();
    vm.wait_for("netroot: eth1: lease 10.77.0.", "the lease", TIMEOUT)?;
    assert!(wrong.log().contains("DHCPACK(lan) 10.78.0."));
    let text = vm.console().text();
    assert_eq!(text.matches("netroot: boot failed: ").count(), 1, "{text}");
    let addresses = facts.all("fib");
    assert!(!addresses.contains("10.78.0."), "{addresses}");
    Ok(())
}

#[test]
fn a_cable_plugged_in_late_is_reported_missing_and_noticed_at_once() -> Result<()> {
    let lan = Lan::new("late-cable")?;
    let root = TinyRoot::make()?;
    let _server = lan.serve(root.path(), &[])?;
    let machine = lan.machine().nic(Nic::virtio(&lan.tap, MACHINE));
    let command_line = format!("{} ip=dhcp ro", own_export(root.path())?);
    let vm = lan.boot_with(machine, &command_line)?;
    vm.cable(0, false)?;
    let waits = "netroot: waiting for a carrier on eth0 (";
    // The NIC may report a carrier for a moment, until its driver has checked.
    let waits = vm.wait_for(waits, "the machine's word that it waits", TIMEOUT)?;
    vm.cable(0, true)?;
    Facts::of(&vm)?.assert_read_only_nfs();
    let up = "netroot: eth0: link up";
    vm.console()
        .wait_after(waits.end, up, "the carrier", TIMEOUT)?;
    assert_never_failed(&vm);
    Ok(())
}

#[test]
fn plugging_in_a_cable_ends_the_pause_after_a_failure() -> Result<()> {
    let lan = Lan::new("cable-in-pause")?;
    let root = TinyRoot::make()?;
    let _server = lan.serve(root.path(), &[])?;
    let machine = lan.machine().nic(Nic::virtio(&lan.tap, MACHINE));
    let command_line = format!("{} ip=dhcp ro carrier_timeout=1", own_export(root.path())?);
    let vm = lan.boot_with(machine, &command_line)?;
    vm.cable(0, false)?;
    let pause = "netroot: trying again in 16 s";
    vm.wait_for(pause, "a long pause", TIMEOUT)?;
    vm.cable(0, true)?;
    let facts = Facts::of(&vm)?;
    facts.assert_read_only_nfs();
    // By the machine's own clock.
    let report = facts.report()?;
    let failed = report["attempts"].as_array().and_then(|all| all.last());
    let failed = failed.and_then(|attempt| attempt["end_ms"].as_u64());
    let steps = report["steps"].as_array().into_iter().flatten();
    let mut link = steps.filter(|step| step["name"] == "link");
    let again = link.next().and_then(|step| step["begin_ms"].as_u64());
    let (failed, again) = failed.zip(again).expect("both moments");
    assert!(again < failed + 16_000, "{failed} {again}");
    Ok(())
}

// After the fifth failure a machine waits half a minute. The server is back well before that ends.
#[test]
fn a_server_that_starts_late_ends_the_pause_after_a_failure() -> Result<()> {
    const PAUSE_MS: u64 = 32_000;
    let lan = Lan::new("late-server")?;
    let root = TinyRoot::make()?;
    let vm = lan.boot(&format!("{} {STATIC} ro", own_export(root.path())?))?;
    let pause = format!("netroot: trying again in {} s", PAUSE_MS / 1000);
    vm.wait_for(&pause, "its fifth failure", TIMEOUT)?;
    let _server = lan.serve(root.path(), &[])?;
    let facts = Facts::of(&vm)?;
    facts.assert_read_only_nfs();
    let report = facts.report()?;
    let failures = report["attempts"].as_array().context("its attempts")?;
    let failed = failures
        .last()
        .and_then(|attempt| attempt["end_ms"].as_u64());
    let steps = report["steps"].as_array().context("its steps")?;
    // The first one of each attempt.
    let link = steps.iter().find(|step| step["name"] == "link");
    let again = link.and_then(|step| step["begin_ms"].as_u64());
    let (failed, again) = failed.zip(again).context("their times")?;
    assert!(
        again < failed + PAUSE_MS,
        "nothing ended the pause: {report:#}"
    );
    Ok(())
}
