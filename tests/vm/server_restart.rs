//! A restart of the server costs a running machine a pause, not its root: it reads the whole of it without end.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use netroot_harness::{NetrootServe, Nic, Rom, TinyRoot, paths};

use crate::lan::{Lan, MACHINE, TIMEOUT, own_export};
use crate::whole_root::{READING, SUM, WholeRoot, begins_to_read, has_seen_no_error};

/// The server of a Debian root crashes when its machine has been sent so much, in MiB: well below the size of the root, since a
/// fast machine reads all of it in no time.
const CRASHES: [u64; 3] = [20, 60, 120];

#[test]
fn a_running_machine_keeps_its_root_over_a_restart_of_the_server() -> Result<()> {
    let lan = Lan::new("restart")?;
    let root = TinyRoot::with_few_modules()?;
    let whole = WholeRoot::of(root.path())?;
    let serve = || lan.serve_appending(root.path(), "facts.stay facts.sum", &["--no-overlay"]);
    let mut server = serve()?;
    let nic = Nic::virtio(&lan.tap, MACHINE).with_rom(Rom::Ipxe);
    let mut vm = lan.machine().nic(nic).start()?;
    whole.is_read_after(&vm, 0, TIMEOUT)?;

    // Once by an administrator, once by a crash.
    for ends_by_itself in [true, false] {
        begins_to_read(&mut vm)?;
        if ends_by_itself {
            assert!(server.terminate()?.status.success());
        } else {
            server.program().kill()?;
        }
        // The machine must notice.
        std::thread::sleep(Duration::from_secs(3));
        let silent = vm.console().text().len();
        server = serve()?;
        whole.is_read_after(&vm, silent, TIMEOUT)?;
        whole.is_read_once_more(&mut vm)?;
    }
    assert!(vm.running()?);
    drop(server);
    Ok(())
}

/// Serves a root without ever being asked by firmware.
fn serve(lan: &Lan, root: &Path) -> Result<NetrootServe> {
    lan.serve(root, &["--no-overlay"])
}

#[test]
fn a_machine_reads_the_whole_of_a_debian_root_over_three_crashes_of_the_server() -> Result<()> {
    let lan = Lan::new("restart-debian")?;
    let layer = lan.net.logs().join("layer");
    std::fs::create_dir_all(layer.join("usr/sbin"))?;
    std::fs::copy(paths::facts()?, layer.join("usr/sbin/facts"))?;
    let root = lan.layers(&[&layer, &paths::debian_root()])?;
    let whole = WholeRoot::of(&lan.net.path(&root.display().to_string()))?;
    let mut server = serve(&lan, &root)?;
    let vm = lan.boot(&format!(
        "{} ip=dhcp ro init=/usr/sbin/facts facts.stay facts.sum",
        own_export(&root)?
    ))?;
    let begun = vm.wait_for(READING, "a machine that reads its root", TIMEOUT)?;

    for mebibytes in CRASHES {
        let deadline = Instant::now() + TIMEOUT;
        while lan.net.bytes_sent_to(&lan.tap)? < mebibytes << 20 {
            ensure!(
                Instant::now() < deadline,
                "{mebibytes} MiB have not been read"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        server.program().kill()?;
        let said = vm.console().text();
        let read = said.get(begun.end..).unwrap_or_default();
        ensure!(
            !read.contains(SUM),
            "all is read before {mebibytes} MiB: {read}"
        );
        server = serve(&lan, &root)?;
    }
    whole.is_read_after(&vm, begun.end, TIMEOUT)?;
    has_seen_no_error(&vm)?;
    let mounts = server.events();
    let mounts = mounts
        .iter()
        .filter(|(_, event)| event.kind == "mount")
        .count();
    ensure!(
        mounts == 0,
        "the machine has mounted its root {mounts} times more"
    );
    println!("{} bytes in all", lan.net.bytes_sent_to(&lan.tap)?);
    Ok(())
}
