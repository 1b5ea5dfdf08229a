//! The firmware that modules name, where the root has it.

use std::collections::{BTreeMap, BTreeSet};

use crate::contents::FirmwareChoice;
use crate::image::BuildError;
use crate::pattern::{glob_matches, path_matches};
use crate::root::Root;
use crate::unpack::unpack;

/// No firmware of a NIC comes near this (the largest, of SmartNICs, are some 20 MiB).
const LIMIT: u64 = 64 << 20;

/// What modules asked for: name below `/lib/firmware` → the first module that named it.
pub(crate) type Wanted = BTreeMap<String, String>;

/// What of it the root has.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Name → path inside the root.
    pub(crate) files: BTreeMap<String, String>,
    /// Names without a file, each with the module that named it.
    pub(crate) missing: Vec<(String, String)>,
}

/// Looks for `wanted` where the kernel would (drivers/base/firmware_loader/main.c, `fw_path`).
pub(crate) fn find(root: &Root, version: &str, wanted: &Wanted, choice: &FirmwareChoice) -> Found {
    let directories = [
        format!("/lib/firmware/updates/{version}"),
        "/lib/firmware/updates".to_owned(),
        format!("/lib/firmware/{version}"),
        "/lib/firmware".to_owned(),
    ];
    let mut found = Found::default();
    for (name, module) in wanted {
        let left_out = choice
            .except
            .iter()
            .any(|pattern| path_matches(pattern, name));
        if left_out || !is_name(name) {
            continue;
        }
        let mut any = false;
        for directory in &directories {
            for name in expand(root, directory, name) {
                if let Some(path) = locate(root, directory, &name) {
                    found.files.entry(name).or_insert(path);
                    any = true;
                }
            }
        }
        if !any {
            found.missing.push((name.clone(), module.clone()));
        }
    }
    found
}

/// Reads one, unpacked: the whole image is packed anyway, and not every kernel can unpack firmware.
pub(crate) fn read(root: &Root, path: &str) -> Result<Vec<u8>, BuildError> {
    let content = root.read(path, LIMIT)?;
    // By name, not by content: firmware may itself be data that only the device unpacks.
    if [".xz", ".zst", ".gz"].iter().any(|end| path.ends_with(end)) {
        return unpack(content, LIMIT).map_err(|source| BuildError::Unpack {
            path: root.host_path(path),
            source,
        });
    }
    Ok(content)
}

/// A name becomes a path in the image: it may not climb.
fn is_name(name: &str) -> bool {
    name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

fn locate(root: &Root, directory: &str, name: &str) -> Option<String> {
    ["", ".xz", ".zst", ".gz"]
        .iter()
        .map(|end| format!("{directory}/{name}{end}"))
        .find(|path| root.open_file(path).is_ok())
}

/// Some modules name patterns (`brcm/brcmfmac*.bin`): these stand for the names in that directory.
fn expand(root: &Root, directory: &str, name: &str) -> BTreeSet<String> {
    if !name.contains(['*', '?', '[']) {
        return BTreeSet::from([name.to_owned()]);
    }
    let (within, pattern) = match name.rsplit_once('/') {
        Some((within, pattern)) => (format!("{within}/"), pattern),
        None => (String::new(), name),
    };
    let names = root
        .names_in(&format!("{directory}/{within}"))
        .unwrap_or_default();
    names
        .iter()
        .map(|file| {
            [".xz", ".zst"]
                .iter()
                .find_map(|end| file.strip_suffix(end))
                .unwrap_or(file)
        })
        .filter(|file| glob_matches(pattern, file))
        .map(|file| format!("{within}{file}"))
        .collect()
}
