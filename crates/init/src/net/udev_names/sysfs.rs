//! Reads what names a NIC from sysfs. Nothing is decided here. Paths are text, which takes less code than `Path`.

use std::fs::{self, File};
use std::io::Read;

use super::facts::{DeviceFacts, NicFacts};

const DEVICES: &str = "/sys/devices/";
const DEVICE_TREE: &str = "/sys/firmware/devicetree/base";
/// The offset of the header type in the PCI configuration space.
const HEADER_TYPE: usize = 14;

/// The facts about an interface; `None` if it is not part of a device.
pub(super) fn read(interface: &str) -> Option<NicFacts> {
    let class = format!("/sys/class/net/{interface}");
    let mut path = target(&class, "device")?;
    let mut nic = NicFacts {
        devtype: devtype(&class),
        address: attribute(&class, "address"),
        addr_assign_type: attribute(&class, "addr_assign_type"),
        dev_port: attribute(&class, "dev_port"),
        phys_port_name: attribute(&class, "phys_port_name"),
        ..NicFacts::default()
    };
    while path.starts_with(DEVICES) {
        if fs::exists(format!("{path}/uevent")).unwrap_or(false) {
            nic.devices.push(read_device(&path));
        }
        path.truncate(path.rfind('/').unwrap_or_default());
    }
    let slots = "/sys/bus/pci/slots";
    for slot in names(slots) {
        let address = attribute(&format!("{slots}/{slot}"), "address");
        nic.slots.push((slot, address));
    }
    let aliases = format!("{DEVICE_TREE}/aliases");
    for alias in names(&aliases) {
        if alias.starts_with("ethernet") {
            let node = attribute(&aliases, &alias);
            nic.aliases.push((alias, node));
        }
    }
    Some(nic)
}

fn read_device(path: &str) -> DeviceFacts {
    let mut device = DeviceFacts {
        path: path.strip_prefix(DEVICES).unwrap_or_default().to_owned(),
        devtype: devtype(path),
        acpi_index: attribute(path, "acpi_index"),
        index: attribute(path, "index"),
        ari_enabled: attribute(path, "ari_enabled"),
        modalias: attribute(path, "modalias"),
        sun: attribute(path, "firmware_node/sun"),
        header_type: header_type(path),
        ..DeviceFacts::default()
    };
    if let Some(subsystem) = target(path, "subsystem") {
        let name = subsystem.rsplit('/').next();
        device.subsystem = name.unwrap_or_default().to_owned();
    }
    if let Some(node) = target(path, "of_node") {
        let node = node.strip_prefix(DEVICE_TREE);
        device.of_node = node.unwrap_or_default().to_owned();
    }
    if let Some(physical) = target(path, "physfn") {
        for link in names(&physical) {
            if let Some(number) = link.strip_prefix("virtfn")
                && target(&physical, &link).is_some_and(|own| own == path)
            {
                // A physical function is not a virtual one of another.
                let physical = Box::new(read_device(&physical));
                device.virtual_function_of = Some((number.to_owned(), physical));
                break;
            }
        }
    }
    device
}

/// What a link leads to.
fn target(folder: &str, link: &str) -> Option<String> {
    let path = fs::canonicalize(format!("{folder}/{link}")).ok()?;
    path.into_os_string().into_string().ok()
}

/// The names of what is in a folder.
fn names(folder: &str) -> Vec<String> {
    let mut names = Vec::new();
    if let Ok(entries) = fs::read_dir(folder) {
        for entry in entries.flatten() {
            names.extend(entry.file_name().into_string().ok());
        }
    }
    names
}

/// An attribute. `phys_port_name` and others exist but cannot be read where the driver has none.
fn attribute(folder: &str, name: &str) -> String {
    let text = fs::read_to_string(format!("{folder}/{name}")).unwrap_or_default();
    // The strings of a device tree end with a zero byte.
    text.trim_end_matches(['\n', '\0']).to_owned()
}

fn devtype(folder: &str) -> String {
    let uevent = attribute(folder, "uevent");
    let mut lines = uevent.lines();
    let value = lines.find_map(|line| line.strip_prefix("DEVTYPE="));
    value.unwrap_or_default().to_owned()
}

fn header_type(folder: &str) -> Option<u8> {
    let mut start = [0; HEADER_TYPE + 1];
    let mut config = File::open(format!("{folder}/config")).ok()?;
    config.read_exact(&mut start).ok()?;
    start.last().copied()
}
