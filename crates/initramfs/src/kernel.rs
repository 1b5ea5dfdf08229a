//! The kernels of a root, newest first, with their versions.
//!
//! The version is the one that `uname -r` will print, because `lib/modules/<version>` is named after it. A bzImage has
//! it in its header (Documentation/arch/x86/boot.rst, `kernel_version`), which takes precedence: the names of Arch's
//! `/boot/vmlinuz-linux` and of a hand-made `/boot/bzImage` contain no version. For other formats `.uname` of a unified
//! kernel image, the name, the text in the kernel, or the only module tree that fits decides.

mod advice;
mod banner;
mod generations;
mod header;
mod pe;
mod places;
mod version;

use std::path::{Path, PathBuf};

use crate::architecture::Architecture;
use crate::root_tree::{RootTree, RootTreeError};

pub use generations::{Generation, generations};
pub use version::compare_versions;

use advice::how_to_install;
use header::{HEADER_LENGTH, read_header};
use places::{Candidate, Places, WITHOUT_SELINUX, has_index};
use version::is_version;

/// How much of a unified kernel image's `.uname` is read, in bytes; a version has 128 at most.
const MAX_UNAME: u64 = 256;

/// A kernel in a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// What `uname -r` will print, such as `6.1.0-50-amd64`.
    pub version: String,
    /// Its path in the root, such as `/boot/vmlinuz-6.1.0-50-amd64`, for [`RootTree::open_file`].
    pub path: String,
    /// Where the kernel is in that file, if it is only a part of it: a unified kernel image's section `.linux`.
    pub part: Option<FilePart>,
    /// The architecture it is built for.
    pub architecture: Architecture,
    /// Its module tree in the root, such as `/lib/modules/6.1.0-50-amd64`, if it has one.
    pub modules: Option<String>,
    /// The folder of firmware that its system has beside `/lib/firmware`: NixOS's `<system>/firmware`.
    pub firmware: Option<String>,
    /// The parameters that start the system of NixOS or Guix System that it belongs to, such as
    /// `init=/nix/var/nix/profiles/system-1-link/init`, or `selinux=0` for a root with a policy of SELinux. `None` where
    /// `/sbin/init` alone does.
    pub start: Option<String>,
}

impl Kernel {
    /// Whether its root has a policy of SELinux, which it is started without.
    pub fn is_without_selinux(&self) -> bool {
        self.start.as_deref() == Some(WITHOUT_SELINUX)
    }
}

/// A part of a file, in bytes. It is within the file when the kernel is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilePart {
    /// From the start of the file.
    pub offset: u64,
    /// At least 1.
    pub length: u64,
}

/// Why no kernel can be chosen.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// The root has no kernel.
    #[error(
        "there is no kernel in {place}/boot or {place}/lib/modules: install one in the root ({advice}), or name its \
         file with --kernel{}{}", without_kernel(modules, root), list_skipped(skipped), place = root.display()
    )]
    NoKernel {
        /// The root.
        root: PathBuf,
        /// How the root's distribution installs a kernel.
        advice: String,
        /// The versions that it has modules of, if `/boot` is empty: what is left of a root without its boot partition.
        modules: Vec<String>,
        /// Files that are named like a kernel but are not usable, each with the reason.
        skipped: Vec<Skipped>,
    },
    /// The root has kernels, but not the requested one.
    #[error("there is no kernel {wanted} in {}; it has {}", root.display(), found.join(", "))]
    NotThatVersion {
        /// The requested version.
        wanted: String,
        /// The root.
        root: PathBuf,
        /// The available versions.
        found: Vec<String>,
    },
    /// The root has no such generation.
    #[error("there is no generation {wanted} in {}; {}", root.display(), list_generations(found))]
    NoGeneration {
        /// The requested one, without the `@`.
        wanted: String,
        /// The root.
        root: PathBuf,
        /// The numbers of those that it has, the newest first.
        found: Vec<u32>,
    },
    /// The requested file cannot be booted.
    #[error("cannot use {} as the kernel: {reason}", path.display())]
    NotAKernel {
        /// The path, including the root.
        path: PathBuf,
        /// Why, and what to do.
        reason: &'static str,
    },
    /// The root cannot be read.
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

fn list_generations(found: &[u32]) -> String {
    match found {
        [] => "it has none, as it is no root of NixOS or Guix System".to_owned(),
        found => {
            let numbers: Vec<String> = found.iter().map(u32::to_string).collect();
            format!("it has {}", numbers.join(", "))
        }
    }
}

fn without_kernel(modules: &[String], root: &Path) -> String {
    match modules {
        [] => String::new(),
        [version, ..] => format!(
            "; it has the modules of {version}, and an empty {}/boot: if that is a partition of its own, mount it there",
            root.display()
        ),
    }
}

