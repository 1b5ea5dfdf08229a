//! What `netroot serve` needs to start, and the little of it that serving needs.

mod container;

use std::fmt;
use std::path::PathBuf;

use netroot_nfs_export::ThreadStates;
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, capabilities};

use crate::confinement::Confinement;
use crate::confinement::folders::{self, Owner};
use crate::confinement::identity::Identity;
use crate::confinement::seccomp::Work;
use crate::serve::events::Warning;
use crate::settings::Settings;

/// Needed to start: ports below 1024, the interface and whole frames, and any file of the root.
const TO_START: [(CapabilitySet, &str, &str); 3] = [
    (
        CapabilitySet::NET_BIND_SERVICE,
        "CAP_NET_BIND_SERVICE",
        "ports 67 and 69 (DHCP, TFTP)",
    ),
    (
        CapabilitySet::NET_RAW,
        "CAP_NET_RAW",
        "the interface and the packet socket (answers to machines without an address)",
    ),
    (
        CapabilitySet::DAC_READ_SEARCH,
        "CAP_DAC_READ_SEARCH",
        "reading every file of the root, whoever owns it",
    ),
];

/// Needed by root alone, to become somebody else.
const TO_STOP_BEING_ROOT: [(CapabilitySet, &str, &str); 2] = [
    (
        CapabilitySet::SETUID,
        "CAP_SETUID",
        "becoming an unprivileged user",
    ),
    (
        CapabilitySet::SETGID,
        "CAP_SETGID",
        "becoming an unprivileged group",
    ),
];

/// Files that are read while serving, beside the roots: the time zone of log lines, and whether this process's threads wait.
const ALSO_READ: [&str; 3] = [
    "/etc/localtime",
    "/usr/share/zoneinfo",
    ThreadStates::DIRECTORY,
];

/// The server lacks capabilities.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PrivilegeError {
    /// The capabilities could not be read.
    #[error("cannot read this process's capabilities")]
    Unknown(#[source] Errno),
    /// Not root.
    #[error("serving needs root, for {missing}; start netroot with sudo")]
    Missing {
        /// What each missing capability is for.
        missing: Missing,
    },
    /// A root without the capabilities, as in a container.
    #[error("root cannot serve here without {missing:#}; {cure}")]
    Withheld {
        /// The capabilities and what they are for.
        missing: Missing,
        /// How they are given.
        cure: String,
    },
}

/// The names of capabilities, and what each is for. Displayed as the latter alone; in the alternate form with the names.
#[derive(Debug)]
pub(crate) struct Missing(Vec<(&'static str, &'static str)>);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (name, what)) in self.0.iter().enumerate() {
            let comma = if number > 0 { ", " } else { "" };
            match f.alternate() {
                true => write!(f, "{comma}{name} for {what}")?,
                false => write!(f, "{comma}{what}")?,
            }
        }
        Ok(())
    }
}

/// Checks that this process may do everything that serving needs: as root, or as another user with the capabilities
/// (systemd's `User=` and `AmbientCapabilities=`).
///
/// # Errors
/// Names everything that is missing at once.
pub(crate) fn check() -> Result<(), PrivilegeError> {
    let held = capabilities(None)
        .map_err(PrivilegeError::Unknown)?
        .effective;
    let root = rustix::process::geteuid().is_root();
    match missing(held, root) {
        missing if missing.is_empty() => Ok(()),
        missing if root => {
            let names: Vec<_> = missing.iter().map(|(name, _)| *name).collect();
            Err(PrivilegeError::Withheld {
                cure: container::cure(container::find(), &names),
                missing: Missing(missing),
            })
        }
        missing => Err(PrivilegeError::Missing {
            missing: Missing(missing),
        }),
    }
}

/// Checks that this process may make isolated networks.
///
/// # Errors
/// Names the capability.
pub(crate) fn check_isolation() -> Result<(), PrivilegeError> {
    let held = capabilities(None)
        .map_err(PrivilegeError::Unknown)?
        .effective;
    if held.contains(CapabilitySet::NET_ADMIN) {
        return Ok(());
    }
    let name = "CAP_NET_ADMIN";
    let missing = Missing(vec![(
        name,
        "isolated networks (their addresses, firewall and NAT)",
    )]);
    match rustix::process::geteuid().is_root() {
        true => Err(PrivilegeError::Withheld {
            cure: container::cure(container::find(), &[name]),
            missing,
        }),
        false => Err(PrivilegeError::Missing { missing }),
    }
}

