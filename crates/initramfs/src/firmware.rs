//! The firmware files that modules ask for, as far as the root has them.

use std::collections::{BTreeMap, BTreeSet};

use crate::build_error::BuildError;
use crate::contents::FirmwareFilter;
use crate::decompress::decompress;
use netroot_kmod::{fnmatch, path_matches};

use crate::root_tree::RootTree;

/// The size limit of a firmware file, in bytes; the largest ones, of SmartNICs, have some 20 MiB.
const MAX_SIZE: u64 = 64 << 20;

/// Requested files: name below `/lib/firmware` → the first module that asks for it.
pub(crate) type Wanted = BTreeMap<String, String>;

/// The files that were found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Name → file.
    pub(crate) files: BTreeMap<String, File>,
    /// Names without a file, each with the module that asks for it.
    pub(crate) missing: Vec<(String, String)>,
}

/// A firmware file of the root.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct File {
    /// Path in the root.
    path: String,
    /// Whether it was compressed when it was installed: its name has a suffix that the requested name does not have.
    /// The firmware itself may be compressed data that only the device decompresses.
    compressed: bool,
}

/// Looks for `wanted` where the kernel does (drivers/base/firmware_loader/main.c, `fw_path`), and before that in the
/// folder that the system tells it (`firmware_class.path`).
pub(crate) fn find(
    root: &RootTree,
    version: &str,
    of_system: Option<&str>,
    wanted: &Wanted,
    choice: &FirmwareFilter,
) -> Found {
    let usual = [
        format!("/lib/firmware/updates/{version}"),
        "/lib/firmware/updates".to_owned(),
        format!("/lib/firmware/{version}"),
        "/lib/firmware".to_owned(),
    ];
    let of_system = of_system.map(str::to_owned);
    let directories: Vec<String> = of_system.into_iter().chain(usual).collect();
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
                if let Some(file) = locate(root, directory, &name) {
                    found.files.entry(name).or_insert(file);
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

/// Reads a file, decompressed: the whole initrd is compressed anyway, and not every kernel can decompress firmware.
pub(crate) fn read(root: &RootTree, file: &File) -> Result<Vec<u8>, BuildError> {
    let content = root.read(&file.path, MAX_SIZE)?;
    if !file.compressed {
        return Ok(content);
    }
    decompress(content, MAX_SIZE).map_err(|source| BuildError::Decompress {
        path: root.host_path(&file.path),
        source,
    })
}

/// A name becomes a path in the initrd, so it must not contain `..`.
fn is_name(name: &str) -> bool {
    name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

fn locate(root: &RootTree, directory: &str, name: &str) -> Option<File> {
    ["", ".xz", ".zst"]
        .iter()
        .map(|suffix| File {
            path: format!("{directory}/{name}{suffix}"),
            compressed: !suffix.is_empty(),
        })
        .find(|file| root.open_file(&file.path).is_ok())
}

/// Some modules use patterns (`brcm/brcmfmac*.bin`): these are expanded in their directory.
fn expand(root: &RootTree, directory: &str, name: &str) -> BTreeSet<String> {
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
        .filter(|file| fnmatch(pattern, file))
        .map(|file| format!("{within}{file}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(
        files: &[(&str, &[u8])],
        wanted: &[&str],
        except: &[&str],
    ) -> (Found, RootTree, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = dir.path().join("lib/firmware").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let root = RootTree::open(dir.path()).unwrap();
        let wanted = wanted
            .iter()
            .map(|name| ((*name).to_owned(), "m".to_owned()))
            .collect();
        let except = except.iter().map(|pattern| (*pattern).to_owned()).collect();
        let found = find(
            &root,
            "6.1",
            Some("/lib/firmware/own"),
            &wanted,
            &FirmwareFilter { except },
        );
        (found, root, dir)
    }

    #[test]
    fn updates_take_precedence() {
        let files: [(&str, &[u8]); 5] = [
            ("a", b"old"),
            ("updates/a", b"new"),
            ("6.1/b", b"b"),
            ("updates/c", b"new"),
            ("own/c", b"own"),
        ];
        let (found, root, _dir) = found(&files, &["a", "b", "c"], &[]);
        assert_eq!(read(&root, &found.files["c"]).unwrap(), b"own");
        assert_eq!(read(&root, &found.files["a"]).unwrap(), b"new");
        assert_eq!(read(&root, &found.files["b"]).unwrap(), b"b");
    }

    #[test]
    fn firmware_that_is_itself_compressed_data_stays_compressed() {
        let compressed = zstd::encode_all(b"for the device".as_slice(), 1).unwrap();
        let twice = zstd::encode_all(compressed.as_slice(), 1).unwrap();
        let files: [(&str, &[u8]); 2] = [("a.zst", &compressed), ("b.zst.zst", &twice)];
        let (found, root, _dir) = found(&files, &["a.zst", "b.zst"], &[]);
        assert!(read(&root, &found.files["a.zst"]).unwrap() == compressed);
        assert!(read(&root, &found.files["b.zst"]).unwrap() == compressed);
    }

    #[test]
    fn a_pattern_matches_the_files_of_its_directory() {
        let files: [(&str, &[u8]); 4] = [
            ("x/a1.bin", b""),
            ("x/a2.bin.xz", b""),
            ("x/b.bin", b""),
            ("a3.bin", b""),
        ];
        let (found, _root, _dir) = found(&files, &["x/a*.bin"], &[]);
        let names: Vec<&str> = found.files.keys().map(String::as_str).collect();
        assert_eq!(names, ["x/a1.bin", "x/a2.bin"]);
    }

    #[test]
    fn excluded_firmware_is_neither_found_nor_missing() {
        let files: [(&str, &[u8]); 1] = [("big/a", b"")];
        let (found, _root, _dir) = found(&files, &["big/a", "big/b", "other"], &["big/**"]);
        assert!(found.files.is_empty());
        assert_eq!(found.missing, [("other".to_owned(), "m".to_owned())]);
    }
}
