//! Boots that Secure Boot ends, which the machine tells as "Security Violation", or not at all: each is a sentence of the
//! server that names the file and what to do.
//!
//! | what is wrong | the cause | who finds it |
//! |---|---|---|
//! | the firmware trusts another authority than shim's | `shim-refused` | firmware |
//! | shim asks for a loader that is not there | `shim-lacks-file` | shim |
//! | GRUB's generation is older than the machine takes (SBAT) | `grub-refused` | shim |
//! | GRUB asks for another configuration than is served | `grub-lacks-file` | GRUB |
//! | somebody else signed the kernel | `kernel-refused` | GRUB, by shim |
//! | the kernel is not signed | `loader-silent` | netroot, before |
//! | there is no GRUB beside shim | `loader-silent` | netroot, before |
//! | it is GRUB's image for disks | `loader-silent` | netroot, before |

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use netroot_harness::{
    Firmware, NetrootServe, Nic, QUICK_KERNEL_PARAMETERS, TinyRoot, VmBuilder, paths,
};

use super::signer::{NAME, Signer, unsign};
use crate::lan::{Lan, MACHINE, RANGE, TIMEOUT, write};

/// What installs the files of a root of Debian.
const PACKAGES: &str = "apt install shim-signed grub-efi-amd64-signed linux-image-amd64`";

/// A root of Debian with its signed files.
pub(super) fn debian() -> Result<TinyRoot> {
    let root = TinyRoot::signed()?;
    write(&root.path().join("etc/os-release"), "ID=debian\n")?;
    Ok(root)
}

fn shim(root: &TinyRoot) -> PathBuf {
    root.path().join(TinyRoot::SIGNED[0])
}

pub(super) fn grub(root: &TinyRoot) -> PathBuf {
    root.path().join(TinyRoot::SIGNED[1])
}

pub(super) fn kernel(root: &TinyRoot) -> Result<PathBuf> {
    let (version, _) = paths::debian_kernel()?;
    Ok(root.path().join(format!("boot/vmlinuz-{version}")))
}

/// Another image of the package with the signed GRUB, in its place.
fn put_grub(root: &TinyRoot, name: &str) -> Result<()> {
    let folder = paths::tests_layer().join("usr/lib/grub/x86_64-efi-signed");
    let from = folder.join(name);
    fs::copy(&from, grub(root)).with_context(|| format!("copy {}", from.display()))?;
    Ok(())
}

/// Machines with Secure Boot, and a server that has shim alone for them: they are given it at their first boot.
struct Site {
    lan: Lan,
    root: TinyRoot,
    server: NetrootServe,
}

impl Site {
    fn new(name: &str, root: TinyRoot) -> Result<Self> {
        let lan = Lan::new(name)?;
        let no_ipxe = lan.net.logs().join("no-ipxe");
        fs::create_dir_all(&no_ipxe)?;
        let no_ipxe = no_ipxe.display().to_string();
        let server = lan.serve(root.path(), &["--ipxe", &no_ipxe])?;
        Ok(Self { lan, root, server })
    }

    fn machine(&self) -> VmBuilder<'_> {
        let nic = Nic::virtio(&self.lan.tap, MACHINE);
        let machine = self.lan.machine().memory_mib(1024);
        machine.firmware(Firmware::SecureBoot).nic(nic)
    }

    /// Waits until the server has said why the machine's boot stopped, which is this cause, in a sentence with these words.
    fn assert_told(&self, cause: &str, words: &[&str]) -> Result<()> {
        let command = format!("chroot {} {PACKAGES}", self.root.path().display());
        let words = [words, &[&command]].concat();
        assert_told(&self.server, MACHINE, cause, &words)
    }
}

pub(super) fn assert_told(
    server: &NetrootServe,
    machine: &str,
    cause: &str,
    words: &[&str],
) -> Result<()> {
    let start = format!("\"kind\":\"boot-stopped\",\"machine\":\"{machine}\"");
    let told = server
        .output()
        .wait_for(&start, "why it stopped", TIMEOUT)?;
    let cause = format!("\"cause\":\"{cause}\"");
    for word in [&[cause.as_str()], words].concat() {
        assert!(told.line.contains(word), "{word}: {}", told.line);
    }
    Ok(())
}

#[test]
fn a_shim_of_an_authority_that_firmware_does_not_trust() -> Result<()> {
    let site = Site::new("secure-boot-authority", debian()?)?;
    let machine = site.machine().trusting(Signer::new()?.db()?);
    let vm = machine.start()?;
    vm.wait_for("Access Denied", "the firmware's refusal", TIMEOUT)?;
    drop(vm);
    let words = ["/shimx64.efi", "Microsoft UEFI CA 2023 (db"];
    site.assert_told("shim-refused", &words)
}

#[test]
fn a_shim_that_asks_for_a_loader_of_another_name() -> Result<()> {
    let (root, signer) = (debian()?, Signer::new()?);
    unsign(&shim(&root))?;
    // As openSUSE's shim, which asks for grub.efi.
    let utf16 =
        |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let (own, other) = (utf16("grubx64.efi"), utf16("loader1.efi"));
    let mut bytes = fs::read(shim(&root))?;
    let found = bytes.windows(own.len()).position(|window| window == own);
    let at = found.context("the loader's name in shim")?;
    bytes[at..at + own.len()].copy_from_slice(&other);
    fs::write(shim(&root), bytes)?;
    signer.sign(&shim(&root))?;
    let site = Site::new("secure-boot-name", root)?;
    let vm = site.machine().trusting(signer.db()?).start()?;
    site.server
        .output()
        .wait_for("/loader1.efi: no such file", "shim's request", TIMEOUT)?;
    drop(vm);
    let words = [
        "/shimx64.efi asked for ",
        "/loader1.efi, which is not served",
    ];
    site.assert_told("shim-lacks-file", &words)
}

