//! What the renewer may do while the machine runs: it reads what anybody on the network sends.
//!
//! It stays user 0, since systemd kills processes of all others at shutdown, whatever their name (`ignore_proc` in its
//! `killall.c`), and since its file in `/run` is root's. Everything else that it needs is open by then, or is public.

use rustix::io::{Errno, Result};
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, CapabilitySets, capabilities,
    clear_ambient_capability_set, remove_capability_from_bounding_set, set_capabilities,
    set_capabilities_secure_bits, set_no_new_privs,
};

/// The address and its routes; the packet socket; the shutdown in systemd's place.
const KEPT: CapabilitySet = CapabilitySet::NET_ADMIN
    .union(CapabilitySet::NET_RAW)
    .union(CapabilitySet::SYS_BOOT);

/// User 0 has no rights by its number: neither by executing a program nor by changing to it. Locked.
const SECURE_BITS: CapabilitiesSecureBits = CapabilitiesSecureBits::NO_ROOT
    .union(CapabilitiesSecureBits::NO_ROOT_LOCKED)
    .union(CapabilitiesSecureBits::NO_SETUID_FIXUP)
    .union(CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED)
    .union(CapabilitiesSecureBits::KEEP_CAPS_LOCKED)
    .union(CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE)
    .union(CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED);

/// Drops every other right of this thread, for good.
///
/// # Errors
/// The kernel's. What could be dropped is dropped.
pub(super) fn give_up() -> Result<()> {
    // While there is the right to. `EINVAL`: Linux before 4.3 has no ambient set, and fewer capabilities than 64.
    let known = |dropped: Result<()>| match dropped {
        Err(Errno::INVAL) => Ok(()),
        other => other,
    };
    let secured = known(set_capabilities_secure_bits(SECURE_BITS));
    let ambient = known(clear_ambient_capability_set());
    let bounded = (0..u64::BITS)
        .map(|bit| CapabilitySet::from_bits_retain(1 << bit))
        .filter(|capability| !KEPT.contains(*capability))
        .try_for_each(|capability| known(remove_capability_from_bounding_set(capability)));
    let kept = KEPT.intersection(capabilities(None)?.permitted);
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, sets)
        .and(set_no_new_privs(true))
        .and(secured)
        .and(ambient)
        .and(bounded)
}

#[cfg(test)]
mod tests {
    use rustix::thread::capability_is_in_bounding_set;

    use super::*;

    #[test]
    fn what_is_kept_suffices_for_the_network_and_nothing_else() {
        // A thread of its own: capabilities belong to threads, and the other tests may need theirs.
        std::thread::spawn(|| {
            let before = capabilities(None).unwrap().effective;
            if !before.contains(KEPT.union(CapabilitySet::SETPCAP)) {
                // Not root.
                assert!(give_up().is_err());
                return;
            }
            give_up().unwrap();
            let left = capabilities(None).unwrap();
            assert_eq!((left.permitted, left.effective), (KEPT, KEPT));
            assert!(left.inheritable.is_empty());
            assert!(capability_is_in_bounding_set(CapabilitySet::NET_RAW).unwrap());
            assert!(!capability_is_in_bounding_set(CapabilitySet::SYS_ADMIN).unwrap());
            // The loopback interface.
            assert!(netroot_sys::packet::PacketSocket::for_dhcp_client(1).is_ok());
            assert!(std::fs::write("/proc/self/oom_score_adj", "-1000").is_err());
            assert_eq!(set_capabilities_secure_bits(SECURE_BITS), Err(Errno::PERM));
        })
        .join()
        .unwrap();
    }
}
