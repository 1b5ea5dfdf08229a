//! The generations of NixOS and Guix System: each is a system of its own, with a kernel.

use std::time::{Duration, SystemTime};

use super::places::PROFILES;
use crate::root_tree::RootTree;

/// Where a system has its kernel: Guix System, and NixOS.
const KERNELS: [&str; 3] = ["kernel/bzImage", "kernel/Image", "kernel"];

/// A generation that can be booted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// Its number, from 1.
    pub number: u32,
    /// Its kernel's path in the root, as [`super::choose_kernel`] takes it.
    pub kernel: String,
    /// When it was made; `None` where the file system does not say.
    pub made: Option<SystemTime>,
}

/// The generations of a root, the newest first. None in a root without any.
pub fn generations(root: &RootTree) -> Vec<Generation> {
    let mut generations = Vec::new();
    for profiles in PROFILES {
        for name in root.names_in(profiles).unwrap_or_default() {
            let number = name.strip_prefix("system-");
            let number = number.and_then(|rest| rest.strip_suffix("-link"));
            let Some(number) = number.and_then(|number| number.parse().ok()) else {
                continue;
            };
            let system = format!("{profiles}/{name}");
            let kernels = KERNELS.map(|kernel| format!("{system}/{kernel}"));
            let kernel = kernels
                .into_iter()
                .find(|path| root.open_file(path).is_ok());
            generations.extend(kernel.map(|kernel| Generation {
                number,
                kernel,
                made: root.link_modified(&system).and_then(time),
            }));
        }
    }
    generations.sort_by_key(|generation| std::cmp::Reverse(generation.number));
    generations
}

/// A time of a file, in seconds since 1970. A store's files have the time 1.
fn time(seconds: i64) -> Option<SystemTime> {
    let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds > 1)?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::choose_kernel;
    use crate::fixture::bzimage;

    #[test]
    fn each_generation_has_its_own_kernel_and_the_newest_is_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let profiles = path("var/guix/profiles");
        std::fs::create_dir_all(&profiles).unwrap();
        for (number, version) in [(9, "6.1.0"), (10, "6.2.0"), (11, "")] {
            let system = format!("gnu/store/{number}-system");
            let modules = path(&format!("{system}/kernel/lib/modules/{version}"));
            std::fs::create_dir_all(&modules).unwrap();
            for file in ["boot", "activate"] {
                std::fs::write(path(&format!("{system}/{file}")), "").unwrap();
            }
            if !version.is_empty() {
                std::fs::write(path(&format!("{system}/kernel/bzImage")), bzimage(version))
                    .unwrap();
                std::fs::write(modules.join("modules.dep"), "").unwrap();
            }
            let link = profiles.join(format!("system-{number}-link"));
            symlink(format!("/{system}"), link).unwrap();
        }
        symlink("system-9-link", profiles.join("system")).unwrap();
        symlink("/gnu/store/9-system", profiles.join("system-x-link")).unwrap();
        let root = RootTree::open(folder.path()).unwrap();
        let found = generations(&root);
        let numbers: Vec<u32> = found.iter().map(|one| one.number).collect();
        assert_eq!(numbers, [10, 9]);
        assert!(found.iter().all(|one| one.made.is_some()));
        for (generation, version) in found.iter().zip(["6.2.0", "6.1.0"]) {
            let kernel = choose_kernel(&root, Some(&generation.kernel)).unwrap();
            let by_number = format!("@{}", generation.number);
            assert_eq!(choose_kernel(&root, Some(&by_number)).unwrap(), kernel);
            assert_eq!(kernel.version, version);
            let system = format!("/var/guix/profiles/system-{}-link", generation.number);
            let start = format!("gnu.system={system} gnu.load={system}/boot");
            assert_eq!(kernel.start, Some(start));
            let modules = format!("{system}/kernel/lib/modules/{version}");
            assert_eq!(kernel.modules, Some(modules));
        }
        assert_eq!(choose_kernel(&root, None).unwrap().version, "6.1.0");
        let error = choose_kernel(&root, Some("@11")).unwrap_err().to_string();
        assert!(error.contains("there is no generation 11 in "), "{error}");
        assert!(error.ends_with("; it has 10, 9"), "{error}");
    }
}
