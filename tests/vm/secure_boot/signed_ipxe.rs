//! A shim that starts iPXE, and the iPXE that it trusts (`--ipxe` with both): machines with Secure Boot run iPXE's script, and
//! Debian's kernel starts by Debian's own shim, which iPXE's command `shim` loads.
//!
//! What iPXE publishes for that, signed by Microsoft and by iPXE, cannot be had where the tests run. In its place are Debian's
//! shim, built with a certificate of the tests' own and iPXE's name inside, and the iPXE 2.0 of Debian's newest suite,
//! signed under that certificate. A key of the test's own signs the shim, and stands in the machines' `db` beside Microsoft's.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use netroot_harness::{
    Event, Firmware, NetrootServe, Nic, QUICK_KERNEL_PARAMETERS, TinyRoot, VmBuilder, paths,
};
use netroot_secure_boot::Authority;

use super::authorities::trusting;
use super::failures::{assert_told, debian, grub, kernel};
use super::signer::{NAME, Signer, unsign};
use crate::lan::{Facts, Lan, MACHINE, RANGE, TIMEOUT, wait_for_lockdown, write};
use crate::several_dhcp_servers::router;

/// What firmware is given, and what that asks for beside itself.
const SHIM: &str = "x86_64-sb/ipxe-shim.efi";
const IPXE: &str = "x86_64-sb/snponly.efi";
/// By which iPXE starts the kernel.
const KERNEL_SHIM: &str = "/kernelshim.efi-";

/// A folder with both files, and who signed the shim.
struct Pair {
    folder: PathBuf,
    signer: Signer,
}

impl Pair {
    /// iPXE is signed by the one whom the shim trusts.
    fn new(lan: &Lan) -> Result<Self> {
        let vendor = paths::ipxe_shim();
        let by_vendor = Signer::of(&vendor.join("vendor.key"), &vendor.join("vendor.pem"))?;
        Self::signed_by(lan, &by_vendor)
    }

    fn signed_by(lan: &Lan, signs_ipxe: &Signer) -> Result<Self> {
        let folder = lan.net.logs().join("ipxe");
        fs::create_dir(&folder)?;
        let copy = |from: PathBuf, to: &str| -> Result<PathBuf> {
            let to = folder.join(to);
            fs::copy(&from, &to).with_context(|| format!("copy {}", from.display()))?;
            Ok(to)
        };
        let ipxe = copy(
            paths::signed_loaders().join("ipxe/snponly.efi"),
            "snponly.efi",
        )?;
        signs_ipxe.sign(&ipxe)?;
        let shim = copy(
            paths::ipxe_shim().join("shimx64.efi"),
            "snponly-shimx64.efi",
        )?;
        let signer = Signer::new()?;
        signer.sign(&shim)?;
        Ok(Self { folder, signer })
    }

    fn folder(&self) -> String {
        self.folder.display().to_string()
    }

    /// A machine that trusts Microsoft, and who signed this shim.
    fn machine<'a>(&self, lan: &'a Lan, firmware: Firmware) -> Result<VmBuilder<'a>> {
        let trusted = trusting(&Authority::ALL)?.certificate(&self.signer.certificate()?);
        let nic = Nic::virtio(&lan.tap, MACHINE);
        let machine = lan.machine().memory_mib(1024).firmware(firmware);
        Ok(machine.trusting(trusted).nic(nic))
    }
}

fn has(server: &NetrootServe, wanted: impl Fn(&Event) -> bool) -> bool {
    let events = server.events();
    events.iter().any(|(_, event)| wanted(event))
}

/// That the machine went by iPXE's shim, and came to its kernel by Debian's.
fn assert_by_ipxe(server: &NetrootServe, protocol: &str) {
    let shown = server.output().text();
    let loaded = has(server, |event| {
        let by = event.protocol.as_deref();
        event.kind == "loader" && event.text.contains(SHIM) && by == Some(protocol)
    });
    assert!(loaded, "{shown}");
    for file in [IPXE, KERNEL_SHIM, ".ipxe"] {
        assert!(has(server, |event| event.text.contains(file)), "{shown}");
    }
    assert!(!has(server, |event| event.text.contains("grubx64.efi")));
}

