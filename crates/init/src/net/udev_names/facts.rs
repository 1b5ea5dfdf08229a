//! What sysfs says about a NIC. Attributes are as the kernel writes them, without the line's end; empty if absent.

/// A NIC.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct NicFacts {
    /// `DEVTYPE` of its `uevent`: `wlan`, `wwan`, or empty.
    pub(super) devtype: String,
    /// The Ethernet address, with colons.
    pub(super) address: String,
    /// Where the address is from (`NET_ADDR_*`): 0 is the hardware.
    pub(super) addr_assign_type: String,
    /// Which port of its device it is, from 0.
    pub(super) dev_port: String,
    /// The name of the port: `p0`, `pf0vf1`.
    pub(super) phys_port_name: String,
    /// The devices that it is part of, the nearest first.
    pub(super) devices: Vec<DeviceFacts>,
    /// The hotplug slots of PCI: names and addresses (`0000:00:03`).
    pub(super) slots: Vec<(String, String)>,
    /// The aliases of the device tree that begin with `ethernet`, and their paths.
    pub(super) aliases: Vec<(String, String)>,
}

/// A device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct DeviceFacts {
    /// Its path below `/sys/devices`: `pci0000:00/0000:00:03.0`.
    pub(super) path: String,
    /// Its subsystem: `pci`, `usb`, `virtio`.
    pub(super) subsystem: String,
    /// `DEVTYPE` of its `uevent`: `usb_interface`.
    pub(super) devtype: String,
    /// The firmware's number for it (ACPI `_DSM`).
    pub(super) acpi_index: String,
    /// The firmware's number for it (SMBIOS type 41).
    pub(super) index: String,
    /// Whether its functions are numbered across slots (PCI ARI).
    pub(super) ari_enabled: String,
    pub(super) modalias: String,
    /// The number of its slot (ACPI `_SUN`).
    pub(super) sun: String,
    /// The header type of its PCI configuration space; bit 7: it has several functions.
    pub(super) header_type: Option<u8>,
    /// For a virtual function: its number among those of the physical function, and that.
    pub(super) virtual_function_of: Option<(String, Box<DeviceFacts>)>,
    /// Its node of the device tree: `/soc/ethernet@7d580000`.
    pub(super) of_node: String,
}

impl DeviceFacts {
    /// Its own name: `0000:00:03.0`.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}
