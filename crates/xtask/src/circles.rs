//! `cargo xtask circles`: no two modules of a crate may depend on each other, directly or through others.
//!
//! A module is a file. It depends on another file when a `use` or a path in its code names something that is defined
//! there; a re-export is followed to the definition. Declaring a child (`mod x;`) is not a dependency, and code under
//! `#[cfg(test)]` does not count. Dependencies that no path shows (methods, inferred types, macros in textual scope)
//! are not seen.

mod graph;
mod references;
mod resolve;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use netroot_harness::places;
use serde::Deserialize;

use self::graph::Edges;
use crate::run::output;

/// Checks every target of every crate of the workspace. Returns how many files were read.
///
/// # Errors
/// When modules form a circle (they have been printed), or a file cannot be read or parsed.
pub(crate) fn check() -> Result<usize> {
    let workspace = places::workspace();
    let mut files = 0;
    let mut circles = 0;
    for target in targets()? {
        let modules = tree::Modules::read(&target.src_path)
            .with_context(|| format!("read the modules of {}", target.name))?;
        files += modules.files();
        let edges = resolve::edges(&modules);
        for circle in graph::circles(&edges) {
            circles += 1;
            println!("{}: {}", target.name, describe(&workspace, &circle, &edges));
        }
    }
    match circles {
        0 => Ok(files),
        1 => bail!("1 circle of modules"),
        _ => bail!("{circles} circles of modules"),
    }
}

/// The circle's files, and what each takes from the others.
fn describe(workspace: &Path, circle: &BTreeSet<PathBuf>, edges: &Edges) -> String {
    let short = |path: &Path| path.strip_prefix(workspace).unwrap_or(path).to_owned();
    let mut text = format!("{} files form a circle\n", circle.len());
    for from in circle {
        for (to, names) in edges.get(from).into_iter().flatten() {
            if !circle.contains(to) {
                continue;
            }
            let names: Vec<String> = names
                .iter()
                .map(|(name, line)| format!("{name} (line {line})"))
                .collect();
            let (from, to) = (short(from), short(to));
            let _ = writeln!(
                text,
                "  {} -> {}: {}",
                from.display(),
                to.display(),
                names.join(", ")
            );
        }
    }
    text
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
            .current_dir(places::workspace()),
    )?;
    let metadata: Metadata = serde_json::from_str(&text).context("parse cargo metadata")?;
    let targets = metadata.packages.into_iter().flat_map(|p| p.targets);
    Ok(targets.collect())
}
