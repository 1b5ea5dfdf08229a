//! Debian's root for arm64 under Secure Boot, to its login. An emulated processor takes minutes for each, so `cargo xtask test
//! --aarch64-secure-boot` runs these, and no other run does.

use anyhow::Result;
use netroot_harness::{Firmware, NetrootServe, SigningKey, VmBuilder, paths};

use super::{loaded, serve_unified, trusting, wait_for_kernel};
use crate::aarch64::{ARM, machine, router, serve};
use crate::lan::{Lan, MACHINE, RANGE, TIMEOUT};

/// Boots it to the login, by this `loader`.
fn boots(machine: VmBuilder<'_>, server: &NetrootServe, loader: &str) -> Result<()> {
    let vm = machine.memory_mib(1024).start()?;
    wait_for_kernel(&vm)?;
    vm.wait_for("arm64 login:", "the login prompt", TIMEOUT * 2)?;
    let loaded = loaded(server);
    assert!(loaded.iter().any(|it| it.contains(loader)), "{loaded:?}");
    Ok(())
}

/// `netroot serve` with Debian 12's root, and the signed files of Debian 13 beside it.
fn serve_signed(lan: &Lan, more: &[&str]) -> Result<NetrootServe> {
    let files = paths::signed_loaders().join("arm64").display().to_string();
    let signed = ["--secure-boot-files", &files, "--secure-boot", "always"];
    let root = paths::debian_root_for(ARM);
    serve(lan, &root, ARM, &[&signed, more].concat())
}

/// Waits until the machine has reported its boot. One with a unified kernel image knows no place to send it to.
fn wait_for_report(server: &NetrootServe) -> Result<()> {
    let output = server.output();
    let booted = output.wait_for("root mounted ", "the boot's report", TIMEOUT)?;
    assert!(booted.line.contains(MACHINE), "{}", booted.line);
    Ok(())
}

#[test]
fn by_pxe_with_shim_and_grub() -> Result<()> {
    let lan = Lan::new("aarch64-signed-pxe")?;
    let server = serve_signed(&lan, &["--dhcp", RANGE])?;
    let machine = machine(&lan, Firmware::SecureBoot);
    boots(machine, &server, "/shimaa64.efi")?;
    wait_for_report(&server)
}

#[test]
fn by_http_boot_with_shim_and_grub_beside_another_dhcp_server() -> Result<()> {
    let lan = Lan::new("aarch64-signed-http")?;
    let _router = router(&lan, "aarch64-signed-http")?;
    let server = serve_signed(&lan, &[])?;
    let machine = machine(&lan, Firmware::SecureBootHttp);
    boots(machine, &server, "/shimaa64.efi")?;
    wait_for_report(&server)?;
    let events = server.events();
    let mut protocols = events.iter().map(|(_, event)| event.protocol.as_deref());
    assert!(!protocols.any(|it| it == Some("tftp")), "{events:#?}");
    Ok(())
}

#[test]
fn by_pxe_with_a_unified_image_that_an_own_key_signed() -> Result<()> {
    let lan = Lan::new("aarch64-uki-pxe")?;
    let layer = lan.net.logs().join("layer");
    let folder = layer.join("usr/lib/systemd/boot/efi");
    std::fs::create_dir_all(&folder)?;
    let stub = "linuxaa64.efi.stub";
    let from = paths::signed_loaders().join("arm64").join(stub);
    std::fs::copy(from, folder.join(stub))?;
    let root = lan.layers(&[&layer, &paths::debian_root_for(ARM)])?;
    let key = SigningKey::make(lan.net.logs(), "own")?;
    let server = serve_unified(&lan, &root, &key)?;
    let machine = trusting(&lan, Firmware::SecureBoot, &key)?;
    boots(machine, &server, "/program.efi")
}
