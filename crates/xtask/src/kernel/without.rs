//! What a machine says whose kernel lacks a symbol, beside what the fragment says of it.

use anyhow::{Result, bail};
use netroot_harness::{BareEnd, BareExport, BareKernel, BareLab, Booted, bare_end, paths};

use super::boot::TIMEOUT;
use super::configure::{CannotBeTurnedOff, Recipe};
use super::fragments::Wanted;

/// Builds and boots a kernel without each of these symbols of `recipe`, whose kernel is `whole`, and prints a paragraph for
/// each. Whether a machine says what the fragment expects is for the reader to judge.
///
/// # Errors
/// When a kernel is not built or booted, after the others. That a symbol cannot be turned off is a result, and that a
/// machine does not reach its login.
pub(super) fn table(
    recipe: &Recipe,
    whole: &BareKernel,
    symbols: &[Wanted],
    jobs: usize,
) -> Result<()> {
    let mut failed = Vec::new();
    let mut to_the_login = Vec::new();
    for wanted in symbols {
        let Wanted {
            symbol, otherwise, ..
        } = wanted;
        let said = match without(recipe, whole, symbol, jobs) {
            Ok(BareEnd::Login) => {
                to_the_login.push(symbol.as_str());
                "boots to the login".to_owned()
            }
            Ok(BareEnd::Stopped(None)) => "says nothing at all".to_owned(),
            Ok(BareEnd::Stopped(Some(line))) => line,
            Err(error) if error.is::<CannotBeTurnedOff>() => format!("no kernel: {error:#}"),
            Err(error) => {
                failed.push(symbol.as_str());
                format!("FAILED: {error:#}")
            }
        };
        println!("{symbol}\n  expected  {otherwise}\n  said      {said}");
    }
    println!(
        "{} of {} boot to the login all the same: {}",
        to_the_login.len(),
        symbols.len(),
        to_the_login.join(", ")
    );
    match failed.as_slice() {
        [] => Ok(()),
        failed => bail!("not built or not booted without {}", failed.join(", ")),
    }
}

/// Where the boot of a kernel without `symbol` ends.
fn without(recipe: &Recipe, whole: &BareKernel, symbol: &str, jobs: usize) -> Result<BareEnd> {
    let mut without = recipe.clone();
    without.without = vec![symbol.to_owned()];
    let kernel = without.build(jobs)?;
    // A folder of logs for each.
    let name = format!("kernel-without-{symbol}");
    let lab = BareLab::start(&name, &paths::debian_root(), BareExport::Own)?;
    // The same for all: `netroot initrd` refuses to make one that the kernel cannot unpack.
    let booted = Booted::new(kernel.image(), whole.initrd(lab.folder())?)?;
    let vm = lab.boot("machine", &booted)?;
    Ok(bare_end(&vm, TIMEOUT))
}
