//! A restart of the server costs a running machine a pause, not its root: it reads the whole of it without end.

use std::time::Duration;

use anyhow::Result;
use netroot_harness::{Nic, Rom, TinyRoot};

use crate::lan::{Lan, MACHINE, TIMEOUT};
use crate::whole_root::{WholeRoot, begins_to_read};

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
