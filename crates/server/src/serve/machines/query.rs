//! What a loader says of its machine in the query of its script's URL. Pure.
//!
//! `?uuid=${uuid}&serial=${serial:uristring}&busid=${netX/busid}`: iPXE replaces what is in braces, also in a file name
//! that it has from DHCP (autoboot.c), where `dhcp=` says by which message ([`super::facts`]). What a machine does not have is empty, and an older loader may leave a `${…}` as it
//! is: both say nothing.

use netroot_net::{PciId, Uuid};

use crate::catalog::KnownMachine;

/// The longest query that is read, in bytes.
const LONGEST: usize = 1024;
/// The most members that are looked at.
const MEMBERS: usize = 32;
/// The longest value, in characters: SMBIOS's strings have 64 at most by its specification.
const VALUE: usize = 64;

/// What boards have whose maker did not write a serial number: what many machines have names none of them.
const PLACEHOLDERS: [&str; 16] = [
    "0",
    "0123456789",
    "123456789",
    "1234567890",
    "default",
    "default string",
    "empty",
    "invalid",
    "n/a",
    "none",
    "not applicable",
    "not available",
    "not specified",
    "system serial number",
    "to be filled by o.e.m.",
    "unknown",
];

/// What a query says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// Of the machine.
    pub(crate) machine: KnownMachine,
    /// The number of the DHCP message's claim that named the URL.
    pub(crate) claim: Option<u32>,
}

/// What the query says of the machine; nothing of it is known to be true.
pub(crate) fn read(query: &str) -> Said {
    let mut all = Said::default();
    if query.len() > LONGEST {
        return all;
    }
    let said = &mut all.machine;
    for member in query.split('&').take(MEMBERS) {
        let Some((name, value)) = member.split_once('=') else {
            continue;
        };
        let Some(value) = decoded(value) else {
            continue;
        };
        match name {
            "uuid" => said.uuid = value.parse::<Uuid>().ok(),
            "serial" => said.serial = Some(value).filter(|it| names_one(it)),
            "asset" => said.asset = Some(value).filter(|it| names_one(it)),
            "manufacturer" => said.manufacturer = Some(value),
            "product" => said.product = Some(value),
            "busid" => said.nic = PciId::from_bus_id_text(&value),
            "dhcp" => all.claim = u32::from_str_radix(&value, 16).ok(),
            _ => {}
        }
    }
    all
}

/// The number of the answer of DHCP that named the URL.
pub(crate) fn answer_in(query: &str) -> Option<u32> {
    read(query).claim
}

fn names_one(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    !PLACEHOLDERS.contains(&value.as_str()) && !value.bytes().all(|byte| byte == b'0')
}

/// A value that says something, without percent encoding (RFC 3986 §2.1).
fn decoded(value: &str) -> Option<String> {
    let mut bytes = value.bytes();
    let mut decoded = String::new();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high << 4 | low).ok()?
            }
            plain => plain,
        };
        // A string of SMBIOS is ASCII.
        if !matches!(byte, b' '..=b'~') || decoded.len() > VALUE {
            return None;
        }
        decoded.push(char::from(byte));
    }
    let said = decoded.trim();
    (!said.is_empty() && !said.contains("${")).then(|| said.to_owned())
}

/// For `tests/fuzz`.
#[cfg(fuzzing)]
pub(crate) fn fuzz(query: &str) {
    let said = read(query).machine;
    let texts = [said.serial, said.asset, said.manufacturer, said.product];
    for text in texts.into_iter().flatten() {
        assert!(!text.is_empty() && text.len() <= VALUE + 1 && !text.contains(char::is_control));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_ipxe_says_is_read() {
        let said = read(
            "uuid=1b4e28ba-2fa1-11d2-883f-0016d3cca427&serial=MXL%2012%263&busid=01:80:86:10:0e\
             &manufacturer=Dell%20Inc.&product=OptiPlex&asset=&color=red&dhcp=00ff0a0b",
        );
        assert_eq!(said.claim, Some(0x00ff_0a0b));
        let said = said.machine;
        assert_eq!(said.serial.as_deref(), Some("MXL 12&3"));
        assert_eq!(said.manufacturer.as_deref(), Some("Dell Inc."));
        assert_eq!(said.product.as_deref(), Some("OptiPlex"));
        assert_eq!(said.asset, None);
        let uuid = said.uuid.unwrap().to_string();
        assert_eq!(uuid, "1b4e28ba-2fa1-11d2-883f-0016d3cca427");
        assert_eq!(said.nic.unwrap().to_string(), "8086:100e");
    }

    #[test]
    fn what_says_nothing_is_nothing() {
        for query in [
            "",
            "serial",
            "serial=",
            "serial=${serial:uristring}",
            "serial=To%20be%20filled%20by%20O.E.M.",
            "serial=0000000",
            "serial=%",
            "serial=%0a",
            "serial=%c3%a4",
            "uuid=00000000-0000-0000-0000-000000000000",
            "busid=02:80:86:10:0e",
            "dhcp=",
            "dhcp=100000000",
        ] {
            assert_eq!(read(query), Said::default(), "{query}");
        }
        let long = format!("serial={}", "x".repeat(2 * VALUE));
        assert_eq!(read(&long).machine.serial, None);
    }

    proptest! {
        #[test]
        fn whatever_is_sent_is_read_as_printable_text(query in "((serial|uuid|busid|product|dhcp)=|&|%[0-9a-f]{2}|\\PC){0,80}") {
            let said = read(&query).machine;
            for text in [said.serial, said.product].into_iter().flatten() {
                prop_assert!(text.bytes().all(|byte| matches!(byte, b' '..=b'~')) && !text.is_empty());
            }
        }
    }
}
