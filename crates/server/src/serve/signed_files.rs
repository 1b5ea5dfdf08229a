//! Where what a distribution signed for Secure Boot is: in the root, or in a folder of its own (`--secure-boot-files`).

mod packages;

use netroot_initramfs::{RootTree, RootTreeError};
use netroot_secure_boot::Architecture;

use crate::catalog::ImageFile;
use crate::settings::RootSettings;

/// Where distributions install the files for a processor. The first one that is there is taken. In a folder of its own
/// each has the last part of its path.
struct Places {
    architecture: Architecture,
    shim: &'static [&'static str],
    /// GRUB's image for network boot, where there is one of its own.
    grub: &'static [&'static str],
    /// Which changes the list of the owner's keys.
    mok_manager: &'static [&'static str],
    /// Below `boot/efi/EFI/<vendor>`: Fedora, CentOS and their kin.
    in_vendor: [&'static str; 3],
}

const PLACES: [Places; 2] = [
    Places {
        architecture: Architecture::X64,
        shim: &[
            // Ubuntu's name for the one that is to be used, then Debian's, then openSUSE's.
            "/usr/lib/shim/shimx64.efi.signed.latest",
            "/usr/lib/shim/shimx64.efi.signed",
            "/usr/share/efi/x86_64/shim.efi",
        ],
        grub: &[
            "/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed",
            "/usr/share/efi/x86_64/grub.efi",
        ],
        mok_manager: &[
            "/usr/lib/shim/mmx64.efi.signed",
            "/usr/lib/shim/mmx64.efi",
            "/usr/share/efi/x86_64/MokManager.efi",
        ],
        in_vendor: ["shimx64.efi", "grubx64.efi", "mmx64.efi"],
    },
    Places {
        architecture: Architecture::Arm64,
        shim: &[
            "/usr/lib/shim/shimaa64.efi.signed.latest",
            "/usr/lib/shim/shimaa64.efi.signed",
            "/usr/share/efi/aarch64/shim.efi",
        ],
        grub: &[
            "/usr/lib/grub/arm64-efi-signed/grubnetaa64.efi.signed",
            "/usr/share/efi/aarch64/grub.efi",
        ],
        mok_manager: &[
            "/usr/lib/shim/mmaa64.efi.signed",
            "/usr/lib/shim/mmaa64.efi",
            "/usr/share/efi/aarch64/MokManager.efi",
        ],
        in_vendor: ["shimaa64.efi", "grubaa64.efi", "mmaa64.efi"],
    },
];

/// Where the EFI system partition is mounted, if it is.
const VENDORS: &str = "/boot/efi/EFI";

/// A shim, and what is with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SignedFiles {
    /// The processor that it is for.
    pub(crate) architecture: Architecture,
    /// Its path.
    pub(crate) shim: String,
    /// That of the GRUB beside it, if there is one.
    pub(crate) grub: Option<String>,
    /// That of MokManager, if there is one: shim has its name inside.
    pub(crate) mok_manager: Option<String>,
    /// Those of what shim asks for under a name that is the same for all: lists and certificates.
    pub(crate) beside: Vec<(ImageFile, String)>,
}

impl SignedFiles {
    /// The paths of all of them.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &String> {
        let others = [&self.grub, &self.mok_manager];
        let beside = self.beside.iter().map(|(_, path)| path);
        let first = std::iter::once(&self.shim);
        first.chain(others.into_iter().flatten()).chain(beside)
    }
}

/// The folder of its own that an image's settings name, open.
///
/// # Errors
/// It is no directory that can be read.
pub(crate) fn folder(settings: &RootSettings) -> Result<Option<RootTree>, RootTreeError> {
    let folder = settings.secure_boot_files.as_deref();
    folder.map(RootTree::open).transpose()
}

/// What to do so that they are there for this processor, or newer ones: a clause that begins with a verb.
pub(crate) fn advice(
    root: &RootTree,
    architecture: Architecture,
    settings: &RootSettings,
) -> String {
    match &settings.secure_boot_files {
        Some(folder) => format!(
            "copy shim and the GRUB for network boot that the root's distribution has signed to {}",
            folder.display()
        ),
        None => packages::advice(root, architecture),
    }
}

/// What is there, a processor each: in `folder`, or else in the root.
pub(crate) fn found(
    root: &RootTree,
    settings: &RootSettings,
    folder: Option<&RootTree>,
) -> Vec<SignedFiles> {
    let found = PLACES.iter().filter_map(|places| match folder {
        Some(folder) => in_folder(folder, places),
        None => in_root(root, settings, places),
    });
    found.collect()
}

fn in_folder(folder: &RootTree, places: &Places) -> Option<SignedFiles> {
    let [vendor_shim, vendor_grub, vendor_mok_manager] = places.in_vendor;
    let first = |paths: &[&'static str], vendor: &'static str| {
        let names = paths.iter().filter_map(|path| path.rsplit('/').next());
        let mut paths = names.chain([vendor]).map(|name| format!("/{name}"));
        paths.find(|path| folder.open_file(path).is_ok())
    };
    let names = folder.names_in("/").unwrap_or_default();
    let beside = names.iter().filter_map(|name| {
        let file = ImageFile::named(name)?;
        let is_list = name.starts_with("revocations") || name.starts_with("shim_certificate");
        is_list.then(|| (file, format!("/{name}")))
    });
    Some(SignedFiles {
        architecture: places.architecture,
        shim: first(places.shim, vendor_shim)?,
        grub: first(places.grub, vendor_grub),
        mok_manager: first(places.mok_manager, vendor_mok_manager),
        beside: beside.collect(),
    })
}

fn in_root(root: &RootTree, settings: &RootSettings, places: &Places) -> Option<SignedFiles> {
    let is_there = |path: &str| root.open_file(path).is_ok() && !settings.hidden.hide(path);
    let first = |paths: &[&str]| {
        let mut paths = paths.iter().copied();
        paths.find(|path| is_there(path)).map(str::to_owned)
    };
    let files = |shim, grub, mok_manager| SignedFiles {
        architecture: places.architecture,
        shim,
        grub,
        mok_manager,
        beside: Vec::new(),
    };
    if let Some(shim) = first(places.shim) {
        return Some(files(shim, first(places.grub), first(places.mok_manager)));
    }
    let vendors = root.names_in(VENDORS).unwrap_or_default();
    vendors.iter().find_map(|vendor| {
        let paths = places
            .in_vendor
            .map(|file| format!("{VENDORS}/{vendor}/{file}"));
        let [shim, grub, mok_manager] = paths.map(|path| Some(path).filter(|path| is_there(path)));
        Some(files(shim?, grub, mok_manager))
    })
}
