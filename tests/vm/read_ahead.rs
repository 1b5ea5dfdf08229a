//! What the first boot of an image reads, the next one reads ahead.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use netroot_harness::{NetrootServe, Nic, QUICK_KERNEL_PARAMETERS, Rom, paths};

use crate::lan::{Lan, MACHINE, RANGE, TIMEOUT};

/// `netroot serve` of the Debian root, which records every call of NFS in `calls`.
fn serve(lan: &Lan, calls: &Path) -> Result<NetrootServe> {
    let append = format!("{QUICK_KERNEL_PARAMETERS} loglevel=8");
    let arguments = [
        ["--interface", "br0"],
        ["--dhcp", RANGE],
        ["--modules", "virtio_net"],
        ["--append", &append],
    ];
    let root = paths::debian_root();
    NetrootServe::start_recording(&lan.net, &root, calls, &arguments.concat())
}

/// How many READs there were.
fn reads(calls: &Path) -> Result<u32> {
    let counted = NetrootServe::recorded(calls)?;
    Ok(counted.get("READ").copied().unwrap_or_default())
}

#[test]
fn the_second_boot_reads_ahead_what_the_first_one_read() -> Result<()> {
    let lan = Lan::new("read-ahead")?;
    let calls = lan.net.logs().join("calls");
    let _server = serve(&lan, &calls)?;
    let boot = || {
        let nic = Nic::virtio(&lan.tap, MACHINE).with_rom(Rom::Ipxe);
        let vm = lan.machine().nic(nic).start()?;
        vm.wait_for("debian login:", "the login prompt", TIMEOUT)?;
        anyhow::Ok(vm)
    };

    let vm = boot()?;
    ensure!(!vm.console().text().contains("netroot: read ahead"));
    NetrootServe::wait_for_read_ahead_list(&lan.net, TIMEOUT)?;
    drop(vm);
    // What the list is of: it goes on being made after the login prompt.
    let first = reads(&calls)?;

    let vm = boot()?;
    let said = vm.wait_for("netroot: read ahead ", "what was read ahead", TIMEOUT)?;
    let second = reads(&calls)? - first;
    let mut words = said.line.split("netroot: read ahead ").skip(1);
    let files = words.next().and_then(|rest| rest.split(' ').next());
    let files: usize = files.context("a number of files")?.parse()?;
    ensure!(files > 100, "{}", said.line);
    // A file that is read ahead is read at once, and not in the pieces in which a program asks for it.
    ensure!(second < first, "{second} READs after {first}");
    Ok(())
}
