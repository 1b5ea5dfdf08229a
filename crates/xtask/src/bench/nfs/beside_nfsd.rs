//! netroot and Linux's nfsd, both in one virtual machine, since this machine's kernel may lack nfsd. The clients are outside.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use netroot_harness::nfsd::{self, MOUNT_DISK};
use netroot_harness::paths;

use super::arena::Arena;
use super::boot;
use super::cells::Warm;
use super::cold::Cold;
use super::load::Target;
use super::machine::{MACHINE, Started};
use super::options::Options;
use super::slow_clients::BesideSlowClients;

/// How fast netroot is to be in comparison.
const GOAL: f64 = 0.8;
const PLACE: &str = "in a machine";
/// How long a boot may take without KVM, and what the machine is told to do.
const TIMEOUT: Duration = Duration::from_secs(420);
/// How often a server reads a file that is not in memory in a round, and in how many rounds: each time netroot starts anew before.
const PASSES: usize = 2;
const COLD_ROUNDS: u32 = 2;
/// In how many it is asked beside clients that do not read: nfsd needs a minute for each, since they hold all of its threads.
const SLOW_ROUNDS: u32 = 1;

/// How the tree is exported by nfsd.
const OPTIONS: &str = "ro,insecure,no_subtree_check,no_root_squash";

/// Where the Debian root is mounted that the recorded boot is of, and its size and that of its image, in MiB.
const DEBIAN: &str = "/mnt/root/debian";
const IMAGE: u32 = 2048;

/// The rest of the machine's init: netroot on other ports than nfsd. It does what it is told by lines on its console:
/// `cold`, to have neither server keep anything open and nothing in memory, and `warm`.
const SERVE: &str = r#"
mkdir -p /run/netroot-bench
echo an initrd > /run/netroot-bench/initrd
start() {
  rm -f /run/netroot-bench/log
  netroot serve /mnt/root --interface eth0 --no-probe --initrd /run/netroot-bench/initrd --nfs-port 3049 \
    --state /run/netroot-bench/state --cache /run/netroot-bench/cache > /run/netroot-bench/log 2>&1 &
  netroot=$!
  for i in $(seq 300); do if grep -q ready /run/netroot-bench/log; then break; fi; sleep 1; done
  if ! grep -q ready /run/netroot-bench/log; then tell "$(tail -n 3 /run/netroot-bench/log)"; exit 1; fi
}
start
tell "bench: ready"
while read -r word; do
  case $word in
  cold)
    kill $netroot
    wait $netroot || true
    start
    echo 3 > /proc/sys/vm/drop_caches
    ;;
  warm) cat /mnt/root/large > /dev/null ;;
  esac
  tell "bench: $word"
done
sleep 1000
"#;

/// Measures both; with a boot's calls if there is a record of some.
pub(super) fn measure(arena: &Arena, options: &Options, record: Option<&Path>) -> Result<()> {
    let mut started = start(arena)?;
    let pid = started.vm.pid()?;
    let target = |name, mount, nfs, path: &str| Target {
        name,
        address: MACHINE,
        mount,
        nfs,
        path: path.to_owned(),
        // Of the whole machine: what the kernel does for a server is not its processes' alone.
        pid: Some(pid),
        processors: arena.processors,
    };
    // It has one processor, which both servers and its network card share by turns, whatever threads they have.
    arena.processors.give_server(pid)?;
    let targets = [
        target("netroot", 3049, 3049, "/root"),
        target("nfsd", nfsd::MOUNTD, 2049, "/mnt/root"),
    ];
    let (mut warm, mut cold, mut slow) = (
        Warm::default(),
        Cold::default(),
        BesideSlowClients::default(),
    );
    for round in 1..=options.rounds {
        println!("NFS beside nfsd, round {round} of {}", options.rounds);
        warm.round(arena, &targets, options)?;
        if round <= SLOW_ROUNDS {
            slow.round(arena, &targets, options)?;
        }
    }
    // Behind all others: netroot has nothing open after them, and a row of a second would be of the first calls for its names.
    for _ in 0..options.rounds.min(COLD_ROUNDS) {
        cold.round(arena, &targets, (options, PASSES), |_| started.tell("cold"))?;
        started.tell("warm")?;
    }
    warm.print(PLACE, GOAL);
    cold.print(PLACE, GOAL);
    slow.print(PLACE, GOAL);
    let Some(record) = record.filter(|_| !boot::rows(options).is_empty()) else {
        return Ok(());
    };
    let debian = [
        target("netroot", 3049, 3049, "/root/debian"),
        target("nfsd", nfsd::MOUNTD, 2049, DEBIAN),
    ];
    boot::replay(arena, &debian, options, record)?.print(PLACE, GOAL);
    Ok(())
}

/// Boots the machine with both servers, and waits until they serve.
fn start(arena: &Arena) -> Result<Started> {
    let layer = arena.lan.logs().join("layer");
    nfsd::configure(&layer, OPTIONS)?;
    let exports = format!("/mnt/root *({OPTIONS})\n{DEBIAN} *({OPTIONS})\n");
    fs::write(layer.join("etc/exports"), exports)?;
    let nfsd = nfsd::start(8);
    let script = format!(
        "{MOUNT_DISK}mount -o ro /dev/vdb {DEBIAN}\ncat /mnt/root/large > /dev/null\n{nfsd}{SERVE}"
    );
    write(&layer.join("etc/serve"), &script, 0o755)?;
    let program = layer.join("usr/bin/netroot");
    fs::create_dir_all(layer.join("usr/bin"))?;
    fs::copy(paths::netroot()?, &program)?;
    let debian = arena.lan.logs().join("debian.img");
    let (image, root) = (debian.display(), paths::debian_root());
    arena.lan.shell(&format!(
        "truncate -s {IMAGE}M {image}; mkfs.ext4 -q -b 4096 -d {} {image}",
        root.display()
    ))?;
    let disks = [&arena.image, &debian].map(|image| {
        let image = image.display();
        format!("-drive file={image},format=raw,if=virtio,readonly=on")
    });
    let layers = [layer, paths::tests_layer(), paths::debian_root()];
    let started = Started::boot(arena, &layers, &[], "init=/etc/serve", &disks.join(" "))?;
    let said = started.vm.console();
    let ready = said.wait_for_any(0, &["bench: ready", "cannot start"], TIMEOUT);
    if !matches!(ready, Some((0, _))) {
        anyhow::bail!("nfsd and netroot did not start:\n{}", said.tail(15));
    }
    // The machine has it open.
    fs::remove_file(&debian)?;
    Ok(started)
}

impl Started {
    /// Has the machine do what [`SERVE`] knows, and waits until it has.
    fn tell(&mut self, word: &str) -> Result<()> {
        let said = self.vm.console().text().len();
        self.vm.type_in(&format!("{word}\n"))?;
        let done = format!("bench: {word}");
        self.vm.console().wait_after(said, &done, &done, TIMEOUT)?;
        Ok(())
    }
}

fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    fs::create_dir_all(path.parent().context("a folder")?)?;
    fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
    Ok(fs::set_permissions(path, PermissionsExt::from_mode(mode))?)
}
