//! Whether a rule is for a machine, and how it is called.

use std::fmt::{self, Display};
use std::net::IpAddr;

use super::known_machine::{ArrivedAt, KnownMachine};
use crate::settings::Rule;

/// Whether every condition holds. What is not known of a machine fulfils no condition.
pub(super) fn matches(rule: &Rule, machine: &KnownMachine, arrived: &ArrivedAt<'_>) -> bool {
    let Rule {
        macs,
        interfaces,
        subnets,
        platforms,
        vendor_classes,
        circuits,
        choice: _,
        append: _,
        secure_boot: _,
        origin: _,
    } = rule;
    let mac = |mac| macs.iter().any(|prefix| prefix.contains(mac));
    let class = |class: &Vec<u8>| {
        let mut beginnings = vendor_classes.iter();
        beginnings.any(|beginning| class.starts_with(beginning.as_bytes()))
    };
    let network = network_of(machine, arrived);
    (macs.is_empty() || machine.mac.is_some_and(mac))
        && (interfaces.is_empty() || interfaces.iter().any(|name| name == arrived.interface))
        && (subnets.is_empty() || subnets.iter().any(|subnet| subnet.contains(network)))
        && (platforms.is_empty() || machine.platform.is_some_and(|it| platforms.contains(&it)))
        && (vendor_classes.is_empty() || machine.vendor_class.as_ref().is_some_and(class))
        && (circuits.is_empty()
            || machine
                .circuit
                .as_ref()
                .is_some_and(|it| circuits.contains(it)))
}

/// `the rule at FILE:LINE for arch efi-arm64, interface eth1`.
pub(super) fn write(f: &mut fmt::Formatter<'_>, rule: &Rule) -> fmt::Result {
    let conditions = conditions(rule);
    write!(f, "the rule at {}", rule.origin)?;
    match conditions.is_empty() {
        true => Ok(()),
        false => write!(f, " for {}", conditions.join(", ")),
    }
}

/// What a rule asks for, as it is written; empty for all machines.
pub(crate) fn conditions(rule: &Rule) -> Vec<String> {
    fn listed<T: Display>(name: &str, values: impl Iterator<Item = T>) -> Option<String> {
        let values: Vec<String> = values.map(|value| value.to_string()).collect();
        (!values.is_empty()).then(|| format!("{name} {}", values.join(" or ")))
    }
    let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
    let conditions = [
        listed("mac", rule.macs.iter()),
        listed("interface", rule.interfaces.iter()),
        listed("subnet", rule.subnets.iter()),
        listed("arch", rule.platforms.iter().filter_map(|it| it.word())),
        listed("vendor-class", rule.vendor_classes.iter()),
        listed("circuit", rule.circuits.iter().map(text)),
    ];
    conditions.into_iter().flatten().collect()
}

/// An address in the machine's network: its own, or what the relay says that is in its network. A machine without either
/// has no address yet, and is in the network of the address by which it reached the server.
fn network_of(machine: &KnownMachine, arrived: &ArrivedAt<'_>) -> IpAddr {
    let relay = machine.link.map(IpAddr::from);
    machine.address.or(relay).unwrap_or(arrived.server)
}
