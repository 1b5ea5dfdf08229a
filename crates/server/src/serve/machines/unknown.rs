//! Machines that no entry of the configuration is for, and what would put them there. Pure.

use std::time::Instant;

use netroot_net::Mac;
use netroot_printable::Printable;

use super::facts::Heard;

/// The line that adopts a machine, for a file of its own in `conf.d`: `machine.pc1.mac = "52:54:00:12:34:56"`.
pub(super) fn line(mac: Mac, host_name: Option<&str>) -> String {
    format!("machine.{}.mac = \"{mac}\"", name(mac, host_name))
}

/// The same as a table with what is known of the machine, to be put into any file of the configuration.
pub(super) fn table(mac: Mac, heard: &Heard) -> String {
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
    let name = name(mac, heard.host_name.as_deref());
    table + &format!("[machine.{name}]\nmac = \"{mac}\"\n")
}

/// The name that it asks for, without its domain, else one that no other machine has.
fn name(mac: Mac, host_name: Option<&str>) -> String {
    let asked = host_name.and_then(|name| name.split('.').next());
    let asked = asked.filter(|name| !name.is_empty() && *name != "localhost");
    asked.map_or_else(
        || format!("pc-{}", mac.hyphenated().replace('-', "")),
        str::to_ascii_lowercase,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::KnownMachine;

    const MAC: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);

    #[test]
    fn a_machine_is_adopted_by_its_hardware_address() {
        let line = |name| line(MAC, name);
        assert_eq!(
            line(None),
            "machine.pc-525400123456.mac = \"52:54:00:12:34:56\""
        );
        assert_eq!(
            line(Some("Lab7.example.org")),
            "machine.lab7.mac = \"52:54:00:12:34:56\""
        );
        assert_eq!(line(Some("localhost")), line(None));
    }

    #[test]
    fn what_is_known_of_it_is_a_comment_of_one_line() {
        let mut heard = Heard::new(Instant::now());
        heard.said = KnownMachine {
            product: Some("OptiPlex\n[machine.evil]".to_owned()),
            serial: Some("MXL1".to_owned()),
            ..KnownMachine::default()
        };
        assert_eq!(
            table(MAC, &heard),
            "# OptiPlex\\n[machine.evil], serial MXL1\n[machine.pc-525400123456]\nmac = \"52:54:00:12:34:56\"\n"
        );
    }
}
