//! From the real firmware over our server and our init to a root, over our own export
//! and over NFS-Ganesha.

use anyhow::Result;
use netroot_harness::{Clients, Firmware, Ganesha, NetrootServe, Nic, Rom, TinyRoot, Vm, places};

use crate::wire::{Facts, MACHINE, PATIENCE, SERVER, Wire};

const EXPORT: &str = "/srv/root";

/// SeaBIOS with the iPXE ROM of QEMU's card.
fn bios(wire: &Wire) -> Result<Vm> {
    let nic = Nic::virtio(&wire.tap, MACHINE).with_rom(Rom::Ipxe);
    wire.machine().nic(nic).start()
}

/// OVMF with its own PXE client.
fn uefi(wire: &Wire) -> Result<Vm> {
    let nic = Nic::virtio(&wire.tap, MACHINE);
    wire.machine().firmware(Firmware::Uefi).nic(nic).start()
}

/// The steps that a machine's boot leaves in the server's timeline.
fn assert_timeline(server: &NetrootServe, steps: &[&str]) {
    let events = server.events();
    let mut rest = events.iter();
    for step in steps {
        assert!(
            rest.any(|(_, event)| event.step == *step),
            "no {step} in its place: {events:#?}"
        );
    }
}

fn reaches_login(vm: &Vm) -> Result<()> {
    vm.wait_for(
        "netroot: switch_root to ",
        "the init's switch of root",
        PATIENCE,
    )?;
    vm.wait_for("debian login:", "the login prompt", PATIENCE)?;
    Ok(())
}

#[test]
fn bios_boots_debian_to_its_login_over_our_export() -> Result<()> {
    let wire = Wire::new("bios-own-debian")?;
    let server = wire.serve_for_every_card(&places::debian_root())?;
    let vm = bios(&wire)?;
    reaches_login(&vm)?;
    let steps = [
        "dhcp-discover",
        "dhcp-offer",
        "dhcp-ack",
        "script",
        "kernel",
        "initrd",
        "mount",
    ];
    assert_timeline(&server, &steps);
    Ok(())
}

#[test]
fn uefi_boots_debian_to_its_login_over_our_export() -> Result<()> {
    let wire = Wire::new("uefi-own-debian")?;
    let server = wire.serve_for_every_card(&places::debian_root())?;
    let vm = uefi(&wire)?;
    reaches_login(&vm)?;
    let steps = ["dhcp-offer", "tftp", "script", "kernel", "initrd", "mount"];
    assert_timeline(&server, &steps);
    Ok(())
}

#[test]
fn bios_boots_debian_to_its_login_over_ganesha() -> Result<()> {
    let wire = Wire::new("bios-ganesha-debian")?;
    let root = places::debian_root();
    let _ganesha = Ganesha::start(&wire.net, &root, EXPORT, &Clients::All)?;
    let _server = wire.serve(&root, &["--nfsroot", &format!("{SERVER}:{EXPORT}")])?;
    let vm = bios(&wire)?;
    reaches_login(&vm)
}

#[test]
fn uefi_boots_a_tiny_root_over_ganesha() -> Result<()> {
    let wire = Wire::new("uefi-ganesha-tiny")?;
    let root = TinyRoot::make()?;
    let _ganesha = Ganesha::start(&wire.net, root.path(), EXPORT, &Clients::All)?;
    let _server = wire.serve(root.path(), &["--nfsroot", &format!("{SERVER}:{EXPORT}")])?;
    let mut vm = uefi(&wire)?;
    Facts::of(&vm)?.assert_overlay();
    vm.wait(PATIENCE)?;
    Ok(())
}

#[test]
fn uefi_boots_a_tiny_root_by_http_and_never_by_tftp() -> Result<()> {
    let wire = Wire::new("uefi-http-tiny")?;
    let root = TinyRoot::make()?;
    let server = wire.serve(root.path(), &[])?;
    let nic = Nic::virtio(&wire.tap, MACHINE);
    let vm = wire
        .machine()
        .firmware(Firmware::UefiHttp)
        .nic(nic)
        .start()?;
    Facts::of(&vm)?.assert_overlay();
    let steps = ["dhcp-offer", "http", "script", "kernel", "initrd", "mount"];
    assert_timeline(&server, &steps);
    let by_tftp = server.events().iter().any(|(_, e)| e.step == "tftp");
    assert!(!by_tftp, "{:#?}", server.events());
    Ok(())
}

#[test]
fn bios_boots_a_tiny_root_that_switches_itself_off() -> Result<()> {
    let wire = Wire::new("bios-own-tiny")?;
    let root = TinyRoot::make()?;
    let _server = wire.serve(root.path(), &[])?;
    let mut vm = bios(&wire)?;
    let facts = Facts::of(&vm)?;
    facts.assert_overlay();
    assert!(
        facts
            .all("cmdline")
            .contains(&format!("BOOTIF=01-{}", MACHINE.replace(':', "-")))
    );
    assert!(vm.wait(PATIENCE)?.status.success());
    Ok(())
}

#[test]
fn no_overlay_gives_the_root_as_it_is() -> Result<()> {
    let wire = Wire::new("bios-own-no-overlay")?;
    let root = TinyRoot::make()?;
    let _server = wire.serve(root.path(), &["--no-overlay"])?;
    let vm = bios(&wire)?;
    Facts::of(&vm)?.assert_read_only_nfs();
    Ok(())
}
