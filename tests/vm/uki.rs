//! Machines whose firmware enforces Secure Boot with the administrator's own key alone: they start a unified kernel image
//! that netroot made and signed, and no boot loader.

use std::path::Path;

use anyhow::{Context, Result};
use netroot_harness::{
    Firmware, NetrootServe, Nic, SignatureLists, SigningKey, TinyRoot, Vm, VmBuilder, paths,
};

use crate::lan::{Facts, Lan, MACHINE, SERVER, TIMEOUT, wait_for_lockdown};

/// `netroot serve` with this key.
fn serve(lan: &Lan, root: &Path, key: &SigningKey) -> Result<NetrootServe> {
    let [key, certificate] = [&key.key, &key.certificate].map(|file| file.display().to_string());
    lan.serve(root, &["--uki-key", &key, "--uki-cert", &certificate])
}

/// A machine that trusts this key.
fn trusting<'lan>(lan: &'lan Lan, firmware: Firmware, key: &SigningKey) -> Result<VmBuilder<'lan>> {
    let trusted = SignatureLists::default().certificate(&key.der()?);
    let nic = Nic::virtio(&lan.tap, MACHINE);
    let machine = lan.machine().memory_mib(1024).firmware(firmware);
    Ok(machine.trusting(trusted).nic(nic))
}

/// The same, powered on.
fn power_on(lan: &Lan, firmware: Firmware, key: &SigningKey) -> Result<Vm> {
    trusting(lan, firmware, key)?.start()
}

fn image(root: &Path) -> Result<String> {
    let name = root.file_name().context("a name")?.to_string_lossy();
    Ok(format!("images/{name}/program.efi"))
}

#[test]
fn firmware_with_an_own_key_boots_a_debian_root_by_http_to_its_login_without_a_loader() -> Result<()>
{
    let lan = Lan::new("uki-http")?;
    let key = SigningKey::make(lan.net.logs(), "own")?;
    let root = lan.layers(&[&paths::tests_layer(), &paths::debian_root()])?;
    let server = serve(&lan, &root, &key)?;
    let vm = power_on(&lan, Firmware::SecureBootHttp, &key)?;
    vm.wait_for("login:", "the login", TIMEOUT)?;
    let text = server.output().text();
    assert!(text.contains(&image(&root)?), "{text}");
    for loader in ["snponly.efi", "shimx64.efi", ".ipxe"] {
        assert!(
            !text.contains(&format!("{loader}\",\"")),
            "{loader}: {text}"
        );
    }
    Ok(())
}

#[test]
fn firmware_with_an_own_key_boots_by_pxe_and_the_kernel_is_locked_down() -> Result<()> {
    let lan = Lan::new("uki-pxe")?;
    let key = SigningKey::make(lan.net.logs(), "own")?;
    let root = TinyRoot::with_stub()?;
    let server = serve(&lan, root.path(), &key)?;
    let mut vm = power_on(&lan, Firmware::SecureBoot, &key)?;
    Facts::of(&vm)?.assert_overlay();
    wait_for_lockdown(&vm)?;
    vm.wait(TIMEOUT)?;
    let text = server.output().text();
    assert!(text.contains(&image(root.path())?), "{text}");
    Ok(())
}

/// The value of PCR 11 that the server predicts of its only image.
fn predicted(lan: &Lan) -> Result<String> {
    let url = format!("http://{SERVER}:8069/api/v1/images");
    let answer = lan
        .net
        .run(&["curl", "-sS", "--fail", "--max-time", "60", &url])?;
    let images: serde_json::Value = serde_json::from_str(&answer)?;
    let value = images
        .pointer("/images/0/pcr_11")
        .and_then(|it| it.as_str());
    Ok(value.context(answer.clone())?.to_owned())
}

#[test]
fn a_tpm_has_the_value_that_the_server_predicts_of_kernel_initrd_and_command_line() -> Result<()> {
    let lan = Lan::new("uki-tpm")?;
    let key = SigningKey::make(lan.net.logs(), "own")?;
    let root = TinyRoot::with_stub()?;
    let _server = serve(&lan, root.path(), &key)?;
    let predicted = predicted(&lan)?;
    let mut vm = trusting(&lan, Firmware::SecureBootHttp, &key)?
        .tpm()
        .start()?;
    let facts = Facts::of(&vm)?;
    facts.assert_overlay();
    vm.wait(TIMEOUT)?;
    let pcrs = facts.all("pcr").to_lowercase();
    let pcr = |number: &str| {
        let mut lines = pcrs.lines().filter_map(|line| line.split_once(' '));
        let found = lines.find(|(at, _)| *at == number);
        found.map(|(_, value)| value.to_owned())
    };
    let zero = "0".repeat(64);
    assert_eq!(pcr("11"), Some(predicted), "{pcrs}");
    // Nobody gave a command line from outside.
    assert_eq!(pcr("12").as_deref(), Some(&*zero), "{pcrs}");
    // Firmware has measured the file, and whom it trusts.
    for number in ["4", "7"] {
        let value = pcr(number).with_context(|| pcrs.clone())?;
        assert!(value.len() == 64 && value != zero, "{pcrs}");
    }
    Ok(())
}

#[test]
fn firmware_refuses_an_image_that_another_key_signed() -> Result<()> {
    let lan = Lan::new("uki-refused")?;
    let [own, stranger] = ["own", "stranger"].map(|name| SigningKey::make(lan.net.logs(), name));
    let root = TinyRoot::with_stub()?;
    let server = serve(&lan, root.path(), &stranger?)?;
    let vm = power_on(&lan, Firmware::SecureBoot, &own?)?;
    server
        .output()
        .wait_for(&image(root.path())?, "that it is loaded", TIMEOUT)?;
    vm.wait_for("Access Denied", "that it is refused", TIMEOUT)?;
    assert!(!vm.console().text().contains("netroot: init "));
    Ok(())
}
