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
    /// Let dnsmasq offer an address without pinging it first: `--no-ping` spares both
    /// images about three seconds, which dnsmasq takes unless it is told.
    #[arg(long)]
    no_ping: bool,
}

struct Contestant {
    name: &'static str,
    initrd: PathBuf,
    times: Spread,
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
    let mut contestants = [
        Contestant {
            name: "netroot init",
            initrd: ours(&folder)?,
            times: Spread::default(),
        },
        Contestant {
            name: "initramfs-tools boot=nfs",
            initrd: initramfs_tools::image(&folder, &version)?,
            times: Spread::default(),
        },
    ];
    for contestant in &contestants {
        let size = std::fs::metadata(&contestant.initrd)?.len();
        println!("  {:<25} {:>6.2} MB", contestant.name, megabytes(size));
    }
    let accel = if options.kvm { Accel::Kvm } else { Accel::Tcg };
    let root = TinyRoot::make()?;
    for round in 1..=options.rounds {
        for contestant in &mut contestants {
            let time = boot(options, accel, &kernel, &contestant.initrd, &root)
                .with_context(|| format!("boot {}", contestant.name))?;
            println!(
                "round {round} of {}: {:<25} {:6.2} s",
                options.rounds,
                contestant.name,
                time.as_secs_f64()
            );
            contestant.times.add(time);
        }
    }
    report(options, accel, &contestants);
    Ok(())
}

fn report(options: Options, accel: Accel, contestants: &[Contestant; 2]) {
    println!();
    println!(
        "from \"Run /init\" to the root's init, seconds; QEMU {}, dnsmasq {}, NFS-Ganesha, v3:",
        accel.name(),
        if options.no_ping {
            "with --no-ping"
        } else {
            "as it comes (pings an address before it offers it)"
        }
    );
    for contestant in contestants {
        println!("  {:<25} {}", contestant.name, contestant.times);
    }
    let [ours, theirs] = contestants;
    if let (Some(ours), Some(theirs)) = (ours.times.median(), theirs.times.median()) {
        println!(
            "  ratio of the medians: {:.2}",
            ours.as_secs_f64() / theirs.as_secs_f64()
        );
    }
}

fn ours(folder: &Path) -> Result<PathBuf> {
    let path = folder.join("netroot.img");
    image::make("netboot", &path)?;
    Ok(path)
}

/// One boot in a network of its own, so that no server remembers the machine.
fn boot(
    options: Options,
    accel: Accel,
    kernel: &Path,
    initrd: &Path,
    root: &TinyRoot,
) -> Result<Duration> {
    let net = Net::new("bench-boot")?;
    let bridge = net.bridge("br0", &format!("{SERVER}/24"))?;
    let tap = net.tap("tap0", &bridge)?;
    let _dhcp = dnsmasq(&net, &bridge, options.no_ping)?;
    let _nfs = Ganesha::start(&net, root.path(), PATH, &Clients::All)?;
    let line = format!("boot=nfs root=/dev/nfs nfsroot={SERVER}:{PATH} ip=dhcp ro");
    let vm = Vm::builder(&net, "vm")
        .accel(accel)
        .nic(Nic::virtio(&tap, "52:54:00:be:00:01"))
        .kernel(kernel, initrd, &line)
        .start()?;
    let begin = vm.wait_for(RUN_INIT, "the kernel starting /init", PATIENCE)?;
    let end = vm.wait_for(ROOT_INIT, "the root's init", PATIENCE)?;
    Ok(end.at.saturating_sub(begin.at))
}

fn dnsmasq(net: &Net, bridge: &Bridge, no_ping: bool) -> Result<Program> {
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
    if no_ping {
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
