//! What each machine would boot, as far as that is known before it asks.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Formatter};
use std::net::{IpAddr, Ipv4Addr};

use netroot_net::Mac;
use netroot_printable::Printable;
use serde::Serialize;

use crate::catalog::{ArrivedAt, Assigned, Catalog, KnownMachine, Overrides, Why};
use crate::serve::machines::Order;
use crate::settings::MachineSettings;

/// What decides who boots what.
pub(super) struct Known<'a> {
    pub(super) catalog: &'a Catalog,
    /// Those that are served; `None` for the one that the server finds.
    pub(super) interfaces: Vec<Option<&'a str>>,
    /// What was ordered from the running server, or from the last one.
    pub(super) orders: &'a BTreeMap<Mac, Order>,
}

/// A machine of the configuration.
#[derive(Debug, Serialize)]
pub(super) struct FoundMachine {
    name: String,
    identities: Vec<String>,
    address: Option<Ipv4Addr>,
    /// One, or one for each interface and hardware address where these make a difference.
    boots: Vec<FoundChoice>,
}

/// What a machine boots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct FoundChoice {
    /// `None`: wherever it is.
    interface: Option<String>,
    /// `None`: by whichever of its hardware addresses it asks.
    mac: Option<String>,
    /// The image that is ordered for its next boot alone.
    once: Option<String>,
    /// The rules that come before, if their conditions hold.
    rules: Vec<OpenRule>,
    boots: String,
    why: String,
    append: Option<String>,
}

/// A rule with conditions on what is only known when a machine asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct OpenRule {
    origin: String,
    /// Those of its conditions; all of them have to hold.
    conditions: Vec<String>,
    boots: Option<String>,
    append: Option<String>,
}

/// What is ordered for a machine that is in no entry by its hardware address.
#[derive(Debug, Serialize)]
pub(super) struct FoundOrder {
    mac: String,
    /// For its next boot alone.
    once: Option<String>,
    /// Until another order.
    image: Option<String>,
}

/// At no address of the server's that is known yet.
pub(super) fn arrived(interface: &str) -> ArrivedAt<'_> {
    ArrivedAt {
        interface,
        server: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    }
}

impl Known<'_> {
    pub(super) fn machine(&self, machine: &MachineSettings) -> FoundMachine {
        let mut macs: Vec<Option<Mac>> = machine.macs.iter().copied().map(Some).collect();
        if macs.is_empty() {
            macs.push(None);
        }
        let nowhere = [None];
        let interfaces = match self.interfaces.as_slice() {
            [] => &nowhere,
            all => all,
        };
        let mut boots: Vec<FoundChoice> = Vec::new();
        for interface in interfaces {
            boots.extend(
                macs.iter()
                    .map(|mac| self.choice(machine, *interface, *mac)),
            );
        }
        FoundMachine {
            name: machine.name.clone(),
            identities: identities(machine),
            address: machine.address,
            boots: told_apart(boots),
        }
    }

    fn choice(
        &self,
        machine: &MachineSettings,
        interface: Option<&str>,
        mac: Option<Mac>,
    ) -> FoundChoice {
        let known = KnownMachine {
            mac,
            uuid: machine.uuid,
            serial: machine.serial.clone(),
            client_ids: machine.client_id.iter().cloned().collect(),
            address: machine.address.map(IpAddr::V4),
            ..KnownMachine::default()
        };
        let order = mac.and_then(|mac| self.orders.get(&mac));
        let over = Overrides {
            image: order.and_then(|it| it.image.as_deref()),
            after_failure: order.is_some_and(|it| it.failed.is_some()),
            ..Overrides::default()
        };
        let arrived = arrived(interface.unwrap_or_default());
        let Assigned {
            boots, why, append, ..
        } = self.catalog.assign_with(&known, &arrived, over);
        let open = match why {
            Why::Ordered | Why::AfterFailure => Vec::new(),
            _ => self.catalog.open_rules(&known, interface),
        };
        let open = open.into_iter().map(|(rule, conditions)| OpenRule {
            origin: rule.origin.to_string(),
            conditions,
            boots: rule.choice.as_ref().map(ToString::to_string),
            append: rule.append.clone(),
        });
        FoundChoice {
            interface: interface.map(str::to_owned),
            mac: mac.map(|mac| mac.to_string()),
            once: order.and_then(|it| self.existing(it.once.as_ref())),
            rules: open
                .filter(|rule| rule.boots.is_some() || rule.append.is_some())
                .collect(),
            boots: boots.to_string(),
            why: why.to_string(),
            append,
        }
    }

    /// An order for an image that does not exist (any more) is none.
    fn existing(&self, image: Option<&String>) -> Option<String> {
        image
            .filter(|name| self.catalog.image(name).is_some())
            .cloned()
    }

    /// The orders for machines that no entry has the hardware address of.
    pub(super) fn orders_of_others(&self) -> Vec<FoundOrder> {
        let is_other = |mac: &Mac| {
            let mut machines = self.catalog.machines().iter();
            !machines.any(|machine| machine.macs.contains(mac))
        };
        let others = self.orders.iter().filter(|(mac, _)| is_other(mac));
        let orders = others.map(|(mac, order)| FoundOrder {
            mac: mac.to_string(),
            once: self.existing(order.once.as_ref()),
            image: self.existing(order.image.as_ref()),
        });
        orders
            .filter(|it| it.once.is_some() || it.image.is_some())
            .collect()
    }
}

