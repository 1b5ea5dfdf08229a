//! Machines whose firmware enforces Secure Boot with Microsoft's keys: they start the root's own shim, GRUB and kernel,
//! and netroot's initrd.

mod authorities;
mod debian_13;
mod failures;
mod signed_ipxe;
mod signer;

use anyhow::{Context, Result};
use netroot_harness::{Firmware, NetrootServe, Nic, TinyRoot, Vm};
use serde_json::{Value, json};

use crate::lan::{Facts, Lan, MACHINE, SERVER, TIMEOUT, wait_for_lockdown};

fn power_on(lan: &Lan) -> Result<Vm> {
    power_on_with(lan, Firmware::SecureBoot)
}

fn power_on_with(lan: &Lan, firmware: Firmware) -> Result<Vm> {
    let nic = Nic::virtio(&lan.tap, MACHINE);
    let machine = lan.machine().memory_mib(1024);
    machine.firmware(firmware).nic(nic).start()
}

/// What the machine's last boot reported, once it has.
pub(crate) fn reported(lan: &Lan, server: &NetrootServe) -> Result<Value> {
    let mounted = "root mounted ";
    server
        .output()
        .wait_for(mounted, "the report of the boot", TIMEOUT)?;
    let url = format!("http://{SERVER}:8069/api/v1/machines/{MACHINE}");
    let answer = lan.net.run(&["curl", "-sS", "--max-time", "60", &url])?;
    let machine: Value = serde_json::from_str(&answer)?;
    let last = machine.pointer("/boots").and_then(Value::as_array);
    let last = last.and_then(|boots| boots.last());
    let report = last.and_then(|boot| boot.pointer("/report/secure_boot"));
    report.cloned().context(answer)
}

/// The first boot ends with what firmware refuses; the next one is given the signed chain, without anybody's help.
#[test]
fn a_machine_that_refuses_ipxe_is_given_shim_the_next_time() -> Result<()> {
    let lan = Lan::new("secure-boot-pxe")?;
    let root = TinyRoot::signed()?;
    let mut server = lan.serve(root.path(), &[])?;
    let refused = power_on(&lan)?;
    refused.wait_for("Access Denied", "the firmware's refusal", TIMEOUT)?;
    // It would go on with IPv6, and poll the card for half a minute.
    drop(refused);
    let output = server.output();
    output.wait_for(
        "boot stopped: snponly.efi was loaded",
        "the end of that boot",
        TIMEOUT,
    )?;
    let mut vm = power_on(&lan)?;
    let given = output.wait_for("\"given-signed\"", "that shim is given", TIMEOUT)?;
    for word in [MACHINE, "\"snponly.efi\"", "/shimx64.efi\""] {
        assert!(given.line.contains(word), "{}", given.line);
    }
    Facts::of(&vm)?.assert_overlay();
    wait_for_lockdown(&vm)?;
    let reported = reported(&lan, &server)?;
    assert_eq!(reported["enforcing"], json!(true), "{reported}");
    let authorities = reported["authorities"].as_array().context("a list")?;
    let authority = json!("Microsoft Corporation UEFI CA 2011");
    assert!(authorities.contains(&authority), "{reported}");
    vm.wait(TIMEOUT)?;
    drop(vm);

    // A server that is started anew knows it, and loses no boot to that.
    server.terminate()?;
    let server = lan.serve(root.path(), &[])?;
    let vm = power_on(&lan)?;
    let output = server.output();
    let given = output.wait_for("\"given-signed\"", "that shim is given", TIMEOUT)?;
    assert!(given.line.contains("\"why\":\"known\""), "{}", given.line);
    Facts::of(&vm)?.assert_overlay();
    Ok(())
}

#[test]
fn a_machine_without_secure_boot_reports_that_it_is_off() -> Result<()> {
    let lan = Lan::new("secure-boot-off")?;
    let root = TinyRoot::signed()?;
    let server = lan.serve(root.path(), &[])?;
    let mut vm = power_on_with(&lan, Firmware::Uefi)?;
    let off = reported(&lan, &server)?;
    assert_eq!(off["enforcing"], json!(false), "{off}");
    vm.wait(TIMEOUT)?;
    Ok(())
}
