//! Tokens in the path of a root: one command line for many machines, a root for each.
//!
//! `%s` is the kernel's: the host name, else the address. Ours are `%{hostname}` (the same),
//! `%{ip}`, `%{mac}` (`52-54-00-12-34-56`), `%{uuid}`, `%{serial}` and `%{arch}`.

use std::net::IpAddr;

use netroot_net::Mac;

use crate::reading::Reading;

/// What is known of the machine besides its lease.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MachineIdentity {
    /// The Ethernet address of the NIC that the root is reached through.
    pub mac: Option<Mac>,
    /// The system's UUID as its firmware reports it (`/sys/class/dmi/id/product_uuid`).
    pub uuid: Option<String>,
    /// Its serial number (`product_serial`, or the device tree's `serial-number`).
    pub serial: Option<String>,
    /// Its architecture as `uname -m` names it: `x86_64`, `aarch64`.
    pub arch: Option<String>,
}

/// What stands for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    HostName,
    Address,
    Mac,
    Uuid,
    Serial,
    Arch,
}

const TOKENS: [(&str, Token); 7] = [
    ("%s", Token::HostName),
    ("%{hostname}", Token::HostName),
    ("%{ip}", Token::Address),
    ("%{mac}", Token::Mac),
    ("%{uuid}", Token::Uuid),
    ("%{serial}", Token::Serial),
    ("%{arch}", Token::Arch),
];

const KNOWN: &str = "%s, %{hostname}, %{ip}, %{mac}, %{uuid}, %{serial} or %{arch}";

/// A token for which this machine has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unfilled {
    /// As written: `%{serial}`.
    pub(crate) token: &'static str,
    /// What is missing: "serial number".
    pub(crate) what: &'static str,
}

/// Whether the path needs more of the machine than its name and its address.
pub fn path_has_tokens(path: &str) -> bool {
    let needs_identity = |token: Token| !matches!(token, Token::HostName | Token::Address);
    TOKENS
        .iter()
        .any(|(text, token)| needs_identity(*token) && path.contains(text))
}

/// Reports anything that looks like a token but is not one. It stays in the path as written.
pub(super) fn check(path: &str, position: usize, reading: &mut Reading<'_>) {
    for (at, _) in path.match_indices("%{") {
        let rest = path.get(at..).unwrap_or_default();
        if TOKENS.iter().any(|(text, _)| rest.starts_with(text)) {
            continue;
        }
        let found = match rest.find('}') {
            Some(end) => rest.get(..=end).unwrap_or(rest),
            None => rest,
        };
        reading.complain(
            position + at,
            KNOWN,
            found,
            "it stays in the path as written",
        );
    }
}

/// `path` with its tokens replaced. What is put in for one holds only letters, digits, `-`,
/// `_` and single dots, none of them at its start, so that it cannot lead elsewhere in the
/// server's tree. A value itself is not searched for tokens.
pub(crate) fn fill_in(
    path: &str,
    host_name: Option<&str>,
    address: Option<IpAddr>,
    machine: &MachineIdentity,
) -> Result<String, Unfilled> {
    let mut filled = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
        filled.push_str(before);
        let token = TOKENS.iter().find(|(text, _)| from.starts_with(text));
        let Some((text, token)) = token else {
            filled.push('%');
            rest = from.get(1..).unwrap_or_default();
            continue;
        };
        let own_address = || address.map(|address| address.to_string());
        let (value, what) = match token {
            Token::HostName => {
                let name = host_name.map(str::to_owned).or_else(own_address);
                (name, "host name or address")
            }
            Token::Address => (own_address(), "address"),
            Token::Mac => {
                let mac = machine.mac.as_ref().map(|mac| mac.hyphenated());
                (mac, "Ethernet address")
            }
            Token::Uuid => (machine.uuid.as_deref().map(str::to_lowercase), "UUID"),
            Token::Serial => (machine.serial.clone(), "serial number"),
            Token::Arch => (machine.arch.clone(), "architecture"),
        };
        match value.as_deref().map(harmless).filter(|v| !v.is_empty()) {
            Some(value) => filled.push_str(&value),
            None => return Err(Unfilled { token: text, what }),
        }
        rest = from.get(text.len()..).unwrap_or_default();
    }
    filled.push_str(rest);
    Ok(filled)
}