fn missing(held: CapabilitySet, root: bool) -> Vec<(&'static str, &'static str)> {
    let more: &[_] = if root { &TO_STOP_BEING_ROOT } else { &[] };
    let needed = TO_START.iter().chain(more);
    needed
        .filter(|(capability, ..)| !held.contains(*capability))
        .map(|(_, name, what)| (*name, *what))
        .collect()
}

/// Creates the state and cache folders, and hands them over to the user that will serve. Returns those that are
/// netroot's. Without them netroot still serves: a failure to save something is reported where it is written.
pub(crate) fn prepare_folders(
    settings: &Settings,
    identity: Option<Identity>,
    warn: impl Fn(Warning),
) -> Vec<PathBuf> {
    let (state, cache) = (&settings.state, &settings.cache);
    // The state is the export's key, and who has which address; the cache is what any machine may fetch.
    let all = [
        (state, 0o700, Some(cache.as_path()), "--state", false),
        (cache, 0o755, None, "--cache", settings.uki.is_some()),
    ];
    let mut ours = Vec::new();
    for (folder, mode, inside, option, has_unified) in all {
        match folders::prepare(folder, mode, inside, identity) {
            Ok(Owner::Ours) => ours.push(folder.clone()),
            Ok(Owner::Another) => warn(Warning::NotOurFolder {
                folder: folder.clone(),
                option,
                has_unified,
            }),
            Err(error) if folder == state => warn(Warning::StateFolder {
                folder: folder.clone(),
                error: error.to_string(),
            }),
            // The initrd is built elsewhere then, at every start.
            Err(_) => {}
        }
    }
    ours
}

/// What is left once everything is open: `CAP_DAC_READ_SEARCH`, which reading the root's files and opening a file by its
/// handle need; the roots, `--tftp-dir` and `--secure-boot-files`, and `folders` to write to. iPXE's files, kernels and initrds are open by
/// then, as are all sockets that listen.
pub(crate) fn to_serve(
    settings: &Settings,
    identity: Option<Identity>,
    folders: Vec<PathBuf>,
) -> Confinement {
    // Kernels and modules are looked at in those that another server exports, too.
    let roots = settings.catalog.roots();
    let signed = settings.catalog.roots();
    let signed = signed.filter_map(|(_, root)| root.secure_boot_files.as_ref());
    let roots = roots.map(|(_, root)| root.directory.clone());
    let also = ALSO_READ.iter().map(PathBuf::from);
    Confinement {
        identity,
        capabilities: CapabilitySet::DAC_READ_SEARCH,
        read: (roots.chain(settings.roots.clone()))
            .chain(settings.tftp_dir.clone())
            .chain(signed.cloned())
            .chain(also)
            .collect(),
        write: folders,
        work: Work::Serving,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::confinement::restrict_files;

    #[test]
    fn a_confined_server_knows_which_of_its_threads_wait() {
        let known = |read: Vec<PathBuf>| {
            // What the export opens when it starts, below what was held open until then.
            let _held = ThreadStates::open();
            let confined = std::thread::spawn(move || {
                let confined = restrict_files(&read, &[]).unwrap();
                confined.then(|| ThreadStates::open().are_known())
            });
            confined.join().unwrap()
        };
        // Without Landlock it is not asked.
        let kept = to_serve(&Settings::default(), None, Vec::new());
        assert_ne!(known(kept.read), Some(false));
        assert_ne!(known(Vec::new()), Some(true), "it is allowed by the rule");
    }

    #[test]
    fn a_user_with_three_capabilities_may_serve_and_root_needs_to_become_another() {
        let three = TO_START
            .iter()
            .fold(CapabilitySet::empty(), |all, (one, ..)| all | *one);
        assert!(missing(three, false).is_empty());
        assert_eq!(missing(three, true).len(), 2);
        assert!(missing(CapabilitySet::all(), true).is_empty());
        let none = Missing(missing(CapabilitySet::empty(), false)).to_string();
        assert!(none.contains("ports 67 and 69"), "{none}");
    }

    #[test]
    fn root_in_a_container_is_not_told_to_use_sudo() {
        let docker = TO_START[0].0 | TO_START[1].0 | CapabilitySet::SETUID | CapabilitySet::SETGID;
        let error = PrivilegeError::Withheld {
            missing: Missing(missing(docker, true)),
            cure: "cure".to_owned(),
        };
        assert_eq!(
            error.to_string(),
            "root cannot serve here without CAP_DAC_READ_SEARCH for reading every file of the root, whoever owns it; cure"
        );
    }
}
