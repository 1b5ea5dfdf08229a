//! Reads what names a NIC from sysfs. Nothing is decided here.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use super::facts::{DeviceFacts, NicFacts};

/// The offset of the header type in the PCI configuration space.
const HEADER_TYPE: usize = 14;

/// The facts about an interface; `None` if it is not part of a device.
pub(super) fn read(sys: &Path, interface: &str) -> Option<NicFacts> {
    let class = sys.join("class/net").join(interface);
    let device = fs::canonicalize(class.join("device")).ok()?;
    let root = fs::canonicalize(sys).ok()?;
    let ancestors = device.ancestors();
    let ancestors = ancestors.take_while(|path| path.starts_with(root.join("devices")));
    Some(NicFacts {
        devtype: devtype(&class),
        address: attribute(&class, "address"),
        addr_assign_type: attribute(&class, "addr_assign_type"),
        dev_port: attribute(&class, "dev_port"),
        phys_port_name: attribute(&class, "phys_port_name"),
        devices: ancestors
            .filter(|path| path.join("uevent").exists())
            .map(|path| read_device(&root, path))
            .collect(),
        slots: entries(&root.join("bus/pci/slots"))
            .map(|slot| (file_name(&slot), attribute(&slot, "address")))
            .collect(),
        aliases: entries(&root.join("firmware/devicetree/base/aliases"))
            .map(|alias| (file_name(&alias), attribute(&alias, "")))
            .filter(|(name, _)| name.starts_with("ethernet"))
            .collect(),
    })
}

fn read_device(root: &Path, path: &Path) -> DeviceFacts {
    let target = |link: &str| fs::canonicalize(path.join(link)).ok();
    let below = |path: &Path, folder: &str| {
        let path = path.strip_prefix(root.join(folder)).ok();
        path.map(|path| path.display().to_string())
    };
    let virtual_function_of = target("physfn").and_then(|physical| {
        let mut links = entries(&physical);
        let own = links.find(|link| {
            file_name(link).starts_with("virtfn")
                && fs::canonicalize(link).is_ok_and(|target| target == path)
        })?;
        let number = file_name(&own).strip_prefix("virtfn")?.to_owned();
        // A physical function is not a virtual one of another.
        Some((number, Box::new(read_device(root, &physical))))
    });
    DeviceFacts {
        path: below(path, "devices").unwrap_or_default(),
        subsystem: target("subsystem").map_or_else(String::new, |path| file_name(&path)),
        devtype: devtype(path),
        acpi_index: attribute(path, "acpi_index"),
        index: attribute(path, "index"),
        ari_enabled: attribute(path, "ari_enabled"),
        modalias: attribute(path, "modalias"),
        sun: attribute(path, "firmware_node/sun"),
        header_type: header_type(path),
        virtual_function_of,
        of_node: target("of_node")
            .and_then(|node| below(&node, "firmware/devicetree/base"))
            .map_or_else(String::new, |node| format!("/{node}")),
    }
}

fn entries(folder: &Path) -> impl Iterator<Item = std::path::PathBuf> {
    let found = fs::read_dir(folder).into_iter().flatten().flatten();
    found.map(|entry| entry.path())
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// An attribute. `phys_port_name` and others exist but cannot be read where the driver has none.
fn attribute(folder: &Path, name: &str) -> String {
    let path = if name.is_empty() {
        folder.to_owned()
    } else {
        folder.join(name)
    };
    let text = fs::read_to_string(path).unwrap_or_default();
    // The strings of a device tree end with a zero byte.
    text.trim_end_matches(['\n', '\0']).to_owned()
}

fn devtype(folder: &Path) -> String {
    let uevent = attribute(folder, "uevent");
    let mut lines = uevent.lines();
    let value = lines.find_map(|line| line.strip_prefix("DEVTYPE="));
    value.unwrap_or_default().to_owned()
}

fn header_type(folder: &Path) -> Option<u8> {
    let mut start = [0; HEADER_TYPE + 1];
    let mut config = File::open(folder.join("config")).ok()?;
    config.read_exact(&mut start).ok()?;
    start.last().copied()
}
