//! Every kind of image through real firmware: SeaBIOS with the iPXE ROM of QEMU's card, and OVMF with ours.

mod elsewhere;

use std::path::PathBuf;

use anyhow::Result;
use netroot_harness::{
    Firmware, NetrootServe, Nic, QUICK_KERNEL_PARAMETERS, Rom, Tap, TinyRoot, Vm, VmBuilder, media,
    paths,
};

use crate::lan::{Facts, Lan, MACHINE, RANGE, TIMEOUT, write};

/// The files of images, and the configuration that names them.
struct Site {
    lan: Lan,
    folder: tempfile::TempDir,
}

impl Site {
    fn new(name: &str) -> Result<Self> {
        Ok(Self {
            lan: Lan::new(name)?,
            folder: tempfile::tempdir()?,
        })
    }

    fn file(&self, name: &str, bytes: &[u8]) -> Result<PathBuf> {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes)?;
        Ok(path)
    }

    /// Serves this as the configuration's images and rules, with `default` for everybody.
    fn serve(&self, default: &str, more: &str) -> Result<NetrootServe> {
        let file = self.folder.path().join("netroot.toml");
        let state = self.lan.net.logs().join("state");
        let config = format!(
            "default = \"{default}\"\n\
             [server]\nstate = \"{}\"\ncache = \"{}\"\n\
             [[network]]\ninterface = \"br0\"\nmode = \"dhcp\"\nrange = \"{RANGE}\"\n{more}",
            state.display(),
            paths::target().join("netroot-initrds").display(),
        );
        write(&file, &config)?;
        NetrootServe::start_configured(&self.lan.net, &file, &[])
    }

    /// A kernel with two initrds: in the first the init, in the second what it reads.
    fn kernel(&self) -> Result<String> {
        let init = std::fs::read(paths::facts()?)?;
        let first = self.file("first.img", &media::archive(&[("init", &init)]))?;
        let witness = ("etc/witness", &b"from the second initrd\n"[..]);
        let second = self.file("second.img", &media::archive(&[witness]))?;
        let (_, kernel) = paths::debian_kernel()?;
        Ok(format!(
            "[image.kernel]\ntitle = \"A kernel, alone\"\nkernel-file = \"{}\"\ninitrds = [\"{}\", \"{}\"]\n\
             append = \"{QUICK_KERNEL_PARAMETERS} hostname=${{name}} nic=${{mac:hexhyp}}\"\n",
            kernel.display(),
            first.display(),
            second.display()
        ))
    }

    fn bios(&self, hardware: &str) -> Result<Vm> {
        let nic = Nic::virtio(&self.lan.tap, MACHINE).with_rom(Rom::Ipxe);
        self.lan.machine().hardware(hardware).nic(nic).start()
    }

    fn uefi(&self, hardware: &str) -> Result<Vm> {
        self.uefi_machine(hardware).start()
    }

    fn uefi_machine(&self, hardware: &str) -> VmBuilder<'_> {
        let nic = Nic::virtio(&self.lan.tap, MACHINE);
        let machine = self.lan.machine().firmware(Firmware::Uefi);
        machine.hardware(hardware).nic(nic)
    }
}

/// A disk of the machine itself, behind the network in the firmware's order.
fn own_disk(path: &std::path::Path) -> String {
    let path = path.display();
    format!(
        "-drive if=none,id=own,format=raw,file={path} -device virtio-blk-pci,drive=own,bootindex=9"
    )
}

/// The kernel has booted with both initrds and its own command line.
fn assert_kernel_booted(vm: &Vm) -> Result<()> {
    let facts = Facts::of(vm)?;
    assert_eq!(facts.all("pid"), "1");
    assert_eq!(facts.all("witness"), "from the second initrd");
    let line = vm.wait_for(
        "Kernel command line: ",
        "the kernel's command line",
        TIMEOUT,
    )?;
    let nic = format!(" nic={}", MACHINE.replace(':', "-"));
    assert!(line.line.contains(&nic), "{}", line.line);
    for other in ["root=", "BOOTIF", "hostname="] {
        assert!(!line.line.contains(other), "{}", line.line);
    }
    Ok(())
}