/// The first boot ends with the iPXE that firmware itself does not trust; the next one is given its shim. The root has GRUB, too,
/// which is not taken.
#[test]
fn by_pxe_once_firmware_has_refused_ipxe_without_its_shim() -> Result<()> {
    let lan = Lan::new("signed-ipxe-pxe")?;
    let pair = Pair::new(&lan)?;
    let root = TinyRoot::signed()?;
    let server = lan.serve(root.path(), &["--ipxe", &pair.folder()])?;
    let output = server.output();
    let refused = pair.machine(&lan, Firmware::SecureBoot)?.start()?;
    refused.wait_for("Access Denied", "the firmware's refusal", TIMEOUT)?;
    drop(refused);
    let stopped = "boot stopped: snponly.efi was loaded";
    output.wait_for(stopped, "the end of that boot", TIMEOUT)?;
    let mut vm = pair.machine(&lan, Firmware::SecureBoot)?.start()?;
    let given = output.wait_for("\"given-signed\"", "that shim is given", TIMEOUT)?;
    assert!(given.line.contains(SHIM), "{}", given.line);
    Facts::of(&vm)?.assert_overlay();
    wait_for_lockdown(&vm)?;
    output.wait_for("root mounted ", "the report of the boot", TIMEOUT)?;
    vm.wait(TIMEOUT)?;
    assert_by_ipxe(&server, "tftp");
    Ok(())
}

#[test]
fn by_pxe_beside_dnsmasq() -> Result<()> {
    let name = "signed-ipxe-proxy";
    let lan = Lan::new(name)?;
    let pair = Pair::new(&lan)?;
    let (_router, dnsmasq) = router(&lan, name, &["--dhcp-option=3,10.77.0.254"])?;
    let root = TinyRoot::signed()?;
    let folder = pair.folder();
    let mut arguments = vec!["--interface", "br0", "--append", QUICK_KERNEL_PARAMETERS];
    arguments.extend(["--modules", "virtio_net", "--ipxe", &folder]);
    arguments.extend(["--secure-boot", "always"]);
    let server = NetrootServe::start(&lan.net, root.path(), &arguments)?;
    let vm = pair.machine(&lan, Firmware::SecureBoot)?.start()?;
    Facts::of(&vm)?.assert_overlay();
    assert_by_ipxe(&server, "tftp");
    assert!(dnsmasq.log().contains("DHCPACK(lan) 10.77.0."));
    Ok(())
}

#[test]
fn by_http_boot_to_the_login() -> Result<()> {
    let lan = Lan::new("signed-ipxe-http")?;
    let pair = Pair::new(&lan)?;
    let root = lan.layers(&[&paths::tests_layer(), &paths::debian_root()])?;
    let more = ["--ipxe", &pair.folder(), "--secure-boot", "always"];
    let server = lan.serve(&root, &more)?;
    let vm = pair.machine(&lan, Firmware::SecureBootHttp)?.start()?;
    let locked = "Kernel is locked down from EFI Secure Boot";
    vm.wait_for(locked, "the kernel, which has Secure Boot on", TIMEOUT)?;
    vm.wait_for("debian login:", "the login prompt", TIMEOUT)?;
    server
        .output()
        .wait_for("root mounted ", "its report", TIMEOUT)?;
    assert_by_ipxe(&server, "http");
    Ok(())
}

/// iPXE's menu, which is shown before anything is chosen, and what is chosen in it.
#[test]
fn the_menu_boots_what_is_chosen() -> Result<()> {
    let lan = Lan::new("signed-ipxe-menu")?;
    let pair = Pair::new(&lan)?;
    let root = TinyRoot::signed()?;
    let state = lan.net.logs().join("state");
    let config = format!(
        "default = \"menu\"\nsecure-boot = \"always\"\n[server]\nipxe = \"{}\"\nstate = \"{}\"\ncache = \"{}\"\n\
         [[network]]\ninterface = \"br0\"\nmode = \"dhcp\"\nrange = \"{RANGE}\"\n\
         [menu]\ntitle = \"Which one?\"\ntimeout = \"never\"\n\
         [image.disk]\nlocal-disk = true\ntitle = \"The machine's own disk\"\n\
         [image.debian]\nroot = \"{}\"\nmodules = \"virtio_net\"\nappend = \"{QUICK_KERNEL_PARAMETERS}\"\n\
         title = \"Debian, signed\"\n",
        pair.folder(),
        state.display(),
        paths::target().join("netroot-initrds").display(),
        root.path().display(),
    );
    let file = lan.net.logs().join("etc/netroot.toml");
    write(&file, &config)?;
    let server = NetrootServe::start_configured(&lan.net, &file, &[])?;
    let mut vm = pair.machine(&lan, Firmware::SecureBoot)?.start()?;
    vm.wait_for("Debian, signed", "the menu", TIMEOUT)?;
    // Down, and Enter.
    vm.type_in("\x1b[B\n")?;
    Facts::of(&vm)?.assert_overlay();
    wait_for_lockdown(&vm)?;
    assert_by_ipxe(&server, "tftp");
    Ok(())
}

