//! Failures from the exported path to the root's init.

use std::os::unix::fs::PermissionsExt;

use anyhow::Result;
use netroot_harness::{Clients, Ganesha, TinyRoot};

use super::{PORTS, assert_fails_with};
use crate::lan::{Lan, SERVER, STATIC, own_export};

#[test]
fn an_export_that_refuses_this_machine_is_explained() -> Result<()> {
    let lan = Lan::new("refused")?;
    let root = TinyRoot::make()?;
    let _server = lan.serve(root.path(), &["--allow-only", "10.77.0.9"])?;
    let mut vm = lan.boot(&format!("{} {STATIC}", own_export(root.path())?))?;
    assert_fails_with(&mut vm, "but not to this machine's address 10.77.0.50")
}

#[test]
fn a_server_that_hides_its_refusal_is_explained_as_far_as_possible() -> Result<()> {
    let lan = Lan::new("refused-ganesha")?;
    let root = TinyRoot::make()?;
    let others = Clients::Only("10.77.0.9".into());
    let _ganesha = Ganesha::start(&lan.net, root.path(), "/srv/root", &others)?;
    let mut vm = lan.boot(&format!(
        "root=/dev/nfs nfsroot={SERVER}:/srv/root {STATIC}"
    ))?;
    let sentence = "it exports nothing to this machine's address 10.77.0.50";
    assert_fails_with(
        &mut vm,
        &format!("{SERVER} does not export /srv/root; {sentence}"),
    )
}

#[test]
fn an_unexported_path_is_reported_with_the_available_exports() -> Result<()> {
    let lan = Lan::new("absent-path")?;
    let root = TinyRoot::make()?;
    let _ganesha = Ganesha::start(&lan.net, root.path(), "/srv/root", &Clients::All)?;
    let mut vm = lan.boot(&format!(
        "root=/dev/nfs nfsroot={SERVER}:/srv/other {STATIC}"
    ))?;
    assert_fails_with(
        &mut vm,
        &format!("{SERVER} does not export /srv/other; it exports /srv/root"),
    )
}

#[test]
fn a_path_missing_from_our_own_export_is_reported() -> Result<()> {
    let lan = Lan::new("absent-path-own")?;
    let root = TinyRoot::make()?;
    let _server = lan.serve_beside(root.path())?;
    let nfsroot = format!("nfsroot={SERVER}:/other,{PORTS}");
    let mut vm = lan.boot(&format!("root=/dev/nfs {nfsroot} {STATIC}"))?;
    assert_fails_with(
        &mut vm,
        &format!("{SERVER} does not export /other; it exports /"),
    )
}

#[test]
fn a_root_without_an_init_is_reported() -> Result<()> {
    let lan = Lan::new("no-init")?;
    let root = TinyRoot::without_init()?;
    let _ganesha = Ganesha::start(&lan.net, root.path(), "/srv/root", &Clients::All)?;
    let mut vm = lan.boot(&format!(
        "root=/dev/nfs nfsroot={SERVER}:/srv/root {STATIC}"
    ))?;
    assert_fails_with(
        &mut vm,
        &format!("the root {SERVER}:/srv/root has no /sbin/init, /etc/init, /bin/init or /bin/sh"),
    )
}

/// Boots a root whose `/sbin/init` has this content, and waits for the sentence.
fn assert_init_fails_with(name: &str, init: &[u8], sentence: &str) -> Result<()> {
    let lan = Lan::new(name)?;
    let root = TinyRoot::without_init()?;
    let path = root.path().join("sbin/init");
    std::fs::write(&path, init)?;
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755))?;
    let _server = lan.serve_beside(root.path())?;
    let mut vm = lan.boot(&format!("{} {STATIC} ro", own_export(root.path())?))?;
    assert_fails_with(&mut vm, sentence)
}

#[test]
fn an_init_for_another_processor_is_reported_with_both() -> Result<()> {
    let mut foreign = std::fs::read(netroot_harness::paths::facts()?)?;
    // `e_machine`: EM_AARCH64.
    if let Some(machine) = foreign.get_mut(18..20) {
        machine.copy_from_slice(&183_u16.to_le_bytes());
    }
    let sentence = "is for aarch64 and this machine is x86_64";
    assert_init_fails_with("foreign-init", &foreign, sentence)
}

#[test]
fn an_init_that_is_not_a_program_is_reported() -> Result<()> {
    let sentence = "is neither a program nor a script";
    assert_init_fails_with("text-init", b"echo hello\n", sentence)
}

#[test]
fn a_script_whose_shell_is_missing_is_reported_with_the_shell() -> Result<()> {
    let sentence = "is run by /bin/bash, which the root does not have";
    assert_init_fails_with("shell-init", b"#!/bin/bash\nexec sh\n", sentence)
}
