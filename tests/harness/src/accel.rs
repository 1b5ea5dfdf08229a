//! How virtual machines are accelerated.

use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use crate::paths;
use crate::processor::Processor;
use crate::transcript::{Echo, Transcript};

/// QEMU's accelerator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accel {
    /// Hardware virtualisation through `/dev/kvm`.
    Kvm,
    /// QEMU's emulation: works everywhere, slowly.
    Tcg,
}

/// A kernel prints its first line within a second under KVM.
const PROBE_TIMEOUT: Duration = Duration::from_secs(6);

impl Accel {
    /// The fastest that works: KVM on bare metal if it boots a kernel. `NETROOT_ACCEL=kvm|tcg`
    /// overrides the probe, which is made once per process.
    pub fn probe() -> Self {
        static PROBED: OnceLock<Accel> = OnceLock::new();
        *PROBED.get_or_init(|| match std::env::var("NETROOT_ACCEL").ok().as_deref() {
            Some("kvm") => Self::Kvm,
            Some("tcg") => Self::Tcg,
            _ if !is_virtual() && kvm_boots_a_kernel() => Self::Kvm,
            _ => Self::Tcg,
        })
    }

    /// What machines with this processor run with: KVM only on a host with the same one.
    pub fn of(processor: Processor) -> Self {
        match std::env::consts::ARCH == processor.name() {
            true => Self::probe(),
            false => Self::Tcg,
        }
    }

    /// Its name for QEMU and `NETROOT_ACCEL`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        }
    }

    /// QEMU's model of a processor.
    pub(crate) fn model(self, processor: Processor) -> &'static str {
        match (self, processor) {
            (Self::Kvm, _) => "host",
            // `max` enables features that are slow to emulate (five-level page tables, pointer authentication).
            // Without virtualisation, for which Debian would load KVM.
            (Self::Tcg, Processor::X86_64) => "qemu64,-svm",
            (Self::Tcg, Processor::Aarch64) => "cortex-a57",
        }
    }
}

/// Whether this machine is a guest itself. Within one, KVM has booted a kernel and hung the next three in their first
/// second: tests that hang at random are worse than slow ones.
fn is_virtual() -> bool {
    std::fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| {
        text.lines()
            .find(|line| line.starts_with("flags"))
            .is_some_and(|flags| flags.split_whitespace().any(|flag| flag == "hypervisor"))
    })
}

/// Being able to open `/dev/kvm` is not enough: in some clouds' machines guests hang while
/// the kernel decompresses itself. So a kernel is started, and must print something.
fn kvm_boots_a_kernel() -> bool {
    let opens = std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/kvm")
        .is_ok();
    let Ok((_, kernel)) = paths::debian_kernel() else {
        return false;
    };
    if !opens {
        return false;
    }
    // It must not outlive this test if that is killed.
    let child = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "qemu-system-x86_64"])
        .args(["-accel", "kvm", "-cpu", "host", "-m", "256", "-nic", "none"])
        .args(["-display", "none", "-vga", "none", "-monitor", "none"])
        .args(["-serial", "stdio", "-no-reboot", "-kernel"])
        .arg(kernel)
        .args(["-append", "console=ttyS0 panic=-1"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else {
        return false;
    };
    let console = Transcript::new("the KVM probe");
    let spoke = child.stdout.take().is_some_and(|pipe| {
        console
            .follow(pipe, std::path::Path::new("/dev/null"), Echo::Off)
            .is_ok()
            && console
                .wait_for("Linux version", "a kernel's first line", PROBE_TIMEOUT)
                .is_ok()
    });
    let _ = child.kill();
    let _ = child.wait();
    spoke
}
