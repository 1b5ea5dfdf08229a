//! Machines whose firmware enforces Secure Boot with Microsoft's keys: they start the root's own shim, GRUB and kernel,
//! and netroot's initrd.

mod failures;
mod signer;

use anyhow::Result;
use netroot_harness::{Firmware, Nic, TinyRoot, Vm};

use crate::lan::{Facts, Lan, MACHINE, TIMEOUT};

fn power_on(lan: &Lan) -> Result<Vm> {
    let nic = Nic::virtio(&lan.tap, MACHINE);
    let machine = lan.machine().memory_mib(1024);
    machine.firmware(Firmware::SecureBoot).nic(nic).start()
}

/// The first boot ends with what firmware refuses; the next one is given the signed chain, without anybody's help.
#[test]
fn a_machine_that_refuses_ipxe_is_given_shim_the_next_time() -> Result<()> {
    let lan = Lan::new("secure-boot-pxe")?;
    let root = TinyRoot::signed()?;
    let server = lan.serve(root.path(), &[])?;
    let refused = power_on(&lan)?;
    let output = server.output();
    output.wait_for(
        "boot stopped: snponly.efi was loaded",
        "the end of that boot",
        TIMEOUT,
    )?;
    drop(refused);
    let mut vm = power_on(&lan)?;
    let given = output.wait_for("\"given-signed\"", "that shim is given", TIMEOUT)?;
    for word in [MACHINE, "\"snponly.efi\"", "/shimx64.efi\""] {
        assert!(given.line.contains(word), "{}", given.line);
    }
    Facts::of(&vm)?.assert_overlay();
    vm.wait_for(
        "Lockdown: ",
        "the kernel, which is locked down by Secure Boot",
        TIMEOUT,
    )?;
    vm.wait(TIMEOUT)?;
    Ok(())
}
