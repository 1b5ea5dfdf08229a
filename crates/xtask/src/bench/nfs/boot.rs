//! A boot's calls, recorded by the export and made again by 1, 10 and 100 machines at once, each of which makes one call after
//! the other without pausing.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use netroot_harness::paths;

use super::arena::Arena;
use super::beside_ganesha;
use super::load::Target;
use super::machine::Started;
use super::options::Options;
use super::rows::Rows;
use crate::bench::serve::table::{self, Better};

const MACHINES: [u32; 3] = [1, 10, 100];
/// How long the boot may take without KVM.
const TIMEOUT: Duration = Duration::from_secs(420);

/// The rows that are wanted: name, and how many machines.
pub(super) fn rows(options: &Options) -> Vec<(String, u32)> {
    let rows = MACHINES.map(|machines| (format!("boots, {machines} at once"), machines));
    let wanted = |row: &(String, u32)| options.wants(&row.0);
    rows.into_iter().filter(wanted).collect()
}

/// Measures netroot and Ganesha.
pub(super) fn beside_ganesha(arena: &Arena, options: &Options, record: &Path) -> Result<()> {
    let mut servers = arena.serve(&paths::debian_root())?;
    let targets = servers.targets()?;
    let measured = replay(arena, &targets, options, record)?;
    measured.print("on this machine", beside_ganesha::GOAL);
    Ok(())
}

/// The rows of [`MACHINES`].
#[derive(Default)]
pub(super) struct Replayed {
    lasts: Rows,
    fairness: Rows,
    costs: Rows,
}

/// Has a boot's calls made again to each of these servers of a Debian root.
pub(super) fn replay(
    arena: &Arena,
    targets: &[Target],
    options: &Options,
    record: &Path,
) -> Result<Replayed> {
    let text = fs::read_to_string(record)?;
    let calls = text.lines().count();
    println!("a boot of {calls} calls, of {}", record.display());
    let record = record.display().to_string();
    let mut replayed = Replayed::default();
    // So that what the boot reads is in memory, and known to all.
    for target in targets {
        target.run(&arena.clients, &["replay", &record, "1"])?;
    }
    for (name, machines) in rows(options) {
        for target in targets {
            let words = ["replay", &record, &machines.to_string()];
            let run = target.run(&arena.clients, &words)?;
            let (first, last) = (run.number("first")?, run.number("last")?);
            replayed.lasts.add(&name, target.name, last);
            replayed.fairness.add(&name, target.name, last / first);
            let processor = run.processor.unwrap_or_default();
            let each = processor * 1000.0 / f64::from(machines);
            replayed.costs.add(&name, target.name, each);
        }
    }
    Ok(replayed)
}

impl Replayed {
    /// `goal`: the ratio of times that is to be reached. Fairness is to be as good as the other's.
    pub(super) fn print(&self, place: &str, goal: f64) {
        let title = format!("NFS {place}, the calls of a boot, until the last machine has all");
        table::print_beside(&title, "s", Better::Less, goal, &self.lasts.0);
        let title = "NFS, the same: the last machine's time by the first's";
        table::print_beside(title, "1 is fair", Better::Less, 1.0, &self.fairness.0);
        let title = "NFS, the same: processor time for a machine";
        table::print(title, "ms", Better::Less, &self.costs.0);
    }
}

/// The record of a Debian boot to its login prompt. It is made once, since that takes a minute without KVM.
pub(super) fn recorded(arena: &Arena, anew: bool) -> Result<PathBuf> {
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
    started.end(arena)?;
    let text = fs::read_to_string(&record)
        .with_context(|| format!("read the record of calls {}", record.display()))?;
    ensure!(text.lines().count() > 500, "a boot of so few calls: {text}");
    fs::write(&kept, text)?;
    Ok(kept)
}