/// Finds the kernel `wanted`: a version, the name of a kernel's file, a path (in the root, or on this host below the
/// root's), or `@42` for that of a generation of NixOS or Guix System. By default it is the first of [`find_kernels`] with a complete module tree, else with any, else the first.
///
/// # Errors
/// See [`KernelError`].
pub fn choose_kernel(root: &RootTree, wanted: Option<&str>) -> Result<Kernel, KernelError> {
    let places = Places::of(root)?;
    if let Some(wanted) = wanted.filter(|wanted| wanted.contains('/')) {
        return kernel_at(root, &places, wanted);
    }
    if let Some(number) = wanted.and_then(|wanted| wanted.strip_prefix('@')) {
        return kernel_of_generation(root, &places, number);
    }
    let (kernels, skipped) = search(root, &places)?;
    if kernels.is_empty() {
        return Err(KernelError::NoKernel {
            root: root.path().to_owned(),
            advice: how_to_install(root),
            modules: places.modules_of_an_empty_boot(root),
            skipped,
        });
    }
    let chosen = match wanted {
        None => kernels
            .iter()
            .find(|kernel| kernel.modules.iter().any(|tree| has_index(root, tree)))
            .or_else(|| kernels.iter().find(|kernel| kernel.modules.is_some()))
            .or(kernels.first()),
        Some(wanted) => kernels.iter().find(|kernel| {
            kernel.version == wanted || kernel.path.rsplit('/').next() == Some(wanted)
        }),
    };
    match (chosen, wanted) {
        (Some(kernel), _) => Ok(kernel.clone()),
        (None, wanted) => Err(KernelError::NotThatVersion {
            wanted: wanted.unwrap_or_default().to_owned(),
            root: root.path().to_owned(),
            found: kernels.into_iter().map(|kernel| kernel.version).collect(),
        }),
    }
}

/// Every kernel of the root, one per version: newest first, but those of the current generation of NixOS or Guix System
/// before all others.
///
/// # Errors
/// [`RootTreeError`] where a directory cannot be read; a missing one is not an error.
pub fn find_kernels(root: &RootTree) -> Result<Vec<Kernel>, RootTreeError> {
    Ok(search(root, &Places::of(root)?)?.0)
}

/// The kernel at a path that the administrator named: in the root, or on this host.
fn kernel_at(root: &RootTree, places: &Places, wanted: &str) -> Result<Kernel, KernelError> {
    let below = Path::new(wanted).strip_prefix(root.path()).ok();
    let inside = below.and_then(Path::to_str).unwrap_or(wanted);
    match kernel_inside(root, places, inside) {
        Err(KernelError::Root(error)) if error.is_absent() => {
            let Ok(host) = Path::new(wanted).canonicalize() else {
                return Err(error.into());
            };
            let root_on_host = root.path().canonicalize().unwrap_or_default();
            match host.strip_prefix(root_on_host).map(Path::to_str) {
                Ok(Some(inside)) => kernel_inside(root, places, inside),
                _ => Err(KernelError::NotAKernel {
                    path: wanted.into(),
                    reason: "it is not in the root, and no other file is served: copy it into the root",
                }),
            }
        }
        result => result,
    }
}

fn kernel_of_generation(
    root: &RootTree,
    places: &Places,
    number: &str,
) -> Result<Kernel, KernelError> {
    let all = generations(root);
    let wanted = number.parse().ok();
    match all.iter().find(|one| Some(one.number) == wanted) {
        Some(generation) => kernel_inside(root, places, &generation.kernel),
        None => Err(KernelError::NoGeneration {
            wanted: number.to_owned(),
            root: root.path().to_owned(),
            found: all.iter().map(|one| one.number).collect(),
        }),
    }
}

fn kernel_inside(root: &RootTree, places: &Places, inside: &str) -> Result<Kernel, KernelError> {
    let parts = inside.split('/').filter(|part| !matches!(*part, "" | "."));
    let inside: String = parts.flat_map(|part| ["/", part]).collect();
    let known = places.candidates.iter().find(|one| one.path == inside);
    let candidate = known
        .cloned()
        .unwrap_or_else(|| Candidate::asked_for(&inside));
    examine(root, places, candidate)?.map_err(|skipped| KernelError::NotAKernel {
        path: root.host_path(&skipped.path),
        reason: skipped.reason,
    })
}