/// The choices of one machine, without the interface or the hardware address where that makes no difference.
fn told_apart(boots: Vec<FoundChoice>) -> Vec<FoundChoice> {
    let without = |one: &FoundChoice, interface: bool, mac: bool| FoundChoice {
        interface: one.interface.clone().filter(|_| interface),
        mac: one.mac.clone().filter(|_| mac),
        ..one.clone()
    };
    for (interface, mac) in [(false, false), (true, false), (false, true)] {
        let mut told: Vec<FoundChoice> = Vec::new();
        for one in &boots {
            let one = without(one, interface, mac);
            if !told.contains(&one) {
                told.push(one);
            }
        }
        let places = told.iter().map(|it| (&it.interface, &it.mac));
        let places: BTreeSet<_> = places.collect();
        if places.len() == told.len() {
            return told;
        }
    }
    boots
}

/// What the machine is known by.
fn identities(machine: &MachineSettings) -> Vec<String> {
    let macs = machine.macs.iter().map(ToString::to_string);
    let uuid = machine.uuid.iter().map(ToString::to_string);
    let serial = machine.serial.iter();
    let serial = serial.map(|serial| format!("serial {serial}"));
    let client_id = machine.client_id.iter();
    let client_id = client_id.map(|id| format!("client-id {}", client_id_text(id)));
    macs.chain(uuid).chain(serial).chain(client_id).collect()
}

/// As it is written in the configuration.
fn client_id_text(id: &[u8]) -> String {
    match str::from_utf8(id) {
        Ok(text) if !text.contains(|c: char| c.is_control()) => text.to_owned(),
        _ => {
            let bytes: Vec<String> = id.iter().map(|byte| format!("{byte:02x}")).collect();
            bytes.join(":")
        }
    }
}

/// A line for each choice.
impl Display for FoundMachine {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let whom = self.identities.join(", ");
        for choice in &self.boots {
            write!(f, "  {:<16} {}", self.name, Printable(&whom))?;
            if let Some(address) = self.address {
                write!(f, " at {address}")?;
            }
            if let Some(interface) = &choice.interface {
                write!(f, " on {interface}")?;
            }
            if let Some(mac) = &choice.mac {
                write!(f, " by {mac}")?;
            }
            writeln!(f, ": {choice}")?;
        }
        Ok(())
    }
}

impl Display for FoundChoice {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(once) = &self.once {
            write!(f, "{once} ({}), then ", Why::Once)?;
        }
        for rule in &self.rules {
            let conditions = rule.conditions.join(", ");
            write!(f, "if {}: ", Printable(&conditions))?;
            let append = rule.append.as_deref().map(Printable);
            match (&rule.boots, append) {
                (Some(boots), Some(append)) => write!(f, "{boots}, with {append}")?,
                (Some(boots), None) => write!(f, "{boots}")?,
                (None, Some(append)) => write!(f, "with {append}, too")?,
                (None, None) => {}
            }
            write!(f, " (the rule at {}); ", rule.origin)?;
        }
        let (boots, why) = (&self.boots, &self.why);
        match self.rules.is_empty() {
            true => write!(f, "{boots} ({why})")?,
            false => write!(f, "else {boots} ({why})")?,
        }
        match &self.append {
            Some(append) => write!(f, ", with {}", Printable(append)),
            None => Ok(()),
        }
    }
}

impl Display for FoundOrder {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.mac)?;
        match (&self.once, &self.image) {
            (Some(once), Some(image)) => {
                write!(f, "{once} ({}), then {image} ({})", Why::Once, Why::Ordered)
            }
            (Some(once), None) => write!(f, "{once} ({})", Why::Once),
            (None, Some(image)) => write!(f, "{image} ({})", Why::Ordered),
            (None, None) => Ok(()),
        }
    }
}
