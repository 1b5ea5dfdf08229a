//! The machine that a path or a command means.

use std::net::IpAddr;

use netroot_net::Mac;

use super::sources::Sources;

/// The longest name for which one that was meant is looked for, in bytes: that takes time, and anybody may ask.
const LONGEST: usize = 40;
/// How machines are named.
const NAMED_BY: &str =
    "a machine is named by its hardware address, its address, or its name in the configuration";

/// No machine is meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnknownMachine {
    /// It is not configured, and nothing was heard of it.
    #[error("there is no machine {name}; {meant}")]
    Name {
        /// The name.
        name: String,
        /// What was meant, perhaps, or how machines are named.
        meant: String,
    },
    /// Nothing was heard from this address.
    #[error("no machine has the address {0}, as far as this server has heard")]
    Address(IpAddr),
    /// It has no hardware address.
    #[error(
        "the machine {0} is configured without a hardware address (mac), and it has to be named by one"
    )]
    NoMac(String),
}

/// The machine with this hardware address, IP address or configured name.
///
/// # Errors
/// [`UnknownMachine`]. A hardware address is always one: also of a machine that has not come yet.
pub(super) fn find(name: &str, sources: &Sources) -> Result<Mac, UnknownMachine> {
    if let Ok(mac) = name.parse() {
        return Ok(mac);
    }
    let all = || sources.history.summaries();
    if let Ok(address) = name.parse::<IpAddr>() {
        let text = address.to_string();
        let machine = all().into_iter().find(|one| one.addresses.contains(&text));
        return machine
            .map(|machine| machine.address)
            .ok_or(UnknownMachine::Address(address));
    }
    let catalog = sources.artifacts.catalog();
    let configured = catalog.machines();
    if let Some(machine) = configured
        .iter()
        .find(|machine| machine.name.eq_ignore_ascii_case(name))
    {
        // Of several the one that came last.
        let seen = all()
            .into_iter()
            .map(|one| one.address)
            .find(|mac| machine.macs.contains(mac));
        let mac = seen.or_else(|| machine.macs.first().copied());
        return mac.ok_or_else(|| UnknownMachine::NoMac(machine.name.clone()));
    }
    if name.len() > LONGEST {
        return Err(UnknownMachine::Name {
            name: name.to_owned(),
            meant: NAMED_BY.to_owned(),
        });
    }
    let seen = all().into_iter().map(|one| one.address.to_string());
    let seen: Vec<String> = seen.collect();
    let names = configured.iter().map(|machine| machine.name.as_str());
    let names = names.chain(seen.iter().map(String::as_str));
    let nearest = netroot_spelling::nearest(name, names);
    Err(UnknownMachine::Name {
        meant: nearest.map_or_else(|| NAMED_BY.to_owned(), |it| format!("did you mean {it}?")),
        name: name.to_owned(),
    })
}
