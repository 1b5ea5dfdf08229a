//! The root of an image is exchanged while machines run from it: each reads the whole of its own root again and again, and
//! sees nothing of it.

use anyhow::{Context, Result, ensure};
use netroot_harness::{Finished, Net, NetrootServe, Nic, Rom, Tap, TinyRoot, Vm, VmBuilder, paths};

use crate::lan::{Lan, MACHINE, TIMEOUT};
use crate::whole_root::{WholeRoot, begins_to_read, has_seen_no_error};

const SECOND: &str = "52:54:00:77:00:02";

/// A machine that reads its whole root without end.
struct Machine {
    vm: Vm,
    root: WholeRoot,
}

impl Machine {
    /// Boots by its network card's firmware.
    fn boot(net: &Net, name: &str, (tap, mac): (&Tap, &str), root: &WholeRoot) -> Result<Self> {
        let nic = Nic::virtio(tap, mac).with_rom(Rom::Ipxe);
        let machine = Self {
            vm: VmBuilder::new(net, name).nic(nic).start()?,
            root: root.clone(),
        };
        machine.root.is_read_after(&machine.vm, 0, TIMEOUT)?;
        Ok(machine)
    }

    fn reads_on(&mut self) -> Result<()> {
        self.root.is_read_once_more(&mut self.vm)
    }
}

#[test]
fn two_machines_keep_their_own_roots_when_one_is_swapped_and_rolled_back() -> Result<()> {
    let lan = Lan::new("image-swap")?;
    let other = lan.net.tap("other", &lan.bridge)?;
    let roots = [TinyRoot::with_few_modules()?, TinyRoot::with_few_modules()?];
    let [old, new] = &roots;
    std::fs::write(
        new.path().join("etc/witness"),
        "the words of the new root\n",
    )?;
    std::fs::write(new.path().join("etc/more"), vec![7; 300_000])?;
    // A reading takes longer than a swap.
    std::fs::write(old.path().join("etc/long"), vec![7; 64 << 20])?;
    let whole = [WholeRoot::of(old.path())?, WholeRoot::of(new.path())?];
    let [old_root, new_root] = &whole;
    ensure!(old_root != new_root, "{old_root:?}");
    let image = old.path().file_name().context("a name")?;
    let image = image.to_string_lossy().into_owned();
    let control = lan.net.logs().join("control").display().to_string();
    let state = lan.net.logs().join("state").display().to_string();
    let serve = || -> Result<NetrootServe> {
        let more = ["--no-overlay", "--control", &control];
        lan.serve_appending(old.path(), "facts.stay facts.sum", &more)
    };
    let netroot = |arguments: &[&str]| -> Result<Finished> {
        let netroot = paths::netroot()?.display().to_string();
        let argv = [&[netroot.as_str()], arguments].concat();
        let argv = [argv, vec!["--control", &control, "--state", &state]].concat();
        let done = lan.net.run_for(&argv, TIMEOUT)?;
        ensure!(done.status.success(), "{done:?}");
        Ok(done)
    };
    let mut server = serve()?;
    let mut first = Machine::boot(&lan.net, "first", (&lan.tap, MACHINE), old_root)?;

    let new_path = new.path().display().to_string();
    // In the middle of a reading.
    let begun = begins_to_read(&mut first.vm)?;
    netroot(&["image", "swap", &image, &new_path])?;
    let mut second = Machine::boot(&lan.net, "second", (&other, SECOND), new_root)?;
    old_root.is_read_after(&first.vm, begun, TIMEOUT)?;
    first.reads_on()?;

    // Both roots are known again, and their handles.
    let begun = begins_to_read(&mut second.vm)?;
    server.program().kill()?;
    server = serve()?;
    first.reads_on()?;
    new_root.is_read_after(&second.vm, begun, TIMEOUT)?;
    second.reads_on()?;

    netroot(&["image", "rollback", &image])?;
    let shown = netroot(&["image"])?.stdout;
    let kept = format!("before: {new_path}, kept; run from it: ");
    ensure!(shown.contains(&kept), "{shown}");
    second.reads_on()?;
    // Its power is cut, and it boots what is the root by now.
    has_seen_no_error(&second.vm)?;
    drop(second);
    let mut second = Machine::boot(&lan.net, "second-again", (&other, SECOND), old_root)?;
    server.wait_for_kind("tree-let-go", TIMEOUT)?;
    let shown = netroot(&["image"])?.stdout;
    ensure!(
        shown.contains(&format!("before: {new_path}, let go")),
        "{shown}"
    );
    first.reads_on()?;
    second.reads_on()?;
    drop(server);
    Ok(())
}
