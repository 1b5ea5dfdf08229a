//! The same with firmware that enforces Secure Boot: AAVMF of Debian 13, whose variable store has Microsoft's keys. Debian
//! 13's shim for arm64 is signed under both of Microsoft's authorities, and starts Debian 12's kernel.

mod login;

use std::path::Path;

use anyhow::{Context, Result};
use netroot_harness::{
    Firmware, NetrootServe, SignatureLists, SigningKey, TinyRoot, Vm, VmBuilder,
};
use serde_json::json;

use super::{ARM, assert_aarch64, machine, serve};
use crate::lan::{Facts, Lan, MACHINE, RANGE, TIMEOUT};
use crate::secure_boot::reported;

/// Waits until the kernel says that it has Secure Boot on. Before it, an emulated processor has checked what it starts.
fn wait_for_kernel(vm: &Vm) -> Result<()> {
    let locked_down = "Kernel is locked down from EFI Secure Boot";
    vm.wait_for(locked_down, "the kernel with Secure Boot on", TIMEOUT * 2)?;
    Ok(())
}

/// `netroot serve` with images that this key signs.
fn serve_unified(lan: &Lan, root: &Path, key: &SigningKey) -> Result<NetrootServe> {
    let files = [&key.key, &key.certificate];
    let [private, certificate] = files.map(|file| file.display().to_string());
    let keys = ["--uki-key", &private, "--uki-cert", &certificate];
    serve(lan, root, ARM, &[&["--dhcp", RANGE], &keys[..]].concat())
}

/// A machine that trusts this key alone.
fn trusting<'lan>(lan: &'lan Lan, firmware: Firmware, key: &SigningKey) -> Result<VmBuilder<'lan>> {
    let db = SignatureLists::default().certificate(&key.der()?);
    Ok(machine(lan, firmware).memory_mib(1024).trusting(db))
}

/// What machines loaded: the texts of the events.
fn loaded(server: &NetrootServe) -> Vec<String> {
    let events = server.events().into_iter();
    let loaders = events.filter(|(_, event)| event.kind == "loader");
    loaders.map(|(_, event)| event.text).collect()
}

/// The first boot ends with what firmware refuses. The next one is shim, GRUB and the kernel of the root.
#[test]
fn a_machine_that_refuses_ipxe_is_given_shim_the_next_time() -> Result<()> {
    let lan = Lan::new("aarch64-secure-boot")?;
    let root = TinyRoot::signed_for_aarch64()?;
    let server = serve(&lan, root.path(), ARM, &["--dhcp", RANGE])?;
    let output = server.output();
    let power_on = || machine(&lan, Firmware::SecureBoot).memory_mib(1024).start();
    let refused = power_on()?;
    refused.wait_for("Access Denied", "the firmware's refusal", TIMEOUT)?;
    drop(refused);
    let stopped = "boot stopped: ipxe-arm64.efi was loaded";
    output.wait_for(stopped, "the end of that boot", TIMEOUT)?;

    let vm = power_on()?;
    let given = output.wait_for("\"given-signed\"", "that shim is given", TIMEOUT)?;
    for word in [MACHINE, "\"ipxe-arm64.efi\"", "/shimaa64.efi\""] {
        assert!(given.line.contains(word), "{}", given.line);
    }
    wait_for_kernel(&vm)?;
    assert_aarch64(&Facts::of(&vm)?)?;
    let reported = reported(&lan, &server)?;
    assert_eq!(reported["enforcing"], json!(true), "{reported}");
    let authorities = reported["authorities"].as_array().context("a list")?;
    let authority = json!("Microsoft Corporation UEFI CA 2011");
    assert!(authorities.contains(&authority), "{reported}");
    Ok(())
}

/// Firmware with the administrator's own key alone starts what netroot made and signed, and no boot loader.
#[test]
fn a_unified_image_boots_by_http_where_firmware_has_an_own_key() -> Result<()> {
    let lan = Lan::new("aarch64-uki")?;
    let key = SigningKey::make(lan.net.logs(), "own")?;
    let root = TinyRoot::with_stub_for_aarch64()?;
    let server = serve_unified(&lan, root.path(), &key)?;
    let vm = trusting(&lan, Firmware::SecureBootHttp, &key)?.start()?;
    wait_for_kernel(&vm)?;
    assert_aarch64(&Facts::of(&vm)?)?;
    let loaded = loaded(&server);
    let is_image = |text: &String| text.contains("/program.efi");
    assert!(
        !loaded.is_empty() && loaded.iter().all(is_image),
        "{loaded:?}"
    );
    Ok(())
}
