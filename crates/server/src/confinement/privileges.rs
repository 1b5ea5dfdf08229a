//! The user, its groups and the capabilities of this process: given up for good.
//!
//! All of these belong to threads, so they are given up while there is only one; later threads inherit what is left.

use rustix::io::Errno;
use rustix::process::{
    DumpableBehavior, Gid, Uid, parent_process_death_signal, set_dumpable_behavior,
    set_parent_process_death_signal,
};
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, CapabilitySets, capabilities,
    capability_is_in_bounding_set, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_capabilities_secure_bits,
    set_keep_capabilities, set_no_new_privs, set_thread_groups, set_thread_res_gid,
    set_thread_res_uid,
};

use super::identity::Identity;

/// Keeps those of the capabilities `keep` that this process has, whoever it is; programs that it starts have no more.
///
/// # Errors
/// The kernel's.
pub(super) fn limit(keep: CapabilitySet) -> Result<(), Errno> {
    let held = capabilities(None)?;
    if held.effective.contains(CapabilitySet::SETPCAP) {
        empty_bounding_set(keep)?;
    }
    let sets = CapabilitySets {
        effective: held.effective & keep,
        permitted: held.permitted & keep,
        // Where a service manager has given them to an unprivileged user, its children have them from here.
        inheritable: held.inheritable & keep,
    };
    set_capabilities(None, sets)?;
    set_no_new_privs(true)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
}

/// A kernel that does not know a capability has nothing to remove.
fn empty_bounding_set(but: CapabilitySet) -> Result<(), Errno> {
    for capability in CapabilitySet::all().difference(but).iter() {
        if capability_is_in_bounding_set(capability).unwrap_or(false) {
            remove_capability_from_bounding_set(capability)?;
        }
    }
    Ok(())
}

/// Becomes `identity` (or stays who it is), keeps those of the capabilities `keep` that it has, and makes sure that
/// neither a child nor a set-uid program ever has more.
///
/// # Errors
/// The kernel's: what cannot be given up is a reason not to go on.
pub(super) fn give_up(identity: Option<Identity>, keep: CapabilitySet) -> Result<(), Errno> {
    let held = capabilities(None)?;
    // Only the unit's or container's settings can do this for a process that may not.
    if held.effective.contains(CapabilitySet::SETPCAP) {
        empty_bounding_set(CapabilitySet::empty())?;
        let root_is_nobody = CapabilitiesSecureBits::NO_ROOT
            | CapabilitiesSecureBits::NO_ROOT_LOCKED
            | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
            | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED;
        set_capabilities_secure_bits(root_is_nobody)?;
    }
    clear_ambient_capability_set()?;
    // A change of user forgets the signal that a supervisor wants sent when it dies.
    let death = parent_process_death_signal()?;
    if let Some(Identity { uid, gid }) = identity {
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        set_keep_capabilities(true)?;
        set_thread_groups(&[])?;
        set_thread_res_gid(gid, gid, gid)?;
        set_thread_res_uid(uid, uid, uid)?;
    }
    let left = held.permitted & keep;
    let sets = CapabilitySets {
        effective: left,
        permitted: left,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, sets)?;
    set_keep_capabilities(false)?;
    set_no_new_privs(true)?;
    // Other processes of this user neither trace this one nor find its memory in a core dump.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    if death.is_some() {
        set_parent_process_death_signal(death)?;
    }
    Ok(())
}
