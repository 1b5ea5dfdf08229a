//! iPXE's binaries, from the distribution's package.
//!
//! netroot ships no boot loader: the package's are built and patched by people who do nothing else. What is
//! missing is told with the package's name and with what will not boot.

use std::path::{Path, PathBuf};

use netroot_proto::pxe::arch::Platform;
use netroot_proto::pxe::config::Loader;

use crate::serve::artifacts::store::{Content, Role, Shelf};
use crate::serve::events::Warning;

/// A platform's loaders: the name that machines ask for, and the names that packages give it, below the places:
/// Debian's and Arch's first, then Fedora's and openSUSE's.
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

/// Where packages put them: Debian and Ubuntu; Fedora, openSUSE and Arch; and what an administrator put by hand.
const PLACES: [&str; 3] = ["/usr/lib/ipxe", "/usr/share/ipxe", "/usr/local/share/ipxe"];

/// Puts every loader that there is on the shelf; returns what DHCP is to name, and what will be missed.
pub(crate) fn put_on(shelf: &mut Shelf, folder: Option<&Path>) -> (Vec<Loader>, Vec<Warning>) {
    let places: Vec<PathBuf> = match folder {
        Some(folder) => vec![folder.to_owned()],
        None => PLACES.iter().map(PathBuf::from).collect(),
    };
    let mut put = |(name, files): (&'static str, &[&str])| {
        let content = places
            .iter()
            .flat_map(|place| files.iter().map(move |file| place.join(file)))
            .find_map(|path| Content::open(&path).ok())?;
        shelf.put(name, content, Role::Loader);
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
            // The alternative is better than nothing.
            (None, Some(only), _) => {
                found.push(Loader {
                    platform: line.platform,
                    first: only,
                    second: None,
                });
            }
            (None, None, Some(serves)) => {
                missing.push(Warning::MissingLoader {
                    loader: line.first.0,
                    machines: serves,
                    searched: places.clone(),
                });
            }
            (None, None, None) => {}
        }
    }
    (found, missing)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::Ipv4Addr;

    use super::*;
    use crate::serve::artifacts::store::tests::boot;

    #[test]
    fn fedoras_names_are_found_under_the_names_that_machines_ask_for() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ipxe-snponly-x86_64.efi"), "snp").unwrap();
        let mut shelf = Shelf::new(boot(), 80, None);
        let (found, missing) = put_on(&mut shelf, Some(folder.path()));
        let local = Ipv4Addr::LOCALHOST;
        assert_eq!(
            shelf.find("snponly.efi", local).unwrap().content_type,
            "application/efi"
        );
        assert!(shelf.find("ipxe.efi", local).is_none());
        let only = Loader {
            platform: Platform::EfiX64,
            first: "snponly.efi".to_owned(),
            second: None,
        };
        assert_eq!(found, [only]);
        let told: Vec<_> = missing.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("BIOS machines cannot boot: iPXE's undionly.kpxe is not in "));
        assert!(told[0].contains("apt install ipxe"));
    }
}
