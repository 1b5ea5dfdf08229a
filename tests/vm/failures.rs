//! Boots that cannot work: each ends in one sentence that names the cause, and in the
//! policy that follows, never in a kernel panic.

use anyhow::Result;
use netroot_harness::{Clients, Ganesha, NetrootServe, TinyRoot, Vm};

use crate::wire::{Facts, PATIENCE, SERVER, STATIC, Wire, own_export};

/// The failure's sentence, then that the machine tries again.
fn assert_fails_with(vm: &mut Vm, sentence: &str) -> Result<()> {
    let seen = vm.wait_for(sentence, "the failure's sentence", PATIENCE)?;
    assert!(
        seen.line.contains("netroot: boot failed: "),
        "{}",
        seen.line
    );
    // What failed, why, and what to do.
    assert!(seen.line.contains("; "), "no advice: {}", seen.line);
    vm.console().wait_after(
        seen.end,
        "netroot: trying again in ",
        "another attempt",
        PATIENCE,
    )?;
    assert!(!vm.console().contains("Kernel panic"));
    assert!(vm.running()?);
    Ok(())
}

#[test]
fn an_export_that_refuses_this_machine_is_explained() -> Result<()> {
    let wire = Wire::new("refused")?;
    let root = TinyRoot::make()?;
    let _server = wire.serve(root.path(), &["--allow", "10.77.0.9"])?;
    let mut vm = wire.boot(&format!("{} {STATIC}", own_export(root.path())?))?;
    assert_fails_with(&mut vm, "but not to this machine's address 10.77.0.50")
}

#[test]
fn a_server_that_hides_what_it_refuses_is_explained_as_far_as_it_tells() -> Result<()> {
    let wire = Wire::new("refused-ganesha")?;
    let root = TinyRoot::make()?;
    let others = Clients::Only("10.77.0.9".into());
    let _ganesha = Ganesha::start(&wire.net, root.path(), "/srv/root", &others)?;
    let mut vm = wire.boot(&format!(
        "root=/dev/nfs nfsroot={SERVER}:/srv/root {STATIC}"
    ))?;
    let sentence = "it exports nothing to this machine's address 10.77.0.50";
    assert_fails_with(
        &mut vm,
        &format!("{SERVER} does not export /srv/root; {sentence}"),
    )
}

#[test]
fn a_path_that_is_not_exported_is_explained_with_what_is() -> Result<()> {
    let wire = Wire::new("absent-path")?;
    let root = TinyRoot::make()?;
    let _ganesha = Ganesha::start(&wire.net, root.path(), "/srv/root", &Clients::All)?;
    let mut vm = wire.boot(&format!(
        "root=/dev/nfs nfsroot={SERVER}:/srv/other {STATIC}"
    ))?;
    assert_fails_with(
        &mut vm,
        &format!("{SERVER} does not export /srv/other; it exports /srv/root"),
    )
}

#[test]
fn a_path_that_our_own_export_does_not_have_is_explained_too() -> Result<()> {
    let wire = Wire::new("absent-path-own")?;
    let root = TinyRoot::make()?;
    let _server = wire.serve_beside(root.path())?;
    let options = "vers=3,proto=tcp,port=2049,mountport=2049,nolock";
    let nfsroot = format!("nfsroot={SERVER}:/other,{options}");
    let mut vm = wire.boot(&format!("root=/dev/nfs {nfsroot} {STATIC}"))?;
    assert_fails_with(
        &mut vm,
        &format!("{SERVER} does not export /other; it exports /"),
    )
}

#[test]
fn a_server_that_is_not_there_is_named() -> Result<()> {
    let wire = Wire::new("dead-server")?;
    let mut vm = wire.boot(&format!(
        "root=/dev/nfs nfsroot=10.77.0.77:/srv/root {STATIC}"
    ))?;
    assert_fails_with(&mut vm, "nothing answers at 10.77.0.77")
}

#[test]
fn a_server_without_nfs_is_named_with_the_port() -> Result<()> {
    let wire = Wire::new("closed-port")?;
    let options = "vers=3,proto=tcp,port=2049,mountport=2049,nolock";
    let nfsroot = format!("nfsroot={SERVER}:/srv/root,{options}");
    let mut vm = wire.boot(&format!("root=/dev/nfs {nfsroot} {STATIC}"))?;
    assert_fails_with(&mut vm, &format!("{SERVER} refuses connections on port "))
}

#[test]
fn a_root_without_any_init_is_named() -> Result<()> {
    let wire = Wire::new("no-init")?;
    let root = TinyRoot::without_init()?;
    let _ganesha = Ganesha::start(&wire.net, root.path(), "/srv/root", &Clients::All)?;
    let mut vm = wire.boot(&format!(
        "root=/dev/nfs nfsroot={SERVER}:/srv/root {STATIC}"
    ))?;
    assert_fails_with(
        &mut vm,
        &format!("the root {SERVER}:/srv/root has no /sbin/init, /etc/init, /bin/init or /bin/sh"),
    )
}

#[test]
fn silence_instead_of_dhcp_is_named_with_the_card() -> Result<()> {
    let wire = Wire::new("no-dhcp")?;
    let mut vm = wire.boot(&format!("root=/dev/nfs nfsroot={SERVER}:/srv/root ip=dhcp"))?;
    assert_fails_with(&mut vm, "no DHCP server answered on eth0")
}

#[test]
fn a_failure_with_panic_set_reboots_instead_of_waiting() -> Result<()> {
    let wire = Wire::new("panic-reboots")?;
    let mut vm = wire.boot(&format!(
        "root=/dev/nfs nfsroot=10.77.0.77:/srv/root {STATIC} panic=3"
    ))?;
    vm.wait_for(
        "netroot: rebooting in 3 s (panic=3)",
        "the policy",
        PATIENCE,
    )?;
    // QEMU ends where a machine would reboot (-no-reboot).
    vm.wait(PATIENCE)?;
    assert!(!vm.console().contains("Kernel panic"));
    Ok(())
}

#[test]
fn a_machine_that_failed_comes_up_as_soon_as_the_server_does() -> Result<()> {
    let wire = Wire::new("late-server")?;
    let root = TinyRoot::make()?;
    let image = root
        .path()
        .file_name()
        .unwrap()
        .to_string_lossy()
        .into_owned();
    let options = "vers=3,proto=tcp,port=2049,mountport=2049,nolock";
    let nfsroot = format!("nfsroot={SERVER}:/{image},{options}");
    let vm = wire.boot(&format!("root=/dev/nfs {nfsroot} {STATIC} ro"))?;
    vm.wait_for("netroot: trying again in ", "a first failure", PATIENCE)?;
    let _server: NetrootServe = wire.serve_beside(root.path())?;
    Facts::of(&vm)?.assert_read_only_nfs();
    Ok(())
}
