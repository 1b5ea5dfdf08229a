//! A layer of network managers over the Debian root, made by `managers.sh` into `.cache/`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use netroot_harness::places;

use super::debian_root::{RECIPE as ROOT_RECIPE, remove};
use crate::run::run;

const RECIPE: &str = include_str!("managers.sh");

/// Whether the layer is there, of this recipe and over this root.
pub(super) fn is_there() -> bool {
    let made_by = std::fs::read_to_string(stamp()).unwrap_or_default();
    places::managers_layer().exists() && made_by == wanted()
}

/// Both recipes: a layer fits no other root than the one that it was made over.
fn wanted() -> String {
    format!("{ROOT_RECIPE}{RECIPE}")
}

fn stamp() -> PathBuf {
    places::managers_layer().with_extension("recipe")
}

/// Says what it does, and makes the layer. It needs root.
///
/// # Errors
/// When the packages cannot be had, or the disk is full.
pub(super) fn make() -> Result<()> {
    let layer = places::managers_layer();
    println!(
        "set-up: network managers for the Debian root in {}: about 10 MB to fetch, 30 MB on disk",
        layer.display()
    );
    let unfinished = layer.with_extension("unfinished");
    let scratch = layer.with_extension("scratch");
    for left_over in [&unfinished, &scratch, &layer] {
        remove(left_over)?;
    }
    std::fs::create_dir_all(&scratch).with_context(|| format!("create {}", scratch.display()))?;
    let recipe = scratch.join("managers.sh");
    std::fs::write(&recipe, RECIPE).with_context(|| format!("write {}", recipe.display()))?;
    run(Command::new("unshare")
        .args(["--mount", "sh"])
        .arg(&recipe)
        .arg(places::debian_root())
        .arg(&unfinished)
        .arg(&scratch)
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ))?;
    std::fs::rename(&unfinished, &layer)
        .with_context(|| format!("move the layer to {}", layer.display()))?;
    std::fs::write(stamp(), wanted()).with_context(|| format!("write {}", stamp().display()))?;
    remove(&scratch)
}