#[test]
fn a_kernel_with_two_initrds_boots_under_bios() -> Result<()> {
    let site = Site::new("image-kernel-bios")?;
    let _server = site.serve("kernel", &site.kernel()?)?;
    let vm = site.bios("")?;
    assert_kernel_booted(&vm)
}

#[test]
fn a_kernel_with_two_initrds_boots_under_uefi() -> Result<()> {
    let site = Site::new("image-kernel-uefi")?;
    let _server = site.serve("kernel", &site.kernel()?)?;
    let vm = site.uefi("")?;
    assert_kernel_booted(&vm)
}

#[test]
fn an_efi_program_starts_under_uefi_and_is_followed_by_the_next_boot_device() -> Result<()> {
    let site = Site::new("image-efi")?;
    let program = site.file("say.efi", &media::program("an EFI program says so"))?;
    let own = media::volume(&media::program("the machine's own disk says so"));
    let own = site.file("own.img", &own)?;
    let config = format!("[image.tool]\nefi = \"{}\"\n", program.display());
    let _server = site.serve("tool", &config)?;
    let vm = site.uefi_machine(&own_disk(&own)).only_ipv4().start()?;
    vm.wait_for("an EFI program says so", "the program", TIMEOUT)?;
    vm.wait_for(
        "the machine's own disk says so",
        "the next boot device",
        TIMEOUT,
    )?;
    Ok(())
}

