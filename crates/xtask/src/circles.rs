//! `cargo xtask circles`: no two modules of a crate may depend on each other, directly or through others.
//!
//! A module is a file. It depends on another file when a `use` or a path in its code names something that is defined
//! there; a re-export is followed to the definition. The children of one module, each with all that is below it, may
//! form no circle either: `cmdline/` may use `mount/`, or `mount/` may use `cmdline/`. Declaring a child (`mod x;`) is not a dependency, and code under
//! `#[cfg(test)]` does not count. Dependencies that no path shows (methods, inferred types, macros in textual scope)
//! are not seen.

mod graph;
mod references;
mod resolve;
#[cfg(test)]
mod tests;
mod tree;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use netroot_harness::paths;
use serde::Deserialize;

use crate::run::output;

/// Checks every target of every crate of the workspace. Returns how many files were read.
///
/// # Errors
/// When modules form a circle (they have been printed), or a file cannot be read or parsed.
pub(crate) fn check() -> Result<usize> {
    let workspace = paths::workspace();
    let mut files = 0;
    let mut circles = 0;
    for target in targets()? {
        let modules = tree::Modules::read(&target.src_path)
            .with_context(|| format!("read the modules of {}", target.name))?;
        files += modules.files();
        for circle in graph::circles(&modules, &resolve::uses(&modules)) {
            circles += 1;
            println!("{}: {}\n", target.name, circle.describe(&workspace));
        }
    }
    match circles {
        0 => Ok(files),
        1 => bail!("1 circle of modules"),
        _ => bail!("{circles} circles of modules"),
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    targets: Vec<Target>,
}

/// A crate as rustc sees one: a library, a program, a test program, an example, a build script.
#[derive(Deserialize)]
struct Target {
    name: String,
    src_path: PathBuf,
}

fn targets() -> Result<Vec<Target>> {
    let text = output(
        Command::new("cargo")
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .current_dir(paths::workspace()),
    )?;
    let metadata: Metadata = serde_json::from_str(&text).context("parse cargo metadata")?;
    let targets = metadata.packages.into_iter().flat_map(|p| p.targets);
    Ok(targets.collect())
}
