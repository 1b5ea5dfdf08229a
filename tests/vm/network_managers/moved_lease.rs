//! The server refuses the root's address, and offers another.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use netroot_harness::{NetrootServe, TinyRoot};

use crate::lan::{Lan, MACHINE, SERVER, TIMEOUT, own_export};

/// How long the kernel's NFS client may take to reconnect.
const RECONNECTING: Duration = Duration::from_secs(600);
/// What a machine prints after reading its root every second, bypassing caches.
const TICK: &str = "facts: tick";

fn serve(lan: &Lan, root: &Path, range: &str) -> Result<NetrootServe> {
    let arguments = ["--interface", "br0", "--dhcp", range, "--lease-time", "60"];
    let arguments = [&arguments[..], &["--modules", "virtio_net"]].concat();
    NetrootServe::start(&lan.net, root, &arguments)
}

/// Whether an address is in use: its host refuses the connection; without a host, ARP would fail.
fn is_there(lan: &Lan, address: &str) -> Result<bool> {
    let script = format!("exec 3<>/dev/tcp/{address}/9");
    let tried = lan
        .net
        .run_for(&["bash", "-c", &script], Duration::from_secs(60))?;
    Ok(tried.stderr.contains("Connection refused"))
}

#[test]
#[ignore = "takes minutes: cargo xtask test --long"]
fn a_refused_address_stays_beside_the_new_one() -> Result<()> {
    let lan = Lan::new("moved-lease")?;
    let root = TinyRoot::make()?;
    let mut server = serve(&lan, root.path(), "10.77.0.100-10.77.0.149")?;
    let vm = lan.boot(&format!(
        "{} ip=dhcp ro facts.stay",
        own_export(root.path())?
    ))?;
    vm.wait_for(&format!("{TICK} 2 "), "a machine at work", TIMEOUT)?;
    let old = super::address(&vm)?;
    ensure!(is_there(&lan, &old)?);
    ensure!(server.terminate()?.status.success());
    let said = vm.console().text().len();
    let _server = serve(&lan, root.path(), "10.77.0.200-10.77.0.249")?;
    for (line, what) in [
        (format!("the server refuses {old}"), "the refusal"),
        (format!(" beside {old}, for 60 s"), "the new lease"),
    ] {
        vm.console().wait_after(said, &line, what, TIMEOUT)?;
    }
    // The new one is renewed too, and the root still works.
    let mut end = vm
        .console()
        .wait_after(said, "renewed for 60 s", "its renewal", TIMEOUT)?
        .end;
    let text = vm.console().text();
    let new = text
        .rsplit_once(": lease ")
        .and_then(|(_, rest)| rest.split(' ').next())
        .unwrap_or_default()
        .to_owned();
    ensure!(new.starts_with("10.77.0.2"), "{new}");
    for _ in 0..3 {
        let what = "the machine at work";
        let tick = vm.console().wait_after(end, TICK, what, RECONNECTING)?;
        ensure!(tick.line.contains("the root's own words"), "{}", tick.line);
        end = tick.end;
    }
    ensure!(is_there(&lan, &old)? && is_there(&lan, &new)?);
    ensure!(!is_there(&lan, "10.77.0.60")?, "no host has that address");
    // It has not booted, as far as this server knows.
    let url = format!("http://{SERVER}:8069/api/v1/machines/{MACHINE}");
    let argv = ["curl", "-sS", "--fail", "--max-time", "60", &url];
    let machine: serde_json::Value = serde_json::from_str(&lan.net.run(&argv)?)?;
    let booted = machine
        .get("boot_count")
        .and_then(serde_json::Value::as_u64);
    ensure!(booted == Some(0), "{machine:#}");
    Ok(())
}