/// The longest value that is put into a path, in bytes.
const MOST_OF_VALUE: usize = 128;

/// `value` as one harmless part of a path: what is neither letter, digit, `-`, `_` nor a
/// single dot within becomes `_`.
fn harmless(value: &str) -> String {
    let mut part = String::new();
    for c in value.trim().chars().take(MOST_OF_VALUE) {
        let dot = c == '.' && !part.is_empty() && !part.ends_with('.');
        let plain = c.is_ascii_alphanumeric() || matches!(c, '-' | '_') || dot;
        part.push(if plain { c } else { '_' });
    }
    part
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cmdline::Complaint;

    fn machine() -> MachineIdentity {
        MachineIdentity {
            mac: Some(Mac([0x52, 0x54, 0, 0xab, 0x34, 0x56])),
            uuid: Some("4C4C4544-0042-3510-8052-B4C04F4D4E31".into()),
            serial: Some(" 5B5 RMN1/.. ".into()),
            arch: Some("x86_64".into()),
        }
    }

    fn filled(path: &str) -> Result<String, Unfilled> {
        fill_in(path, Some("pc7"), Some([10, 0, 0, 9].into()), &machine())
    }

    fn complaints(path: &str) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        check(
            path,
            0,
            &mut Reading::new("nfsroot", Some(path), &mut complaints),
        );
        complaints
    }

    #[test]
    fn each_token_has_the_machines_value() {
        for (path, expected) in [
            ("/srv/%s", "/srv/pc7"),
            ("/srv/%{hostname}/%s", "/srv/pc7/pc7"),
            ("/srv/%{ip}", "/srv/10.0.0.9"),
            ("/srv/%{mac}", "/srv/52-54-00-ab-34-56"),
            ("/srv/%{uuid}", "/srv/4c4c4544-0042-3510-8052-b4c04f4d4e31"),
            ("/srv/%{serial}-%{arch}", "/srv/5B5_RMN1_._-x86_64"),
            ("/100%/%%s", "/100%/%pc7"),
        ] {
            assert_eq!(filled(path).as_deref(), Ok(expected));
            assert_eq!(complaints(path), [], "{path}");
        }
        let unnamed = fill_in("/%s", None, Some([127, 0, 0, 1].into()), &machine());
        assert_eq!(unnamed.as_deref(), Ok("/127.0.0.1"));
    }

    #[test]
    fn a_token_without_a_value_is_an_error() {
        let nothing = MachineIdentity::default();
        for (path, token) in [
            ("/srv/%{serial}", "%{serial}"),
            ("/srv/%s", "%s"),
            ("/srv/%{mac}/%{uuid}", "%{mac}"),
        ] {
            let unfilled = fill_in(path, None, None, &nothing).unwrap_err();
            assert_eq!(unfilled.token, token);
        }
    }

    #[test]
    fn an_unknown_token_is_reported_and_kept() {
        let found: Vec<_> = complaints("/a/%{frob}/%{mac}/%{open")
            .into_iter()
            .map(|c| (c.position, c.found))
            .collect();
        assert_eq!(found, [(3, "%{frob}".into()), (18, "%{open".into())]);
        assert_eq!(filled("/a/%{frob}").as_deref(), Ok("/a/%{frob}"));
    }

    proptest! {
        #[test]
        fn no_value_leads_elsewhere(serial in any::<String>(), host in any::<String>()) {
            let machine = MachineIdentity { serial: Some(serial), ..machine() };
            if let Ok(path) = fill_in("/srv/%{serial}/x%s", Some(&host), None, &machine) {
                prop_assert_eq!(path.matches('/').count(), 3, "{}", path);
                prop_assert!(!path.contains("..") && !path.contains("//"), "{}", path);
                prop_assert!(!path.chars().any(char::is_control));
            }
        }

        #[test]
        fn any_path_is_filled_in(path in "(%s|%\\{|mac\\}|%|/|\\.|.){0,20}") {
            let _ = filled(&path);
            for complaint in complaints(&path) {
                prop_assert!(complaint.is_consistent(), "{complaint:?}");
            }
        }
    }
}
