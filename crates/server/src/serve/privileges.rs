//! What the server may do: all that it needs to start, then only what it needs to serve.
//!
//! Capabilities belong to threads, so they are given up while there is one thread; every later one inherits that.

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

/// Why the server may not start, or may do more than it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PrivilegeError {
    /// The kernel does not say what we may do.
    #[error("the kernel does not tell this process's capabilities")]
    Unknown(#[source] Errno),
    /// Not root, or a root without what it takes.
    #[error("serving needs root, for {missing}; start netroot with sudo")]
    Missing {
        /// What cannot be done without.
        missing: Missing,
    },
    /// What was to be given up is still there.
    #[error("the capabilities that are not needed any more could not be given up")]
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

/// Fails with everything that this process lacks, so that nobody finds out one by one.
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

/// Gives up everything but reading the root's files (`CAP_DAC_READ_SEARCH`, which opening a file by its handle
/// needs as well), for good: neither a child nor a set-uid program brings anything back.
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
    fn what_is_given_up_is_gone_for_the_thread_and_its_children() {
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
