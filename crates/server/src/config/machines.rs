//! `[machine.NAME]`, `[[rule]]`, `default` and `[menu]`: who boots which image.

use std::time::Duration;

use netroot_net::{Mac, MacPrefix, Prefix, Uuid};
use netroot_proto::pxe::arch::Platform;
use netroot_spelling::did_you_mean;

use super::section::Section;
use super::values::some_text;
use crate::option_value::{appended, ipv4_host, network};
use crate::settings::{CatalogSettings, Choice, MachineSettings, MenuSettings, Rule};

/// The firmware that a rule can name.
const PLATFORMS: [(&str, Platform); 10] = [
    ("bios", Platform::Bios),
    ("efi-ia32", Platform::EfiIa32),
    ("efi-x64", Platform::EfiX64),
    ("efi-arm32", Platform::EfiArm32),
    ("efi-arm64", Platform::EfiArm64),
    ("efi-riscv32", Platform::EfiRiscv32),
    ("efi-riscv64", Platform::EfiRiscv64),
    ("efi-loongarch32", Platform::EfiLoongarch32),
    ("efi-loongarch64", Platform::EfiLoongarch64),
    ("raspberry-pi", Platform::RaspberryPi),
];

/// The machines of a file, in its order.
pub(super) fn read_machines(whole: &mut Section<'_>) -> Vec<MachineSettings> {
    let machines = whole.named("machine").into_iter();
    machines
        .map(|(name, section)| read_machine(name, section))
        .collect()
}

fn read_machine(name: String, mut machine: Section<'_>) -> MachineSettings {
    let settings = MachineSettings {
        macs: machine.list("mac", "a hardware address", |text| text.parse::<Mac>()),
        uuid: machine.parsed("uuid", "a UUID", |text| text.parse::<Uuid>()),
        serial: machine.text("serial"),
        client_id: machine.parsed("client-id", "a client identifier", |text| bytes(&text)),
        address: machine.parsed("address", "an address", |text| ipv4_host(&text)),
        choice: machine.parsed("boot", "an image", choice),
        append: machine.parsed("append", "a command line", |text| appended(&text)),
        origin: machine.origin(),
        name,
    };
    machine.finish();
    settings
}

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
    if !rule.has("boot") && !rule.has("append") {
        rule.mistake("changes nothing: expected boot or append");
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
        origin: rule.origin(),
    };
    rule.finish();
    settings
}

/// `default = "IMAGE"`.
pub(super) fn read_default(whole: &mut Section<'_>, catalog: &mut CatalogSettings) {
    catalog.default = whole.parsed("default", "an image", choice);
}

/// How long the menu may wait. iPXE takes 0 for ever, and counts milliseconds in 32 bits.
const TIMEOUTS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(24 * 3600));

/// `[menu]`.
pub(super) fn read_menu(whole: &mut Section<'_>, settings: &mut MenuSettings) {
    let Some(mut menu) = whole.table("menu") else {
        return;
    };
    settings.title = menu.text("title");
    if menu.has("timeout") {
        let timeout = menu.time_or_never("timeout", TIMEOUTS, "\"10s\"");
        settings.timeout = timeout.unwrap_or(settings.timeout);
    }
    settings.images = menu.list("images", "an image", some_text);
    settings.default = menu.text("default");
    menu.finish();
}

fn choice(text: String) -> Result<Choice, String> {
    match text.as_str() {
        "" => Err("expected an image's name, or menu, wait or refuse".to_owned()),
        word => Ok(Choice::of_word(word)),
    }
}

fn platform(text: &str) -> Result<Platform, String> {
    let found = PLATFORMS.iter().find(|(name, _)| *name == text);
    found.map(|(_, platform)| *platform).ok_or_else(|| {
        let names = PLATFORMS.iter().map(|(name, _)| *name);
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

/// Bytes in hexadecimal digits with colons between them, as `01:52:54:00:12:34:56`, or a text as it is.
fn bytes(text: &str) -> Result<Vec<u8>, String> {
    if text.is_empty() || text.len() > 3 * 255 {
        return Err("expected 1 to 255 bytes".to_owned());
    }
    let pairs = text.split(':').map(|pair| {
        let is_pair = pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit());
        is_pair.then(|| u8::from_str_radix(pair, 16).ok()).flatten()
    });
    let hexadecimal: Option<Vec<u8>> = pairs.collect();
    Ok(hexadecimal.unwrap_or_else(|| text.as_bytes().to_vec()))
}
