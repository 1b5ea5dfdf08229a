//! Later boot loaders for machines with Secure Boot than the Debian root's own, and firmware and systemd's stub for those
//! with arm64: unpacked by `signed-loaders.sh` in `.cache/`.

use anyhow::Result;
use netroot_harness::paths;

use super::debian_root::mirror;
use super::install_step::InstallStep;
use super::recipe::{is_made_by, make_folder, own_command};

const RECIPE: &str = include_str!("signed-loaders.sh");

/// The loaders, which are missing or were unpacked by another version of the recipe.
pub(super) struct SignedLoaders {
    is_outdated: bool,
}

pub(super) fn missing() -> Option<SignedLoaders> {
    let is_outdated = paths::signed_loaders().exists();
    let is_made = is_made_by(&paths::signed_loaders(), RECIPE);
    (!is_made).then_some(SignedLoaders { is_outdated })
}

impl InstallStep for SignedLoaders {
    fn plan(&self) -> Vec<String> {
        let why = if self.is_outdated {
            "the recipe has changed"
        } else {
            "tests boot machines with Secure Boot by them: about 60 MB to fetch, 12 MB on disk"
        };
        vec![format!(
            "shim and GRUB of Debian 13, for x86_64 and arm64, firmware with Secure Boot and systemd's stub for arm64, and iPXE 2.0, \
             in {}: {why}",
            paths::signed_loaders().display()
        )]
    }

    fn needs_root(&self) -> bool {
        // The cache may be root's.
        true
    }

    fn commands(&self) -> Vec<String> {
        vec![own_command("setup --signed-loaders-only")]
    }

    fn run(&self) -> Result<()> {
        make_folder(&paths::signed_loaders(), RECIPE, &[mirror().as_ref()])
    }
}
