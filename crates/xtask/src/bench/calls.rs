//! What a boot of the Debian root to its login asks netroot's export: calls, bytes and time, by the options of the mount, and
//! with what an earlier boot read read ahead.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use netroot_harness::{
    Accel, KERNEL_PARAMETERS, Net, NetrootServe, Nic, Rom, Tap, VmBuilder, paths,
};

use super::spread::Spread;
use crate::privileges::needs_root;
use crate::{build, initrd, setup};

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// How many times each variant is booted, in turn.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Shape the cable to the machine (tc-tbf: 100mbit, 1gbit). By default it is as fast as it can be.
    #[arg(long)]
    rate: Option<String>,
    /// Begin no other boot after so many minutes, and print what has been measured by then. Without KVM a boot takes one minute, on
    /// a busy machine up to ten, and there are 18 of them.
    #[arg(long, default_value_t = 60)]
    minutes: u64,
    /// Measure target/release/netroot as it is.
    #[arg(long)]
    no_build: bool,
}

const SERVER: &str = "10.90.0.1";
const MACHINE: &str = "52:54:00:be:00:02";
const TIMEOUT: Duration = Duration::from_secs(600);
/// The variants: what is printed, the options of the mount, and whether an earlier boot's list is read ahead.
const VARIANTS: [(&str, &str, bool); 5] = [
    ("the kernel's defaults", "cto", false),
    ("nocto", "nocto", false),
    ("nocto,acregmin=30", "nocto,acregmin=30", false),
    (
        "the same, nordirplus",
        "nocto,acregmin=30,nordirplus",
        false,
    ),
    ("nocto,acregmin=30, read ahead", "nocto,acregmin=30", true),
];
/// The procedures in the table.
const PROCEDURES: [&str; 6] = [
    "GETATTR",
    "LOOKUP",
    "ACCESS",
    "READLINK",
    "READ",
    "READDIRPLUS",
];

/// The measurements of a variant.
#[derive(Default)]
struct Measured {
    seconds: Spread,
    megabytes: Spread,
    calls: Spread,
    of: BTreeMap<String, Spread>,
}

/// Boots each variant in turn and prints the medians.
///
/// # Errors
/// When something cannot be built, or a machine does not reach its login.
pub(crate) fn run_bench(options: &Options) -> Result<()> {
    if !options.no_build {
        setup::run()?;
        build::netroot()?;
    }
    needs_root("this makes network namespaces", "bench calls")?;
    let image = paths::cache().join("bench-calls.img");
    initrd::make("virtio_net", &image)?;
    let mut measured: [Measured; VARIANTS.len()] = Default::default();
    let (began, limit) = (Instant::now(), Duration::from_secs(60 * options.minutes));
    'rounds: for round in 1..=options.rounds {
        for ((name, mount, ahead), measured) in VARIANTS.into_iter().zip(&mut measured) {
            if began.elapsed() >= limit {
                let minutes = options.minutes;
                println!("stopped after {minutes} minutes, in round {round}, before: {name}");
                break 'rounds;
            }
            let network = Network::start(options.rate.as_deref())?;
            if ahead {
                network.boot(&image, mount, ahead)?;
                network.await_list()?;
            }
            let boot = network.boot(&image, mount, ahead);
            let boot = boot.with_context(|| format!("boot with {name}"))?;
            println!("round {round} of {}: {name}: {boot:.2?}", options.rounds);
            measured.add(boot);
        }
    }
    let link = options.rate.as_deref().unwrap_or("an unshaped cable");
    println!(
        "\na boot of Debian to its login over {link}, medians of {} or fewer:\n",
        options.rounds
    );
    println!(
        "| mount | seconds | MB | calls | {} |",
        PROCEDURES.join(" | ")
    );
    println!("|---|---|---|---|{}", "---|".repeat(PROCEDURES.len()));
    for ((name, ..), measured) in VARIANTS.iter().zip(&measured) {
        println!("| {name} | {} |", measured.row());
    }
    Ok(())
}

/// One boot: from the kernel's "Run /init" to the login prompt.
#[derive(Debug)]
struct Boot {
    seconds: f64,
    megabytes: f64,
    calls: BTreeMap<String, u32>,
}

