//! A boot's calls, recorded by the export and made again by 1, 10 and 100 machines at once, each of which makes one call after
//! the other without pausing.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use netroot_harness::paths;

use super::arena::Arena;
use super::machine::Started;
use crate::bench::serve::table::{self, Better, Row};
use crate::bench::spread::Spread;

const MACHINES: [u32; 3] = [1, 10, 100];
/// How long the boot may take without KVM.
const TIMEOUT: Duration = Duration::from_secs(420);

/// Measures netroot and Ganesha.
pub(super) fn replay(arena: &Arena, anew: bool) -> Result<()> {
    let record = recorded(arena, anew)?;
    let text = fs::read_to_string(&record)?;
    let calls = text.lines().count();
    println!("a boot of {calls} calls, of {}", record.display());
    let root = paths::debian_root();
    let mut servers = arena.serve(&root)?;
    let targets = servers.targets()?;
    let record = record.display().to_string();
    let (mut lasts, mut fairness, mut costs) = (Vec::new(), Vec::new(), Vec::new());
    // So that what the boot reads is in memory, and known to both.
    for target in &targets {
        target.run(&arena.clients, &["replay", &record, "1"])?;
    }
    for machines in MACHINES {
        let name = format!("{machines} at once");
        let [mut last, mut fair, mut cost] = [const { Vec::new() }; 3];
        for target in &targets {
            let words = ["replay", &record, &machines.to_string()];
            let run = target.run(&arena.clients, &words)?;
            let spread = |number: f64| {
                let mut spread = Spread::default();
                spread.add(number);
                (target.name, spread)
            };
            last.push(spread(run.number("last")?));
            fair.push(spread(run.number("last")? / run.number("first")?));
            let processor = run.processor.unwrap_or_default();
            cost.push(spread(processor * 1000.0 / f64::from(machines)));
        }
        for (rows, cells) in [
            (&mut lasts, last),
            (&mut fairness, fair),
            (&mut costs, cost),
        ] {
            let name = name.clone();
            rows.push(Row { name, cells });
        }
    }
    let title = "NFS, the calls of a boot, until the last machine has all";
    table::print(title, "s", Better::Less, &lasts);
    let title = "NFS, the same: the last machine's time by the first's";
    table::print(title, "1 is fair", Better::Less, &fairness);
    let title = "NFS, the same: processor time for a machine";
    table::print(title, "ms", Better::Less, &costs);
    Ok(())
}

/// The record of a Debian boot to its login prompt. It is made once, since that takes a minute without KVM.
fn recorded(arena: &Arena, anew: bool) -> Result<PathBuf> {
    let kept = paths::cache().join("debian-boot.nfs-calls");
    if kept.exists() && !anew {
        return Ok(kept);
    }
    println!("recording a boot");
    let record = arena.lan.logs().join("calls");
    let variable = format!("NETROOT_NFS_CALLS={}", record.display());
    // A layer of its own: an overlay has at least two.
    let layer = arena.lan.logs().join("nothing");
    fs::create_dir_all(layer.join("etc"))?;
    let layers = [layer, paths::debian_root()];
    let started = Started::boot(arena, &layers, &["env", &variable], "", "")?;
    started
        .vm
        .wait_for("login:", "the login prompt of Debian", TIMEOUT)?;
    drop(started);
    let text = fs::read_to_string(&record)
        .with_context(|| format!("read the record of calls {}", record.display()))?;
    ensure!(text.lines().count() > 500, "a boot of so few calls: {text}");
    fs::write(&kept, text)?;
    Ok(kept)
}
