//! The machines that are configured by name.

use std::collections::HashMap;
use std::hash::Hash;

use netroot_net::{Mac, Uuid};

use super::error::{MachineError, MachineProblem};
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
    /// The first machine that cannot be.
    pub(super) fn new(machines: Vec<MachineSettings>) -> Result<Self, Box<MachineError>> {
        let (mut named, errors) = Self::read(&machines);
        match errors.into_iter().next() {
            Some(error) => Err(Box::new(error)),
            None => {
                named.all = machines;
                Ok(named)
            }
        }
    }

    /// The machines by what they are known by, and what is wrong with some.
    fn read(machines: &[MachineSettings]) -> (Self, Vec<MachineError>) {
        let mut named = Self::default();
        let (mut names, mut addresses) = (HashMap::new(), HashMap::new());
        let mut errors = Vec::new();
        for (number, machine) in machines.iter().enumerate() {
            let MachineSettings {
                name,
                macs,
                uuid,
                serial,
                client_id,
                address,
                ..
            } = machine;
            let mut problems = Vec::new();
            if !is_host_name(name) {
                problems.push(MachineProblem::HostName);
            }
            let identified =
                !macs.is_empty() || uuid.is_some() || serial.is_some() || client_id.is_some();
            if !identified {
                problems.push(MachineProblem::Unidentified);
            }
            let mut same = |key, what: String, other: Option<usize>| {
                let other = other.and_then(|other| machines.get(other));
                problems.extend(other.map(|other| MachineProblem::Same {
                    key,
                    what,
                    other: other.origin.clone(),
                }));
            };
            let lower = name.to_ascii_lowercase();
            let at = put(&mut names, lower, number);
            same(None, format!("its name {name}"), at);
            for mac in macs {
                let at = put(&mut named.by_mac, *mac, number);
                same(Some("mac"), format!("its mac {mac}"), at);
            }
            if let Some(uuid) = uuid {
                let at = put(&mut named.by_uuid, *uuid, number);
                same(Some("uuid"), format!("its uuid {uuid}"), at);
            }
            if let Some(serial) = serial {
                let at = put(&mut named.by_serial, serial.clone(), number);
                same(Some("serial"), format!("its serial {serial}"), at);
            }
            if let Some(id) = client_id {
                let at = put(&mut named.by_client_id, id.clone(), number);
                same(Some("client-id"), "its client-id".to_owned(), at);
            }
            if let Some(address) = address {
                let at = put(&mut addresses, *address, number);
                same(Some("address"), format!("its address {address}"), at);
            }
            errors.extend(problems.into_iter().map(|problem| MachineError {
                name: name.clone(),
                origin: machine.origin.clone(),
                problem,
            }));
        }
        (named, errors)
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

/// Everything that is wrong with these machines.
pub(crate) fn machine_errors(machines: &[MachineSettings]) -> Vec<MachineError> {
    NamedMachines::read(machines).1
}

/// Adds it, unless another one has it already: then which.
fn put<K: Eq + Hash>(map: &mut HashMap<K, usize>, key: K, number: usize) -> Option<usize> {
    let first = *map.entry(key).or_insert(number);
    (first != number).then_some(first)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Origin;

    fn machine(name: &str) -> MachineSettings {
        MachineSettings {
            name: name.to_owned(),
            macs: Vec::new(),
            uuid: None,
            serial: None,
            client_id: None,
            address: None,
            choice: None,
            append: None,
            secure_boot: None,
            origin: Origin::default(),
        }
    }

    #[test]
    fn a_machine_is_found_by_any_client_identifier_and_by_what_says_more_first() {
        let mac = Mac([2, 0, 0, 0, 0, 1]);
        let named = NamedMachines::new(vec![
            MachineSettings {
                client_id: Some(b"\0bench".to_vec()),
                ..machine("bench")
            },
            MachineSettings {
                serial: Some("17".to_owned()),
                ..machine("rack")
            },
            MachineSettings {
                macs: vec![mac],
                ..machine("desk")
            },
        ]);
        let named = named.unwrap();
        let found = |known: &KnownMachine| named.find(known).map(|machine| machine.name.as_str());
        // Its firmware has another one than its system.
        let mut known = KnownMachine {
            mac: Some(Mac([2, 0, 0, 0, 0, 2])),
            client_ids: vec![vec![1, 2, 0, 0, 0, 0, 2], b"\0bench".to_vec()],
            ..KnownMachine::default()
        };
        assert_eq!(found(&known), Some("bench"));
        known.serial = Some("17".to_owned());
        assert_eq!(found(&known), Some("rack"));
        known.mac = Some(mac);
        assert_eq!(found(&known), Some("desk"));
        // Its type belongs to it.
        let other = KnownMachine {
            client_ids: vec![b"bench".to_vec(), b"\x01bench".to_vec()],
            ..KnownMachine::default()
        };
        assert_eq!(found(&other), None);
    }
}
