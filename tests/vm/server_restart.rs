//! A restart of the server costs a running machine a pause, not its root: it reads the whole of it without end.

use std::time::Duration;

use anyhow::Result;
use netroot_harness::{Nic, Rom, TinyRoot};

use crate::lan::{Lan, MACHINE, TIMEOUT};
use crate::sum;

/// What the machine prints after each reading of its root, and before what came of it.
const SUM: &str = "facts: sum ";

#[test]
fn a_running_machine_keeps_its_root_over_a_restart_of_the_server() -> Result<()> {
    let lan = Lan::new("restart")?;
    let root = TinyRoot::make()?;
    let (files, hash) = sum::of_tree(root.path())
        .map_err(|(path, error)| anyhow::Error::from(error).context(path.display().to_string()))?;
    let says = format!("{files} files {hash:016x}");
    let serve = || lan.serve_appending(root.path(), "facts.stay facts.sum", &["--no-overlay"]);
    let mut server = serve()?;
    let nic = Nic::virtio(&lan.tap, MACHINE).with_rom(Rom::Ipxe);
    let mut vm = lan.machine().nic(nic).start()?;
    vm.wait_for(&says, "a running machine", TIMEOUT)?;

    // Once by an administrator, once by a crash.
    for ends_by_itself in [true, false] {
        if ends_by_itself {
            assert!(server.terminate()?.status.success());
        } else {
            server.program().kill()?;
        }
        // The machine must notice.
        std::thread::sleep(Duration::from_secs(3));
        let silent = vm.console().text().len();
        server = serve()?;
        let seen =
            vm.console()
                .wait_after(silent, SUM, "the machine reading its root again", TIMEOUT)?;
        assert!(seen.line.contains(&says), "{says}: {}", seen.line);
        let next = vm
            .console()
            .wait_after(seen.end, SUM, "the next reading", TIMEOUT)?;
        assert!(next.line.contains(&says), "{says}: {}", next.line);
    }
    assert!(!vm.console().contains("Stale file handle"));
    assert!(vm.running()?);
    drop(server);
    Ok(())
}
