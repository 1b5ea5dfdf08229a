//! An archive that the kernel unpacks as its initial file system: cpio's format `newc` (the kernel's
//! Documentation/driver-api/early-userspace/buffer-format.rst).

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
    entry(&mut bytes, 0, "TRAILER!!!", 0, &[]);
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
