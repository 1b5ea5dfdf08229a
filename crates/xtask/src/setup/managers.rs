//! A layer of network managers over the Debian root, made by `managers.sh` into `.cache/`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use netroot_harness::places;

use super::Step;
use super::debian_root::{RECIPE as ROOT_RECIPE, remove};
use crate::run::run;

const RECIPE: &str = include_str!("managers.sh");

/// A layer that is missing, or that other recipes made.
pub(super) struct Managers {
    is_outdated: bool,
}

pub(super) fn missing() -> Option<Managers> {
    let is_outdated = places::managers_layer().exists();
    let made_by = std::fs::read_to_string(stamp()).unwrap_or_default();
    (!is_outdated || made_by != wanted()).then_some(Managers { is_outdated })
}

/// Both recipes: a layer fits no other root than the one that it was made over.
fn wanted() -> String {
    format!("{ROOT_RECIPE}{RECIPE}")
}

fn stamp() -> PathBuf {
    places::managers_layer().with_extension("recipe")
}

impl Step for Managers {
    fn plan(&self) -> Vec<String> {
        let why = if self.is_outdated {
            "the recipe has changed"
        } else {
            "tests start them on the root's NIC: about 10 MB to fetch, 30 MB on disk"
        };
        vec![format!(
            "network managers for that root (NetworkManager, ifupdown, dhclient, dhcpcd) in {}: {why}",
            places::managers_layer().display()
        )]
    }

    fn needs_root(&self) -> bool {
        true
    }

    fn commands(&self) -> Vec<String> {
        let program = std::env::current_exe().unwrap_or_else(|_| "xtask".into());
        vec![format!(
            "{} setup --network-managers-only",
            program.display()
        )]
    }

    fn run(&self) -> Result<()> {
        let layer = places::managers_layer();
        let unfinished = layer.with_extension("unfinished");
        let scratch = layer.with_extension("scratch");
        for left_over in [&unfinished, &scratch, &layer] {
            remove(left_over)?;
        }
        std::fs::create_dir_all(&scratch)
            .with_context(|| format!("create {}", scratch.display()))?;
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
        std::fs::write(stamp(), wanted())
            .with_context(|| format!("write {}", stamp().display()))?;
        remove(&scratch)
    }
}
