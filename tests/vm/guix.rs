//! Guix System from our export: store, generations, a boot script that Guile runs.

use anyhow::{Context, Result};
use netroot_harness::{GuixRoot, NetrootServe, Nic, QUICK_KERNEL_PARAMETERS, Rom, Vm, paths};

use crate::lan::{Lan, MACHINE, RANGE, SERVER, TIMEOUT, write};

/// What the root's first service reported of a kind, one per line.
fn reported(vm: &Vm, kind: &str) -> String {
    let prefix = format!("guix: {kind} ");
    let text = vm.console().text();
    let facts = text.lines().filter_map(|line| line.split_once(&prefix));
    facts
        .map(|(_, fact)| fact.trim_end())
        .collect::<Vec<_>>()
        .join("\n")
}

/// The boot script of this generation has run, started by `guile`, and the root is what Guix's services need.
fn assert_booted(vm: &Vm, generation: u8, guile: &str) -> Result<()> {
    let switch = format!("netroot: switch_root to {guile}, ");
    vm.wait_for(&switch, "the Guile that is started", TIMEOUT)?;
    let line = format!("{} (process 1)", GuixRoot::line(generation));
    vm.wait_for(
        &line,
        "the line that the generation's boot script prints",
        TIMEOUT,
    )?;
    vm.wait_for("guix: end", "what the first service reports", TIMEOUT)?;
    assert_eq!(reported(vm, "booted-system"), GuixRoot::system(generation)?);
    assert_eq!(reported(vm, "store"), "(0 0)");
    assert_eq!(reported(vm, "write-store"), "Read-only file system");
    assert_eq!(reported(vm, "write"), "succeeded");
    assert_eq!(reported(vm, "mtab"), "/proc/self/mounts");
    let mounts = reported(vm, "mount");
    for place in ["/proc", "/sys", "/dev", "/run"] {
        assert!(mounts.contains(&format!(" {place} ")), "{place}: {mounts}");
    }
    assert!(mounts.contains(" / overlay "), "{mounts}");
    // Guix empties /run; the lease's keeper goes on.
    assert!(
        reported(vm, "survivor").contains("netroot"),
        "{}",
        vm.console().text()
    );
    Ok(())
}

#[test]
fn guix_boots_the_current_generation_from_our_server_over_an_overlay() -> Result<()> {
    let lan = Lan::new("guix-current")?;
    let root = GuixRoot::make()?;
    let _server = lan.serve(root.path(), &[])?;
    let nic = Nic::virtio(&lan.tap, MACHINE).with_rom(Rom::Ipxe);
    let vm = lan.machine().nic(nic).start()?;
    assert_booted(&vm, 2, "/var/guix/profiles/system-2-link/profile/bin/guile")?;
    assert!(
        !root.path().join("var/written").exists(),
        "the export was written to"
    );
    Ok(())
}

#[test]
fn guix_without_guile_among_its_packages_boots_as_guix_itself_spells_the_parameters() -> Result<()>
{
    let lan = Lan::new("guix-without-guile")?;
    let root = GuixRoot::make()?;
    root.switch_to(1)?;
    let _server = lan.serve(root.path(), &[])?;
    let image = root.path().file_name().context("a name")?.display();
    let system = "/var/guix/profiles/system-1-link";
    // The server is DHCP's, or named by the options; both are the same here.
    let vm = lan.boot(&format!(
        "root=:/{image} rootfstype=nfs rootflags=addr={SERVER},vers=3,nolock gnu.system={system} \
         gnu.load={system}/boot fsck.mode=skip fsck.repair=preen rootdelay=1 rd.overlay"
    ))?;
    assert_booted(&vm, 1, &GuixRoot::guile())
}

#[test]
fn guix_goes_back_to_an_older_generation_for_one_boot() -> Result<()> {
    let lan = Lan::new("guix-older")?;
    let root = GuixRoot::make()?;
    let state = lan.net.logs().join("state");
    let config = format!(
        "default = \"guix\"\n[server]\nstate = \"{}\"\ncache = \"{}\"\n\
         [[network]]\ninterface = \"br0\"\nmode = \"dhcp\"\nrange = \"{RANGE}\"\n\
         [image.guix]\nroot = \"{}\"\nmodules = \"virtio_net\"\ngenerations = true\nappend = \"{QUICK_KERNEL_PARAMETERS}\"\n",
        state.display(),
        paths::target().join("netroot-initrds").display(),
        root.path().display(),
    );
    let orders = format!("{{\"{MACHINE}\": {{\"once\": \"guix@1\"}}}}");
    write(&state.join("orders.json"), &orders)?;
    let file = lan.net.logs().join("etc/netroot.toml");
    write(&file, &config)?;
    let server = NetrootServe::start_configured(&lan.net, &file, &[])?;
    let nic = Nic::virtio(&lan.tap, MACHINE).with_rom(Rom::Ipxe);
    let vm = lan.machine().nic(nic).start()?;
    assert_booted(&vm, 1, &GuixRoot::guile())?;
    let taken = server.events().into_iter();
    assert_eq!(
        taken
            .filter(|(_, event)| event.kind == "boots-once")
            .count(),
        1
    );
    let kept = std::fs::read_to_string(state.join("orders.json"))?;
    assert!(!kept.contains("once"), "{kept}");
    Ok(())
}
