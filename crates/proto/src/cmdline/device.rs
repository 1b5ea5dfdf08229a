//! Devices that the init makes or renames: `vlan=`, `bridge=`, `ifname=`. (`bond=` has a
//! file of its own.)

use netroot_net::Mac;

use super::ip_fields::{Field, could_be_device, split};
use crate::reading::Reading;
use crate::reading::read_mac;

/// A VLAN on top of a NIC (`vlan=<name>:<device>`, dracut and Ubuntu).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vlan {
    /// The name of the device to make: `vlan5`, `eth0.5`.
    pub name: String,
    /// The VLAN identifier of IEEE 802.1Q, 1 to 4094, from the digits of the name.
    pub id: u16,
    /// The device that carries it: a NIC, or a bond of this command line.
    pub link: String,
}

/// A bridge (`bridge=<name>:<ports>`, dracut).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bridge {
    /// The name of the device to make.
    pub name: String,
    /// The devices that become its ports, at least one.
    pub ports: Vec<String>,
}

/// A name for the NIC with an address (`ifname=<name>:<address>`, dracut).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rename {
    /// The name that the NIC gets.
    pub name: String,
    /// The NIC's Ethernet address.
    pub address: Mac,
}

const NO_DEVICE: &str = "no such device is made";
const A_DEVICE: &str = "the name of a network device, at most 15 bytes";

impl Vlan {
    /// Reads `<name>:<device>`. The identifier stands after the name's last dot (`eth0.5`,
    /// `eth0.0005`), or after `vlan` (`vlan5`, `vlan0005`); leading zeros do not count.
    pub(super) fn read(value: &str, reading: &mut Reading<'_>) -> Option<Self> {
        let fields = split(value);
        let name = device_field(&fields, 0, value, reading)?;
        let digits = match name.rsplit_once('.') {
            Some((_, digits)) => digits,
            None => name.strip_prefix("vlan").unwrap_or_default(),
        };
        let decimal = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let id = match digits.parse() {
            Ok(id @ 1..=4094) if decimal => id,
            _ => {
                let expected =
                    "a name that ends with a VLAN number of 1 to 4094, such as vlan5 or eth0.5";
                reading.complain(0, expected, name, NO_DEVICE);
                return None;
            }
        };
        let link = device_field(&fields, 1, value, reading)?;
        no_more_than(&fields, 2, reading);
        Some(Self {
            name: name.to_owned(),
            id,
            link: link.to_owned(),
        })
    }
}

impl Bridge {
    /// Reads `<name>:<port>[,<port>…]`; nothing at all is dracut's `br0:eth0`.
    pub(super) fn read(value: Option<&str>, reading: &mut Reading<'_>) -> Option<Self> {
        let Some(value) = value else {
            return Some(Self {
                name: "br0".to_owned(),
                ports: vec!["eth0".to_owned()],
            });
        };
        let fields = split(value);
        let name = device_field(&fields, 0, value, reading)?.to_owned();
        let ports = match fields.get(1) {
            Some(list) => device_list(list, reading),
            None => Vec::new(),
        };
        if ports.is_empty() {
            let position = fields.get(1).map_or(value.len(), |list| list.position);
            let found = value.get(position..).unwrap_or_default();
            reading.complain(position, "the devices to bridge", found, NO_DEVICE);
            return None;
        }
        no_more_than(&fields, 2, reading);
        Some(Self { name, ports })
    }
}

impl Rename {
    /// Whether the address is left to `BOOTIF=` (`<name>:`, xCAT).
    pub(super) fn is_for_boot_link(value: &str) -> bool {
        value.strip_suffix(':').is_some_and(could_be_device)
    }

    /// Reads `<name>:<Ethernet address>`.
    pub(super) fn read(value: &str, reading: &mut Reading<'_>) -> Option<Self> {
        let fields = split(value);
        let outcome = "no NIC is renamed";
        let name = match fields.first() {
            Some(field) if could_be_device(field.text) => field.text,
            first => {
                reading.complain(0, A_DEVICE, first.map_or("", |f| f.text), outcome);
                return None;
            }
        };
        let position = (name.len() + 1).min(value.len());
        let text = value.get(position..).unwrap_or_default();
        match read_mac(text) {
            Ok(address) => Some(Self {
                name: name.to_owned(),
                address,
            }),
            Err(_) => {
                reading.complain(position, "the Ethernet address of a NIC", text, outcome);
                None
            }
        }
    }
}

/// The field `at`, which has to be the name of a device.
pub(super) fn device_field<'a>(
    fields: &[Field<'a>],
    at: usize,
    value: &str,
    reading: &mut Reading<'_>,
) -> Option<&'a str> {
    match fields.get(at) {
        Some(field) if could_be_device(field.text) => Some(field.text),
        Some(field) => {
            reading.complain(field.position, A_DEVICE, field.text, NO_DEVICE);
            None
        }
        None => {
            reading.complain(value.len(), A_DEVICE, "", NO_DEVICE);
            None
        }
    }
}

/// A comma-separated list of names. Invalid names are reported and left out, and duplicates
/// are dropped.
pub(super) fn device_list(list: &Field<'_>, reading: &mut Reading<'_>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut position = list.position;
    for name in list.text.split(',') {
        if could_be_device(name) {
            if !names.iter().any(|earlier| earlier == name) {
                names.push(name.to_owned());
            }
        } else if !name.is_empty() {
            reading.complain(position, A_DEVICE, name, "left out");
        }
        position += name.len() + 1;
    }
    names
}

/// Complains about what stands after the last field that means something.
pub(super) fn no_more_than(fields: &[Field<'_>], most: usize, reading: &mut Reading<'_>) {
    if let Some(extra) = fields.get(most) {
        let found = super::ip_fields::text_from(extra, fields);
        reading.complain(
            extra.position,
            "nothing more",
            &found,
            "the rest is left out",
        );
    }
}

#[cfg(test)]
mod tests;
