//! A drop-in that is added while the server runs is what the next boot uses; one that is removed stays with who runs.

use std::path::Path;

use anyhow::Result;
use netroot_harness::{NetrootServe, Nic, QUICK_KERNEL_PARAMETERS, Rom, TinyRoot, paths};

use crate::lan::{Facts, Lan, MACHINE, RANGE, TIMEOUT, write};

/// What the machine prints while its root works.
const TICK: &str = "facts: tick";

#[test]
fn the_next_boot_uses_a_drop_in_and_keeps_it_when_it_is_removed() -> Result<()> {
    let lan = Lan::new("drop-in")?;
    let (debian, lab) = (TinyRoot::make()?, TinyRoot::make()?);
    write(&lab.path().join("etc/witness"), "the lab's own words\n")?;
    let image = |name: &str, root: &Path, append: &str| {
        let root = root.display();
        format!(
            "[image.{name}]\nroot = \"{root}\"\nmodules = \"virtio_net\"\nappend = \"{QUICK_KERNEL_PARAMETERS} {append}\"\n"
        )
    };
    let folder = lan.net.logs().join("etc");
    let state = lan.net.logs().join("state");
    let cache = paths::target().join("netroot-initrds");
    let main = format!(
        "[server]\nstate = \"{}\"\ncache = \"{}\"\n\n\
         [[network]]\ninterface = \"br0\"\nmode = \"dhcp\"\nrange = [\"{RANGE}\"]\n\n{}",
        state.display(),
        cache.display(),
        image("debian", debian.path(), "")
    );
    let (file, drop_in) = (folder.join("netroot.toml"), folder.join("conf.d/lab.toml"));
    write(&file, &main)?;
    let server = NetrootServe::start_configured(&lan.net, &file, &[])?;
    let machine = || {
        let nic = Nic::virtio(&lan.tap, MACHINE).with_rom(Rom::Ipxe);
        lan.machine().nic(nic).start()
    };
    // One with a mistake changes nothing, and neither does what was added with it.
    let wrong = folder.join("conf.d/wrong.toml");
    write(&wrong, "[[rule]]\nboot = \"lba\"\n")?;
    let everybody = "[[rule]]\nboot = \"lab\"\n";
    write(&drop_in, &(image("lab", lab.path(), "") + everybody))?;
    let told = server
        .output()
        .wait_for("configuration-kept", "the warning", TIMEOUT)?;
    assert!(told.line.contains("wrong.toml"), "{}", told.line);
    let first = Facts::of(&machine()?)?;
    assert_eq!(first.all("witness"), "the root's own words");

    std::fs::remove_file(&wrong)?;
    let rule = format!("[[rule]]\nmac = \"{MACHINE}\"\nboot = \"lab\"\n");
    write(&drop_in, &(image("lab", lab.path(), "facts.stay") + &rule))?;
    server.wait_for_kind("image-added", TIMEOUT)?;
    let mut vm = machine()?;
    vm.wait_for(
        "facts: tick 2 the lab's own words",
        "the machine that runs from the lab's root",
        TIMEOUT,
    )?;
    std::fs::remove_file(&drop_in)?;
    server.wait_for_kind("image-removed", TIMEOUT)?;
    let after = vm.console().text().len();
    let console = vm.console();
    let tick = console.wait_after(after, TICK, "the machine reading its root", TIMEOUT)?;
    assert!(tick.line.contains("the lab's own words"), "{}", tick.line);
    assert!(!vm.console().contains("Stale file handle"));
    assert!(vm.running()?);
    Ok(())
}
