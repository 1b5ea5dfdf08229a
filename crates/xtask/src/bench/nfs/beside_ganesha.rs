//! netroot and NFS-Ganesha on this machine.

use std::time::Instant;

use anyhow::Result;

use super::arena::{Arena, OURS};
use super::cells::Warm;
use super::cold::Cold;
use super::load::Target;
use super::options::Options;
use super::rows::Rows;
use super::slow_clients::BesideSlowClients;
use crate::bench::serve::table::{self, Better};

/// How much faster than Ganesha netroot is to be.
pub(super) const GOAL: f64 = 1.5;
const PLACE: &str = "on this machine";

/// How often a server reads a file that is not in memory in a round. Who is the first after a mount waits longer for the thread of the
/// kernel that reads the loop device's image: it has to share the client's processor until the scheduler moves it.
const PASSES: usize = 4;

/// The row of a client that nobody here wrote.
pub(super) const BY_LIBNFS: &str = "nfs-cat, 128 MiB";

pub(super) fn by_libnfs_is_wanted(options: &Options) -> bool {
    options.wants(BY_LIBNFS)
}

/// Measures both.
pub(super) fn measure(arena: &Arena, options: &Options) -> Result<()> {
    let (mut warm, mut cold, mut slow) = (
        Warm::default(),
        Cold::default(),
        BesideSlowClients::default(),
    );
    let mut libnfs = Rows::default();
    for round in 1..=options.rounds {
        println!("NFS beside Ganesha, round {round} of {}", options.rounds);
        let mut servers = arena.serve_tree()?;
        let targets = servers.targets()?;
        cold.round(arena, &targets, (options, PASSES), |target| {
            let net = match target.address {
                OURS => &arena.ours,
                _ => &arena.ganesha,
            };
            // The file's pages are forgotten; the first LOOKUP and READDIRPLUS find nothing in memory anyway.
            net.shell("dd if=/run/root/large iflag=nocache count=0 status=none")?;
            Ok(())
        })?;
        warm.round(arena, &targets, options)?;
        slow.round(arena, &targets, options)?;
        for target in targets.iter().filter(|_| by_libnfs_is_wanted(options)) {
            libnfs.add(BY_LIBNFS, target.name, by_libnfs(arena, target)?);
        }
    }
    warm.print(PLACE, GOAL);
    cold.print(PLACE, GOAL);
    slow.print(PLACE, GOAL);
    let title = format!("NFS {PLACE}, by libnfs");
    table::print_beside(&title, "ms", Better::Less, GOAL, &libnfs.0);
    Ok(())
}

/// How long `nfs-cat` takes for the large file, in milliseconds.
fn by_libnfs(arena: &Arena, target: &Target) -> Result<f64> {
    let (address, path, mount) = (target.address, &target.path, target.mount);
    let ports = format!("version=3&nfsport=2049&mountport={mount}");
    let url = format!("nfs://{address}{path}/large?{ports}");
    let prefix = arena.processors.client().join(" ");
    let began = Instant::now();
    arena
        .clients
        .shell(&format!("{prefix} nfs-cat '{url}' > /dev/null"))?;
    Ok(began.elapsed().as_secs_f64() * 1000.0)
}
