//! Kernel modules and the command line.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use netroot_harness::{Nic, TinyRoot, Vm, VmBuilder, paths};

use crate::lan::{Facts, Lan, MACHINE, STATIC, TIMEOUT, make_initrd, make_initrd_of, own_export};

#[test]
fn the_command_line_loads_skips_and_configures_modules() -> Result<()> {
    let lan = Lan::new("module-orders")?;
    let root = TinyRoot::make()?;
    let _server = lan.serve_beside(root.path())?;
    let initrd = make_initrd("virtio_net,e1000,dummy")?;
    let other = lan.net.tap("other", &lan.bridge)?;
    let (_, kernel) = paths::debian_kernel()?;
    let boot = |nics: Vec<Nic>, orders: &str| -> Result<(Vm, Facts)> {
        let command_line = format!("{} {STATIC} ro {orders}", own_export(root.path())?);
        let machine = nics.into_iter().fold(lan.machine(), VmBuilder::nic);
        let vm = machine
            .quick_kernel(&kernel, &initrd, &command_line)?
            .start()?;
        let facts = Facts::of(&vm)?;
        Ok((vm, facts))
    };
    let loaded = |facts: &Facts, name: &str| facts.all("loaded").lines().any(|line| line == name);

    // With this card alone: the boot does not wait for the driver of another one.
    let (vm, facts) = boot(vec![Nic::model("e1000", &lan.tap, MACHINE)], "")?;
    drop(vm);
    assert!(loaded(&facts, "e1000") && !loaded(&facts, "dummy"));

    let (vm, facts) = boot(
        vec![
            Nic::virtio(&lan.tap, MACHINE),
            Nic::model("e1000", &other, "52:54:00:77:00:02"),
        ],
        "modprobe.blacklist=e1000 rd.driver.pre=dummy dummy.numdummies=2 rd.driver.post=absent_one",
    )?;
    assert!(loaded(&facts, "dummy") && !loaded(&facts, "e1000"));
    let links = facts.all("link");
    assert!(
        links.contains("dummy1 ") && !links.contains("dummy2 "),
        "{links}"
    );
    let absent = "netroot: warning: rd.driver.post=absent_one: the initrd has no module absent_one";
    vm.wait_for(absent, "the module that is not there", TIMEOUT)?;
    Ok(())
}

/// A root with Debian's kernel, of which e1000e was installed by DKMS and igb lies in another kernel's tree, to which
/// `weak-updates` has a link.
fn root_with_added_drivers(folder: &Path) -> Result<PathBuf> {
    let (version, kernel) = paths::debian_kernel()?;
    let root = folder.join("added-drivers");
    let modules = root.join("usr/lib/modules");
    for made in [&root.join("boot"), &modules] {
        std::fs::create_dir_all(made)?;
    }
    std::os::unix::fs::symlink("usr/lib", root.join("lib"))?;
    std::fs::copy(&kernel, root.join(format!("boot/vmlinuz-{version}")))?;
    let debian = paths::debian_root().join("usr/lib/modules").join(&version);
    // The files are not changed, only replaced.
    let copied = Command::new("cp")
        .arg("-al")
        .args([&debian, &modules])
        .status()
        .context("start cp")?;
    ensure!(copied.success(), "cp: {copied}");
    let tree = modules.join(&version);
    let intel = tree.join("kernel/drivers/net/ethernet/intel");
    let rename = |from: &Path, to: &Path| -> Result<()> {
        std::fs::create_dir_all(to.parent().context("a folder")?)?;
        std::fs::rename(from, to).with_context(|| format!("rename {}", from.display()))
    };
    // Debian's newest kernels have their modules compressed, so that the names end otherwise.
    let ko = match intel.join("e1000e/e1000e.ko").exists() {
        true => "ko",
        false => "ko.xz",
    };
    rename(
        &intel.join(format!("e1000e/e1000e.{ko}")),
        &tree.join(format!("updates/dkms/e1000e.{ko}")),
    )?;
    let igb = format!("6.1.0-1-amd64/extra/igb/igb.{ko}");
    rename(&intel.join(format!("igb/igb.{ko}")), &modules.join(&igb))?;
    let weak = tree.join("weak-updates/igb");
    std::fs::create_dir_all(&weak)?;
    let target = Path::new("/lib/modules").join(igb);
    std::os::unix::fs::symlink(target, weak.join(format!("igb.{ko}")))?;
    // As depmod lists them.
    let dep = std::fs::read_to_string(debian.join("modules.dep"))?;
    let own = "kernel/drivers/net/ethernet/intel";
    let dep = dep
        .replace(&format!("{own}/e1000e/e1000e.ko"), "updates/dkms/e1000e.ko")
        .replace(&format!("{own}/igb/igb.ko"), "weak-updates/igb/igb.ko");
    std::fs::remove_file(tree.join("modules.dep"))?;
    std::fs::write(tree.join("modules.dep"), dep)?;
    Ok(root)
}

