//! The kernels of a root, newest first, with their versions.
//!
//! The version is the one that `uname -r` will print, because `lib/modules/<version>` is named after it. A bzImage has
//! it in its header (Documentation/arch/x86/boot.rst, `kernel_version`), which takes precedence: the names of Arch's
//! `/boot/vmlinuz-linux` and of a hand-made `/boot/bzImage` contain no version. For other formats the name decides.

mod header;
mod version;

use std::path::PathBuf;

use crate::architecture::Architecture;
use crate::root_tree::{RootTree, RootTreeError};

pub use version::compare_versions;

use header::{HEADER_LENGTH, read_header};
use version::is_version;

/// A kernel in a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// What `uname -r` will print, such as `6.1.0-50-amd64`.
    pub version: String,
    /// Its path in the root, such as `/boot/vmlinuz-6.1.0-50-amd64`, for [`RootTree::open_file`].
    pub path: String,
    /// The architecture it is built for.
    pub architecture: Architecture,
    /// Its module tree in the root, such as `/lib/modules/6.1.0-50-amd64`, if it has one.
    pub modules: Option<String>,
}

/// Why no kernel can be chosen.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// The root has no kernel.
    #[error(
        "there is no kernel in {}: install one in the root (Debian: chroot into it and run \
         `apt install linux-image-amd64`){}", boot.display(), list_skipped(skipped)
    )]
    NoKernel {
        /// `DIR/boot`.
        boot: PathBuf,
        /// Files that are named like a kernel but are not usable, each with the reason.
        skipped: Vec<Skipped>,
    },
    /// The root has kernels, but not the requested one.
    #[error("there is no kernel {wanted} in {}; it has {}", boot.display(), found.join(", "))]
    NotThatVersion {
        /// The requested version.
        wanted: String,
        /// `DIR/boot`.
        boot: PathBuf,
        /// The available versions.
        found: Vec<String>,
    },
    /// `/boot` cannot be read.
    #[error(transparent)]
    Root(#[from] RootTreeError),
}

/// A file that is named like a kernel but is not usable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its path in the root.
    pub path: String,
    /// Why it was skipped.
    pub reason: &'static str,
}

fn list_skipped(list: &[Skipped]) -> String {
    list.iter()
        .map(|one| format!("; {}: {}", one.path, one.reason))
        .collect()
}

/// Finds the kernel `wanted` (a version, or a file name in `/boot`); by default the newest one with a module tree, or
/// else the newest.
///
/// # Errors
/// See [`KernelError`].
pub fn choose_kernel(root: &RootTree, wanted: Option<&str>) -> Result<Kernel, KernelError> {
    let (kernels, skipped) = search(root)?;
    let boot = root.host_path("/boot");
    if kernels.is_empty() {
        return Err(KernelError::NoKernel { boot, skipped });
    }
    let chosen = match wanted {
        None => kernels
            .iter()
            .find(|kernel| kernel.modules.is_some())
            .or(kernels.first()),
        Some(wanted) => kernels.iter().find(|kernel| {
            kernel.version == wanted || kernel.path.rsplit('/').next() == Some(wanted)
        }),
    };
    match (chosen, wanted) {
        (Some(kernel), _) => Ok(kernel.clone()),
        (None, wanted) => Err(KernelError::NotThatVersion {
            wanted: wanted.unwrap_or_default().to_owned(),
            boot,
            found: kernels.into_iter().map(|kernel| kernel.version).collect(),
        }),
    }
}

/// Every kernel of the root, newest first; one per version.
///
/// Searches `/boot` (Debian, Ubuntu, Arch, Alpine), and the module trees for `vmlinuz` (Fedora and image-based
/// distributions).
///
/// # Errors
/// [`RootTreeError`] where a directory cannot be read; a missing one is not an error.
pub fn find_kernels(root: &RootTree) -> Result<Vec<Kernel>, RootTreeError> {
    Ok(search(root)?.0)
}

const MODULE_TREES: [&str; 2] = ["/lib/modules", "/usr/lib/modules"];

fn search(root: &RootTree) -> Result<(Vec<Kernel>, Vec<Skipped>), RootTreeError> {
    let mut candidates = Vec::new();
    for name in names_or_none(root, "/boot")? {
        if let Some(version) = version_in_name(&name) {
            candidates.push((format!("/boot/{name}"), version.to_owned()));
        }
    }
    for tree in MODULE_TREES {
        for version in names_or_none(root, tree)? {
            let path = format!("{tree}/{version}/vmlinuz");
            candidates.push((path, version));
        }
    }
    let mut kernels: Vec<Kernel> = Vec::new();
    let mut skipped = Vec::new();
    for (path, named) in candidates {
        let start = match root.read_start(&path, HEADER_LENGTH) {
            Ok(start) => start,
            Err(error) if error.is_absent() && !path.starts_with("/boot") => continue,
            Err(error) if error.is_absent() => {
                let reason = "a dangling link in this root";
                skipped.push(Skipped { path, reason });
                continue;
            }
            Err(RootTreeError::NotAFile { .. }) => continue,
            Err(error) => return Err(error),
        };
        let header = match read_header(&start) {
            Ok(header) => header,
            Err(reason) => {
                skipped.push(Skipped { path, reason });
                continue;
            }
        };
        let version = header.version.unwrap_or(named);
        if !is_version(&version) {
            let reason = "its version is unknown: name it vmlinuz-<version>";
            skipped.push(Skipped { path, reason });
            continue;
        }
        // `/boot/vmlinuz` is often a link to `/boot/vmlinuz-<version>`, which sorts after it; the name with the version
        // is the better one to show.
        if let Some(known) = kernels.iter_mut().find(|known| known.version == version) {
            if path.ends_with(&version) && !known.path.ends_with(&version) {
                known.path = path;
            }
            continue;
        }
        let modules = MODULE_TREES
            .iter()
            .map(|tree| format!("{tree}/{version}"))
            .find(|tree| root.has_directory(tree));
        kernels.push(Kernel {
            version,
            path,
            architecture: header.architecture,
            modules,
        });
    }
    kernels.sort_by(|a, b| compare_versions(&b.version, &a.version));
    Ok((kernels, skipped))
}

