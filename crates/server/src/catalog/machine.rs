//! The machines that are configured by name.

use std::collections::HashMap;
use std::hash::Hash;

use netroot_net::{Mac, Uuid};

use super::error::{CatalogError, SameMachine};
use super::known_machine::KnownMachine;
use crate::settings::MachineSettings;

/// The machines, found by what is known of one.
#[derive(Debug, Default)]
pub(super) struct NamedMachines {
    all: Vec<MachineSettings>,
    by_mac: HashMap<Mac, usize>,
    by_uuid: HashMap<Uuid, usize>,
    by_serial: HashMap<String, usize>,
    by_client_id: HashMap<Vec<u8>, usize>,
}

impl NamedMachines {
    /// # Errors
    /// A machine that nothing identifies, a name that is no host name, and what two machines have.
    pub(super) fn new(machines: Vec<MachineSettings>) -> Result<Self, CatalogError> {
        let mut named = Self::default();
        let mut names = HashMap::new();
        let mut addresses = HashMap::new();
        for (number, machine) in machines.iter().enumerate() {
            if !is_host_name(&machine.name) {
                return Err(CatalogError::HostName {
                    name: machine.name.clone(),
                    origin: machine.origin.clone(),
                });
            }
            let MachineSettings {
                name,
                macs,
                uuid,
                serial,
                client_id,
                address,
                ..
            } = machine;
            let identified =
                !macs.is_empty() || uuid.is_some() || serial.is_some() || client_id.is_some();
            if !identified {
                return Err(CatalogError::Nameless {
                    name: name.clone(),
                    origin: machine.origin.clone(),
                });
            }
            let same = |what: String, other: usize| {
                let other = machines.get(other).unwrap_or(machine);
                CatalogError::SameMachine(Box::new(SameMachine {
                    what,
                    name: name.clone(),
                    origin: machine.origin.clone(),
                    other: other.name.clone(),
                    other_origin: other.origin.clone(),
                }))
            };
            put(&mut names, name.to_ascii_lowercase(), number)
                .map_err(|other| same("the name".to_owned(), other))?;
            for mac in macs {
                put(&mut named.by_mac, *mac, number)
                    .map_err(|other| same(format!("the hardware address {mac}"), other))?;
            }
            if let Some(uuid) = uuid {
                put(&mut named.by_uuid, *uuid, number)
                    .map_err(|other| same(format!("the UUID {uuid}"), other))?;
            }
            if let Some(serial) = serial {
                put(&mut named.by_serial, serial.clone(), number)
                    .map_err(|other| same(format!("the serial number {serial}"), other))?;
            }
            if let Some(id) = client_id {
                put(&mut named.by_client_id, id.clone(), number)
                    .map_err(|other| same("the client identifier".to_owned(), other))?;
            }
            if let Some(address) = address {
                put(&mut addresses, *address, number)
                    .map_err(|other| same(format!("the address {address}"), other))?;
            }
        }
        named.all = machines;
        Ok(named)
    }

    /// The machine that this one is: by its hardware address, else its UUID, its serial number, its client identifier.
    pub(super) fn find(&self, known: &KnownMachine) -> Option<&MachineSettings> {
        let by_mac = || self.by_mac.get(known.mac.as_ref()?);
        let by_uuid = || self.by_uuid.get(known.uuid.as_ref()?);
        let by_serial = || self.by_serial.get(known.serial.as_ref()?);
        let by_client_id = || {
            let mut ids = known.client_ids.iter();
            ids.find_map(|id| self.by_client_id.get(id))
        };
        let number = by_mac()
            .or_else(by_uuid)
            .or_else(by_serial)
            .or_else(by_client_id)?;
        self.all.get(*number)
    }

    pub(super) fn all(&self) -> &[MachineSettings] {
        &self.all
    }
}

/// Adds it, unless it is there already: then where.
fn put<K: Eq + Hash>(map: &mut HashMap<K, usize>, key: K, number: usize) -> Result<(), usize> {
    match map.insert(key, number) {
        Some(other) if other != number => Err(other),
        _ => Ok(()),
    }
}

/// Whether it is a host name (RFC 1123 §2.1), with or without a domain.
pub(crate) fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
        (1..=63).contains(&label.len())
            && label.chars().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}