#[test]
fn a_card_works_by_a_driver_that_did_not_come_with_the_kernel() -> Result<()> {
    let lan = Lan::new("added-driver")?;
    let root = TinyRoot::make()?;
    let _server = lan.serve_beside(root.path())?;
    let added = root_with_added_drivers(lan.net.logs())?;
    let initrd = make_initrd_of(&added, "added-drivers", "netboot")?;
    let (_, kernel) = paths::debian_kernel()?;
    let vm = lan
        .machine()
        .nic(Nic::model("e1000e", &lan.tap, MACHINE))
        .quick_kernel(
            &kernel,
            &initrd,
            &format!("{} {STATIC} ro", own_export(root.path())?),
        )?
        .start()?;
    vm.wait_for("netroot: eth0: driver e1000e", "its driver", TIMEOUT)?;
    Facts::of(&vm)?.assert_read_only_nfs();
    Ok(())
}

/// A module without the signature at its end: that, its description of 12 bytes, whose last four say how long it is, and a
/// line of text (`include/linux/module_signature.h`).
fn without_signature(module: &[u8]) -> Result<&[u8]> {
    const END: &[u8] = b"~Module signature appended~\n";
    let signed = module.strip_suffix(END).context("it is not signed")?;
    let length = signed.last_chunk::<4>().context("it is too short")?;
    let length = usize::try_from(u32::from_be_bytes(*length))? + 12;
    let end = signed.len().checked_sub(length).context("its length")?;
    signed.get(..end).context("it is too short")
}

/// As Secure Boot locks the kernel down, and where a kernel asks for signatures without it.
#[test]
fn a_driver_without_a_signature_is_told_of_where_the_kernel_takes_none() -> Result<()> {
    let lan = Lan::new("unsigned-driver")?;
    let root = root_with_added_drivers(lan.net.logs())?;
    let (version, kernel) = paths::debian_kernel()?;
    let tree = root.join("usr/lib/modules").join(version);
    let driver = tree.join("kernel/drivers/net/virtio_net.ko");
    let module = std::fs::read(&driver).with_context(|| driver.display().to_string())?;
    // It is a link to Debian's.
    std::fs::remove_file(&driver)?;
    std::fs::write(&driver, without_signature(&module)?)?;
    let initrd = make_initrd_of(&root, "unsigned-driver", "virtio_net")?;
    let made = Command::new(paths::netroot()?)
        .args([
            "initrd",
            "--modules",
            "virtio_net",
            "--output",
            "/dev/null",
            "--root",
        ])
        .arg(&root)
        .output()
        .context("start netroot initrd")?;
    let told = String::from_utf8_lossy(&made.stderr);
    let unsigned = "without a signature: virtio_net; with Secure Boot the kernel refuses them";
    ensure!(told.contains(unsigned), "{told}");
    let start = |command_line: &str| {
        let machine = lan.machine().nic(Nic::virtio(&lan.tap, MACHINE));
        let machine = machine.quick_kernel(&kernel, &initrd, command_line)?;
        machine.start()
    };
    for (orders, errno) in [
        ("lockdown=integrity", "Operation not permitted (os error 1)"),
        (
            "module.sig_enforce=1",
            "Key was rejected by service (os error 129)",
        ),
    ] {
        let command_line = format!(
            "root=/dev/nfs nfsroot=10.77.0.1:/srv ip=dhcp ro rd.net.timeout.iflink=5 {orders}"
        );
        let vm = start(&command_line)?;
        let why = "it has no signature that the kernel trusts, and with Secure Boot the kernel loads no other";
        let refused =
            format!("netroot: warning: cannot load the module virtio_net: {why} ({errno}); ");
        vm.wait_for(&refused, "the driver that is refused", TIMEOUT)?;
        let sentence = format!("virtio_net for virtio device 1af4:0001: {why}; use the module of");
        vm.wait_for(&sentence, "the failure", TIMEOUT)?;
    }
    // Whatever its signature is, this kernel loads no module any more, and says the same as when it is locked down.
    let vm = start(
        "root=/dev/nfs nfsroot=10.77.0.1:/srv ip=dhcp ro rd.net.timeout.iflink=5 sysctl.kernel.modules_disabled=1",
    )?;
    let refused =
        "netroot: warning: cannot load the module virtio_pci: Operation not permitted (os error 1)";
    vm.wait_for(refused, "the driver that is refused", TIMEOUT)?;
    vm.wait_for(
        "virtio_pci did not bind to PCI device 1af4:1000: look for",
        "the failure",
        TIMEOUT,
    )?;
    Ok(())
}
