//! Boots the kernel to the login of the Debian root.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use netroot_harness::{
    BareEnd, BareExport, BareKernel, BareLab, BareTimes, Booted, bare_end, paths,
};

use crate::initrd;

/// Enough for systemd under emulation on a busy machine.
pub(super) const TIMEOUT: Duration = Duration::from_secs(600);

/// A boot that reached the login prompt.
pub(crate) struct Boot {
    /// Kernel and initrd, in bytes.
    size: u64,
    times: BareTimes,
}

impl fmt::Display for Boot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BareTimes { kernel, init } = self.times;
        write!(
            f,
            "kernel and initrd {:.1} MiB; the init after {kernel:.2} s, the root's init after {:.2} s",
            mib(self.size),
            kernel + init
        )
    }
}

#[expect(clippy::cast_precision_loss, reason = "sizes of files")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Boots this kernel, with the init alone in its initrd.
///
/// # Errors
/// When the machine does not reach its login: with what it said last.
pub(crate) fn to_the_login(kernel: &BareKernel, export: BareExport<'_>) -> Result<Boot> {
    let lab = BareLab::start("kernel-without-modules", &paths::debian_root(), export)?;
    let booted = Booted::new(kernel.image(), kernel.initrd(lab.folder())?)?;
    boot(&lab, "bare", &booted)
}

/// The same over each server, and then the distribution's kernel with an initrd for the same card, one after the other.
///
/// # Errors
/// When one of them does not reach its login.
pub(super) fn beside_the_distributions(kernel: &BareKernel) -> Result<()> {
    let logs = paths::logs("kernel-of-the-distribution")?;
    let (version, image) = paths::debian_kernel()?;
    let initrd_file = logs.join("virtio.img");
    initrd::make("virtio_net", &initrd_file)?;
    let distribution = Booted::new(image, initrd_file)?;
    for (export, words) in [
        (BareExport::Own, "netroot's export"),
        (BareExport::Ganesha, "NFSv4.2 from NFS-Ganesha"),
        (BareExport::Nfsd(&distribution), "NFSv4.2 from Linux's nfsd"),
    ] {
        let boot = to_the_login(kernel, export)?;
        println!("kernel: without modules, over {words}: {boot}");
    }
    let root = paths::debian_root();
    let lab = BareLab::start("kernel-of-the-distribution-boot", &root, BareExport::Own)?;
    println!(
        "kernel: {version} with the modules for this card, over netroot's export: {}",
        boot(&lab, "debian", &distribution)?
    );
    Ok(())
}

fn boot(lab: &BareLab, name: &str, booted: &Booted) -> Result<Boot> {
    let vm = lab.boot(name, booted)?;
    match bare_end(&vm, TIMEOUT) {
        BareEnd::Login => {}
        BareEnd::Stopped(last) => bail!(
            "the machine does not reach the login; its last words: {}; the console: {}",
            last.as_deref().unwrap_or("none"),
            vm.log().display()
        ),
    }
    let times = BareTimes::of(vm.console()).context("the init's times on the console")?;
    Ok(Boot {
        size: booted.size,
        times,
    })
}
