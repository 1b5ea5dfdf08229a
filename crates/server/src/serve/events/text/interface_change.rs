//! How a served interface changed, after its name.

use std::fmt;

use netroot_net::Prefix;

use crate::serve::events::interface_change::{Differences, InterfaceChange, Lack};

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
