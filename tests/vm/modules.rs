//! Kernel modules and the command line.

use anyhow::Result;
use netroot_harness::{Nic, TinyRoot, Vm, paths};

use crate::lan::{Facts, Lan, MACHINE, STATIC, TIMEOUT, make_initrd, own_export};

#[test]
fn the_command_line_loads_skips_and_configures_modules() -> Result<()> {
    let lan = Lan::new("module-orders")?;
    let root = TinyRoot::make()?;
    let _server = lan.serve_beside(root.path())?;
    let initrd = make_initrd("modules", "virtio_net,e1000,dummy")?;
    let other = lan.net.tap("other", &lan.bridge)?;
    let (_, kernel) = paths::debian_kernel()?;
    let boot = |orders: &str| -> Result<(Vm, Facts)> {
        let command_line = format!("{} {STATIC} ro {orders}", own_export(root.path())?);
        let vm = lan
            .machine()
            .nic(Nic::virtio(&lan.tap, MACHINE))
            .nic(Nic::model("e1000", &other, "52:54:00:77:00:02"))
            .kernel(&kernel, &initrd, &command_line)
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
