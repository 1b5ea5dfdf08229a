//! NICs that the command line calls by udev's names or by their addresses: the init finds them without udev, and the root
//! finds them under the name.

use anyhow::Result;
use netroot_harness::{Nic, TinyRoot, VmBuilder};

use crate::lan::{Facts, Lan, MACHINE, TIMEOUT, own_export};

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