#[test]
fn a_grub_of_a_generation_that_the_machine_does_not_take() -> Result<()> {
    let site = Site::new("secure-boot-generation", debian()?)?;
    let mut vm = site.machine().least_generations("grub,9").start()?;
    vm.wait_for("Security Violation", "shim's refusal", TIMEOUT)?;
    // Who has read that is offered shim's manager of keys.
    vm.type_in("\r")?;
    site.server
        .output()
        .wait_for("/mmx64.efi: no such file", "shim's request", TIMEOUT)?;
    drop(vm);
    let words = [
        "shim loaded images/",
        "/grubx64.efi and refused it",
        "grub 5",
    ];
    site.assert_told("grub-refused", &words)
}

/// Debian's GRUB for its installer, which is signed alike and looks for the installer's configuration.
#[test]
fn a_grub_that_asks_for_another_configuration() -> Result<()> {
    let root = debian()?;
    put_grub(&root, "grubnetx64-installer.efi.signed")?;
    let site = Site::new("secure-boot-configuration", root)?;
    let vm = site.machine().start()?;
    vm.wait_for("grub> ", "GRUB's prompt", TIMEOUT)?;
    drop(vm);
    let words = ["GRUB asked for ", "grub.cfg", "which is not served"];
    site.assert_told("grub-lacks-file", &words)
}

#[test]
fn a_kernel_that_somebody_else_has_signed() -> Result<()> {
    let (root, signer) = (debian()?, Signer::new()?);
    let kernel = kernel(&root)?;
    unsign(&kernel)?;
    signer.sign(&kernel)?;
    let site = Site::new("secure-boot-kernel", root)?;
    let signed_by = format!("the kernel is signed by {NAME}");
    let mut vm = site.machine().start()?;
    vm.wait_for("bad shim signature", "GRUB's refusal", TIMEOUT)?;
    // It starts anew, which ends a virtual machine of the tests.
    vm.wait(TIMEOUT)?;
    let words = ["GRUB loaded the kernel images/", &signed_by, "mokutil"];
    site.assert_told("kernel-refused", &words)
}

/// What netroot sees in the files is told when a machine was given iPXE for want of them.
#[test]
fn files_that_no_machine_would_start() -> Result<()> {
    let lan = Lan::new("secure-boot-files")?;
    let (unsigned, alone, for_disks) = (debian()?, debian()?, debian()?);
    let linux = kernel(&unsigned)?;
    unsign(&linux)?;
    fs::remove_file(grub(&alone))?;
    put_grub(&for_disks, "grubx64.efi.signed")?;
    let not_signed = format!("the kernel is not signed ({})", linux.display());
    let no_grub = format!(
        "there is a shim ({}), and no signed GRUB beside it",
        shim(&alone).display()
    );
    let no_network = format!(
        "{} loads no files from the network",
        grub(&for_disks).display()
    );
    let images = [
        ("unsigned", &unsigned, not_signed),
        ("alone", &alone, no_grub),
        ("disks", &for_disks, no_network),
    ];
    let state = lan.net.logs().join("state");
    let mut config = format!(
        "default = \"unsigned\"\n[server]\nstate = \"{}\"\ncache = \"{}\"\n\
         [[network]]\ninterface = \"br0\"\nmode = \"dhcp\"\nrange = \"{RANGE}\"\n",
        state.display(),
        paths::target().join("netroot-initrds").display(),
    );
    let mac = |number: usize| format!("52:54:00:77:00:0{number}");
    for (number, (name, root, _)) in images.iter().enumerate() {
        config += &image(name, root.path());
        config += &format!("[[rule]]\nmac = \"{}\"\nboot = \"{name}\"\n", mac(number));
    }
    let file = lan.net.logs().join("etc/netroot.toml");
    write(&file, &config)?;
    let server = NetrootServe::start_configured(&lan.net, &file, &[])?;
    let output = server.output();
    for number in 0..images.len() {
        let nic = Nic::virtio(&lan.tap, &mac(number));
        let machine = lan.machine().firmware(Firmware::SecureBoot).nic(nic);
        let vm = machine.start()?;
        let loaded = format!("\"kind\":\"loader\",\"machine\":\"{}\"", mac(number));
        output.wait_for(&loaded, "iPXE, which it does not start", TIMEOUT)?;
        vm.wait_for("Access Denied", "the firmware's refusal", TIMEOUT)?;
    }
    for (number, (_, root, why)) in images.iter().enumerate() {
        let command = format!("chroot {} {PACKAGES}", root.path().display());
        let words = ["snponly.efi was loaded", why, &command];
        assert_told(&server, &mac(number), "loader-silent", &words)?;
    }
    Ok(())
}

fn image(name: &str, root: &Path) -> String {
    format!(
        "[image.{name}]\nroot = \"{}\"\nmodules = \"virtio_net\"\nappend = \"{QUICK_KERNEL_PARAMETERS}\"\n",
        root.display()
    )
}
