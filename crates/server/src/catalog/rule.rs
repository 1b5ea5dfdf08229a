//! Whether a rule is for a machine, and how it is called.

use std::fmt::{self, Display};
use std::net::IpAddr;

use netroot_net::Prefix;

use super::known_machine::{ArrivedAt, KnownMachine};
use crate::settings::Rule;

/// How a rule suits a machine of which not everything is known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fit {
    /// It is for the machine.
    Yes,
    /// It is not, whatever the machine says.
    No,
    /// It is if these conditions hold.
    If(Vec<String>),
}

/// Whether every condition holds. What is not known of a machine fulfils no condition.
pub(super) fn matches(rule: &Rule, machine: &KnownMachine, arrived: &ArrivedAt<'_>) -> bool {
    let server = Some(arrived.server).filter(|it| !it.is_unspecified());
    let network = network_of(machine).or(server);
    let all = holds(rule, machine, Some(arrived.interface), network);
    all.iter().all(|holds| *holds == Some(true))
}

/// How it suits a machine that has not asked yet; `interface` is where it is to, if that is known.
pub(super) fn fit(rule: &Rule, machine: &KnownMachine, interface: Option<&str>) -> Fit {
    let all = holds(rule, machine, interface, network_of(machine));
    if all.contains(&Some(false)) {
        return Fit::No;
    }
    let open = written(rule).into_iter().zip(all);
    let open = open.filter(|(_, holds)| holds.is_none());
    let open: Vec<String> = open.filter_map(|(condition, _)| condition).collect();
    match open.is_empty() {
        true => Fit::Yes,
        false => Fit::If(open),
    }
}

/// Whether each condition holds, in the order of [`written`]; `None` where what it asks for is not known. One that a rule does
/// not have holds.
fn holds(
    rule: &Rule,
    machine: &KnownMachine,
    interface: Option<&str>,
    network: Option<IpAddr>,
) -> [Option<bool>; 6] {
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
    fn any<T, K>(all: &[T], known: Option<K>, is: impl Fn(&T, &K) -> bool) -> Option<bool> {
        match all {
            [] => Some(true),
            _ => known.map(|known| all.iter().any(|one| is(one, &known))),
        }
    }
    // Every address is in that network, also one that is not known yet. Machines boot by IPv4.
    let is_every = |subnet: &Prefix| subnet.length() == 0 && subnet.address().is_ipv4();
    let in_subnet = match network {
        None if subnets.iter().any(is_every) => Some(true),
        _ => any(subnets, network, |subnet, address| {
            subnet.contains(*address)
        }),
    };
    let class = machine.vendor_class.as_ref();
    [
        any(macs, machine.mac, |prefix, mac| prefix.contains(*mac)),
        any(interfaces, interface, |one, name| one == name),
        in_subnet,
        any(platforms, machine.platform, |one, it| one == it),
        any(vendor_classes, class, |beginning, class| {
            class.starts_with(beginning.as_bytes())
        }),
        any(circuits, machine.circuit.as_ref(), |one, it| one == *it),
    ]
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
    written(rule).into_iter().flatten().collect()
}

/// Each condition that a rule has.
fn written(rule: &Rule) -> [Option<String>; 6] {
    fn listed<T: Display>(name: &str, values: impl Iterator<Item = T>) -> Option<String> {
        let values: Vec<String> = values.map(|value| value.to_string()).collect();
        (!values.is_empty()).then(|| format!("{name} {}", values.join(" or ")))
    }
    let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
    [
        listed("mac", rule.macs.iter()),
        listed("interface", rule.interfaces.iter()),
        listed("subnet", rule.subnets.iter()),
        listed("arch", rule.platforms.iter().filter_map(|it| it.word())),
        listed("vendor-class", rule.vendor_classes.iter()),
        listed("circuit", rule.circuits.iter().map(text)),
    ]
}

/// An address in the machine's network: its own, or what the relay says that is in its network. A machine without either
/// has no address yet, and is in the network of the address by which it reaches the server.
fn network_of(machine: &KnownMachine) -> Option<IpAddr> {
    let relay = machine.link.map(IpAddr::from);
    machine.address.or(relay)
}
