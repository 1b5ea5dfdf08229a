//! Why there is no NIC: network cards that no driver is bound to.

use std::fmt::{self, Display, Formatter};
use std::fs;
use std::path::Path;

use netroot_proto::boot_report::NO_DRIVER;

use crate::modules::{Loader, NO_SIGNATURE, SIGNATURE_ADVICE};

/// A bus that lists its network cards in sysfs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bus {
    Pci,
    /// A virtio card is a PCI device as well, whose driver is `virtio_pci`; that one offers the device on this bus, which
    /// `virtio_net` is for.
    Virtio,
}

impl Bus {
    const ALL: [Self; 2] = [Self::Pci, Self::Virtio];

    fn devices(self) -> &'static str {
        match self {
            Self::Pci => "/sys/bus/pci/devices",
            Self::Virtio => "/sys/bus/virtio/devices",
        }
    }

    /// The attribute that tells what kind of device it is, and how it begins for a network card.
    fn network_card(self) -> (&'static str, &'static str) {
        match self {
            // PCI class 02: network controller.
            Self::Pci => ("class", "02"),
            // VIRTIO_ID_NET (include/uapi/linux/virtio_ids.h).
            Self::Virtio => ("device", "0001"),
        }
    }
}

impl Display for Bus {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pci => "PCI",
            Self::Virtio => "virtio",
        })
    }
}

/// A network card without a driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnclaimedCard {
    pub(crate) bus: Bus,
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
    let cards = |bus| unclaimed_cards_of(bus, loader);
    Bus::ALL.into_iter().flat_map(cards).collect()
}

fn unclaimed_cards_of(bus: Bus, loader: &Loader) -> Vec<UnclaimedCard> {
    let Ok(devices) = fs::read_dir(bus.devices()) else {
        return Vec::new();
    };
    let (kind, network_card) = bus.network_card();
    let read = |path: &Path, name: &str| {
        let text = fs::read_to_string(path.join(name)).unwrap_or_default();
        text.trim().trim_start_matches("0x").to_owned()
    };
    let paths = devices.flatten().map(|device| device.path());
    paths
        .filter(|path| read(path, kind).starts_with(network_card) && !path.join("driver").exists())
        .map(|path| {
            let modalias = read(&path, "modalias");
            let modules = loader.modules_for(&modalias);
            UnclaimedCard {
                bus,
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
        .map(|device| format!("{} device {} ({})", device.bus, device.id, device.modalias))
        .collect();
    if !absent.is_empty() {
        let absent = absent.join(" and ");
        return format!("{NO_DRIVER} {absent}: build it with netroot initrd --modules netboot");
    }
    match devices.first() {
        Some(UnclaimedCard {
            bus,
            id,
            modules,
            is_unsigned: true,
            ..
        }) => {
            let modules = modules.join(", ");
            format!("{modules} for {bus} device {id}: {NO_SIGNATURE}; {SIGNATURE_ADVICE}")
        }
        Some(UnclaimedCard {
 bus, id, modules, .. }) => {
            let modules = modules.join(", ");
            format!(
                "{modules} did not bind to {bus} device {id}: look for its messages in the kernel's log, and for missing firmware"
            )
        }
        None => "check that the machine has one, that the firmware has it enabled, and that its driver is in the initrd (netroot initrd --modules)".to_owned(),
    }
}