fn names_or_none(root: &RootTree, directory: &str) -> Result<Vec<String>, RootTreeError> {
    match root.names_in(directory) {
        Err(error) if error.is_absent() => Ok(Vec::new()),
        other => other,
    }
}

/// The version after `vmlinuz-` and the like (empty for plain `vmlinuz`); `None` for other files.
fn version_in_name(name: &str) -> Option<&str> {
    // `.old` and `.bak` are backups of installkernel and of administrators.
    if [".old", ".bak", ".hmac", ".sig"]
        .iter()
        .any(|end| name.ends_with(end))
    {
        return None;
    }
    ["vmlinuz", "bzImage", "Image", "vmlinux", "kernel"]
        .iter()
        .find_map(|stem| match name.strip_prefix(stem)? {
            "" => Some(""),
            rest => rest.strip_prefix('-'),
        })
}

/// For `tests/fuzz`.
#[cfg(fuzzing)]
pub(crate) fn fuzz_header(start: &[u8]) {
    let _ = header::read_header(start);
}

#[cfg(test)]
mod tests {
    use super::header::tests::bzimage;
    use super::*;

    fn root_with(files: &[(&str, Vec<u8>)]) -> (tempfile::TempDir, RootTree) {
        let dir = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let root = RootTree::open(dir.path()).unwrap();
        (dir, root)
    }

    #[test]
    fn the_newest_kernel_with_modules_is_chosen() {
        let (_dir, root) = root_with(&[
            ("boot/vmlinuz-6.1.0-9-amd64", bzimage("6.1.0-9-amd64")),
            ("boot/vmlinuz-6.1.0-50-amd64", bzimage("6.1.0-50-amd64")),
            ("boot/vmlinuz-6.9.0-1-amd64", bzimage("6.9.0-1-amd64")),
            ("boot/config-6.9.0-1-amd64", vec![]),
            ("lib/modules/6.1.0-9-amd64/modules.dep", vec![]),
            ("lib/modules/6.1.0-50-amd64/modules.dep", vec![]),
        ]);
        let kernel = choose_kernel(&root, None).unwrap();
        assert_eq!(kernel.version, "6.1.0-50-amd64");
        assert_eq!(kernel.path, "/boot/vmlinuz-6.1.0-50-amd64");
        assert_eq!(
            kernel.modules.as_deref(),
            Some("/lib/modules/6.1.0-50-amd64")
        );
        let all = find_kernels(&root).unwrap();
        assert_eq!(all.first().unwrap().version, "6.9.0-1-amd64");
        assert_eq!(all.len(), 3);
        let asked = choose_kernel(&root, Some("6.1.0-9-amd64")).unwrap();
        assert_eq!(asked.path, "/boot/vmlinuz-6.1.0-9-amd64");
    }

    #[test]
    fn the_version_is_read_from_the_header() {
        let (_dir, root) = root_with(&[
            ("boot/vmlinuz-linux", bzimage("6.12.1-arch1-1")),
            ("usr/lib/modules/6.12.1-arch1-1/modules.dep", vec![]),
        ]);
        let kernel = choose_kernel(&root, None).unwrap();
        assert_eq!(kernel.version, "6.12.1-arch1-1");
        assert_eq!(
            kernel.modules.as_deref(),
            Some("/usr/lib/modules/6.12.1-arch1-1")
        );
        assert_eq!(choose_kernel(&root, Some("vmlinuz-linux")).unwrap(), kernel);
    }

    #[test]
    fn a_kernel_in_the_module_tree_is_found() {
        let (_dir, root) = root_with(&[(
            "lib/modules/6.11.4-300.fc41.x86_64/vmlinuz",
            bzimage("6.11.4-300.fc41.x86_64"),
        )]);
        let kernel = choose_kernel(&root, None).unwrap();
        assert_eq!(kernel.version, "6.11.4-300.fc41.x86_64");
        assert_eq!(kernel.path, "/lib/modules/6.11.4-300.fc41.x86_64/vmlinuz");
    }

    #[test]
    fn without_a_kernel_the_error_says_what_to_install() {
        let (dir, root) = root_with(&[("boot/vmlinuz-x", b"not a kernel".to_vec())]);
        let text = choose_kernel(&root, None).unwrap_err().to_string();
        assert!(
            text.contains(&format!("{}/boot", dir.path().display())),
            "{text}"
        );
        assert!(text.contains("linux-image-amd64"), "{text}");
        assert!(text.contains("/boot/vmlinuz-x: not a kernel"), "{text}");
    }

    #[test]
    fn an_unknown_version_is_reported_with_the_available_ones() {
        let (_dir, root) = root_with(&[("boot/vmlinuz-6.1.0-50-amd64", bzimage("6.1.0-50-amd64"))]);
        let text = choose_kernel(&root, Some("6.1")).unwrap_err().to_string();
        assert!(text.contains("no kernel 6.1 in"), "{text}");
        assert!(text.contains("it has 6.1.0-50-amd64"), "{text}");
    }
}
