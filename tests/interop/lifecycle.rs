//! The server process: its memory when idle, and its end.

use std::fs;

use anyhow::{Context, Result};
use netroot_harness::{Net, NetrootServe, TinyRoot};

use crate::lan::{Lan, TIMEOUT};

#[test]
fn an_idle_server_of_a_minimal_root_stays_within_thirty_mebibytes() -> Result<()> {
    let mut lan = Lan::new("idle-memory")?;
    std::thread::sleep(std::time::Duration::from_secs(2));
    let resident = lan.server.program().resident_kib()?;
    println!("idle: {resident} KiB resident");
    assert!(resident <= 30 * 1024, "{resident} KiB");
    Ok(())
}

#[test]
fn sigterm_ends_the_server_cleanly_and_frees_its_ports() -> Result<()> {
    let mut lan = Lan::new("sigterm")?;
    // An open connection must not delay it.
    let address = "10.77.0.1:2049".parse()?;
    let _open = lan
        .client
        .within(|| Ok(std::net::TcpStream::connect_timeout(&address, TIMEOUT)?))?;
    let done = lan.server.terminate()?;
    assert!(done.status.success(), "{done:?}");
    assert!(
        done.stdout.contains("\"kind\":\"stopped\""),
        "{}",
        done.stdout
    );
    let refused = lan
        .client
        .within(|| Ok(std::net::TcpStream::connect_timeout(&address, TIMEOUT).is_err()))?;
    assert!(refused);
    Ok(())
}

/// Whether root may raise hard limits here (`CAP_SYS_RESOURCE`): not in every container.
fn may_raise_hard_limits() -> Result<bool> {
    let status = fs::read_to_string("/proc/self/status")?;
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = u64::from_str_radix(effective.context("CapEff")?.trim(), 16)?;
    Ok(effective >> 24 & 1 == 1)
}

#[test]
fn a_low_limit_on_open_files_is_raised_as_far_as_the_server_may() -> Result<()> {
    // An init that sets no limits has these, of the kernel.
    let low = ["prlimit", "--nofile=1024:4096"];
    let bound = ["setpriv", "--bounding-set=-sys_resource"];
    let may = may_raise_hard_limits()?;
    println!("root may raise hard limits: {may}");
    let root = TinyRoot::without_init()?;
    for (name, by, may) in [
        ("files-root", low.to_vec(), may),
        ("files-bound", [low, bound].concat(), false),
    ] {
        let net = Net::new(name)?;
        net.bridge("br0", "10.77.0.1/24")?;
        let initrd = net.logs().join("initrd.img");
        fs::write(&initrd, "an initrd")?;
        let initrd = initrd.display().to_string();
        let arguments = ["--interface", "br0", "--no-probe", "--initrd", &initrd];
        let mut server = NetrootServe::start_by(&net, root.path(), &arguments, &by)?;
        let limits = format!("/proc/{}/limits", server.program().pid()?);
        let limits = fs::read_to_string(limits)?;
        let of_files = limits
            .lines()
            .find(|line| line.starts_with("Max open files"));
        let soft = of_files.and_then(|line| line.split_whitespace().nth(3));
        let expected = if may { "32768" } else { "4096" };
        assert_eq!(soft.context("a limit")?, expected, "{name}: {of_files:?}");
    }
    Ok(())
}
