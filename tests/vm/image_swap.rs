//! The root of an image is exchanged while machines run from it: each reads the whole of its own root again and again, and
//! sees nothing of it.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use netroot_harness::{Finished, Net, NetrootServe, Nic, Rom, Tap, TinyRoot, Vm, VmBuilder, paths};

use crate::lan::{Lan, MACHINE, TIMEOUT};
use crate::sum;

const SECOND: &str = "52:54:00:77:00:02";

/// A machine that reads its whole root without end.
struct Machine {
    vm: Vm,
    /// What it is to say each time.
    says: String,
}

impl Machine {
    /// Boots by its network card's firmware.
    fn boot(net: &Net, name: &str, (tap, mac): (&Tap, &str), says: &str) -> Result<Self> {
        let nic = Nic::virtio(tap, mac).with_rom(Rom::Ipxe);
        let machine = Self {
            vm: VmBuilder::new(net, name).nic(nic).start()?,
            says: says.to_owned(),
        };
        machine.reads_on()?;
        Ok(machine)
    }

    /// It reads the whole root once more from now on, twice if it was in the middle.
    fn reads_on(&self) -> Result<()> {
        let console = self.vm.console();
        let mut end = console.text().len();
        for _ in 0..2 {
            let what = "the sum of the whole root";
            let seen = console.wait_after(end, "facts: sum ", what, TIMEOUT)?;
            ensure!(
                seen.line.contains(&self.says),
                "{}: {}",
                self.says,
                seen.line
            );
            end = seen.end;
        }
        self.has_seen_no_error()
    }

    fn has_seen_no_error(&self) -> Result<()> {
        let text = self.vm.console().text();
        for word in ["Stale file handle", "facts: sum failed"] {
            ensure!(!text.contains(word), "{word}: {text}");
        }
        Ok(())
    }
}

/// What a machine says of a root whose files it could all read.
fn sum_of(root: &Path) -> Result<String> {
    let sum = sum::of_tree(root).map_err(|(path, error)| error_at(&path, error))?;
    let (files, hash) = sum;
    Ok(format!("{files} files {hash:016x}"))
}

fn error_at(path: &Path, error: std::io::Error) -> anyhow::Error {
    anyhow::Error::from(error).context(path.display().to_string())
}

#[test]
fn two_machines_keep_their_own_roots_when_one_is_swapped_and_rolled_back() -> Result<()> {
    let lan = Lan::new("image-swap")?;
    let other = lan.net.tap("other", &lan.bridge)?;
    let roots = [TinyRoot::make()?, TinyRoot::make()?];
    let [old, new] = &roots;
    std::fs::write(
        new.path().join("etc/witness"),
        "the words of the new root\n",
    )?;
    std::fs::write(new.path().join("etc/more"), vec![7; 300_000])?;
    let sums = [sum_of(old.path())?, sum_of(new.path())?];
    let [old_sum, new_sum] = &sums;
    ensure!(old_sum != new_sum, "{old_sum}");
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
    let first = Machine::boot(&lan.net, "first", (&lan.tap, MACHINE), old_sum)?;

    let new_path = new.path().display().to_string();
    netroot(&["image", "swap", &image, &new_path])?;
    let second = Machine::boot(&lan.net, "second", (&other, SECOND), new_sum)?;
    first.reads_on()?;

    // Both roots are known again, and their handles.
    server.program().kill()?;
    server = serve()?;
    first.reads_on()?;
    second.reads_on()?;

    netroot(&["image", "rollback", &image])?;
    let shown = netroot(&["image"])?.stdout;
    let kept = format!("before: {new_path}, kept; run from it: ");
    ensure!(shown.contains(&kept), "{shown}");
    second.reads_on()?;
    // Its power is cut, and it boots what is the root by now.
    second.has_seen_no_error()?;
    drop(second);
    let second = Machine::boot(&lan.net, "second-again", (&other, SECOND), old_sum)?;
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