fn search(root: &RootTree, places: &Places) -> Result<(Vec<Kernel>, Vec<Skipped>), RootTreeError> {
    let mut kernels: Vec<(bool, Kernel)> = Vec::new();
    let mut skipped = Vec::new();
    for candidate in &places.candidates {
        let kernel = match examine(root, places, candidate.clone()) {
            Ok(Ok(kernel)) => kernel,
            Ok(Err(why_not)) => {
                skipped.push(why_not);
                continue;
            }
            Err(error) if error.is_absent() => {
                let path = candidate.path.clone();
                skipped.extend(candidate.expected.map(|reason| Skipped { path, reason }));
                continue;
            }
            Err(RootTreeError::NotAFile { .. }) => continue,
            // What is only usual, or what an entry of a boot loader names, is in no one's way.
            Err(RootTreeError::Open { .. }) if candidate.expected.is_none() => {
                let path = candidate.path.clone();
                let reason = "it cannot be opened";
                skipped.push(Skipped { path, reason });
                continue;
            }
            Err(error) => return Err(error),
        };
        // `/boot/vmlinuz` is often a link to `/boot/vmlinuz-<version>`, which sorts after it; the name with the version
        // is the better one to show.
        let version = &kernel.version;
        if let Some((current, known)) = kernels.iter_mut().find(|(_, one)| one.version == *version)
        {
            if kernel.path.ends_with(version) && !known.path.ends_with(version) {
                known.path = kernel.path;
                known.part = kernel.part;
            }
            *current |= candidate.current;
            continue;
        }
        kernels.push((candidate.current, kernel));
    }
    kernels.sort_by(|(a_current, a), (b_current, b)| {
        let by_version = compare_versions(&b.version, &a.version);
        b_current.cmp(a_current).then(by_version)
    });
    Ok((
        kernels.into_iter().map(|(_, kernel)| kernel).collect(),
        skipped,
    ))
}

/// Looks into a file that may be a kernel.
fn examine(
    root: &RootTree,
    places: &Places,
    candidate: Candidate,
) -> Result<Result<Kernel, Skipped>, RootTreeError> {
    let Candidate {
        path,
        named,
        own_modules,
        system,
        ..
    } = candidate;
    let start = root.read_start(&path, HEADER_LENGTH)?;
    let unified = match unified(root, &path, &start)? {
        Ok(unified) => unified,
        Err(reason) => return Ok(Err(Skipped { path, reason })),
    };
    let start = unified
        .as_ref()
        .map_or(&start, |unified| &unified.start)
        .clone();
    let header = match read_header(&start) {
        Ok(header) => header,
        Err(reason) => return Ok(Err(Skipped { path, reason })),
    };
    let (part, uname) = unified.map(|unified| (unified.part, unified.uname)).unzip();
    let whole = part.map_or(0..u64::MAX, |part| {
        part.offset..part.offset.saturating_add(part.length)
    });
    let version = header
        .version
        .or(uname.flatten())
        .or_else(|| is_version(&named).then(|| named.clone()))
        .or_else(|| banner::version(root, &path, whole, &start))
        .or_else(|| places.version_by_modules(root, own_modules.as_deref(), &named));
    let Some(version) = version else {
        let reason = "its version is unknown: name it vmlinuz-<version>";
        return Ok(Err(Skipped { path, reason }));
    };
    let modules = places.modules(root, own_modules.as_deref(), &version);
    let start = places.start(root, system.as_deref());
    let firmware = places.firmware(root, system.as_deref());
    Ok(Ok(Kernel {
        version,
        path,
        part,
        architecture: header.architecture,
        modules,
        firmware,
        start,
    }))
}

/// A kernel within a unified kernel image.
struct Unified {
    part: FilePart,
    start: Vec<u8>,
    uname: Option<String>,
}

/// Takes a unified kernel image apart; `None` for an ordinary kernel.
fn unified(
    root: &RootTree,
    path: &str,
    start: &[u8],
) -> Result<Result<Option<Unified>, &'static str>, RootTreeError> {
    let Some(linux) = pe::section(start, ".linux") else {
        return Ok(Ok(None));
    };
    let last = linux.offset.saturating_add(linux.length).saturating_sub(1);
    if root.read_part(path, last, 1)?.is_empty() {
        return Ok(Err(
            "a unified kernel image that is shorter than its kernel: copy it again",
        ));
    }
    let length = linux.length.min(HEADER_LENGTH);
    let uname = match pe::section(start, ".uname") {
        Some(uname) => root.read_part(path, uname.offset, uname.length.min(MAX_UNAME))?,
        None => Vec::new(),
    };
    let uname = String::from_utf8(uname).unwrap_or_default();
    let uname = uname.trim_matches(['\0', '\n', ' ']);
    Ok(Ok(Some(Unified {
        part: FilePart {
            offset: linux.offset,
            length: linux.length,
        },
        start: root.read_part(path, linux.offset, length)?,
        uname: is_version(uname).then(|| uname.to_owned()),
    })))
}

/// For `tests/fuzz`.
#[cfg(fuzzing)]
pub(crate) fn fuzz_header(start: &[u8]) {
    let _ = header::read_header(start);
}

/// For `tests/fuzz`.
#[cfg(fuzzing)]
pub(crate) fn fuzz_pe(start: &[u8]) {
    let _ = pe::machine(start);
    for name in [".linux", ".initrd", ".uname"] {
        if let Some(section) = pe::section(start, name) {
            assert!(section.length > 0 && section.offset <= u64::from(u32::MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::bzimage;

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
