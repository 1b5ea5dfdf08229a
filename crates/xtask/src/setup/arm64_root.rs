//! What aarch64 machines boot: the Debian root that `recipe-arm64.sh` makes, and iPXE for arm64. Both are in `.cache/`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use netroot_harness::{Processor, paths};

use super::debian_root::{RECIPE as AMD64_RECIPE, mirror};
use super::install_step::InstallStep;
use super::recipe::{follow, own_command, put_in_place, remove};

const RECIPE: &str = include_str!("recipe-arm64.sh");

const IPXE_RECIPE: &str = include_str!("ipxe-arm64.sh");

/// A root that is missing, or was made by other versions of the recipes.
struct Root {
    is_outdated: bool,
}

/// A folder of boot loaders that is missing, or was made by another version of the recipe or of other loaders.
struct Ipxe;

/// What is missing of both.
pub(super) fn missing() -> Vec<Box<dyn InstallStep>> {
    let mut steps: Vec<Box<dyn InstallStep>> = Vec::new();
    let made_by = std::fs::read_to_string(ipxe_stamp()).unwrap_or_default();
    if !paths::ipxe().exists() || made_by != wanted_ipxe() {
        steps.push(Box::new(Ipxe));
    }
    if let Some(root) = missing_root() {
        steps.push(Box::new(root));
    }
    steps
}

fn missing_root() -> Option<Root> {
    let is_outdated = root().exists();
    let made_by = std::fs::read_to_string(stamp()).unwrap_or_default();
    (!is_outdated || made_by != wanted()).then_some(Root { is_outdated })
}

/// Makes both, for a user who was asked to run this with sudo.
///
/// # Errors
/// When one cannot be made.
pub(super) fn make() -> Result<()> {
    for step in missing() {
        step.run()?;
    }
    Ok(())
}

fn root() -> PathBuf {
    paths::debian_root_for(Processor::Aarch64)
}

fn stamp() -> PathBuf {
    root().with_extension("recipe")
}

/// Both recipes: its configuration is the other root's.
fn wanted() -> String {
    format!("{AMD64_RECIPE}{RECIPE}")
}

fn ipxe_stamp() -> PathBuf {
    paths::ipxe().with_extension("recipe")
}

/// The recipe, and which loaders are installed, of which it makes copies.
fn wanted_ipxe() -> String {
    let installed = ["undionly.kpxe", "ipxe.efi"].map(|name| {
        let file = std::fs::metadata(Path::new("/usr/lib/ipxe").join(name));
        format!("# {name}: {} bytes\n", file.map_or(0, |file| file.len()))
    });
    format!("{IPXE_RECIPE}{}", installed.concat())
}

impl InstallStep for Root {
    fn plan(&self) -> Vec<String> {
        let why = match self.is_outdated {
            true => "its recipe has changed",
            false => "what aarch64 machines boot: about 110 MB to fetch, 550 MB on disk",
        };
        vec![format!(
            "a Debian 12 root for arm64 in {}: {why}",
            root().display()
        )]
    }

    fn needs_root(&self) -> bool {
        true
    }

    fn commands(&self) -> Vec<String> {
        vec![own_command("setup --arm64-only")]
    }

    fn run(&self) -> Result<()> {
        let unfinished = root().with_extension("unfinished");
        remove(&unfinished)?;
        let amd64 = paths::debian_root();
        follow(
            RECIPE,
            &paths::cache().join("recipe-arm64.sh"),
            &[unfinished.as_ref(), mirror().as_ref(), amd64.as_ref()],
        )?;
        put_in_place(&unfinished, &root())?;
        std::fs::write(stamp(), wanted()).with_context(|| format!("write {}", stamp().display()))
    }
}

impl InstallStep for Ipxe {
    fn plan(&self) -> Vec<String> {
        vec![format!(
            "iPXE for arm64 (ipxe-arm64.efi of Debian 13's package ipxe: about 12 MB to fetch) in {}, beside copies of the \
             installed ones: Debian 12 has none",
            paths::ipxe().display()
        )]
    }

    fn needs_root(&self) -> bool {
        // The cache may be root's.
        true
    }

    fn commands(&self) -> Vec<String> {
        vec![own_command("setup --arm64-only")]
    }

    fn run(&self) -> Result<()> {
        let unfinished = paths::ipxe().with_extension("unfinished");
        remove(&unfinished)?;
        std::fs::create_dir_all(&unfinished)
            .with_context(|| format!("create {}", unfinished.display()))?;
        follow(
            IPXE_RECIPE,
            &paths::cache().join("ipxe-arm64.sh"),
            &[unfinished.as_ref(), mirror().as_ref()],
        )?;
        put_in_place(&unfinished, &paths::ipxe())?;
        let stamp = ipxe_stamp();
        std::fs::write(&stamp, wanted_ipxe()).with_context(|| format!("write {}", stamp.display()))
    }
}
