//! NICs that the command line calls by udev's names or by their addresses: the init finds them without udev, and the root
//! finds them under the name.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result, ensure};
use netroot_harness::{Nic, TinyRoot, VmBuilder, paths};

use crate::lan::{Facts, Lan, MACHINE, TIMEOUT, make_initrd, own_export, write};

/// The address of the card on a network where nothing answers.
const ELSEWHERE: &str = "52:54:00:77:00:03";

/// The machine's card in slot 19 behind another one, which is on a network where nothing answers and appears first.
fn second_of_two(lan: &Lan) -> Result<VmBuilder<'_>> {
    let elsewhere = lan.net.bridge("br1", "10.78.0.1/24")?;
    let other = lan.net.tap("other", &elsewhere)?;
    let first = Nic::model("virtio-net-pci,addr=0x12", &other, ELSEWHERE);
    let card = "virtio-net-pci,addr=0x13";
    Ok(lan
        .machine()
        .nic(first)
        .nic(Nic::model(card, &lan.tap, MACHINE)))
}

/// What the root calls the machine's own NIC, and the one that leads elsewhere.
fn assert_names(facts: &Facts, own: &str, elsewhere: &str) {
    let link = facts.all("link");
    for words in [
        format!("{own} {MACHINE} master -"),
        format!("{elsewhere} {ELSEWHERE} master -"),
    ] {
        assert!(link.contains(&words), "{words}: {link}");
    }
}

#[test]
fn a_nic_by_its_path_name_is_used_and_has_the_name_in_the_root() -> Result<()> {
    let lan = Lan::new("udev-path")?;
    let root = TinyRoot::make()?;
    let _server = lan.serve(root.path(), &[])?;
    let parameters = format!("{} ip=enp0s19:dhcp ro", own_export(root.path())?);
    let vm = lan.boot_with(second_of_two(&lan)?, &parameters)?;
    let taken = "netroot: eth1: now enp0s19, its path name by udev (ip=enp0s19:dhcp)";
    vm.wait_for(taken, "the name", TIMEOUT)?;
    vm.wait_for("netroot: enp0s19: lease 10.77.0.", "its lease", TIMEOUT)?;
    let facts = Facts::of(&vm)?;
    facts.assert_read_only_nfs();
    // Nobody asked for the other one by another name.
    assert_names(&facts, "enp0s19", "eth0");
    Ok(())
}

#[test]
fn a_nic_may_be_called_by_several_of_its_names() -> Result<()> {
    let lan = Lan::new("udev-mac")?;
    let root = TinyRoot::make()?;
    let _server = lan.serve(root.path(), &[])?;
    let by_address = format!("enx{}", MACHINE.replace(':', ""));
    let parameters = format!(
        "{} ip=:::::{by_address}:dhcp ip=enp0s18:dhcp bootdev=enp0s19 ro",
        own_export(root.path())?
    );
    let vm = lan.boot_with(second_of_two(&lan)?, &parameters)?;
    vm.wait_for("netroot: enp0s19: lease 10.77.0.", "its lease", TIMEOUT)?;
    let facts = Facts::of(&vm)?;
    facts.assert_read_only_nfs();
    assert_names(&facts, "enp0s19", "enp0s18");
    Ok(())
}

// With the device passed over, the address was set on the first card.
#[test]
fn a_fixed_address_for_a_card_named_by_its_address_goes_to_that_card() -> Result<()> {
    let lan = Lan::new("mac-device")?;
    let root = TinyRoot::make()?;
    let _server = lan.serve_beside(root.path())?;
    let parameters = format!(
        "{} ip=10.77.0.50::10.77.0.1:255.255.255.0:pc:{}:none ro",
        own_export(root.path())?,
        MACHINE.replace(':', "-")
    );
    let vm = lan.boot_with(second_of_two(&lan)?, &parameters)?;
    let facts = Facts::of(&vm)?;
    facts.assert_read_only_nfs();
    let console = vm.console().text();
    assert!(console.contains("netroot: eth1: address 10.77.0.50/24 (ip=)"));
    assert!(!console.contains("netroot: eth0: address"), "{console}");
    Ok(())
}

#[test]
fn bootif_as_a_device_is_the_card_of_that_address() -> Result<()> {
    let lan = Lan::new("bootif-device")?;
    let root = TinyRoot::make()?;
    let _server = lan.serve(root.path(), &[])?;
    let parameters = format!(
        "{} ip=BOOTIF:dhcp ifname=lan: BOOTIF=01-{} ro",
        own_export(root.path())?,
        MACHINE.replace(':', "-")
    );
    let vm = lan.boot_with(second_of_two(&lan)?, &parameters)?;
    vm.wait_for("netroot: lan: lease 10.77.0.", "its lease", TIMEOUT)?;
    Facts::of(&vm)?.assert_read_only_nfs();
    Ok(())
}

