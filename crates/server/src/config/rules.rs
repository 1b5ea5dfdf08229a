//! `[[rule]]` and `default`: which machines are given what.

use netroot_net::{MacPrefix, Prefix};
use netroot_proto::pxe::arch::Platform;
use netroot_spelling::did_you_mean;

use super::section::Section;
use super::values::{bytes, choice, secure_boot, some_text};
use crate::option_value::{appended, network};
use crate::settings::{CatalogSettings, Rule};

/// What a rule can ask for.
const CONDITIONS: [&str; 6] = [
    "mac",
    "interface",
    "subnet",
    "arch",
    "vendor-class",
    "circuit",
];

/// The rules of a file, in its order.
pub(super) fn read_rules(whole: &mut Section<'_>) -> Vec<Rule> {
    whole.tables("rule").into_iter().map(read_rule).collect()
}

fn read_rule(mut rule: Section<'_>) -> Rule {
    if !["boot", "append", "secure-boot"]
        .iter()
        .any(|key| rule.has(key))
    {
        rule.mistake("changes nothing: expected boot, append or secure-boot");
    }
    for condition in CONDITIONS {
        if rule.is_empty_list(condition) {
            let why =
                "an empty list holds for no machine; leave the key out if the rule is for all";
            rule.mistake_of(condition, why);
        }
    }
    let settings = Rule {
        macs: rule.list("mac", "a hardware address", |text| {
            text.parse::<MacPrefix>()
        }),
        interfaces: rule.list("interface", "an interface", some_text),
        subnets: rule.list("subnet", "a network", |text| subnet(&text)),
        platforms: rule.list("arch", "an architecture", |text| platform(&text)),
        vendor_classes: rule.list("vendor-class", "a vendor class", some_text),
        circuits: rule.list("circuit", "a circuit ID", |text| bytes(&text)),
        choice: rule.parsed("boot", "an image", choice),
        append: rule.parsed("append", "a command line", |text| appended(&text)),
        secure_boot: rule.parsed("secure-boot", "a mode", secure_boot),
        origin: rule.origin(),
    };
    rule.finish();
    settings
}

/// `default = "IMAGE"` and `secure-boot = "MODE"`.
pub(super) fn read_default(whole: &mut Section<'_>, catalog: &mut CatalogSettings) {
    catalog.default = whole.parsed("default", "an image", choice);
    let mode = whole.parsed("secure-boot", "a mode", secure_boot);
    catalog.secure_boot = mode.unwrap_or_default();
}

fn platform(text: &str) -> Result<Platform, String> {
    let mut all = Platform::NAMED.into_iter();
    all.find(|it| it.word() == Some(text)).ok_or_else(|| {
        let names = Platform::NAMED.into_iter().filter_map(Platform::word);
        let meant = did_you_mean(text, names, "expected one of");
        format!("no architecture is called so; {meant}")
    })
}

fn subnet(text: &str) -> Result<Prefix, String> {
    let given = network(text).map_err(|error| error.to_string())?;
    if !text.contains('/') {
        return Err(format!(
            "expected the length of the network's prefix behind {text}, such as {text}/24, or {text}/32 for this address alone"
        ));
    }
    match given.network() == given {
        true => Ok(given),
        false => Err(format!("expected a network such as {}", given.network())),
    }
}
