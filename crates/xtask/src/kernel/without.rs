//! What a machine says whose kernel lacks a symbol, beside what the fragment foretells of it.

use anyhow::Result;
use netroot_harness::{BareEnd, BareExport, BareKernel, BareLab, Booted, bare_end, paths};

use super::boot::TIMEOUT;
use super::configure::Recipe;
use super::fragments::Wanted;

/// Builds and boots a kernel without each of these symbols of `recipe`, whose kernel is `whole`, and prints a paragraph for each.
///
/// # Errors
/// When a kernel cannot be built. That a machine does not boot is a result.
pub(super) fn table(
    recipe: &Recipe,
    whole: &BareKernel,
    symbols: &[Wanted],
    jobs: usize,
) -> Result<()> {
    for Wanted {
        symbol, otherwise, ..
    } in symbols
    {
        let mut without = recipe.clone();
        without.without = vec![symbol.clone()];
        let said = match without.build(jobs) {
            Err(error) => format!("no kernel: {error:#}"),
            Ok(kernel) => {
                let lab = BareLab::start("kernel-without", &paths::debian_root(), BareExport::Own)?;
                // The same for all: `netroot initrd` refuses to make one that the kernel cannot unpack.
                let booted = Booted::new(kernel.image(), whole.initrd(lab.folder())?)?;
                let vm = lab.boot(symbol, &booted)?;
                match bare_end(&vm, TIMEOUT) {
                    BareEnd::Login => "boots to the login".to_owned(),
                    BareEnd::Stopped(None) => "says nothing at all".to_owned(),
                    BareEnd::Stopped(Some(line)) => line,
                }
            }
        };
        println!("{symbol}\n  foretold  {otherwise}\n  machine   {said}");
    }
    Ok(())
}
