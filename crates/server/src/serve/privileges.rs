//! Capabilities: those needed to start are checked, and all but one are dropped before serving.
//!
//! Capabilities belong to threads, so they are dropped while there is only one; later threads inherit its set.

use std::fmt;

use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_no_new_privs,
};

/// Needed to start: ports below 1024, the interface and whole frames, and any file of the root.
const TO_START: [(CapabilitySet, &str); 3] = [
    (
        CapabilitySet::NET_BIND_SERVICE,
        "ports 67 and 69 (DHCP, TFTP)",
    ),
    (
        CapabilitySet::NET_RAW,
        "the interface and the packet socket (answers to machines without an address)",
    ),
    (
        CapabilitySet::DAC_READ_SEARCH,
        "reading every file of the root, whoever owns it",
    ),
];

/// The server lacks capabilities, or could not drop them.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PrivilegeError {
    /// The capabilities could not be read.
    #[error("cannot read this process's capabilities")]
    Unknown(#[source] Errno),
    /// Not root, or a root without the capabilities.
    #[error("serving needs root, for {missing}; start netroot with sudo")]
    Missing {
        /// What each missing capability is for.
        missing: Missing,
    },
    /// The capabilities could not be dropped.
    #[error("cannot drop the capabilities that are no longer needed")]
    Keep(#[source] Errno),
}

/// A list for people.
#[derive(Debug)]
pub(crate) struct Missing(Vec<&'static str>);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}

/// Checks that this process may do everything that serving needs.
///
/// # Errors
/// Names everything that is missing at once.
pub(crate) fn check() -> Result<(), PrivilegeError> {
    let held = capabilities(None)
        .map_err(PrivilegeError::Unknown)?
        .effective;
    let missing: Vec<_> = TO_START
        .iter()
        .filter(|(capability, _)| !held.contains(*capability))
        .map(|(_, what)| *what)
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(PrivilegeError::Missing {
            missing: Missing(missing),
        })
    }
}

/// Drops every capability but `CAP_DAC_READ_SEARCH`, which reading the root's files and opening a file by its handle
/// need, for good: neither a child nor a set-uid program regains one.
///
/// # Errors
/// The kernel's.
pub(crate) fn give_up() -> Result<(), PrivilegeError> {
    let only = CapabilitySet::DAC_READ_SEARCH;
    let sets = CapabilitySets {
        effective: only,
        permitted: only,
        inheritable: CapabilitySet::empty(),
    };
    set_no_new_privs(true).map_err(PrivilegeError::Keep)?;
    set_capabilities(None, sets).map_err(PrivilegeError::Keep)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_capabilities_are_gone_for_the_thread_and_its_children() {
        // A thread of its own: capabilities belong to threads, and the other tests may need theirs.
        std::thread::spawn(|| {
            let root = capabilities(None)
                .unwrap()
                .permitted
                .contains(CapabilitySet::DAC_READ_SEARCH);
            if !root {
                // Without the one that is kept, the kernel refuses to "keep" it.
                assert!(give_up().is_err());
                assert!(
                    check()
                        .unwrap_err()
                        .to_string()
                        .contains("start netroot with sudo")
                );
                return;
            }
            give_up().unwrap();
            let left = std::thread::spawn(|| capabilities(None).unwrap())
                .join()
                .unwrap();
            assert_eq!(left.permitted, CapabilitySet::DAC_READ_SEARCH);
            let missing = check().unwrap_err().to_string();
            assert!(missing.contains("ports 67 and 69"), "{missing}");
        })
        .join()
        .unwrap();
    }
}
