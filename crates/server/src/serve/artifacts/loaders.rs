//! iPXE's binaries, from the distribution's package.
//!
//! netroot ships no boot loader: distributions build and patch them. A missing one is reported with the package's name
//! and with the machines that will not boot.

use std::path::{Path, PathBuf};

use netroot_proto::pxe::arch::Platform;
use netroot_proto::pxe::inputs::Loader;

use super::content::Content;

/// A platform's loaders: the name that machines request, and the file names in packages, below [`FOLDERS`]: those of
/// Debian and Arch first, then those of Fedora and openSUSE.
struct Platforms {
    platform: Platform,
    first: (&'static str, &'static [&'static str]),
    second: Option<(&'static str, &'static [&'static str])>,
    /// The machines that cannot boot without it, for the warning; `None` for rare ones.
    serves: Option<&'static str>,
}

const LOADERS: [Platforms; 3] = [
    Platforms {
        platform: Platform::Bios,
        first: ("undionly.kpxe", &["undionly.kpxe", "x86_64/undionly.kpxe"]),
        second: Some(("ipxe.pxe", &["ipxe.pxe", "x86_64/ipxe.pxe"])),
        serves: Some("BIOS machines"),
    },
    Platforms {
        platform: Platform::EfiX64,
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
        serves: Some("UEFI machines"),
    },
    Platforms {
        platform: Platform::EfiArm64,
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
        serves: None,
    },
];

/// Where they are installed: by Debian and Ubuntu; by Fedora, openSUSE and Arch; and by hand.
const FOLDERS: [&str; 3] = ["/usr/lib/ipxe", "/usr/share/ipxe", "/usr/local/share/ipxe"];

/// A loader that most machines of a kind need, and that was not found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MissingLoader {
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
    /// Each file with the name that machines ask for.
    pub(crate) files: Vec<(&'static str, Content)>,
    /// Those that are needed and were not found.
    pub(crate) missing: Vec<MissingLoader>,
}

/// Looks for every loader in `folder`, or where packages install them.
pub(crate) fn find(folder: Option<&Path>) -> Loaders {
    let folders: Vec<PathBuf> = match folder {
        Some(folder) => vec![folder.to_owned()],
        None => FOLDERS.iter().map(PathBuf::from).collect(),
    };
    let mut loaders = Loaders::default();
    let mut put = |(name, files): (&'static str, &[&str])| {
        let content = folders
            .iter()
            .flat_map(|folder| files.iter().map(move |file| folder.join(file)))
            .find_map(|path| Content::open(&path).ok())?;
        loaders.files.push((name, content));
        Some(name.to_owned())
    };
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for line in &LOADERS {
        let (first, second) = (put(line.first), line.second.and_then(&mut put));
        match (first, second, line.serves) {
            (Some(first), second, _) => {
                found.push(Loader {
                    platform: line.platform,
                    first,
                    second,
                });
            }
            // The second loader is better than none.
            (None, Some(only), _) => {
                found.push(Loader {
                    platform: line.platform,
                    first: only,
                    second: None,
                });
            }
            (None, None, Some(serves)) => {
                missing.push(MissingLoader {
                    loader: line.first.0,
                    machines: serves,
                    searched: folders.clone(),
                });
            }
            (None, None, None) => {}
        }
    }
    loaders.by_platform = found;
    loaders.missing = missing;
    loaders
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
        let Loaders {
            by_platform,
            files,
            missing,
        } = find(Some(folder.path()));
        let names: Vec<_> = files.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["snponly.efi"]);
        let only = Loader {
            platform: Platform::EfiX64,
            first: "snponly.efi".to_owned(),
            second: None,
        };
        assert_eq!(by_platform, [only]);
        let warnings: Vec<_> = missing
            .into_iter()
            .map(|loader| Warning::from(loader).to_string())
            .collect();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(
            warnings[0].starts_with("BIOS machines cannot boot: iPXE's undionly.kpxe is not in ")
        );
        assert!(warnings[0].contains("apt install ipxe"));
    }
}
