//! Kernel modules and the command line.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use netroot_harness::{Nic, TinyRoot, Vm, paths};

use crate::lan::{Facts, Lan, MACHINE, STATIC, TIMEOUT, make_initrd, make_initrd_of, own_export};

#[test]
fn the_command_line_loads_skips_and_configures_modules() -> Result<()> {
    let lan = Lan::new("module-orders")?;
    let root = TinyRoot::make()?;
    let _server = lan.serve_beside(root.path())?;
    let initrd = make_initrd("virtio_net,e1000,dummy")?;
    let other = lan.net.tap("other", &lan.bridge)?;
    let (_, kernel) = paths::debian_kernel()?;
    let boot = |orders: &str| -> Result<(Vm, Facts)> {
        let command_line = format!("{} {STATIC} ro {orders}", own_export(root.path())?);
        let vm = lan
            .machine()
            .nic(Nic::virtio(&lan.tap, MACHINE))
            .nic(Nic::model("e1000", &other, "52:54:00:77:00:02"))
            .quick_kernel(&kernel, &initrd, &command_line)?
            .start()?;
        let facts = Facts::of(&vm)?;
        Ok((vm, facts))
    };
    let loaded = |facts: &Facts, name: &str| facts.all("loaded").lines().any(|line| line == name);

    let (vm, facts) = boot("")?;
    drop(vm);
    assert!(loaded(&facts, "e1000") && !loaded(&facts, "dummy"));

    let (vm, facts) = boot(
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
    rename(
        &intel.join("e1000e/e1000e.ko"),
        &tree.join("updates/dkms/e1000e.ko"),
    )?;
    rename(
        &intel.join("igb/igb.ko"),
        &modules.join("6.1.0-1-amd64/extra/igb/igb.ko"),
    )?;
    let weak = tree.join("weak-updates/igb");
    std::fs::create_dir_all(&weak)?;
    let target = "/lib/modules/6.1.0-1-amd64/extra/igb/igb.ko";
    std::os::unix::fs::symlink(target, weak.join("igb.ko"))?;
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
