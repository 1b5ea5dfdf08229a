//! From the kernel's "Run /init" to the root's init: this project's `init` beside
//! initramfs-tools' `boot=nfs`, in the same machine, against the same dnsmasq and NFS-Ganesha.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use netroot_harness::{Accel, Bridge, Clients, Ganesha, Net, Nic, Program, TinyRoot, Vm, places};

use super::initramfs_tools;
use super::spread::Spread;
use crate::{build, image, needs_root, setup};

const SERVER: &str = "10.90.0.1";
const PATH: &str = "/root";
/// What the kernel prints last before an initrd is on its own (`init/main.c`).
const RUN_INIT: &str = "Run /init as init process";
/// What the tiny root's init prints first.
const ROOT_INIT: &str = "facts: begin";
/// klibc's slowest boot of those measured for the field notes took 22 s, dracut's 41 s.
const PATIENCE: Duration = Duration::from_secs(300);

/// What to measure.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Options {
    /// How many times each image is booted.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Use KVM where it works. Without this QEMU translates, as on a machine that has none.
    #[arg(long)]
    kvm: bool,
}

/// How dnsmasq meets the machine. Its pinging costs both images the same three seconds, which are none of theirs: so
/// both cases are measured, and neither is hidden by the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dnsmasq {
    /// It offers at once, as to every machine whose firmware had a lease a moment before.
    AnswersAtOnce,
    /// It does not know the machine, and pings an address for three seconds before it offers it.
    PingsFirst,
}

struct Contestant {
    name: &'static str,
    initrd: PathBuf,
}

/// Builds both images, boots them in turn and prints every time, the medians and the ratio.
///
/// # Errors
/// When something cannot be built or a machine does not reach its root.
pub(crate) fn run_bench(options: Options) -> Result<()> {
    setup::run()?;
    build::root_tests()?;
    needs_root(
        "this makes network namespaces and an image in a chroot",
        "bench boot",
    )?;
    let folder = places::cache().join("bench");
    std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let (version, kernel) = places::debian_kernel()?;
    println!("making both initrds for {version}: every Ethernet driver in each (MODULES=netboot)");
    let contestants = [
        Contestant {
            name: "netroot init",
            initrd: ours(&folder)?,
        },
        Contestant {
            name: "initramfs-tools boot=nfs",
            initrd: initramfs_tools::image(&folder, &version)?,
        },
    ];
    for contestant in &contestants {
        let size = std::fs::metadata(&contestant.initrd)?.len();
        println!("  {:<25} {:>6.2} MB", contestant.name, megabytes(size));
    }
    let accel = if options.kvm { Accel::Kvm } else { Accel::Tcg };
    let root = TinyRoot::make()?;
    let machine = Machine {
        accel,
        kernel: &kernel,
        root: &root,
    };
    for dnsmasq in [Dnsmasq::AnswersAtOnce, Dnsmasq::PingsFirst] {
        let times = machine.compare(dnsmasq, options.rounds, &contestants)?;
        report(dnsmasq, accel, &contestants, &times);
    }
    Ok(())
}

/// What is the same for every boot.
struct Machine<'a> {
    accel: Accel,
    kernel: &'a Path,
    root: &'a TinyRoot,
}

impl Machine<'_> {
    /// Boots each in turn, so that a machine that gets slower gets slower for both.
    fn compare(
        &self,
        dnsmasq: Dnsmasq,
        rounds: u32,
        contestants: &[Contestant; 2],
    ) -> Result<[Spread; 2]> {
        let mut times: [Spread; 2] = Default::default();
        for round in 1..=rounds {
            for (contestant, times) in contestants.iter().zip(&mut times) {
                let time = self
                    .boot(dnsmasq, &contestant.initrd)
                    .with_context(|| format!("boot {}", contestant.name))?;
                println!(
                    "round {round} of {rounds}: {:<25} {:6.2} s",
                    contestant.name,
                    time.as_secs_f64()
                );
                times.add(time);
            }
        }
        Ok(times)
    }

    /// One boot in a network of its own, so that no server remembers the machine.
    fn boot(&self, dnsmasq: Dnsmasq, initrd: &Path) -> Result<Duration> {
        let net = Net::new("bench-boot")?;
        let bridge = net.bridge("br0", &format!("{SERVER}/24"))?;
        let tap = net.tap("tap0", &bridge)?;
        let _dhcp = start_dnsmasq(&net, &bridge, dnsmasq)?;
        let _nfs = Ganesha::start(&net, self.root.path(), PATH, &Clients::All)?;
        let line = format!("boot=nfs root=/dev/nfs nfsroot={SERVER}:{PATH} ip=dhcp ro");
        let vm = Vm::builder(&net, "vm")
            .accel(self.accel)
            .nic(Nic::virtio(&tap, "52:54:00:be:00:01"))
            .kernel(self.kernel, initrd, &line)
            .start()?;
        let begin = vm.wait_for(RUN_INIT, "the kernel starting /init", PATIENCE)?;
        let end = vm.wait_for(ROOT_INIT, "the root's init", PATIENCE)?;
        Ok(end.at.saturating_sub(begin.at))
    }
}

fn report(dnsmasq: Dnsmasq, accel: Accel, contestants: &[Contestant; 2], times: &[Spread; 2]) {
    println!();
    println!(
        "from \"Run /init\" to the root's init, seconds; QEMU {}, NFS-Ganesha by v3, dnsmasq {}:",
        accel.name(),
        match dnsmasq {
            Dnsmasq::AnswersAtOnce => "answers at once (--no-ping)",
            Dnsmasq::PingsFirst => "pings for 3 s before it answers",
        }
    );
    for (contestant, times) in contestants.iter().zip(times) {
        println!("  {:<25} {times}", contestant.name);
    }
    let [ours, theirs] = times;
    if let (Some(ours), Some(theirs)) = (ours.median(), theirs.median()) {
        println!(
            "  ratio of the medians: {:.2}",
            ours.as_secs_f64() / theirs.as_secs_f64()
        );
    }
    println!();
}

fn ours(folder: &Path) -> Result<PathBuf> {
    let path = folder.join("netroot.img");
    image::make("netboot", &path)?;
    Ok(path)
}

fn start_dnsmasq(net: &Net, bridge: &Bridge, manner: Dnsmasq) -> Result<Program> {
    let interface = format!("--interface={}", bridge.0);
    let mut argv = vec![
        "dnsmasq",
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--port=0",
        "--log-facility=-",
        "--user=root",
        "--pid-file=/run/dnsmasq.pid",
        "--dhcp-leasefile=/run/dnsmasq.leases",
        "--dhcp-authoritative",
        "--dhcp-range=10.90.0.100,10.90.0.200,255.255.255.0,1h",
        &interface,
    ];
    if manner == Dnsmasq::AnswersAtOnce {
        argv.push("--no-ping");
    }
    let program = net.spawn(&argv)?;
    program
        .stderr()
        .wait_for("started", "dnsmasq starting", Duration::from_secs(20))?;
    Ok(program)
}

#[allow(clippy::cast_precision_loss)]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
