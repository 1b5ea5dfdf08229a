//! iPXE's binaries, from the distribution's package, or those that iPXE itself publishes.
//!
//! netroot ships no boot loader: distributions build and patch them. A missing one is reported with the package's name
//! and with the machines that will not boot.

use std::path::{Path, PathBuf};

use netroot_initramfs::Architecture;
use netroot_proto::pxe::arch::Platform;
use netroot_proto::pxe::inputs::Loader;
use netroot_proto::pxe::strategy::LoaderChoice;

use super::content::Content;
use super::signed_ipxe::{self, FoundPair};
use crate::catalog::{ImageFile, file_of_image};

/// A platform's loaders: the name that machines request, and the file names in packages, below [`FOLDERS`]: those of
/// Debian and Arch first, then those of Fedora and openSUSE.
struct Platforms {
    platform: Platform,
    /// The processor of kernels that it starts.
    architecture: Architecture,
    first: (&'static str, &'static [&'static str]),
    second: Option<(&'static str, &'static [&'static str])>,
    /// Which of the two the warning names: Debian's package for arm64 has the second alone.
    usual: &'static str,
    /// The machines that cannot boot without it, for the warning.
    serves: &'static str,
}

const LOADERS: [Platforms; 3] = [
    Platforms {
        platform: Platform::Bios,
        architecture: Architecture::X86_64,
        first: ("undionly.kpxe", &["undionly.kpxe", "x86_64/undionly.kpxe"]),
        second: Some(("ipxe.pxe", &["ipxe.pxe", "x86_64/ipxe.pxe"])),
        usual: "undionly.kpxe",
        serves: "BIOS machines",
    },
    Platforms {
        platform: Platform::EfiX64,
        architecture: Architecture::X86_64,
        first: (
            "snponly.efi",
            &[
                "snponly.efi",
                "x86_64/snponly.efi",
                "ipxe-snponly-x86_64.efi",
                "snp-x86_64.efi",
            ],
        ),
        second: Some((
            "ipxe.efi",
            &["ipxe.efi", "x86_64/ipxe.efi", "ipxe-x86_64.efi"],
        )),
        usual: "snponly.efi",
        serves: "UEFI machines",
    },
    Platforms {
        platform: Platform::EfiArm64,
        architecture: Architecture::Aarch64,
        first: (
            "snponly-arm64.efi",
            &[
                "snponly-arm64.efi",
                "arm64/snponly.efi",
                "arm64-efi/snponly.efi",
                "snp-arm64.efi",
            ],
        ),
        second: Some((
            "ipxe-arm64.efi",
            &["ipxe-arm64.efi", "arm64/ipxe.efi", "arm64-efi/ipxe.efi"],
        )),
        usual: "ipxe-arm64.efi",
        serves: "arm64 UEFI machines",
    },
];

/// Where they are installed: by Debian and Ubuntu; by Fedora, openSUSE and Arch; and by hand.
const FOLDERS: [&str; 3] = ["/usr/lib/ipxe", "/usr/share/ipxe", "/usr/local/share/ipxe"];

/// As which of its platform's loaders a machine is given a file.
pub(crate) fn chosen(name: &str) -> LoaderChoice {
    let mut second = LOADERS.iter().filter_map(|line| line.second);
    let file = file_of_image(name).map(|named| named.file);
    match file {
        Some(ImageFile::Shim(_)) => LoaderChoice::Signed,
        _ if signed_ipxe::is_shim(name) => LoaderChoice::Signed,
        _ if second.any(|(second, _)| second == name) => LoaderChoice::Second,
        _ => LoaderChoice::First,
    }
}

/// A loader that most machines of a kind need, and that was not found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MissingLoader {
    /// The processor of those machines.
    pub(crate) architecture: Architecture,
    /// Its file name.
    pub(crate) loader: &'static str,
    /// The machines that cannot boot without it.
    pub(crate) machines: &'static str,
    /// The folders that were searched.
    pub(crate) searched: Vec<PathBuf>,
}

/// The loaders that were found.
#[derive(Debug, Default)]
pub(crate) struct Loaders {
    /// What firmware loads, by platform.
    pub(crate) by_platform: Vec<Loader>,
    /// Each file with the name that machines ask for, but for those of signed pairs.
    pub(crate) files: Vec<(&'static str, Content)>,
    /// iPXE's own signed pairs.
    pub(crate) signed: Vec<FoundPair>,
    /// Those that were not found.
    pub(crate) missing: Vec<MissingLoader>,
}

impl Loaders {
    /// The missing ones that somebody misses where images are for these processors: without an image, those of PCs.
    pub(crate) fn missed(self, images: &[Architecture]) -> impl Iterator<Item = MissingLoader> {
        let is_missed = |one: &MissingLoader| {
            let is_of_pcs = one.architecture == Architecture::X86_64;
            images.contains(&one.architecture) || is_of_pcs && images.is_empty()
        };
        self.missing.into_iter().filter(is_missed)
    }
}

/// The name of every loader, and the paths that its file may have in `folder`, or where packages install them. Of signed pairs
/// those alone that are there, since both files are from one folder.
pub(crate) fn paths(folder: Option<&Path>) -> Vec<(&'static str, Vec<PathBuf>)> {
    let folders = folders(folder);
    let pairs = signed_ipxe::paths(&folders);
    let pairs = pairs.into_iter().map(|(name, path)| (name, vec![path]));
    let all = LOADERS
        .iter()
        .flat_map(|line| [Some(line.first), line.second]);
    all.flatten()
        .map(|(name, files)| {
            let paths = folders
                .iter()
                .flat_map(|folder| files.iter().map(move |file| folder.join(file)));
            (name, paths.collect())
        })
        .chain(pairs)
        .collect()
}

fn folders(folder: Option<&Path>) -> Vec<PathBuf> {
    match folder {
        Some(folder) => vec![folder.to_owned()],
        None => FOLDERS.iter().map(PathBuf::from).collect(),
    }
}

/// What firmware loads, by platform, where the loaders with these names are there, and these signed pairs.
pub(crate) fn by_platform(names: &[&str], pairs: &[FoundPair]) -> Vec<Loader> {
    let has = |name: &str| names.contains(&name).then(|| name.to_owned());
    let loaders = LOADERS.iter().filter_map(|line| {
        let first = has(line.first.0);
        let second = line.second.and_then(|(name, _)| has(name));
        let platform = line.platform;
        let mut pairs = pairs.iter().flatten();
        let pair = pairs.find(|pair| pair.platform() == platform);
        let signed = pair.map(|pair| pair.as_loader());
        // The second loader is better than none, and so is the signed one, which starts everywhere.
        let (first, second) = match (first, second, &signed) {
            (Some(first), second, _) => (first, second),
            (None, Some(second), _) => (second, None),
            (None, None, signed) => (signed.as_ref()?.file.clone(), None),
        };
        Some(Loader {
            platform,
            first,
            second,
            signed,
        })
    });
    loaders.collect()
}

/// The signed pairs in `folder`, or where packages install loaders, checked; `files` has the files by their names.
pub(crate) fn pairs<'a>(
    folder: Option<&Path>,
    files: impl Fn(&str) -> Option<&'a Content>,
) -> Vec<FoundPair> {
    signed_ipxe::check(&folders(folder), files)
}

/// Looks for every loader in `folder`, or where packages install them.
pub(crate) fn find(folder: Option<&Path>) -> Loaders {
    let mut files = open(folder);
    let file = |wanted: &str| {
        let mut files = files.iter();
        files.find_map(|(name, content)| (*name == wanted).then_some(content))
    };
    let signed = pairs(folder, file);
    files.retain(|(name, _)| !signed_ipxe::is_of_pair(name));
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    let by_platform = by_platform(&names, &signed);
    let missing = LOADERS.iter().filter_map(|line| {
        let found = by_platform.iter().any(|one| one.platform == line.platform);
        (!found).then(|| MissingLoader {
            architecture: line.architecture,
            loader: line.usual,
            machines: line.serves,
            searched: folders(folder),
        })
    });
    Loaders {
        missing: missing.collect(),
        by_platform,
        files,
        signed,
    }
}

/// Every file of [`paths`] that is there, open.
pub(crate) fn open(folder: Option<&Path>) -> Vec<(&'static str, Content)> {
    let found = paths(folder).into_iter().filter_map(|(name, paths)| {
        let content = paths.iter().find_map(|path| Content::open(path).ok())?;
        Some((name, content))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::serve::events::Warning;

    #[test]
    fn fedoras_files_are_served_under_the_names_that_machines_request() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ipxe-snponly-x86_64.efi"), "snp").unwrap();
        let loaders = find(Some(folder.path()));
        let names: Vec<_> = loaders.files.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["snponly.efi"]);
        let only = Loader {
            platform: Platform::EfiX64,
            first: "snponly.efi".to_owned(),
            second: None,
            signed: None,
        };
        assert_eq!(loaders.by_platform, [only]);
        let warnings: Vec<_> = loaders
            .missed(&[Architecture::X86_64])
            .map(|loader| Warning::from(loader).to_string())
            .collect();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(
            warnings[0].starts_with("BIOS machines cannot boot: iPXE's undionly.kpxe is not in ")
        );
        assert!(warnings[0].contains("apt install ipxe"));
    }

    #[test]
    fn debian_13s_loader_for_arm64_is_found_and_missed_only_by_a_root_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let both = [Architecture::X86_64, Architecture::Aarch64];
        let warnings = |roots: &[Architecture]| -> Vec<String> {
            find(Some(folder.path()))
                .missed(roots)
                .map(|loader| Warning::from(loader).to_string())
                .filter(|warning| warning.starts_with("arm64 "))
                .collect()
        };
        let [warning] = &warnings(&both)[..] else {
            panic!("{:?}", warnings(&both));
        };
        let named = "arm64 UEFI machines cannot boot: iPXE's ipxe-arm64.efi is not in ";
        assert!(warning.starts_with(named), "{warning}");
        assert!(warning.contains("Debian 13"), "{warning}");
        for none in [&[][..], &[Architecture::X86_64]] {
            assert!(warnings(none).is_empty());
        }
        let of_pcs = find(Some(folder.path())).missed(&[Architecture::Aarch64]);
        assert_eq!(of_pcs.count(), 1);

        fs::write(folder.path().join("ipxe-arm64.efi"), "ipxe").unwrap();
        assert!(warnings(&both).is_empty());
        let only = Loader {
            platform: Platform::EfiArm64,
            first: "ipxe-arm64.efi".to_owned(),
            second: None,
            signed: None,
        };
        assert_eq!(find(Some(folder.path())).by_platform, [only]);
    }
}
