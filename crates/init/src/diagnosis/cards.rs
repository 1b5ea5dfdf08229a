//! Why there is no NIC: network cards on the PCI bus that no driver is bound to.

use std::fs;
use std::path::Path;

use netroot_proto::boot_report::NO_DRIVER;

use crate::modules::{Loader, NO_SIGNATURE, SIGNATURE_ADVICE};

/// A network card on the PCI bus without a driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnclaimedCard {
    /// Vendor and device: `8086:15f3`.
    pub(crate) id: String,
    /// The string that the aliases of drivers are matched against.
    pub(crate) modalias: String,
    /// Modules of the initrd whose aliases match it.
    pub(crate) modules: Vec<String>,
    /// One of them has no signature that the kernel trusts.
    pub(crate) is_unsigned: bool,
}

/// Finds the network cards without a driver.
pub(crate) fn unclaimed_cards(loader: &Loader) -> Vec<UnclaimedCard> {
    let Ok(devices) = fs::read_dir("/sys/bus/pci/devices") else {
        return Vec::new();
    };
    let read = |path: &Path, name: &str| {
        let text = fs::read_to_string(path.join(name)).unwrap_or_default();
        text.trim().trim_start_matches("0x").to_owned()
    };
    let paths = devices.flatten().map(|device| device.path());
    paths
        // PCI class 02: network controller.
        .filter(|path| read(path, "class").starts_with("02") && !path.join("driver").exists())
        .map(|path| {
            let modalias = read(&path, "modalias");
            let modules = loader.modules_for(&modalias);
            UnclaimedCard {
                id: format!("{}:{}", read(&path, "vendor"), read(&path, "device")),
                is_unsigned: modules.iter().any(|name| loader.is_unsigned(name)),
                modules,
                modalias,
            }
        })
        .collect()
}

/// What to do about a machine without a NIC.
pub(crate) fn no_nic_advice(devices: &[UnclaimedCard]) -> String {
    let absent: Vec<String> = devices
        .iter()
        .filter(|device| device.modules.is_empty())
        .map(|device| format!("{} ({})", device.id, device.modalias))
        .collect();
    if !absent.is_empty() {
        let absent = absent.join(" and ");
        return format!("{NO_DRIVER} {absent}: build it with netroot initrd --modules netboot");
    }
    match devices.first() {
        Some(UnclaimedCard {
            id,
            modules,
            is_unsigned: true,
            ..
        }) => {
            let modules = modules.join(", ");
            format!("{modules} for PCI device {id}: {NO_SIGNATURE}; {SIGNATURE_ADVICE}")
        }
        Some(UnclaimedCard { id, modules, .. }) => {
            let modules = modules.join(", ");
            format!(
                "{modules} did not bind to PCI device {id}: look for its messages in the kernel's log, and for missing firmware"
            )
        }
        None => "check that the machine has one, that the firmware has it enabled, and that its driver is in the initrd (netroot initrd --modules)".to_owned(),
    }
}
