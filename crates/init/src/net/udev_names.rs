//! The names that udev would give a NIC, from sysfs alone: `eno1`, `ens192`, `enp4s0f1`, `enx525400123456`.
//!
//! ```text
//! sysfs → NicFacts → names
//! ```

mod facts;
mod names;
mod sysfs;

pub(crate) use names::UdevName;

use netroot_proto::cmdline::UdevNaming;

/// The names of an interface, as udev would choose among them; none for an interface without a device.
pub(crate) fn of(interface: &str, naming: UdevNaming) -> Vec<UdevName> {
    // To read the facts takes a hundred files of sysfs.
    if naming == UdevNaming::Off {
        return Vec::new();
    }
    let facts = sysfs::read(interface);
    facts.map_or_else(Vec::new, |facts| names::names(&facts, naming))
}
