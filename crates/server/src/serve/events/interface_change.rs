//! How a served interface changed.

use std::fmt;
use std::net::IpAddr;

use netroot_net::{Mac, Prefix};
use serde_json::Value;

use super::fields::Fields;

/// What became of an interface that is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum InterfaceChange {
    /// It cannot be served now.
    Lost(Lack),
    /// It can be served again.
    Back {
        /// Its addresses.
        addresses: Vec<Prefix>,
    },
    /// It is served on as it is now.
    Differs(Differences),
}

/// Why an interface cannot be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lack {
    /// It does not exist.
    Gone,
    /// It is administratively down.
    Down,
    /// It has no IPv4 address.
    NoAddress,
    /// It does not have the address that `--address` names.
    NotTheAddress(IpAddr),
}

/// What is different about an interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Differences {
    /// The name that it had.
    pub(crate) renamed_from: Option<String>,
    /// It was deleted and made again.
    pub(crate) made_anew: bool,
    /// The addresses that it had.
    pub(crate) removed: Vec<Prefix>,
    /// The addresses that it did not have.
    pub(crate) added: Vec<Prefix>,
    /// Its new hardware address.
    pub(crate) mac: Option<Mac>,
    /// The longest IP packet that it carries now, in bytes.
    pub(crate) mtu: Option<u16>,
}

impl Differences {
    /// Whether there are none.
    pub(crate) fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("is gone: not serving there until it is back"),
            Self::Down => f.write_str("is down: not serving there until it is up"),
            Self::NoAddress => {
                f.write_str("has no IPv4 address any more: not serving there until it has one")
            }
            Self::NotTheAddress(address) => write!(
                f,
                "does not have the address {address} (--address) any more: not serving there until it has"
            ),
        }
    }
}

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if let Some(name) = &self.renamed_from {
            parts.push(format!("it was {name} before"));
        }
        if self.made_anew {
            parts.push("it was deleted and made again".to_owned());
        }
        let (removed, added) = (listed(&self.removed), listed(&self.added));
        let addresses = |of: &[Prefix]| match of {
            [_] => "address",
            _ => "addresses",
        };
        match (self.removed.as_slice(), self.added.as_slice()) {
            ([], []) => {}
            (was, []) => parts.push(format!("{} {removed} removed", addresses(was))),
            ([], new) => parts.push(format!("{} {added} added", addresses(new))),
            (was, _) => parts.push(format!("{} {removed} became {added}", addresses(was))),
        }
        if let Some(mac) = self.mac {
            parts.push(format!("its MAC address is {mac}"));
        }
        if let Some(mtu) = self.mtu {
            parts.push(format!("its MTU is {mtu}"));
        }
        f.write_str(&parts.join(", "))
    }
}

/// After the interface's name.
impl fmt::Display for InterfaceChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(lack) => write!(f, " {lack}"),
            Self::Back { addresses } => write!(f, " is back: serving {}", listed(addresses)),
            Self::Differs(differences) => {
                let then = match (differences.added.as_slice(), differences.removed.as_slice()) {
                    ([], []) => "serving on",
                    ([], _) => "not serving there any more",
                    _ => "serving there now",
                };
                write!(f, ": {differences}: {then}")
            }
        }
    }
}

/// `10.0.0.1/24, 10.1.0.1/16`.
fn listed(addresses: &[Prefix]) -> String {
    let listed: Vec<String> = addresses.iter().map(Prefix::to_string).collect();
    listed.join(", ")
}

/// The fields of a change.
pub(super) fn add_fields(fields: &mut Fields, change: &InterfaceChange) {
    let all = |addresses: &[Prefix]| {
        let addresses = addresses.iter().map(|one| Value::from(one.to_string()));
        addresses.collect::<Vec<_>>()
    };
    match change {
        InterfaceChange::Lost(lack) => {
            fields.add("change", lack_word(*lack));
            if let Lack::NotTheAddress(address) = lack {
                fields.add("address", address.to_string());
            }
        }
        InterfaceChange::Back { addresses } => {
            fields.add("change", "back");
            fields.add("added", all(addresses));
        }
        InterfaceChange::Differs(differences) => {
            fields.add("change", "differs");
            if let Some(name) = &differences.renamed_from {
                fields.add("renamed_from", name.clone());
            }
            fields.add("made_anew", differences.made_anew);
            fields.add("removed", all(&differences.removed));
            fields.add("added", all(&differences.added));
            if let Some(mac) = differences.mac {
                fields.add("mac", mac.to_string());
            }
            if let Some(mtu) = differences.mtu {
                fields.add("mtu", mtu);
            }
        }
    }
}

/// Why an interface cannot be served.
fn lack_word(lack: Lack) -> &'static str {
    match lack {
        Lack::Gone => "gone",
        Lack::Down => "down",
        Lack::NoAddress => "no-address",
        Lack::NotTheAddress(_) => "not-the-address",
    }
}
