//! Folders of `.cache/` that are made by one recipe each, a shell script that is given the folder and Debian's mirror.

use std::path::PathBuf;

use anyhow::Result;
use netroot_harness::paths;

use super::bench_tools;
use super::debian_root::mirror;
use super::install_step::InstallStep;
use super::recipe::{is_made_by, make_folder, own_command};

/// A folder, and what makes it.
pub(super) struct RecipeFolder {
    /// What is in it.
    what: &'static str,
    /// What it is for, and what it takes.
    why: &'static str,
    recipe: &'static str,
    place: fn() -> PathBuf,
    /// The option of `cargo xtask setup` that makes it alone.
    option: &'static str,
}

/// Later boot loaders for machines with Secure Boot than the Debian root's own, and firmware and systemd's stub for those with arm64.
pub(super) const SIGNED_LOADERS: RecipeFolder = RecipeFolder {
    what: "shim and GRUB of Debian 13, for x86_64 and arm64, firmware with Secure Boot and systemd's stub for arm64, and iPXE 2.0,",
    why: "tests boot machines with Secure Boot by them: about 60 MB to fetch, 12 MB on disk",
    recipe: include_str!("signed-loaders.sh"),
    place: paths::signed_loaders,
    option: "--signed-loaders-only",
};

/// A shim that starts iPXE, in place of the one that Microsoft signed for iPXE, which cannot be had where the tests run.
pub(super) const IPXE_SHIM: RecipeFolder = RecipeFolder {
    what: "a shim that starts iPXE, built from Debian's source,",
    why: "tests boot machines with Secure Boot by it and iPXE: 13 MB to fetch, 2 MB on disk",
    recipe: include_str!("ipxe-shim.sh"),
    place: paths::ipxe_shim,
    option: "--ipxe-shim-only",
};

/// A dnsmasq to compare netroot with that is newer than this machine's: the newest when it was fetched.
pub(super) const NEWEST_DNSMASQ: RecipeFolder = RecipeFolder {
    what: "the newest dnsmasq of Debian, with its libraries,",
    why: "`cargo xtask bench serve` compares netroot with it: about 20 MB to fetch, 11 MB on disk",
    recipe: include_str!("newest-dnsmasq.sh"),
    place: bench_tools::dnsmasq,
    option: "--newest-dnsmasq-only",
};

/// One that is missing, or was made by another version of its recipe.
pub(super) struct MissingFolder {
    folder: RecipeFolder,
    is_outdated: bool,
}

impl RecipeFolder {
    pub(super) fn missing(self) -> Option<MissingFolder> {
        let place = (self.place)();
        (!is_made_by(&place, self.recipe)).then(|| MissingFolder {
            is_outdated: place.exists(),
            folder: self,
        })
    }
}

impl InstallStep for MissingFolder {
    fn plan(&self) -> Vec<String> {
        let RecipeFolder {
            what, why, place, ..
        } = &self.folder;
        let why = if self.is_outdated {
            "the recipe has changed"
        } else {
            why
        };
        vec![format!("{what} in {}: {why}", place().display())]
    }

    fn needs_root(&self) -> bool {
        // The cache may be root's.
        true
    }

    fn commands(&self) -> Vec<String> {
        vec![own_command(&format!("setup {}", self.folder.option))]
    }

    fn run(&self) -> Result<()> {
        make_folder(
            &(self.folder.place)(),
            self.folder.recipe,
            &[mirror().as_ref()],
        )
    }
}