#[test]
fn a_bios_is_told_that_it_cannot_start_an_efi_program() -> Result<()> {
    let site = Site::new("image-efi-bios")?;
    let program = site.file("say.efi", &media::program("an EFI program says so"))?;
    let config = format!("[image.tool]\nefi = \"{}\"\n", program.display());
    let server = site.serve("tool", &config)?;
    let vm = site.bios("")?;
    let why = "netroot: tool is an EFI program, and this machine was started by its BIOS";
    vm.wait_for(why, "the explanation", TIMEOUT)?;
    // It asks again, and may have been assigned another image by then.
    let scripts = || {
        let events = server.events();
        events
            .iter()
            .filter(|(_, event)| event.kind == "script")
            .count()
    };
    let before = scripts();
    vm.wait_for("trying again in 10 s", "the end of the attempt", TIMEOUT)?;
    let began = std::time::Instant::now();
    while scripts() == before && began.elapsed() < TIMEOUT {
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    assert!(scripts() > before, "it has not asked again");
    Ok(())
}

#[test]
fn a_disk_boots_under_bios() -> Result<()> {
    let site = Site::new("image-disk-bios")?;
    let disk = site.file("disk.img", &media::disk("a disk over HTTP says so"))?;
    let config = format!("[image.disk]\ndisk = \"{}\"\n", disk.display());
    let _server = site.serve("disk", &config)?;
    let vm = site.bios("")?;
    vm.wait_for(
        "a disk over HTTP says so",
        "the disk's boot sector",
        TIMEOUT,
    )?;
    Ok(())
}

#[test]
fn a_disk_boots_under_uefi() -> Result<()> {
    let site = Site::new("image-disk-uefi")?;
    let disk = media::volume(&media::program("a disk over HTTP says so to UEFI"));
    let disk = site.file("disk.img", &disk)?;
    let config = format!("[image.disk]\ndisk = \"{}\"\n", disk.display());
    let _server = site.serve("disk", &config)?;
    let vm = site.uefi("")?;
    vm.wait_for(
        "a disk over HTTP says so to UEFI",
        "the disk's program",
        TIMEOUT,
    )?;
    Ok(())
}

/// A CD that says something under either firmware.
fn cd(site: &Site) -> Result<String> {
    let volume = media::volume(&media::program("a CD over HTTP says so to UEFI"));
    let cd = site.file(
        "cd.iso",
        &media::iso("a CD over HTTP says so to a BIOS", &volume),
    )?;
    Ok(format!("[image.cd]\niso = \"{}\"\n", cd.display()))
}

#[test]
fn an_iso_boots_under_bios() -> Result<()> {
    let site = Site::new("image-iso-bios")?;
    let _server = site.serve("cd", &cd(&site)?)?;
    let vm = site.bios("")?;
    vm.wait_for(
        "a CD over HTTP says so to a BIOS",
        "the CD's boot image",
        TIMEOUT,
    )?;
    Ok(())
}

#[test]
fn an_iso_boots_under_uefi() -> Result<()> {
    let site = Site::new("image-iso-uefi")?;
    let _server = site.serve("cd", &cd(&site)?)?;
    let vm = site.uefi("")?;
    vm.wait_for(
        "a CD over HTTP says so to UEFI",
        "the CD's program",
        TIMEOUT,
    )?;
    Ok(())
}

#[test]
fn the_local_disk_boots_under_bios() -> Result<()> {
    let site = Site::new("image-local-bios")?;
    let own = site.file("own.img", &media::disk("the machine's own disk says so"))?;
    let _server = site.serve("local", "[image.local]\nlocal-disk = true\n")?;
    let vm = site.bios(&own_disk(&own))?;
    vm.wait_for(
        "netroot: local, this machine's own disk",
        "the script",
        TIMEOUT,
    )?;
    vm.wait_for("the machine's own disk says so", "its boot sector", TIMEOUT)?;
    Ok(())
}

#[test]
fn the_local_disk_boots_under_uefi() -> Result<()> {
    let site = Site::new("image-local-uefi")?;
    let own = media::volume(&media::program("the machine's own disk says so"));
    let own = site.file("own.img", &own)?;
    let _server = site.serve("local", "[image.local]\nlocal-disk = true\n")?;
    let vm = site.uefi_machine(&own_disk(&own)).only_ipv4().start()?;
    vm.wait_for(
        "netroot: local, this machine's own disk",
        "the script",
        TIMEOUT,
    )?;
    vm.wait_for("the machine's own disk says so", "its program", TIMEOUT)?;
    Ok(())
}

#[test]
fn a_machine_without_a_disk_is_told_so() -> Result<()> {
    let site = Site::new("image-no-disk")?;
    let _server = site.serve("local", "[image.local]\nlocal-disk = true\n")?;
    let vm = site.bios("")?;
    vm.wait_for(
        "netroot: this machine's first disk does not boot",
        "the sentence",
        TIMEOUT,
    )?;
    Ok(())
}

#[test]
fn the_menu_boots_its_default_after_its_time() -> Result<()> {
    let site = Site::new("menu-timeout")?;
    let config = format!(
        "[menu]\ntitle = \"Which one?\"\ntimeout = \"5s\"\ndefault = \"kernel\"\n\
         [image.local]\ntitle = \"The disk in here\"\nlocal-disk = true\n{}",
        site.kernel()?
    );
    let _server = site.serve("menu", &config)?;
    let vm = site.bios("")?;
    for line in ["Which one?", "The disk in here", "A kernel, alone"] {
        vm.wait_for(line, "a line of the menu", TIMEOUT)?;
    }
    assert_kernel_booted(&vm)
}

#[test]
fn the_menu_has_the_machines_own_image_and_boots_it_after_its_time() -> Result<()> {
    let site = Site::new("menu-own")?;
    let config = format!(
        "[menu]\ntitle = \"Which one?\"\ntimeout = \"5s\"\nimages = [\"local\"]\ndefault = \"local\"\n\
         [[rule]]\nboot = \"menu\"\n\
         [[rule]]\nmac = \"{MACHINE}\"\nboot = \"kernel\"\n\
         [image.local]\ntitle = \"The disk in here\"\nlocal-disk = true\n{}",
        site.kernel()?
    );
    let _server = site.serve("wait", &config)?;
    let vm = site.bios("")?;
    for line in ["A kernel, alone (this machine's own)", "The disk in here"] {
        vm.wait_for(line, "a line of the menu", TIMEOUT)?;
    }
    assert_kernel_booted(&vm)
}

#[test]
fn the_menu_boots_what_is_chosen() -> Result<()> {
    let site = Site::new("menu-chosen")?;
    let config = format!(
        "[menu]\ntitle = \"Which one?\"\ntimeout = \"never\"\nimages = [\"local\", \"kernel\"]\n\
         [image.local]\ntitle = \"The disk in here\"\nlocal-disk = true\n{}",
        site.kernel()?
    );
    let _server = site.serve("menu", &config)?;
    let mut vm = site.bios("")?;
    vm.wait_for("A kernel, alone", "the menu", TIMEOUT)?;
    // Down, and Enter.
    vm.type_in("\x1b[B\n")?;
    assert_kernel_booted(&vm)
}

#[test]
fn a_machine_waits_until_a_drop_in_names_it() -> Result<()> {
    let site = Site::new("image-wait")?;
    let _server = site.serve("wait", &site.kernel()?)?;
    let vm = site.bios("")?;
    vm.wait_for("waits until", "the sentence", TIMEOUT)?;
    let adopted = format!("[machine.adopted]\nmac = \"{MACHINE}\"\nboot = \"kernel\"\n");
    write(&site.folder.path().join("conf.d/adopted.toml"), &adopted)?;
    let facts = Facts::of(&vm)?;
    assert_eq!(facts.all("witness"), "from the second initrd");
    vm.wait_for(
        " hostname=adopted ",
        "the machine's name on its command line",
        TIMEOUT,
    )?;
    Ok(())
}

#[test]
fn three_machines_on_two_interfaces_boot_two_roots_and_a_kernel_at_once() -> Result<()> {
    let site = Site::new("three-machines")?;
    let net = &site.lan.net;
    let second = net.bridge("br1", "10.78.0.1/24")?;
    let (bob, eve) = ("52:54:00:77:00:02", "52:54:00:77:00:03");
    let taps = [net.tap("bob", &site.lan.bridge)?, net.tap("eve", &second)?];
    let roots = [TinyRoot::make()?, TinyRoot::make()?];
    let [debian, lab] = &roots;
    write(&lab.path().join("etc/witness"), "the lab's own words\n")?;
    let root = |name: &str, root: &TinyRoot| {
        let root = root.path().display();
        format!(
            "[image.{name}]\nroot = \"{root}\"\nmodules = \"virtio_net\"\nappend = \"{QUICK_KERNEL_PARAMETERS}\"\n"
        )
    };
    let config = format!(
        "[[network]]\ninterface = \"br1\"\nmode = \"dhcp\"\nrange = \"10.78.0.100-10.78.0.199\"\n{}{}{}\
         [machine.eve]\nmac = \"{eve}\"\nboot = \"kernel\"\n",
        root("debian", debian),
        root("lab", lab),
        site.kernel()?
    );
    // Bob's for one boot: the other machine that fetches its script at the same time does not take it.
    let orders = format!("{{\"{bob}\": {{\"once\": \"lab\"}}}}");
    write(&net.logs().join("state/orders.json"), &orders)?;
    let server = site.serve("debian", &config)?;
    let start = |tap: &Tap, mac: &str, console: &str| -> Result<Vm> {
        let nic = Nic::virtio(tap, mac).with_rom(Rom::Ipxe);
        VmBuilder::new(net, console).nic(nic).start()
    };
    let [bobs, eves] = &taps;
    let machines = [
        start(&site.lan.tap, MACHINE, "ada")?,
        start(bobs, bob, "bob")?,
        start(eves, eve, "eve")?,
    ];
    let witnesses = [
        "the root's own words",
        "the lab's own words",
        "from the second initrd",
    ];
    for (vm, witness) in machines.iter().zip(witnesses) {
        assert_eq!(Facts::of(vm)?.all("witness"), witness);
    }
    let events = server.events();
    let taken = events
        .iter()
        .filter(|(_, event)| event.kind == "boots-once");
    let taken: Vec<_> = taken.map(|(_, event)| event.machine.as_deref()).collect();
    assert_eq!(taken, [Some(bob)]);
    let networks = |mac: &str| {
        let acks = events.iter().filter(|(_, event)| event.kind == "dhcp-ack");
        let mut of = acks.filter(|(_, event)| event.machine.as_deref() == Some(mac));
        of.next()
            .map(|(_, event)| event.text.clone())
            .unwrap_or_default()
    };
    assert!(networks(bob).contains("10.77.0."), "{}", networks(bob));
    assert!(networks(eve).contains("10.78.0."), "{}", networks(eve));
    Ok(())
}
