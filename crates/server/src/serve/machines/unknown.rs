//! Machines that no entry of the configuration is for, and what would put them there. Pure.

use std::time::Instant;

use netroot_net::Mac;
use netroot_printable::Printable;

use super::facts::Heard;
use crate::catalog::Catalog;

/// How many images beside the one that it would boot are named.
const OTHERS: usize = 4;

/// The lines that adopt a machine: a table, to be put at the end of any file of the configuration. It boots `image`, or the first image
/// if that is none.
pub(super) fn table(mac: Mac, heard: &Heard, image: Option<&str>, catalog: &Catalog) -> String {
    let known = &heard.known(mac, Instant::now());
    let texts = [
        ("", &known.manufacturer),
        ("", &known.product),
        ("serial ", &known.serial),
        ("asset ", &known.asset),
    ];
    let texts = texts.into_iter();
    let texts = texts.filter_map(|(what, text)| Some(format!("{what}{}", text.as_ref()?)));
    let uuid = known.uuid.map(|uuid| format!("uuid {uuid}"));
    let platform = known.platform.map(|platform| platform.to_string());
    let facts: Vec<String> = platform.into_iter().chain(texts).chain(uuid).collect();
    let mut table = String::new();
    if !facts.is_empty() {
        // A line break would end the comment.
        table += &format!("# {}\n", Printable(&facts.join(", ")));
    }
    let name = name(mac, heard.host_name.as_deref(), catalog);
    table += &format!("[machine.{name}]\nmac = \"{mac}\"\n");
    table + &boot(image, catalog)
}

/// `boot = "debian"  # or "rescue", "menu"`.
fn boot(image: Option<&str>, catalog: &Catalog) -> String {
    let image = image.and_then(|name| catalog.image(name));
    let Some(image) = image.or_else(|| catalog.images().next()) else {
        return String::new();
    };
    let others = catalog.images().filter(|other| other.name != image.name);
    let others = others.take(OTHERS).map(|other| other.name.as_str());
    let others = others.chain(["menu"]);
    let others: Vec<String> = others.map(|name| format!("\"{name}\"")).collect();
    format!("boot = \"{}\"  # or {}\n", image.name, others.join(", "))
}

/// The name that it asks for, without its domain, else one that no other machine has.
fn name(mac: Mac, host_name: Option<&str>, catalog: &Catalog) -> String {
    let asked = host_name.and_then(|name| name.split('.').next());
    let is_taken = |name: &str| {
        let mut machines = catalog.machines().iter();
        machines.any(|machine| machine.name.eq_ignore_ascii_case(name))
    };
    let asked = asked.filter(|name| !name.is_empty() && *name != "localhost" && !is_taken(name));
    asked.map_or_else(
        || format!("pc-{}", mac.hyphenated().replace('-', "")),
        str::to_ascii_lowercase,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::KnownMachine;
    use crate::catalog::tests::one;

    const MAC: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);

    fn heard(name: Option<&str>) -> Heard {
        let mut heard = Heard::new(Instant::now());
        heard.host_name = name.map(str::to_owned);
        heard
    }

    #[test]
    fn a_machine_is_adopted_by_its_hardware_address() {
        let table = |name: Option<&str>| table(MAC, &heard(name), Some("gone"), &one("debian"));
        let own = "[machine.pc-525400123456]\nmac = \"52:54:00:12:34:56\"\nboot = \"debian\"  # or \"menu\"\n";
        assert_eq!(table(None), own);
        assert_eq!(table(Some("localhost")), own);
        assert!(table(Some("Lab7.example.org")).starts_with("[machine.lab7]\n"));
    }

    #[test]
    fn what_is_known_of_it_is_a_comment_of_one_line() {
        let mut heard = heard(None);
        heard.said = KnownMachine {
            product: Some("OptiPlex\n[machine.evil]".to_owned()),
            serial: Some("MXL1".to_owned()),
            ..KnownMachine::default()
        };
        let table = table(MAC, &heard, None, &one("debian"));
        assert!(
            table.starts_with(
                "# OptiPlex\\n[machine.evil], serial MXL1\n[machine.pc-525400123456]\nmac = "
            ),
            "{table}"
        );
    }
}
