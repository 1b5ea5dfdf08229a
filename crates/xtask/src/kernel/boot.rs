//! Boots the kernel to the login of the Debian root.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use netroot_harness::{
    BareEnd, BareExport, BareKernel, BareLab, BareTimes, Booted, Processor, bare_end, paths,
};

use super::fragments::Arch;
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
pub(crate) fn to_the_login(
    kernel: &BareKernel,
    arch: Arch,
    export: BareExport<'_>,
) -> Result<Boot> {
    let processor = arch.processor();
    let name = format!("kernel-without-modules-{}", arch.name());
    let lab = BareLab::start(&name, &paths::debian_root_for(processor), export)?;
    let booted = Booted::new(processor, kernel.image(), kernel.initrd(lab.folder())?)?;
    boot(&lab, "bare", &booted)
}

/// The same over each server, and then the distribution's kernel with an initrd for the same card, one after the other.
///
/// # Errors
/// When one of them does not reach its login.
pub(super) fn beside_the_distributions(kernel: &BareKernel, arch: Arch) -> Result<()> {
    let logs = paths::logs("kernel-of-the-distribution")?;
    let distribution = of_the_distribution(arch.processor(), &logs)?;
    // The machine with nfsd has the usual processor, whatever the other one's is.
    let nfsd = match arch {
        Arch::X86_64 => distribution.clone(),
        Arch::Arm64 => of_the_distribution(Processor::X86_64, &logs)?,
    };
    for (export, words) in [
        (BareExport::Own, "netroot's export"),
        (BareExport::Ganesha, "NFSv4.2 from NFS-Ganesha"),
        (BareExport::Nfsd(&nfsd), "NFSv4.2 from Linux's nfsd"),
    ] {
        let boot = to_the_login(kernel, arch, export)?;
        println!("kernel: without modules, over {words}: {boot}");
    }
    let root = paths::debian_root_for(arch.processor());
    let lab = BareLab::start("kernel-of-the-distribution-boot", &root, BareExport::Own)?;
    println!(
        "kernel: {} with the modules for this card, over netroot's export: {}",
        distribution.kernel.display(),
        boot(&lab, "debian", &distribution)?
    );
    Ok(())
}

/// The kernel of the Debian root for this processor, with an initrd that has what this card takes.
fn of_the_distribution(processor: Processor, folder: &Path) -> Result<Booted> {
    let (_, image) = paths::debian_kernel_for(processor)?;
    let file = folder.join(format!("virtio-{}.img", processor.name()));
    initrd::make_for(processor, "virtio_net", &file)?;
    Booted::new(processor, image, file)
}

fn boot(lab: &BareLab, name: &str, booted: &Booted) -> Result<Boot> {
    let vm = lab.boot(name, booted)?;
    match bare_end(&vm, TIMEOUT, TIMEOUT) {
        BareEnd::Login => {}
        BareEnd::Stopped { words, .. } => bail!(
            "the machine does not reach the login; its last words: {}; the console: {}",
            words.as_deref().unwrap_or("none"),
            vm.log().display()
        ),
    }
    let times = BareTimes::of(vm.console()).context("the init's times on the console")?;
    Ok(Boot {
        size: booted.size,
        times,
    })
}
