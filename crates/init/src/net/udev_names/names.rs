//! From what sysfs says about a NIC to its names, as udev's `net_id` makes them: systemd.net-naming-scheme(7) and
//! systemd's `src/udev/udev-builtin-net_id.c`. Pure.

use netroot_proto::cmdline::UdevNaming;

use super::facts::{DeviceFacts, NicFacts};

/// A name that udev would give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UdevName {
    /// The name: `enp4s0`.
    pub(crate) name: String,
    /// What it is made of: "onboard", "slot", "path" or "MAC".
    pub(crate) kind: &'static str,
    /// The newest naming scheme that has it, by systemd's version.
    pub(crate) scheme: u16,
}

/// The naming schemes that differ for the NICs of this init, the newest first.
const SCHEMES: [u16; 12] = [257, 255, 254, 253, 252, 251, 250, 249, 247, 240, 239, 238];

/// The names of a NIC by one scheme or by all, the newest first; within a scheme in udev's order of preference.
pub(super) fn names(nic: &NicFacts, naming: UdevNaming) -> Vec<UdevName> {
    let schemes = match naming {
        UdevNaming::Off => Vec::new(),
        UdevNaming::Scheme(version) => vec![version],
        UdevNaming::AnyScheme => SCHEMES.to_vec(),
    };
    let mut names: Vec<UdevName> = Vec::new();
    for scheme in schemes {
        for (kind, name) in by_scheme(nic, Scheme(scheme)) {
            if !names.iter().any(|known| known.name == name) {
                names.push(UdevName { name, kind, scheme });
            }
        }
    }
    names
}

/// The names by one scheme, the most preferred first.
fn by_scheme(nic: &NicFacts, scheme: Scheme) -> impl Iterator<Item = (&'static str, String)> {
    let prefix = match nic.devtype.as_str() {
        "wlan" => "wl",
        "wwan" => "ww",
        _ => "en",
    };
    let naming = Naming {
        nic,
        scheme,
        prefix,
    };
    let mut made = Made::default();
    naming.of_pci(&mut made);
    naming.of_usb(&mut made);
    naming.of_platform(&mut made);
    naming.of_xen(&mut made);
    naming.of_device_tree(&mut made);
    let all = [
        ("onboard", made.onboard),
        ("slot", made.slot),
        ("path", made.path),
        ("MAC", naming.of_mac()),
    ];
    all.into_iter()
        .filter_map(|(kind, name)| Some((kind, name?)))
}

/// A naming scheme by systemd's version, and what it changed.
#[derive(Debug, Clone, Copy)]
struct Scheme(u16);

impl Scheme {
    fn has_virtual_functions_and_ari(self) -> bool {
        self.0 >= 239
    }

    fn has_onboard_zero(self) -> bool {
        self.0 >= 240
    }

    /// The slot of a bridge is not that of the devices behind it.
    fn ignores_slots_of_bridges(self) -> bool {
        self.0 >= 247
    }

    fn max_onboard_index(self) -> u32 {
        if self.0 >= 249 { 0xffff } else { 0x3fff }
    }

    fn has_xen(self) -> bool {
        self.0 >= 250
    }

    /// The slot of a bridge is that of a device with several functions behind it.
    fn has_bridge_slots_for_multifunction(self) -> bool {
        (251..=254).contains(&self.0)
    }

    fn has_device_tree_aliases(self) -> bool {
        self.0 >= 252
    }

    fn has_usb_without_pci(self) -> bool {
        self.0 >= 253
    }

    fn has_representors(self) -> bool {
        self.0 >= 254
    }

    fn has_firmware_slots(self) -> bool {
        self.0 >= 257
    }
}

/// The names that are made.
#[derive(Debug, Default)]
struct Made {
    onboard: Option<String>,
    slot: Option<String>,
    path: Option<String>,
}

struct Naming<'a> {
    nic: &'a NicFacts,
    scheme: Scheme,
    prefix: &'static str,
}

