//! A restart of the server costs a running machine a pause, not its root.

use std::time::Duration;

use anyhow::Result;
use netroot_harness::{Nic, Rom, TinyRoot};

use crate::lan::{Lan, MACHINE, TIMEOUT};

/// What the machine prints while its root works.
const TICK: &str = "facts: tick";

#[test]
fn a_running_machine_keeps_its_root_over_a_restart_of_the_server() -> Result<()> {
    let lan = Lan::new("restart")?;
    let root = TinyRoot::make()?;
    let serve = || lan.serve_appending(root.path(), "facts.stay", &[]);
    let mut server = serve()?;
    let nic = Nic::virtio(&lan.tap, MACHINE).with_rom(Rom::Ipxe);
    let mut vm = lan.machine().nic(nic).start()?;
    vm.wait_for(
        "facts: tick 2 the root's own words",
        "a running machine",
        TIMEOUT,
    )?;

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
                .wait_after(silent, TICK, "the machine reading its root again", TIMEOUT)?;
        assert!(seen.line.contains("the root's own words"), "{}", seen.line);
        let next = vm
            .console()
            .wait_after(seen.end, TICK, "the next reading", TIMEOUT)?;
        assert!(next.line.contains("the root's own words"), "{}", next.line);
    }
    assert!(!vm.console().contains("Stale file handle"));
    assert!(vm.running()?);
    drop(server);
    Ok(())
}
