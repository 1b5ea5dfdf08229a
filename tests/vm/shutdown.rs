//! Shutdown of a machine with Debian and systemd, with and without its network.

use std::time::Duration;

use anyhow::{Context, Result};
use netroot_harness::{NetrootServe, Vm, paths};

use crate::lan::{Lan, STATIC, TIMEOUT, own_export};

/// A machine with Debian below an overlay, and a shell on its console.
fn logged_in(lan: &Lan, address: &str) -> Result<(NetrootServe, Vm)> {
    let root = paths::debian_root();
    let server = lan.serve(&root, &[])?;
    let mut vm = lan.boot(&format!("{} {address} rd.overlay", own_export(&root)?))?;
    let login = vm.wait_for("login:", "the login prompt", TIMEOUT)?;
    vm.type_in("root\n")?;
    vm.console()
        .wait_after(login.end, "# ", "a shell", TIMEOUT)?;
    Ok((server, vm))
}

/// Signals to systemd, which the shell sends without starting a program, since the root may be unreachable.
const POWER_OFF: &str = "kill -s RTMIN+4 1\n";
const REBOOT: &str = "kill -s RTMIN+5 1\n";

/// The server logs without delay.
const PROMPTLY: Duration = Duration::from_secs(120);

#[test]
fn power_off_unmounts_the_root_at_the_server() -> Result<()> {
    let lan = Lan::new("power-off")?;
    let (server, mut vm) = logged_in(&lan, STATIC)?;
    vm.type_in(POWER_OFF)?;
    vm.wait_for("netroot: the root is unmounted", "a clean end", TIMEOUT)?;
    vm.wait(TIMEOUT)?;
    server
        .output()
        .wait_for(": unmounted\"", "the server's word of it", PROMPTLY)?;
    assert!(!vm.console().contains("it is detached"));
    Ok(())
}

/// The machine ends although its network is lost first, and with it the files of systemd's last program.
///
/// A network lost before the shutdown is another matter: then systemd waits for its own files, like every program on
/// a hard mount, until the server is back.
fn ends_without_its_network(name: &str, how: &str) -> Result<()> {
    let lan = Lan::new(name)?;
    let (server, mut vm) = logged_in(&lan, "ip=dhcp")?;
    vm.type_in(how)?;
    vm.wait_for(
        "systemd-shutdown[1]: Syncing filesystems",
        "systemd's last program",
        TIMEOUT,
    )?;
    drop(server);
    vm.cable(0, false)?;
    vm.wait(BOUND).context("the machine's own end")?;
    Ok(())
}

/// Longer than the renewer lets systemd's last program wait (`crates/init/src/after/renewer/shutdown_watchdog.rs`).
const BOUND: Duration = Duration::from_secs(300);

#[test]
#[ignore = "three minutes of waiting: cargo xtask test --long"]
fn a_machine_without_its_network_powers_off() -> Result<()> {
    ends_without_its_network("power-off-cut-off", POWER_OFF)
}

#[test]
#[ignore = "three minutes of waiting: cargo xtask test --long"]
fn a_machine_without_its_network_reboots() -> Result<()> {
    ends_without_its_network("reboot-cut-off", REBOOT)
}