impl Naming<'_> {
    fn of_pci(&self, made: &mut Made) {
        let mut devices = self.nic.devices.iter();
        let Some(device) = devices.find(|d| d.subsystem != "virtio") else {
            return;
        };
        if device.subsystem != "pci" {
            return;
        }
        let (device, suffix) = match &device.virtual_function_of {
            Some((number, physical)) if self.scheme.has_virtual_functions_and_ari() => {
                (physical.as_ref(), format!("v{number}"))
            }
            _ => (device, String::new()),
        };
        if let Some(index) = self.onboard_index(device) {
            let port = self.port();
            made.onboard = Some(format!("{}o{index}{port}{suffix}", self.prefix));
        }
        self.of_pci_slot(device, &suffix, made);
    }

    /// The firmware's number, unless it is one that some firmware gives every device.
    fn onboard_index(&self, device: &DeviceFacts) -> Option<u32> {
        let index = number(&device.acpi_index).or_else(|| number(&device.index))?;
        let usable = (index > 0 || self.scheme.has_onboard_zero())
            && index <= self.scheme.max_onboard_index();
        usable.then_some(index)
    }

    fn of_pci_slot(&self, device: &DeviceFacts, suffix: &str, made: &mut Made) {
        let Some(address) = PciAddress::read(device.name()) else {
            return;
        };
        let ari =
            self.scheme.has_virtual_functions_and_ari() && number(&device.ari_enabled) == Some(1);
        let function = match ari {
            true => address.function + address.slot * 8,
            false => address.function,
        };
        let function = match function > 0 || is_multifunction(device) {
            true => format!("f{function}"),
            false => String::new(),
        };
        let domain = match address.domain {
            0 => String::new(),
            domain => format!("P{domain}"),
        };
        let (prefix, port) = (self.prefix, self.port());
        let (bus, slot) = (address.bus, address.slot);
        made.path = Some(format!(
            "{prefix}{domain}p{bus}s{slot}{function}{port}{suffix}"
        ));
        if let Some(slot) = self.hotplug_slot(device) {
            made.slot = Some(format!("{prefix}{domain}s{slot}{function}{port}{suffix}"));
        }
    }

    fn hotplug_slot(&self, device: &DeviceFacts) -> Option<u32> {
        if self.scheme.has_firmware_slots()
            && let Some(slot) = self.firmware_slot(device)
        {
            return Some(slot);
        }
        // A physical function is not among the devices of its virtual one, but the bridges above it are.
        let is_above = |above: &&DeviceFacts| {
            let below = device.path.strip_prefix(&above.path);
            above.subsystem == "pci" && below.is_some_and(|rest| rest.starts_with('/'))
        };
        let bridges = self.nic.devices.iter().filter(is_above);
        for at in std::iter::once(device).chain(bridges) {
            let mut slots = self.nic.slots.iter();
            let slot = slots.find_map(|(name, address)| {
                // The address is that of all functions: `0000:00:03`.
                let here = !address.is_empty() && at.name().starts_with(address.as_str());
                number(name).filter(|slot| here && *slot > 0)
            });
            let Some(slot) = slot else {
                continue;
            };
            let used = !self.scheme.ignores_slots_of_bridges()
                || !is_bridge(at)
                || (self.scheme.has_bridge_slots_for_multifunction() && is_multifunction(device));
            return used.then_some(slot);
        }
        None
    }

    /// ACPI's `_SUN`, of the device or of the bridge above it.
    fn firmware_slot(&self, device: &DeviceFacts) -> Option<u32> {
        let slot = |device: &DeviceFacts| number(&device.sun).filter(|slot| *slot > 0);
        slot(device).or_else(|| {
            let above = device.path.rsplit_once('/')?.0;
            let mut devices = self.nic.devices.iter();
            let above = devices.find(|d| d.path == above && d.subsystem == "pci")?;
            slot(above).filter(|_| !is_bridge(above) || is_multifunction(device))
        })
    }

    /// Which port of its device a NIC is.
    fn port(&self) -> String {
        let name = &self.nic.phys_port_name;
        if !name.is_empty() {
            let representor = || {
                let (function, virtual_function) = name.strip_prefix("pf")?.split_once("vf")?;
                number(function)?;
                number(virtual_function)
            };
            return match representor().filter(|_| self.scheme.has_representors()) {
                Some(virtual_function) => format!("r{virtual_function}"),
                None => format!("n{name}"),
            };
        }
        match number(&self.nic.dev_port) {
            None | Some(0) => String::new(),
            Some(port) => format!("d{port}"),
        }
    }

    fn of_usb(&self, made: &mut Made) {
        let mut devices = self.nic.devices.iter();
        let interface = devices.find(|d| d.subsystem == "usb" && d.devtype == "usb_interface");
        let Some(suffix) = interface.and_then(|interface| usb_suffix(interface.name())) else {
            return;
        };
        // The rest are the devices above it.
        match devices.find(|d| d.subsystem == "pci") {
            Some(host) => self.of_pci_slot(host, &suffix, made),
            None if self.scheme.has_usb_without_pci() => {
                made.path = Some(format!("{}{suffix}", self.prefix));
            }
            None => {}
        }
    }

    /// ACPI's devices without a bus: a vendor of three or four letters, a model, and its instance.
    fn of_platform(&self, made: &mut Made) {
        let Some(device) = self.parent("platform") else {
            return;
        };
        let below = device.path.strip_prefix("platform/");
        let Some((model, instance)) = below
            .and_then(|path| path.split('/').next())
            .and_then(|id| id.split_once(':'))
        else {
            return;
        };
        let Some((vendor, model)) = model
            .len()
            .checked_sub(4)
            .and_then(|vendor| model.split_at_checked(vendor))
        else {
            return;
        };
        let letters = match vendor.len() {
            3 => vendor.bytes().all(|b| b.is_ascii_uppercase()),
            4 => vendor
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()),
            _ => false,
        };
        if let (Some(model), Some(instance), true) =
            (hexadecimal(model), hexadecimal(instance), letters)
        {
            let vendor = vendor.to_ascii_lowercase();
            made.path = Some(format!("{}a{vendor}{model:x}i{instance}", self.prefix));
        }
    }

    fn of_xen(&self, made: &mut Made) {
        if let Some(device) = self.parent("xen").filter(|_| self.scheme.has_xen())
            && let Some(number) = device.path.strip_prefix("vif-").and_then(number)
        {
            made.slot = Some(format!("{}X{number}", self.prefix));
        }
    }

    fn of_device_tree(&self, made: &mut Made) {
        let Some(device) = self.nic.devices.first() else {
            return;
        };
        if !self.scheme.has_device_tree_aliases()
            || self.prefix != "en"
            || device.of_node.is_empty()
        {
            return;
        }
        let aliases = &self.nic.aliases;
        let Some((alias, _)) = aliases.iter().find(|(_, path)| *path == device.of_node) else {
            return;
        };
        let conflict = |name: &str| aliases.iter().any(|(other, _)| other == name);
        made.onboard = match alias.strip_prefix("ethernet") {
            Some("") if !conflict("ethernet0") => Some("end0".to_owned()),
            Some("0") if conflict("ethernet") => None,
            Some(index) => number(index).map(|index| format!("end{index}")),
            None => None,
        };
    }

    /// By the hardware's own address.
    fn of_mac(&self) -> Option<String> {
        let digits = self.nic.address.replace(':', "");
        let permanent = number(&self.nic.addr_assign_type) == Some(0);
        (permanent && digits.len() == 12).then(|| format!("{}x{digits}", self.prefix))
    }

    /// The device that the NIC is directly part of, if it is of this subsystem.
    fn parent(&self, subsystem: &str) -> Option<&DeviceFacts> {
        let first = self.nic.devices.first();
        first.filter(|device| device.subsystem == subsystem)
    }
}

