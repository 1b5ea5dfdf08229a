//! Machines with another processor than the server's: AAVMF's own PXE client and its HTTP boot, iPXE for arm64, and the
//! init for aarch64, which the same server carries. QEMU emulates the processor wherever the tests run, so there are few,
//! each of which shows several things.

mod secure_boot;

use std::path::Path;

use anyhow::Result;
use netroot_harness::{
    Dnsmasq, Firmware, Net, NetrootServe, Nic, Processor, Rom, TinyRoot, VmBuilder, media, paths,
};

use crate::lan::{Facts, Lan, MACHINE, RANGE, TIMEOUT, write};

const ARM: Processor = Processor::Aarch64;
/// An aarch64 machine beside `MACHINE`.
const OTHER: &str = "52:54:00:77:00:02";

/// `netroot serve` with boot loaders for both processors, and this console.
fn serve(lan: &Lan, root: &Path, processor: Processor, more: &[&str]) -> Result<NetrootServe> {
    let ipxe = paths::ipxe().display().to_string();
    let append = processor.kernel_parameters();
    let mut arguments = vec!["--interface", "br0", "--ipxe", &ipxe, "--append", append];
    arguments.extend(["--modules", "virtio_net"]);
    arguments.extend(more);
    NetrootServe::start(&lan.net, root, &arguments)
}

fn machine(lan: &Lan, firmware: Firmware) -> VmBuilder<'_> {
    lan.machine()
        .processor(ARM)
        .firmware(firmware)
        .nic(Nic::virtio(&lan.tap, MACHINE))
}

/// Another DHCP server on this network, on a host of its own.
fn router(lan: &Lan, name: &str) -> Result<(Net, Dnsmasq)> {
    let router = Net::new(&format!("{name}-router"))?;
    lan.net
        .cable(&lan.bridge, &router, "lan", "10.77.0.254/24")?;
    let dnsmasq = Dnsmasq::start(&router, "lan", "10.77.0.100", "10.77.0.199", &[])?;
    Ok((router, dnsmasq))
}

fn assert_aarch64(facts: &Facts) -> Result<()> {
    facts.assert_overlay();
    let report = facts.report()?.to_string();
    assert!(report.contains("arm64"), "{report}");
    Ok(())
}

#[test]
fn machines_of_two_processors_boot_at_once_each_its_own_image() -> Result<()> {
    let lan = Lan::new("aarch64-mixed")?;
    let (pc, arm) = (TinyRoot::make()?, TinyRoot::make_for(ARM)?);
    let file = lan.net.logs().join("netroot.toml");
    let image = |root: &TinyRoot, processor: Processor| {
        format!(
            "root = \"{}\"\nmodules = \"virtio_net\"\nappend = \"{}\"\n",
            root.path().display(),
            processor.kernel_parameters()
        )
    };
    let config = format!(
        "default = \"pc\"\n\
         [server]\nstate = \"{}\"\ncache = \"{}\"\nipxe = \"{}\"\n\
         [[network]]\ninterface = \"br0\"\nmode = \"dhcp\"\nrange = \"{RANGE}\"\n\
         [[rule]]\narch = \"efi-arm64\"\nboot = \"arm\"\n\
         [image.pc]\n{}[image.arm]\n{}",
        lan.net.logs().join("state").display(),
        paths::target().join("netroot-initrds").display(),
        paths::ipxe().display(),
        image(&pc, Processor::X86_64),
        image(&arm, ARM),
    );
    write(&file, &config)?;
    let server = NetrootServe::start_configured(&lan.net, &file, &[])?;
    let tap = lan.net.tap("other", &lan.bridge)?;
    let other = VmBuilder::new(&lan.net, "aarch64")
        .processor(ARM)
        .firmware(Firmware::Uefi)
        .nic(Nic::virtio(&tap, OTHER))
        .start()?;
    let nic = Nic::virtio(&lan.tap, MACHINE).with_rom(Rom::Ipxe);
    let machine = lan.machine().nic(nic).start()?;
    Facts::of(&machine)?.assert_overlay();
    assert_aarch64(&Facts::of(&other)?)?;
    for (mac, image) in [(MACHINE, "boots pc"), (OTHER, "boots arm")] {
        let told = server.events().into_iter().any(|(_, event)| {
            event.kind == "script"
                && event.machine.as_deref() == Some(mac)
                && event.text.contains(image)
        });
        assert!(told, "{mac} {image}: {:#?}", server.events());
    }
    Ok(())
}

#[test]
fn http_boot_beside_another_dhcp_server_reaches_the_roots_init() -> Result<()> {
    let lan = Lan::new("aarch64-http")?;
    let _router = router(&lan, "aarch64-http")?;
    let root = TinyRoot::make_for(ARM)?;
    let server = serve(&lan, root.path(), ARM, &[])?;
    let vm = machine(&lan, Firmware::UefiHttp).start()?;
    assert_aarch64(&Facts::of(&vm)?)?;
    let events = server.events();
    let by_tftp = events
        .iter()
        .any(|(_, event)| event.protocol.as_deref() == Some("tftp"));
    assert!(!by_tftp, "{events:#?}");
    Ok(())
}

#[test]
fn a_root_for_another_processor_is_refused_by_name_and_a_disk_that_is_assigned_meanwhile_boots()
-> Result<()> {
    let lan = Lan::new("aarch64-refused")?;
    let _router = router(&lan, "aarch64-refused")?;
    let root = TinyRoot::make()?;
    let folder = lan.net.logs();
    let says = "a disk over HTTP says so to arm64";
    let disk = media::volume(&media::program_for(ARM, says));
    std::fs::write(folder.join("disk.img"), disk)?;
    let config = format!(
        "default = \"pc\"\n\
         [server]\nstate = \"{at}/state\"\ncache = \"{}\"\nipxe = \"{}\"\n\
         [[network]]\ninterface = \"br0\"\n\
         [image.pc]\nroot = \"{}\"\nmodules = \"virtio_net\"\n\
         [image.disk]\ndisk = \"{at}/disk.img\"\n",
        paths::target().join("netroot-initrds").display(),
        paths::ipxe().display(),
        root.path().display(),
        at = folder.display(),
    );
    let file = folder.join("netroot.toml");
    write(&file, &config)?;
    let server = NetrootServe::start_configured(&lan.net, &file, &[])?;
    let vm = machine(&lan, Firmware::Uefi).start()?;
    let why = " is for x86_64, and this machine is UEFI arm64";
    vm.wait_for(why, "the explanation on the console", TIMEOUT)?;
    let said = server
        .output()
        .wait_for(why, "the same in the log", TIMEOUT)?;
    assert!(said.line.contains(MACHINE), "{}", said.line);
    let assigned = format!("[machine.arm]\nmac = \"{MACHINE}\"\nboot = \"disk\"\n");
    write(&folder.join("conf.d/arm.toml"), &assigned)?;
    vm.wait_for(says, "the disk's program", TIMEOUT)?;
    Ok(())
}

#[test]
#[ignore = "an emulated processor takes minutes for systemd"]
fn debian_for_arm64_boots_to_its_login() -> Result<()> {
    let lan = Lan::new("aarch64-debian")?;
    let root = paths::debian_root_for(ARM);
    let server = serve(&lan, &root, ARM, &["--dhcp", RANGE])?;
    let vm = machine(&lan, Firmware::Uefi).start()?;
    vm.wait_for("arm64 login:", "the login prompt", TIMEOUT * 2)?;
    let booted = server
        .output()
        .wait_for("root mounted ", "its report", TIMEOUT)?;
    assert!(booted.line.contains(MACHINE), "{}", booted.line);
    Ok(())
}
