//! Where the files of a pair are, and the names under which they are served.

use std::path::{Path, PathBuf};

use netroot_secure_boot::Architecture;

/// A pair's files for a processor. Their places are those of iPXE's releases: in `ipxeboot.tar.gz` a folder has
/// `snponly.efi`, `ipxe.efi` and the shim that starts either, by links; the releases of the shim alone have a file with the
/// processor in its name.
pub(super) struct Pair {
    pub(super) architecture: Architecture,
    /// The folder of its names over TFTP and HTTP, as in `ipxeboot.tar.gz`.
    pub(super) folder: &'static str,
    /// What firmware is given. iPXE's shim makes the name of what it starts from this one.
    pub(super) shim: &'static str,
    /// What that shim asks for, which is also the name that it was built with.
    pub(super) loader: &'static str,
    /// Below the folder of iPXE's binaries.
    places: [&'static str; 3],
    /// The first that is there is taken.
    shims: &'static [&'static str],
    /// The same. What uses the firmware's own driver comes first, as without Secure Boot.
    loaders: &'static [&'static str],
}

pub(super) const PAIRS: [Pair; 2] = [
    Pair {
        architecture: Architecture::X64,
        folder: "x86_64-sb",
        shim: "x86_64-sb/ipxe-shim.efi",
        loader: "x86_64-sb/ipxe.efi",
        places: ["x86_64-sb", "sb", ""],
        shims: &[
            "snponly-shimx64.efi",
            "snponly-shim.efi",
            "ipxe-shimx64.efi",
            "ipxe-shim.efi",
            "shimx64.efi",
        ],
        loaders: &["snponly.efi", "ipxe.efi"],
    },
    Pair {
        architecture: Architecture::Arm64,
        folder: "arm64-sb",
        shim: "arm64-sb/ipxe-shim.efi",
        loader: "arm64-sb/ipxe.efi",
        places: ["arm64-sb", "arm64", ""],
        // The names without a processor are those of PCs.
        shims: &["snponly-shimaa64.efi", "ipxe-shimaa64.efi", "shimaa64.efi"],
        loaders: &[
            "snponly-arm64.efi",
            "snponly.efi",
            "ipxe-arm64.efi",
            "ipxe.efi",
        ],
    },
];

impl Pair {
    pub(super) fn of(architecture: Architecture) -> &'static Self {
        let [x64, arm64] = &PAIRS;
        match architecture {
            Architecture::X64 => x64,
            Architecture::Arm64 => arm64,
        }
    }

    pub(super) fn beside(&self, file: &str) -> String {
        format!("{}/{file}", self.folder)
    }

    /// The shim in the first of these folders that has one, and the iPXE beside it.
    pub(super) fn found_in(&self, folders: &[PathBuf]) -> Option<(PathBuf, Option<PathBuf>)> {
        let places = folders
            .iter()
            .flat_map(|folder| self.places.iter().map(move |place| folder.join(place)));
        places.into_iter().find_map(|place| {
            let shim = first(&place, self.shims)?;
            Some((shim, first(&place, self.loaders)))
        })
    }
}

fn first(place: &Path, names: &[&str]) -> Option<PathBuf> {
    let mut paths = names.iter().map(|name| place.join(name));
    paths.find(|path| path.is_file())
}

/// The files that are there of each pair, by the names that [`super::check`] asks for.
pub(in crate::serve::artifacts) fn paths(folders: &[PathBuf]) -> Vec<(&'static str, PathBuf)> {
    let found = PAIRS.iter().flat_map(|pair| {
        let (shim, loader) = pair.found_in(folders).unzip();
        let shim = shim.map(|path| (pair.shim, path));
        let loader = loader.flatten().map(|path| (pair.loader, path));
        shim.into_iter().chain(loader)
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_pair_is_found_in_ipxes_archive_and_beside_other_binaries() {
        let made = |files: &[&str]| {
            let folder = tempfile::tempdir().unwrap();
            for file in files {
                let path = folder.path().join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, file).unwrap();
            }
            let found = paths(&[folder.path().to_owned()]);
            let found = found.into_iter().map(|(name, path)| {
                let path = path.strip_prefix(folder.path()).unwrap().to_owned();
                (name, path.display().to_string())
            });
            found.collect::<Vec<_>>()
        };
        let pair = |shim: &str, loader: &str| {
            vec![
                ("x86_64-sb/ipxe-shim.efi", shim.to_owned()),
                ("x86_64-sb/ipxe.efi", loader.to_owned()),
            ]
        };
        assert_eq!(
            made(&[
                "snponly.efi",
                "x86_64/snponly.efi",
                "x86_64-sb/shimx64.efi",
                "x86_64-sb/ipxe.efi",
                "x86_64-sb/snponly.efi",
            ]),
            pair("x86_64-sb/shimx64.efi", "x86_64-sb/snponly.efi")
        );
        assert_eq!(
            made(&["ipxe-shimx64.efi", "ipxe.efi"]),
            pair("ipxe-shimx64.efi", "ipxe.efi")
        );
        assert_eq!(made(&["snponly.efi"]), []);
        assert_eq!(made(&["shimx64.efi"]).len(), 1);
        let arm64 = made(&["arm64-sb/shimaa64.efi", "arm64-sb/snponly.efi"]);
        assert_eq!(arm64[1].0, "arm64-sb/ipxe.efi");
    }
}
