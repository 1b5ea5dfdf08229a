//! Kernels that boot loader entries name, and those that kernel-install(8) lays out.

use super::candidate::Candidate;
use super::folder::{MAX_FILE, names};
use crate::kernel::version::is_version;
use crate::root_tree::RootTree;

/// How many boot loader entries are read; a system has a handful.
const MAX_ENTRIES: usize = 256;

/// Boot loader entries (UAPI.1, type 1): the value of `linux`, `efi` or `uki` is a path on the partition, which may be
/// the root itself.
pub(super) fn add_loader_entries(
    root: &RootTree,
    partition: &str,
    candidates: &mut Vec<Candidate>,
) {
    let folder = format!("{partition}/loader/entries");
    let entries = names(root, &folder).into_iter();
    for name in entries
        .filter(|name| name.ends_with(".conf"))
        .take(MAX_ENTRIES)
    {
        let Ok(text) = root.read(&format!("{folder}/{name}"), MAX_FILE) else {
            continue;
        };
        let text = String::from_utf8_lossy(&text);
        let value = |key: &str| {
            let value = |line: &str| {
                let rest = line.trim().strip_prefix(key)?;
                rest.starts_with([' ', '\t'])
                    .then(|| rest.trim().to_owned())
            };
            text.lines().find_map(value)
        };
        let Some(path) = ["linux", "uki", "efi"].into_iter().find_map(value) else {
            continue;
        };
        let path = format!("/{}", path.trim_start_matches('/'));
        let version = value("version").filter(|version| is_version(version));
        let version = version.unwrap_or_default();
        candidates.push(Candidate::usual(format!("{partition}{path}"), &version));
        candidates.push(Candidate::usual(path, &version));
    }
}

/// `<partition>/<token>/<version>/linux`, as kernel-install(8) lays it out: the token is the machine's ID or the
/// distribution's name.
pub(super) fn add_kernel_install(
    root: &RootTree,
    partition: &str,
    candidates: &mut Vec<Candidate>,
) {
    for token in names(root, partition) {
        for version in names(root, &format!("{partition}/{token}")) {
            if is_version(&version) {
                let path = format!("{partition}/{token}/{version}/linux");
                candidates.push(Candidate::usual(path, &version));
            }
        }
    }
}
