//! What a machine says whose kernel lacks a symbol, beside what `netroot check-kernel` says of that kernel.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use netroot_harness::{BareEnd, BareExport, BareKernel, BareLab, Booted, Stage, bare_end, paths};

use super::boot::TIMEOUT;
use super::configure::{CannotBeTurnedOff, Recipe};
use super::fragments::{Arch, Wanted};
use super::without_table::{Row, Table};

/// A machine that has said nothing for so long says nothing more, however busy this one is.
const SILENCE: Duration = Duration::from_secs(150);

/// Which symbols are left out.
pub(super) enum Symbols {
    /// Those that were named.
    Named(Vec<Wanted>),
    /// Each essential one that the table has no row of.
    Each(Vec<Wanted>),
}

/// Builds a kernel without each of these symbols of `recipe`, and boots none.
///
/// # Errors
/// When one does not build, after the others. That a symbol cannot be turned off is no error.
pub(super) fn build(recipe: &Recipe, symbols: &Symbols, jobs: usize) -> Result<()> {
    let mut failed = Vec::new();
    for Wanted { symbol, .. } in remaining(recipe, symbols)?.1 {
        match recipe.without(&symbol).build(jobs) {
            Ok(_) => {}
            Err(error) if error.is::<CannotBeTurnedOff>() => println!("kernel: {error}"),
            Err(error) => {
                println!("kernel: without {symbol}: {error:#}");
                failed.push(symbol);
            }
        }
    }
    ensure!(failed.is_empty(), "not built without {}", failed.join(", "));
    Ok(())
}

/// Builds and boots a kernel without each of these symbols of `recipe`, whose kernel is `whole`. Each is a row of the table,
/// which is written at once where it is of this kernel.
///
/// # Errors
/// When a kernel is not built or booted, after the others; when `netroot check-kernel` does not name the symbol; and when
/// a machine reaches its login without an essential symbol. That a symbol cannot be turned off is a result.
pub(super) fn table(
    recipe: &Recipe,
    whole: &BareKernel,
    symbols: &Symbols,
    jobs: usize,
) -> Result<()> {
    let (mut table, remaining) = remaining(recipe, symbols)?;
    let (mut failed, mut needless) = (Vec::new(), Vec::new());
    for wanted in &remaining {
        let symbol = &wanted.symbol;
        let row = match without(recipe, whole, wanted, jobs) {
            Ok(row) => row,
            Err(error) => {
                println!("{symbol}\n  FAILED    {error:#}");
                failed.push(symbol.as_str());
                continue;
            }
        };
        println!("{row}");
        if wanted.is_essential && row.end == LOGIN {
            needless.push(symbol.as_str());
        }
        if let Some(table) = &mut table {
            table.add(row);
            table.write()?;
        }
    }
    match (failed.as_slice(), needless.as_slice()) {
        ([], []) => Ok(()),
        ([], needless) => bail!(
            "a machine boots to its login without {}: not essential",
            needless.join(", ")
        ),
        (failed, _) => bail!("not built or not booted without {}", failed.join(", ")),
    }
}

/// The table, if it is of this kernel, and the symbols of which a row is to be made.
fn remaining(recipe: &Recipe, symbols: &Symbols) -> Result<(Option<Table>, Vec<Wanted>)> {
    let smallest = Recipe::smallest(Arch::X86_64);
    let is_of_this = recipe.folder()? == smallest.folder()?;
    let table = is_of_this.then(|| Table::read(recipe)).transpose()?;
    let remaining = match symbols {
        Symbols::Named(named) => named.clone(),
        Symbols::Each(all) => {
            let has_row = |wanted: &&Wanted| {
                let table = table.as_ref();
                table.is_some_and(|table| table.has(&wanted.symbol))
            };
            let remaining: Vec<Wanted> = all.iter().filter(|one| !has_row(one)).cloned().collect();
            println!(
                "kernel: {} of {} symbols are left to leave out",
                remaining.len(),
                all.len()
            );
            remaining
        }
    };
    Ok((table, remaining))
}

const LOGIN: &str = "the login";

/// Where the boot of a kernel without this symbol ends.
fn without(recipe: &Recipe, whole: &BareKernel, wanted: &Wanted, jobs: usize) -> Result<Row> {
    let Wanted {
        symbol, otherwise, ..
    } = wanted;
    let row = |also, end: &str, words: String| Row {
        symbol: symbol.clone(),
        also,
        promised: otherwise.clone(),
        end: end.to_owned(),
        words,
    };
    let kernel = match recipe.without(symbol).build(jobs) {
        Ok(kernel) => kernel,
        Err(error) if error.is::<CannotBeTurnedOff>() => {
            return Ok(row(Vec::new(), "no kernel", format!("{error:#}")));
        }
        Err(error) => return Err(error),
    };
    let also = match wanted.is_essential {
        true => also_missing(&kernel, wanted)?,
        false => Vec::new(),
    };
    // A folder of logs for each.
    let name = format!("kernel-without-{symbol}");
    let processor = recipe.arch.processor();
    let lab = BareLab::start(&name, &paths::debian_root_for(processor), BareExport::Own)?;
    // The same for all: `netroot initrd` refuses to make one that the kernel cannot unpack.
    let booted = Booted::new(processor, kernel.image(), whole.initrd(lab.folder())?)?;
    let vm = lab.boot("machine", &booted)?;
    Ok(match bare_end(&vm, TIMEOUT, SILENCE) {
        BareEnd::Login => row(also, LOGIN, String::new()),
        BareEnd::Stopped { during, words } => {
            let end = match during {
                Stage::Kernel => "the kernel",
                Stage::Init => "the init",
                Stage::Root => "the root's init",
            };
            let words = words.unwrap_or_else(|| "(nothing at all)".to_owned());
            row(also, end, words)
        }
    })
}

/// What `netroot check-kernel` says besides: the essential symbols that are gone with this one.
fn also_missing(kernel: &BareKernel, wanted: &Wanted) -> Result<Vec<String>> {
    let done = Command::new(paths::netroot()?)
        .args(["check-kernel", "--json"])
        .arg(kernel.folder().join(BareKernel::CONFIG))
        .output()
        .context("start netroot check-kernel")?;
    let check: serde_json::Value = serde_json::from_slice(&done.stdout).with_context(|| {
        let said = String::from_utf8_lossy(&done.stderr);
        format!("read what netroot check-kernel says: {said}")
    })?;
    let reasons = check.get("reasons").and_then(serde_json::Value::as_array);
    let reasons: Vec<&str> = reasons
        .into_iter()
        .flatten()
        .filter_map(serde_json::Value::as_str)
        .collect();
    let Wanted {
        symbol, otherwise, ..
    } = wanted;
    let expected = format!("{symbol} is missing: {otherwise}");
    ensure!(
        !done.status.success() && reasons.contains(&expected.as_str()),
        "netroot check-kernel does not say of {} that {expected}; it says {reasons:?}",
        kernel.folder().display()
    );
    let missing = reasons
        .iter()
        .filter_map(|reason| Some(reason.split_once(" is missing: ")?.0));
    Ok(missing
        .filter(|missing| missing != symbol)
        .map(str::to_owned)
        .collect())
}
