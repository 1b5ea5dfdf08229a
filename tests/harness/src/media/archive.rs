//! An archive that the kernel unpacks as its initial file system: cpio's format `newc` (the kernel's
//! Documentation/driver-api/early-userspace/buffer-format.rst).

use anyhow::{Context, Result, ensure};

/// The last entry's name.
const END: &str = "TRAILER!!!";

/// Files with their paths (without a leading `/`), in the order of the archive. Their folders come before them.
pub fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    const FOLDER: u32 = 0o40_755;
    const FILE: u32 = 0o100_755;
    let mut bytes = Vec::new();
    let mut number = 1;
    let mut folders: Vec<&str> = Vec::new();
    for (path, content) in files {
        for (at, _) in path.match_indices('/') {
            let folder = path.get(..at).unwrap_or_default();
            if !folders.contains(&folder) {
                entry(&mut bytes, number, folder, FOLDER, &[]);
                folders.push(folder);
                number += 1;
            }
        }
        entry(&mut bytes, number, path, FILE, content);
        number += 1;
    }
    entry(&mut bytes, 0, END, 0, &[]);
    pad(&mut bytes, 512);
    bytes
}

fn entry(bytes: &mut Vec<u8>, number: u32, path: &str, mode: u32, content: &[u8]) {
    let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
    let (size, name) = (length(content.len()), length(path.len() + 1));
    // inode, mode, user, group, links, time, size, four device numbers, length of the name, check sum
    let fields = [number, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name, 0];
    bytes.extend(b"070701");
    for field in fields {
        bytes.extend(format!("{field:08x}").bytes());
    }
    bytes.extend(path.bytes());
    bytes.push(0);
    pad(bytes, 4);
    bytes.extend(content);
    pad(bytes, 4);
}

fn pad(bytes: &mut Vec<u8>, block: usize) {
    bytes.resize(bytes.len().next_multiple_of(block), 0);
}

/// The paths in such an archive, in its order.
///
/// # Errors
/// When it ends too early, or is no such archive.
pub fn paths_in(bytes: &[u8]) -> Result<Vec<String>> {
    let mut paths = Vec::new();
    let mut at = 0;
    loop {
        let entry = bytes.get(at..).unwrap_or_default();
        ensure!(entry.starts_with(b"070701"), "no entry at byte {at}");
        let number = |field: usize| -> Result<usize> {
            let start = 6 + 8 * field;
            let digits = entry.get(start..start + 8).context("half an entry")?;
            Ok(usize::from_str_radix(std::str::from_utf8(digits)?, 16)?)
        };
        let (size, length) = (number(6)?, number(11)?);
        let name = entry.get(110..110 + length).context("half a name")?;
        let name = String::from_utf8_lossy(name);
        let name = name.trim_end_matches('\0');
        if name == END {
            return Ok(paths);
        }
        paths.push(name.to_owned());
        at = (at + 110 + length).next_multiple_of(4);
        at = (at + size).next_multiple_of(4);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_found_again() {
        let whole = archive(&[("init", b"12345"), ("a/b/c", b""), ("a/d", b"1234")]);
        let paths = paths_in(&whole).unwrap();
        assert_eq!(paths, ["init", "a", "a/b", "a/b/c", "a/d"]);
        assert_eq!(paths_in(&archive(&[])).unwrap(), Vec::<String>::new());
        let cut = whole.get(..300).unwrap();
        assert!(paths_in(cut).is_err());
        assert!(paths_in(b"\x28\xb5\x2f\xfd").is_err());
    }
}
