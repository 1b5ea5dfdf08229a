//! What a failure alone does not tell: why there is no NIC, and whether a silent server is there at all.
//!
//! Asked after the fact, of the kernel's own tables; what is read there is made a cure by pure functions.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use crate::modules::Loader;

/// A network card on the PCI bus that no driver took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Undriven {
    /// `8086:15f3`.
    pub(crate) id: String,
    /// What the kernel asks for a driver by.
    pub(crate) modalias: String,
    /// Modules of the image that drive it, by what they say themselves.
    pub(crate) modules: Vec<String>,
}

/// The cards without a driver.
pub(crate) fn undriven_cards(loader: &Loader) -> Vec<Undriven> {
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
            Undriven {
                id: format!("{}:{}", read(&path, "vendor"), read(&path, "device")),
                modules: loader.modules_for(&modalias),
                modalias,
            }
        })
        .collect()
}

/// What to do about a machine without a NIC.
pub(crate) fn cure_of_no_nic(devices: &[Undriven]) -> String {
    let absent: Vec<String> = devices
        .iter()
        .filter(|device| device.modules.is_empty())
        .map(|device| format!("{} ({})", device.id, device.modalias))
        .collect();
    if !absent.is_empty() {
        let absent = absent.join(" and ");
        return format!(
            "the image has no driver for PCI device {absent}: make it with netroot initrd --modules netboot"
        );
    }
    match devices.first() {
        Some(Undriven { id, modules, .. }) => {
            let modules = modules.join(", ");
            format!(
                "{modules} did not take PCI device {id}: look for its lines in the kernel's log, and for firmware that it misses"
            )
        }
        None => "check that the machine has one, that the firmware has it enabled, and that its driver is in the image (netroot initrd --modules)".to_owned(),
    }
}

/// What the kernel's ARP table says of an address in this machine's network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Neighbour {
    /// It has told its Ethernet address.
    Answers,
    /// It was asked and is silent.
    Silent,
    /// It was not asked, or that is forgotten.
    Unknown,
}

/// Whether a server that does not answer is there.
pub(crate) fn neighbour(address: Ipv4Addr) -> Neighbour {
    let table = fs::read_to_string("/proc/net/arp").unwrap_or_default();
    in_table(&table, address)
}

/// The same, from the table's text (`net/ipv4/arp.c`, `arp_format_neigh_entry`).
fn in_table(table: &str, address: Ipv4Addr) -> Neighbour {
    let flags = table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let here = fields.next()?.parse() == Ok(address);
        let flags = fields.nth(1)?.trim_start_matches("0x");
        here.then(|| u32::from_str_radix(flags, 16).unwrap_or(0))
    });
    match flags {
        // ATF_COM: the entry is complete.
        Some(flags) if flags & 2 != 0 => Neighbour::Answers,
        Some(_) => Neighbour::Silent,
        None => Neighbour::Unknown,
    }
}

/// What to do about a server that does not answer.
pub(crate) fn cure_of_silence(
    server: Ipv4Addr,
    port: u16,
    on_link: bool,
    neighbour: Neighbour,
) -> String {
    match (on_link, neighbour) {
        (true, Neighbour::Silent) => {
            format!(
                "{server} does not even answer ARP: check that it is switched on, and in this network"
            )
        }
        (true, Neighbour::Answers) => {
            format!(
                "{server} is there, for it answers ARP: check that no firewall on it drops port {port}"
            )
        }
        (true, Neighbour::Unknown) => {
            format!(
                "check that {server} is up and in this network, and that no firewall drops the port"
            )
        }
        (false, _) => format!(
            "{server} is not in this machine's network: check the router, and firewalls on the way"
        ),
    }
}

#[cfg(test)]
mod tests;
