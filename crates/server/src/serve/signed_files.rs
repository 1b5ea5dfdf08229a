//! Where a root has what its distribution signed for Secure Boot.

mod packages;

use netroot_initramfs::RootTree;
use netroot_nfs_export::HiddenPaths;
use netroot_secure_boot::Architecture;

/// Where distributions install them, for a processor. The first file that is there is taken. openSUSE's are not among them:
/// its shim asks for `grub.efi`.
struct Places {
    architecture: Architecture,
    shim: &'static [&'static str],
    /// GRUB's image for network boot, where there is one of its own.
    grub: &'static [&'static str],
    /// Below `boot/efi/EFI/<vendor>`: Fedora, CentOS and their kin.
    in_vendor: (&'static str, &'static str),
}

const PLACES: [Places; 2] = [
    Places {
        architecture: Architecture::X64,
        shim: &[
            // Ubuntu's name for the one that is to be used, then Debian's.
            "/usr/lib/shim/shimx64.efi.signed.latest",
            "/usr/lib/shim/shimx64.efi.signed",
        ],
        grub: &["/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed"],
        in_vendor: ("shimx64.efi", "grubx64.efi"),
    },
    Places {
        architecture: Architecture::Arm64,
        shim: &[
            "/usr/lib/shim/shimaa64.efi.signed.latest",
            "/usr/lib/shim/shimaa64.efi.signed",
        ],
        grub: &["/usr/lib/grub/arm64-efi-signed/grubnetaa64.efi.signed"],
        in_vendor: ("shimaa64.efi", "grubaa64.efi"),
    },
];

/// Where the EFI system partition is mounted, if it is.
const VENDORS: &str = "/boot/efi/EFI";
/// A shim in a root.
pub(crate) struct SignedFiles {
    /// The processor that it is for.
    pub(crate) architecture: Architecture,
    /// Its path in the root.
    pub(crate) shim: String,
    /// That of the GRUB beside it, if there is one.
    pub(crate) grub: Option<String>,
}

/// What a root has, a processor each.
pub(crate) fn found(root: &RootTree, hidden: &HiddenPaths) -> impl Iterator<Item = SignedFiles> {
    PLACES.iter().filter_map(move |places| {
        let (shim, grub) = files(root, places, hidden)?;
        Some(SignedFiles {
            architecture: places.architecture,
            shim,
            grub,
        })
    })
}

/// What to do so that a root has them for this processor, or newer ones: a clause that begins with a verb.
pub(crate) fn advice(root: &RootTree, architecture: Architecture) -> String {
    packages::advice(root, architecture)
}

/// The shim, and the GRUB if there is one.
fn files(
    root: &RootTree,
    places: &Places,
    hidden: &HiddenPaths,
) -> Option<(String, Option<String>)> {
    let is_there = |path: &&str| root.open_file(path).is_ok() && !hidden.hide(path);
    let first = |paths: &[&str]| paths.iter().copied().find(is_there).map(str::to_owned);
    if let Some(shim) = first(places.shim) {
        return Some((shim, first(places.grub)));
    }
    let (shim, grub) = places.in_vendor;
    let vendors = root.names_in(VENDORS).unwrap_or_default();
    vendors.iter().find_map(|vendor| {
        let [shim, grub] = [shim, grub].map(|file| format!("{VENDORS}/{vendor}/{file}"));
        let grub = is_there(&grub.as_str()).then_some(grub);
        is_there(&shim.as_str()).then_some((shim, grub))
    })
}