/// Cards in all places that QEMU has for them, but for those that need a later version of it (virtual functions) and for
/// the machine's own: on the root bus with two functions and with the firmware's number, in root ports' slots, two
/// functions in one, behind a switch, behind bridges, behind an expander bus, at USB controllers with and without a hub.
const EVERYWHERE: &str = "\
    -device e1000,romfile=,addr=5.0,multifunction=on -device virtio-net-pci,romfile=,addr=5.1 \
    -device pcie-root-port,id=r1,slot=5,chassis=1 -device e1000e,romfile=,bus=r1 \
    -device pcie-root-port,id=r2,slot=192,chassis=2 \
    -device e1000e,romfile=,bus=r2,addr=0.0,multifunction=on -device e1000e,romfile=,bus=r2,addr=0.1 \
    -device pcie-root-port,id=r3,slot=6,chassis=3 -device virtio-net-pci,romfile=,bus=r3 \
    -device pcie-root-port,id=r4,slot=7,chassis=4 -device x3130-upstream,id=up,bus=r4 \
    -device xio3130-downstream,id=d1,bus=up,chassis=11,slot=21 -device e1000e,romfile=,bus=d1 \
    -device pcie-root-port,id=r5,slot=8,chassis=5 -device pcie-pci-bridge,id=pb,bus=r5 \
    -device e1000,romfile=,bus=pb,addr=3 -device pci-bridge,id=b1,chassis_nr=9,bus=pb,addr=4,shpc=off \
    -device e1000,romfile=,bus=b1,addr=1 \
    -device e1000,romfile=,bus=b1,addr=2.0,multifunction=on -device e1000,romfile=,bus=b1,addr=2.1 \
    -device pxb-pcie,id=px,bus_nr=128,bus=pcie.0 -device pcie-root-port,id=r6,slot=9,chassis=6,bus=px \
    -device e1000e,romfile=,bus=r6 \
    -device qemu-xhci,id=x,bus=pcie.0 -netdev user,id=u1 -device usb-net,netdev=u1,bus=x.0,port=1 \
    -device usb-hub,bus=x.0,port=2 -netdev user,id=u2 -device usb-net,netdev=u2,bus=x.0,port=2.3";
const CARDS: usize = 15;

/// What Debian's udev makes of each card. `called` is for the kernel's log.
const ASK_UDEV: &str = r#"#!/bin/sh
mount -t sysfs sysfs /sys 2> /dev/null
mount -t proc proc /proc 2> /dev/null
echo on > /proc/sys/kernel/printk_devkmsg
export NET_NAMING_SCHEME=v252
for card in /sys/class/net/*; do
    [ -e "$card/device" ] || continue
    names=$(udevadm test-builtin net_id "$card" 2> /dev/null | sed -n 's/^ID_NET_NAME_[A-Z]*=//p' | sort | tr '\n' ' ')
    echo "<1>asked: ${card##*/} $names" > /dev/kmsg
done
echo "<1>asked: done" > /dev/kmsg
while :; do sleep 1000; done
"#;

/// The names behind `mark`, by card, each card's names sorted.
fn by_card(console: &str, mark: &str) -> BTreeMap<String, Vec<String>> {
    let mut all = BTreeMap::new();
    for line in console.lines() {
        let Some((before, names)) = line.split_once(mark) else {
            continue;
        };
        // A line of the kernel's may follow without an end of this one.
        let names = names.split('[').next().unwrap_or_default();
        let mut names: Vec<String> = names.split_whitespace().map(str::to_owned).collect();
        let card = match before.strip_suffix(": ").and_then(|b| b.rsplit(' ').next()) {
            Some(card) => card.to_owned(),
            None => names.remove(0),
        };
        names.sort();
        all.insert(card, names);
    }
    all
}

fn assert_called_as_by_udev(name: &str, hardware: &str) -> Result<()> {
    let lan = Lan::new(name)?;
    let layer = lan.net.logs().join("layer");
    let script = layer.join("etc/ask-udev");
    write(&script, ASK_UDEV)?;
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755))?;
    let root = lan.layers(&[&layer, &paths::debian_root()])?;
    let _server = lan.serve(&root, &[])?;
    let initrd = make_initrd("virtio_net,e1000,e1000e,xhci_pci,cdc_ether,rndis_host")?;
    let command_line = format!(
        "{} ip={}:dhcp net.naming_scheme=v252 rd.debug carrier_timeout=900 rd.overlay init=/etc/ask-udev",
        own_export(&root)?,
        MACHINE.replace(':', "-")
    );
    let (_, kernel) = paths::debian_kernel()?;
    let vm = lan
        .machine()
        .nic(Nic::model(
            "virtio-net-pci,bus=pcie.0,addr=0x13",
            &lan.tap,
            MACHINE,
        ))
        .hardware(hardware)
        .quick_kernel(&kernel, &initrd, &command_line)?
        .start()?;
    // The boot goes on when all cards are there.
    vm.cable(0, false)?;
    let called = |console: &str| by_card(console, "called by udev: ");
    let deadline = std::time::Instant::now() + TIMEOUT;
    while called(&vm.console().text()).len() < CARDS {
        let seen = called(&vm.console().text());
        ensure!(
            std::time::Instant::now() < deadline,
            "some cards do not appear: {seen:?}"
        );
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    vm.cable(0, true)?;
    vm.wait_for("asked: done", "udev's answers", TIMEOUT)?;
    let console = vm.console().text();
    let (ours, udevs) = (called(&console), by_card(&console, "asked: "));
    for (card, names) in &ours {
        let udevs = udevs.get(card).with_context(|| card.clone())?;
        assert_eq!(names, udevs, "{card}: udev's are on the right");
    }
    Ok(())
}

#[test]
fn cards_everywhere_are_called_as_the_roots_udev_calls_them() -> Result<()> {
    assert_called_as_by_udev("udev-everywhere", EVERYWHERE)
}

#[test]
fn with_native_hotplug_cards_are_called_as_the_roots_udev_calls_them() -> Result<()> {
    let native = "-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off";
    assert_called_as_by_udev("udev-native", &format!("{native} {EVERYWHERE}"))
}
