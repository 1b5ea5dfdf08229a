//! A shim that starts iPXE, built by `ipxe-shim.sh` in `.cache/`, in place of the one that Microsoft signed for iPXE, which cannot be
//! had where the tests run.

use anyhow::Result;
use netroot_harness::paths;

use super::debian_root::mirror;
use super::install_step::InstallStep;
use super::recipe::{is_made_by, make_folder, own_command};

const RECIPE: &str = include_str!("ipxe-shim.sh");

/// The shim, which is missing or was built by another version of the recipe.
pub(super) struct IpxeShim {
    is_outdated: bool,
}

pub(super) fn missing() -> Option<IpxeShim> {
    let is_outdated = paths::ipxe_shim().exists();
    let is_made = is_made_by(&paths::ipxe_shim(), RECIPE);
    (!is_made).then_some(IpxeShim { is_outdated })
}

impl InstallStep for IpxeShim {
    fn plan(&self) -> Vec<String> {
        let why = if self.is_outdated {
            "the recipe has changed"
        } else {
            "tests boot machines with Secure Boot by it and iPXE: 13 MB to fetch, 2 MB on disk"
        };
        vec![format!(
            "a shim that starts iPXE, built from Debian's source, in {}: {why}",
            paths::ipxe_shim().display()
        )]
    }

    fn needs_root(&self) -> bool {
        // The cache may be root's.
        true
    }

    fn commands(&self) -> Vec<String> {
        vec![own_command("setup --ipxe-shim-only")]
    }

    fn run(&self) -> Result<()> {
        make_folder(&paths::ipxe_shim(), RECIPE, &[mirror().as_ref()])
    }
}
