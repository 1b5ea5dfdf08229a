//! Boots through real firmware, our server and our init, to roots from our own export and
//! from NFS-Ganesha.

use anyhow::Result;
use netroot_harness::{Clients, Firmware, Ganesha, NetrootServe, Nic, Rom, TinyRoot, Vm, paths};

use crate::history;
use crate::lan::{Facts, Lan, MACHINE, SERVER, TIMEOUT};

const EXPORT: &str = "/srv/root";

/// How a machine comes to its root whose firmware is the iPXE of its card. It reads the root's init before it reports that it runs.
const BY_IPXE_OF_THE_CARD: [&str; 9] = [
    "discover", "ipxe", "script", "kernel", "initrd", "init", "mount", "reads", "running",
];

/// SeaBIOS with the iPXE ROM of QEMU's card.
fn bios(lan: &Lan) -> Result<Vm> {
    let nic = Nic::virtio(&lan.tap, MACHINE).with_rom(Rom::Ipxe);
    lan.machine().nic(nic).start()
}

/// OVMF with its own PXE client.
fn uefi(lan: &Lan) -> Result<Vm> {
    let nic = Nic::virtio(&lan.tap, MACHINE);
    lan.machine().firmware(Firmware::Uefi).nic(nic).start()
}

/// The kinds of a machine's events in the server's timeline, in order.
fn assert_timeline(server: &NetrootServe, kinds: &[&str]) {
    let events = server.events();
    let mut rest = events.iter();
    for kind in kinds {
        assert!(
            rest.any(|(_, event)| event.kind == *kind),
            "no {kind} in its place: {events:#?}"
        );
    }
}

fn reaches_login(vm: &Vm) -> Result<()> {
    vm.wait_for(
        "netroot: switch_root to ",
        "the init's switch of root",
        TIMEOUT,
    )?;
    vm.wait_for("debian login:", "the login prompt", TIMEOUT)?;
    Ok(())
}

#[test]
fn bios_boots_debian_to_its_login_over_our_export() -> Result<()> {
    let lan = Lan::new("bios-own-debian")?;
    let server = lan.serve_for_every_card(&paths::debian_root())?;
    let vm = bios(&lan)?;
    reaches_login(&vm)?;
    let booted = server
        .output()
        .wait_for("root mounted ", "its report", TIMEOUT)?;
    assert!(booted.line.contains(MACHINE), "{}", booted.line);
    let kinds = [
        "dhcp-discover",
        "dhcp-offer",
        "dhcp-ack",
        "script",
        "kernel",
        "initrd",
        "mount",
    ];
    assert_timeline(&server, &kinds);
    history::came_through(&lan, &BY_IPXE_OF_THE_CARD)
}

#[test]
fn uefi_boots_debian_to_its_login_over_our_export() -> Result<()> {
    let lan = Lan::new("uefi-own-debian")?;
    let server = lan.serve_for_every_card(&paths::debian_root())?;
    let vm = uefi(&lan)?;
    reaches_login(&vm)?;
    let kinds = [
        "dhcp-offer",
        "loader",
        "script",
        "kernel",
        "initrd",
        "mount",
    ];
    assert_timeline(&server, &kinds);
    Ok(())
}

#[test]
fn bios_boots_debian_to_its_login_over_ganesha() -> Result<()> {
    let lan = Lan::new("bios-ganesha-debian")?;
    let root = paths::debian_root();
    let _ganesha = Ganesha::start(&lan.net, &root, EXPORT, &Clients::All)?;
    let _server = lan.serve(&root, &["--nfsroot", &format!("{SERVER}:{EXPORT}")])?;
    let vm = bios(&lan)?;
    reaches_login(&vm)
}

#[test]
fn uefi_boots_a_tiny_root_over_ganesha() -> Result<()> {
    let lan = Lan::new("uefi-ganesha-tiny")?;
    let root = TinyRoot::make()?;
    let _ganesha = Ganesha::start(&lan.net, root.path(), EXPORT, &Clients::All)?;
    let _server = lan.serve(root.path(), &["--nfsroot", &format!("{SERVER}:{EXPORT}")])?;
    let mut vm = uefi(&lan)?;
    Facts::of(&vm)?.assert_overlay();
    vm.wait(TIMEOUT)?;
    Ok(())
}

#[test]
fn uefi_boots_a_tiny_root_by_http_without_tftp() -> Result<()> {
    let lan = Lan::new("uefi-http-tiny")?;
    let root = TinyRoot::make()?;
    let server = lan.serve(root.path(), &[])?;
    let nic = Nic::virtio(&lan.tap, MACHINE);
    let vm = lan
        .machine()
        .firmware(Firmware::UefiHttp)
        .nic(nic)
        .start()?;
    Facts::of(&vm)?.assert_overlay();
    let kinds = [
        "dhcp-offer",
        "loader",
        "script",
        "kernel",
        "initrd",
        "mount",
    ];
    assert_timeline(&server, &kinds);
    let by_tftp = server.events().iter().any(|(_, event)| {
        matches!(event.kind.as_str(), "loader" | "file")
            && event.protocol.as_deref() == Some("tftp")
    });
    assert!(!by_tftp, "{:#?}", server.events());
    Ok(())
}

#[test]
fn bios_boots_a_tiny_root_that_powers_off() -> Result<()> {
    let lan = Lan::new("bios-own-tiny")?;
    let root = TinyRoot::make()?;
    let _server = lan.serve(root.path(), &[])?;
    let mut vm = bios(&lan)?;
    let facts = Facts::of(&vm)?;
    facts.assert_overlay();
    history::came_through(&lan, &BY_IPXE_OF_THE_CARD)?;
    history::is_bundled(&lan, "bios-ipxe-init", 2)?;
    assert!(
        facts
            .all("cmdline")
            .contains(&format!("BOOTIF=01-{}", MACHINE.replace(':', "-")))
    );
    assert!(vm.wait(TIMEOUT)?.status.success());
    Ok(())
}

#[test]
fn no_overlay_mounts_the_root_read_only() -> Result<()> {
    let lan = Lan::new("bios-own-no-overlay")?;
    let root = TinyRoot::make()?;
    let _server = lan.serve(root.path(), &["--no-overlay"])?;
    let vm = bios(&lan)?;
    Facts::of(&vm)?.assert_read_only_nfs();
    Ok(())
}