#[test]
fn an_ipxe_that_is_not_signed_by_whom_its_shim_trusts() -> Result<()> {
    let lan = Lan::new("signed-ipxe-stranger")?;
    let pair = Pair::signed_by(&lan, &Signer::new()?)?;
    let root = debian()?;
    // Machines would be given it instead.
    fs::remove_file(grub(&root))?;
    let more = ["--ipxe", &pair.folder(), "--secure-boot", "always"];
    let server = lan.serve(root.path(), &more)?;
    let file = pair.folder.join("snponly.efi").display().to_string();
    let wrong = format!("the boot loader is signed by {NAME}, and not under Stand-in for iPXE's");
    let output = server.output();
    let warned = output.wait_for(&wrong, "what is wrong with it", TIMEOUT)?;
    for word in ["\"signed-ipxe\"", &file, "ipxeboot.tar.gz"] {
        assert!(warned.line.contains(word), "{word}: {}", warned.line);
    }
    let mut vm = pair.machine(&lan, Firmware::SecureBoot)?.start()?;
    vm.wait_for("Security Violation", "shim's refusal", TIMEOUT)?;
    // Who has read that is offered shim's manager of keys.
    vm.type_in("\r")?;
    let asked = "x86_64-sb/mmx64.efi: no such file";
    output.wait_for(asked, "shim's request", TIMEOUT)?;
    drop(vm);
    let words = ["shim loaded x86_64-sb/snponly.efi and refused it", &wrong];
    assert_told(&server, MACHINE, "ipxe-refused", &words)
}

/// Debian's shim refuses it once somebody has read why, the machine starts again, and with that the boot before is told of.
#[test]
fn a_kernel_that_somebody_else_has_signed() -> Result<()> {
    let lan = Lan::new("signed-ipxe-kernel")?;
    let pair = Pair::new(&lan)?;
    let root = debian()?;
    let kernel = kernel(&root)?;
    unsign(&kernel)?;
    Signer::new()?.sign(&kernel)?;
    let more = ["--ipxe", &pair.folder(), "--secure-boot", "always"];
    let server = lan.serve(root.path(), &more)?;
    let vm = pair.machine(&lan, Firmware::SecureBoot)?.start()?;
    vm.wait_for("Security Violation", "shim's refusal", TIMEOUT)?;
    drop(vm);
    let _again = pair.machine(&lan, Firmware::SecureBoot)?.start()?;
    let signed_by = format!("the kernel is signed by {NAME}");
    let words = ["iPXE loaded the kernel images/", &signed_by, "mokutil"];
    assert_told(&server, MACHINE, "kernel-refused", &words)
}

/// iPXE says why, tries again for ever, and is never silent.
#[test]
fn a_root_without_a_shim_of_its_distribution() -> Result<()> {
    let lan = Lan::new("signed-ipxe-no-shim")?;
    let pair = Pair::new(&lan)?;
    let root = TinyRoot::make()?;
    write(&root.path().join("etc/os-release"), "ID=debian\n")?;
    let more = ["--ipxe", &pair.folder(), "--secure-boot", "always"];
    let server = lan.serve(root.path(), &more)?;
    let vm = pair.machine(&lan, Firmware::SecureBoot)?.start()?;
    let tells = "netroot: the kernel was loaded but does not start";
    vm.wait_for(tells, "that iPXE cannot start it", TIMEOUT)?;
    let cure = format!("chroot {} apt install shim-signed", shown(root.path()));
    let words = ["iPXE loaded the kernel images/", "has no shim", &cure];
    assert_told(&server, MACHINE, "kernel-refused", &words)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