/// The address of a PCI function: `0000:00:03.0`.
struct PciAddress {
    domain: u32,
    bus: u32,
    slot: u32,
    function: u32,
}

impl PciAddress {
    fn read(name: &str) -> Option<Self> {
        let (domain, rest) = name.split_once(':')?;
        let (bus, rest) = rest.split_once(':')?;
        let (slot, function) = rest.split_once('.')?;
        Some(Self {
            domain: hexadecimal(domain)?,
            bus: hexadecimal(bus)?,
            slot: hexadecimal(slot)?,
            function: number(function)?,
        })
    }
}

/// The ports on the way to a USB interface, its configuration unless that is 1, and its number unless that is 0:
/// `u2u3c2i1` for `1-2.3:2.1`.
fn usb_suffix(name: &str) -> Option<String> {
    let (ports, rest) = name.split_once('-')?.1.split_once(':')?;
    let (configuration, interface) = rest.split_once('.')?;
    let mut suffix = format!("u{}", ports.replace('.', "u"));
    if configuration != "1" {
        suffix += "c";
        suffix += configuration;
    }
    if interface != "0" {
        suffix += "i";
        suffix += interface;
    }
    Some(suffix)
}

/// Bit 7 of the header type.
fn is_multifunction(device: &DeviceFacts) -> bool {
    device.header_type.is_some_and(|header| header & 0x80 != 0)
}

/// PCI's subclass 04: the last `s` of a modalias is that of `sc04`.
fn is_bridge(device: &DeviceFacts) -> bool {
    let subclass = device.modalias.rfind('s');
    let subclass = subclass.and_then(|at| device.modalias.get(at..));
    device.modalias.starts_with("pci:") && subclass.is_some_and(|s| s.starts_with("sc04"))
}

fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn hexadecimal(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests;