impl Measured {
    fn add(&mut self, boot: Boot) {
        self.seconds.add(boot.seconds);
        self.megabytes.add(boot.megabytes);
        self.calls
            .add(boot.calls.values().copied().map(f64::from).sum());
        for procedure in PROCEDURES {
            let calls = boot.calls.get(procedure).copied().unwrap_or_default();
            let spread = self.of.entry(procedure.to_owned()).or_default();
            spread.add(f64::from(calls));
        }
    }

    /// `-` where nothing has been measured.
    fn row(&self) -> String {
        let cell = |spread: Option<&Spread>, digits: usize| {
            let median = spread.and_then(Spread::median);
            median.map_or("-".to_owned(), |median| format!("{median:.digits$}"))
        };
        let mut cells = vec![
            cell(Some(&self.seconds), 1),
            cell(Some(&self.megabytes), 1),
            cell(Some(&self.calls), 0),
        ];
        cells.extend(PROCEDURES.iter().map(|name| cell(self.of.get(*name), 0)));
        cells.join(" | ")
    }
}

/// A bridge with netroot, and the machine's cable.
struct Network {
    net: Net,
    tap: Tap,
    _server: NetrootServe,
}

impl Network {
    fn start(rate: Option<&str>) -> Result<Self> {
        let net = Net::new("bench-calls")?;
        let bridge = net.bridge("br0", &format!("{SERVER}/24"))?;
        let tap = net.tap("machine", &bridge)?;
        if let Some(rate) = rate {
            net.run(&[
                "tc", "qdisc", "replace", "dev", &tap.0, "root", "tbf", "rate", rate, "burst",
                "64k", "latency", "100ms",
            ])?;
        }
        let arguments = [
            ["--interface", "br0"],
            ["--dhcp", "10.90.0.100-10.90.0.199"],
            ["--modules", "virtio_net"],
            ["--append", KERNEL_PARAMETERS],
        ];
        let (calls, root) = (net.logs().join("calls"), paths::debian_root());
        let server = NetrootServe::start_recording(&net, &root, &calls, &arguments.concat())?;
        Ok(Self {
            net,
            tap,
            _server: server,
        })
    }

    fn boot(&self, initrd: &Path, mount: &str, ahead: bool) -> Result<Boot> {
        let (bytes, calls) = (self.bytes()?, self.calls()?);
        let nic = Nic::virtio(&self.tap, MACHINE);
        let vm = VmBuilder::new(&self.net, "vm").accel(Accel::probe());
        let vm = if ahead {
            // A list is made of the boot of a machine that was told here what to boot, and that of the next one.
            vm.nic(nic.with_rom(Rom::Ipxe)).start()?
        } else {
            let image = paths::debian_root();
            let image = image.file_name().and_then(|name| name.to_str());
            let image = image.context("a root with a name")?;
            let line = format!(
                "root=/dev/nfs \
                 nfsroot={SERVER}:/{image},vers=3,proto=tcp,port=2049,mountport=2049,nolock,{mount} ip=dhcp ro rd.overlay"
            );
            let (_, kernel) = paths::debian_kernel()?;
            vm.nic(nic).kernel(&kernel, initrd, &line).start()?
        };
        let begin = vm.wait_for("Run /init as init process", "the init", TIMEOUT)?;
        let end = vm.wait_for(" login:", "the login prompt", TIMEOUT)?;
        let mut after = self.calls()?;
        for (procedure, before) in calls {
            if let Some(all) = after.get_mut(&procedure) {
                *all -= before;
            }
        }
        // What followed the login, until the machine is quiet, is part of the list only.
        if ahead {
            self.await_list()?;
        }
        Ok(Boot {
            seconds: end.at.saturating_sub(begin.at).as_secs_f64(),
            megabytes: f64::from(u32::try_from((self.bytes()? - bytes) / 1000)?) / 1000.0,
            calls: after,
        })
    }

    fn await_list(&self) -> Result<()> {
        NetrootServe::wait_for_read_ahead_list(&self.net, TIMEOUT)
    }

    /// How many bytes have been sent to the machine.
    fn bytes(&self) -> Result<u64> {
        let file = format!("/sys/class/net/{}/statistics/tx_bytes", self.tap.0);
        let text = self.net.run(&["cat", &file])?;
        text.trim().parse().context("a number of bytes")
    }

    /// How many calls there have been of each procedure.
    fn calls(&self) -> Result<BTreeMap<String, u32>> {
        NetrootServe::recorded(&self.net.logs().join("calls"))
    }
}
