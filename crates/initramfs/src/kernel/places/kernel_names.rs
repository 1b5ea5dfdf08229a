//! What the names of files say: whether one is a kernel, and of which version.

use crate::kernel::version::is_version;

/// The version or flavour that a path shows; empty if it shows none.
pub(super) fn named_by_path(path: &str) -> &str {
    let (folder, name) = path.rsplit_once('/').unwrap_or_default();
    match version_in_name(name) {
        Some(named) if !named.is_empty() => named,
        // `/usr/lib/modules/<version>/vmlinuz`, `/boot/<token>/<version>/linux`.
        _ => {
            let folder = folder.rsplit('/').next();
            folder.filter(|name| is_version(name)).unwrap_or("")
        }
    }
}

/// Ends of names that are not kernels: backups of installkernel and of administrators, files of a package that is being
/// installed, signatures.
const NOT_KERNELS: [&str; 11] = [
    ".old",
    ".bak",
    "~",
    ".hmac",
    ".sig",
    ".p7b",
    ".sha256",
    ".dpkg-new",
    ".dpkg-tmp",
    ".rpmnew",
    ".rpmsave",
];

/// The version after `vmlinuz-` and the like (empty for plain `vmlinuz`); `None` for other files.
pub(super) fn version_in_name(name: &str) -> Option<&str> {
    if NOT_KERNELS.iter().any(|end| name.ends_with(end)) {
        return None;
    }
    // A Raspberry Pi's are `kernel8.img`, `kernel_2712.img`: what they show is no version.
    if name.starts_with("kernel") && name.ends_with(".img") {
        return Some("");
    }
    [
        "vmlinuz", "bzImage", "Image", "vmlinux", "kernel", "linux", "uImage", "zImage",
    ]
    .iter()
    .find_map(|stem| match name.strip_prefix(stem)? {
        "" | "64" | ".gz" | ".efi" => Some(""),
        rest => rest.strip_prefix('-'),
    })
}
