//! Networks that contradict each other, and rules that no machine can come to.

use std::net::IpAddr;

use netroot_net::{MacPrefix, Prefix};
use netroot_spelling::did_you_mean;

use super::findings::Findings;
use crate::settings::{Choice, Mode, NetworkSettings, Rule, Settings, doubled};

/// Tells all such mistakes. Unless everything `is_understood`, a rule may be without a condition that could not be read,
/// and nothing is said of which machines it is for.
pub(super) fn check(settings: &Settings, is_understood: bool, findings: &mut Findings<'_>) {
    networks(&settings.networks, findings);
    ports(settings, findings);
    if is_understood {
        keys(settings, findings);
        unified_appends(settings, findings);
        rules(settings, findings);
    }
}

fn networks(networks: &[NetworkSettings], findings: &mut Findings<'_>) {
    for (number, first) in doubled(networks) {
        let (place, first) = (
            findings.places.network(number),
            findings.places.network(first),
        );
        let interface = networks.get(number).and_then(|it| it.interface.as_deref());
        let interface = interface.unwrap_or_default();
        let text = format!(
            "{interface} is served by the [[network]] at {first} already; one interface is one [[network]]"
        );
        findings.of_key(&place, "network", "interface", text);
    }
    // Without a name it is the only one that is up, apart from isolated ones.
    let others = networks
        .iter()
        .filter(|network| !matches!(network.mode, Mode::Isolated(_)));
    if others.count() < 2 {
        return;
    }
    for (number, network) in networks.iter().enumerate() {
        if network.interface.is_none() {
            let text =
                "needs an interface where there are several networks, such as interface = \"eth0\"";
            let place = findings.places.network(number);
            findings.mistake(&place, "network".to_owned(), text);
        }
    }
}

fn ports(settings: &Settings, findings: &mut Findings<'_>) {
    // HTTP and NFS have the addresses of the networks. Whether one that is named is among them turns out when it is bound.
    let api = settings.api.tcp.as_ref().map(|tcp| tcp.listen);
    let api = api.filter(|listen| listen.ip().is_unspecified());
    let api = api.map(|listen| listen.port());
    let all: [(&[&str], Option<u16>); 3] = [
        (&["server", "http-port"], Some(settings.http_port)),
        (&["server", "nfs-port"], Some(settings.nfs_port)),
        (&["api", "listen"], api),
    ];
    for (number, (keys, port)) in all.iter().enumerate() {
        let mut before = all.iter().take(number);
        let Some(port) = port else { continue };
        if let Some((other, _)) = before.find(|(_, other)| *other == Some(*port)) {
            let other = other.join(".");
            let text = format!("{other} has the port {port} already; choose another one");
            let place = findings.places.of_main(keys);
            findings.mistake(&place, keys.join("."), text);
        }
    }
}

/// Images that would have to be signed, and no key.
fn keys(settings: &Settings, findings: &mut Findings<'_>) {
    if settings.uki.is_some() {
        return;
    }
    for image in &settings.catalog.images {
        if image.source.root().is_some_and(|root| root.uki) {
            let place = findings.places.key(&image.origin, "uki");
            let about = format!("image.{}.uki", image.name.as_deref().unwrap_or_default());
            let text = "needs a key that signs the image: uki-key and uki-cert in [server]";
            findings.mistake(&place, about, text);
        }
    }
}

/// What machines and rules append, where their image has one command line for all.
fn unified_appends(settings: &Settings, findings: &mut Findings<'_>) {
    let catalog = &settings.catalog;
    let unified = |choice: Option<&Choice>| {
        let Choice::Image(name) = choice? else {
            return None;
        };
        let mut images = catalog.images.iter();
        let image = images.find(|image| image.name.as_ref() == Some(name))?;
        image.source.root()?.uki.then_some(name.clone())
    };
    let text = |image: String| {
        format!(
            "does nothing where UEFI firmware is given the unified kernel image of {image}, which has one command line for \
             all machines; append it to the image, or have that without uki"
        )
    };
    for machine in catalog.machines.iter().filter(|it| it.append.is_some()) {
        if let Some(image) = unified(machine.choice.as_ref()) {
            let place = findings.places.key(&machine.origin, "append");
            findings.doubt(
                &place,
                format!("machine.{}.append", machine.name),
                text(image),
            );
        }
    }
    for rule in catalog.rules.iter().filter(|it| it.append.is_some()) {
        if let Some(image) = unified(rule.choice.as_ref()) {
            let place = findings.places.key(&rule.origin, "append");
            findings.doubt(&place, "rule.append".to_owned(), text(image));
        }
    }
}

fn rules(settings: &Settings, findings: &mut Findings<'_>) {
    let served: Option<Vec<&str>> = settings
        .networks
        .iter()
        .map(|network| network.interface.as_deref())
        .collect();
    let served = served.unwrap_or_default();
    let rules = &settings.catalog.rules;
    for (number, rule) in rules.iter().enumerate() {
        for interface in &rule.interfaces {
            // Without a name any interface may be the one that is served.
            if !served.is_empty() && !served.iter().any(|one| device(one) == device(interface)) {
                let meant = did_you_mean(interface, served.iter().copied(), "those that are are");
                let text = format!("{interface} is not served by any [[network]]; {meant}");
                let place = findings.places.key(&rule.origin, "interface");
                findings.doubt(&place, "rule.interface".to_owned(), text);
            }
        }
        let earlier = rules.iter().take(number);
        let mut deciding = earlier.filter(|earlier| earlier.choice.is_some());
        // Whether firmware is given the signed chain is said by the first rule that says it, wherever that is.
        if rule.secure_boot.is_none()
            && let Some(earlier) = deciding.find(|earlier| covers(earlier, rule))
        {
            let which = match is_for_all(earlier) {
                true => "which has no condition and so is for every machine",
                false => "whose conditions hold wherever these do",
            };
            let text = format!(
                "no machine comes to this rule: the one at {}, {which}, decides before; move that one behind this one",
                earlier.origin
            );
            findings.doubt(&rule.origin, "rule".to_owned(), text);
        }
    }
}

/// Without the label of an address.
fn device(interface: &str) -> &str {
    interface
        .split_once(':')
        .map_or(interface, |(device, _)| device)
}

fn is_for_all(rule: &Rule) -> bool {
    covers(rule, &Rule::default())
}

/// Whether every machine that the later rule is for is one of the earlier rule's.
fn covers(earlier: &Rule, later: &Rule) -> bool {
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
    } = earlier;
    all_in(macs, &later.macs, MacPrefix::covers)
        && all_in(interfaces, &later.interfaces, PartialEq::eq)
        && all_in(subnets, &later.subnets, holds)
        && all_in(platforms, &later.platforms, PartialEq::eq)
        && all_in(vendor_classes, &later.vendor_classes, |one, other| {
            other.starts_with(one.as_str())
        })
        && all_in(circuits, &later.circuits, PartialEq::eq)
}

/// Whether a condition of the earlier rule holds wherever that of the later one does. Without values it holds always.
fn all_in<T>(earlier: &[T], later: &[T], includes: impl Fn(&T, &T) -> bool) -> bool {
    let included = |value: &T| earlier.iter().any(|one| includes(one, value));
    earlier.is_empty() || (!later.is_empty() && later.iter().all(included))
}

fn holds(network: &Prefix, other: &Prefix) -> bool {
    let first: IpAddr = other.address();
    network.length() <= other.length() && network.contains(first)
}
