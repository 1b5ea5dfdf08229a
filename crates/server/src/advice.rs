//! What errors and warnings advise, in the words of whoever reads it: they name the options of `netroot serve DIR`, and
//! who serves what files say has no options but keys.
//!
//! Sentences are written once, with options. On its way out of the program ([`crate::serve::events`] for the log,
//! [`crate::serve::history`] for the API, the errors of `netroot serve`, `check-config` and `check`) each passes
//! [`Advice::told`].

use std::borrow::Cow;

use crate::settings::{CONFIG, Settings};

/// By which names settings are spoken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Advice {
    /// Those of the command line: `--state DIR`.
    #[default]
    Options,
    /// Those of `netroot.toml`: `state = "DIR" in [server]`.
    Keys,
}

/// What an option is in a file.
struct Key {
    option: &'static str,
    /// The key, or a whole line where the option takes no value.
    key: &'static str,
    /// The line up to the value, where that is not `key = `.
    before_value: Option<&'static str>,
    /// Where it is, if it may be in one table only.
    table: &'static str,
    /// Whether its value is a number, without quotes.
    is_number: bool,
}

const SERVER: &str = " in [server]";

const fn key(option: &'static str, key: &'static str, table: &'static str) -> Key {
    Key {
        option,
        key,
        before_value: None,
        table,
        is_number: false,
    }
}

const fn port(option: &'static str, name: &'static str) -> Key {
    Key {
        is_number: true,
        ..key(option, name, SERVER)
    }
}

const fn mode(option: &'static str, line: &'static str, before_value: &'static str) -> Key {
    Key {
        before_value: Some(before_value),
        ..key(option, line, "")
    }
}

const KEYS: [Key; 33] = [
    key("interface", "interface", ""),
    mode("isolated", "mode = \"isolated\"", "subnet"),
    key("nat", "nat = true", ""),
    key("address", "address", ""),
    mode("dhcp", "mode = \"dhcp\"", "range"),
    key("dhcp-anyway", "anyway = true", ""),
    key("no-probe", "probe = false", ""),
    key("router", "router", ""),
    key("dns", "dns", ""),
    key("lease-time", "lease-time", ""),
    key("kernel", "kernel", ""),
    key("modules", "modules", ""),
    key("init", "init", ""),
    key("initrd", "initrd", ""),
    key("append", "append", ""),
    key("no-overlay", "overlay = false", ""),
    key("nfsroot", "nfsroot", ""),
    key("allow", "allow", SERVER),
    key("allow-only", "allow-only", SERVER),
    key("hide", "hide", ""),
    key("hide-secrets", "hide-secrets = true", ""),
    key("no-submounts", "submounts = false", ""),
    port("http-port", "http-port"),
    port("nfs-port", "nfs-port"),
    key("portmapper", "portmapper", SERVER),
    key("tftp-dir", "tftp-dir", SERVER),
    key("ipxe", "ipxe", SERVER),
    key("secure-boot", "secure-boot", ""),
    key("secure-boot-files", "secure-boot-files", ""),
    key("state", "state", SERVER),
    key("cache", "cache", SERVER),
    key("uki-key", "uki-key", SERVER),
    key("uki-cert", "uki-cert", SERVER),
];

/// The one key that `netroot serve` has an option for beside the file.
const CONTROL: Key = key("control", "control", SERVER);

fn find(option: &str) -> Option<&'static Key> {
    let mut all = KEYS.iter().chain([&CONTROL]);
    all.find(|key| key.option == option)
}

/// What is written in a file instead of an option: `state in [server]`. `None` if it is no option of `netroot serve DIR`.
fn key_of(option: &str) -> Option<String> {
    let found = KEYS.iter().find(|key| key.option == option)?;
    Some(format!("{}{}", found.key, found.table))
}

/// Options for a directory are given and no directory: a file says the same where none is. `command` is netroot's.
pub(crate) fn lacks_directory(command: &str, options: impl Iterator<Item = String>) -> String {
    let options = options.filter_map(|option| Some((format!("--{option}"), key_of(&option)?)));
    let (options, keys): (Vec<_>, Vec<_>) = options.unzip();
    let is_for = if options.len() == 1 { "is" } else { "are" };
    let (options, keys) = (options.join(" and "), keys.join(" and "));
    format!(
        "{options} {is_for} for the root of one directory, and none is given; name it, such as `netroot {command} /srv/debian`, \
         or say it in the configuration that counts without one ({CONFIG}): {keys}"
    )
}

impl Advice {
    /// That for who configured these settings.
    pub(crate) fn of(settings: &Settings) -> Self {
        match settings.config {
            Some(_) => Self::Keys,
            None => Self::Options,
        }
    }

    /// A sentence with options, as it is told.
    pub(crate) fn told<'a>(self, sentence: impl Into<Cow<'a, str>>) -> Cow<'a, str> {
        let sentence = sentence.into();
        match self {
            Self::Keys if sentence.contains("--") => with_keys(&sentence).into(),
            Self::Keys | Self::Options => sentence,
        }
    }
}

fn with_keys(sentence: &str) -> String {
    let mut told = String::new();
    let mut rest = sentence;
    while let Some(at) = rest.find("--") {
        let (before, option) = rest.split_at(at);
        told += before;
        let name = option.trim_start_matches('-');
        let is_inside = before.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '-');
        let end = name.find(|c: char| !(c.is_ascii_lowercase() || c == '-'));
        let (name, after) = name.split_at(end.unwrap_or(name.len()));
        let found = find(name).filter(|_| !is_inside && !after.starts_with('='));
        match found {
            Some(key) => {
                let (line, left) = line(key, after);
                told += &line;
                rest = left;
            }
            None => {
                told += option.strip_suffix(after).unwrap_or(option);
                rest = after;
            }
        }
    }
    told + rest
}

/// The line for an option, with its value if one follows, and what is behind it.
fn line<'a>(key: &Key, after: &'a str) -> (String, &'a str) {
    let Key {
        key: name, table, ..
    } = key;
    let Some((value, left)) = value(key, after) else {
        return (format!("{name}{table}"), after);
    };
    let name = key.before_value.unwrap_or(name);
    let line = match key.is_number {
        true => format!("{name} = {value}{table}"),
        false => {
            // Of eth1=10.20.0.0/24 the network.
            let value = value.rsplit('=').next().unwrap_or(value);
            format!("{name} = \"{value}\"{table}")
        }
    };
    // Who is to give addresses, and did not so far.
    let line = match value {
        "FIRST-LAST" => format!("{} and {line} in [[network]]", key.key),
        _ => line,
    };
    (line, left)
}

/// The value: a word that is none of the sentence's.
fn value<'a>(key: &Key, after: &'a str) -> Option<(&'a str, &'a str)> {
    let word = after.strip_prefix(' ')?;
    let end = word.find(char::is_whitespace).unwrap_or(word.len());
    let word_only = word.get(..end)?;
    let value = word_only.trim_end_matches([',', ';', ':', '.', ')']);
    let is_value = |c: char| c.is_ascii_digit() || c.is_ascii_uppercase() || c == '/';
    // An interface may have any name.
    let is_name = key.option == "interface" && !value.is_empty();
    let takes_value = !key.key.contains(" = true") && !key.key.contains(" = false");
    (takes_value && (is_name || value.contains(is_value)))
        .then(|| word.split_at_checked(value.len()))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve_options::OF_A_DIRECTORY;

    fn keys(sentence: &str) -> String {
        Advice::Keys.told(sentence).into_owned()
    }

    #[test]
    fn every_option_of_a_directory_is_a_key_of_the_example() {
        let example = include_str!("../examples/netroot.toml");
        let options = OF_A_DIRECTORY.iter().map(|id| id.replace('_', "-"));
        for option in options.chain(["control".to_owned()]) {
            let key = find(&option).unwrap_or_else(|| panic!("--{option} is no key"));
            let names = [key.key, key.before_value.unwrap_or(key.key)];
            for name in names.map(|it| it.split(' ').next().unwrap()) {
                let is_there = |line: &str| {
                    line.trim_start_matches("# ")
                        .starts_with(&format!("{name} = "))
                };
                assert!(example.lines().any(is_there), "{name}");
            }
        }
        assert_eq!(KEYS.len(), OF_A_DIRECTORY.len());
    }

    #[test]
    fn an_option_is_told_as_its_key_with_its_value_and_its_table() {
        for (sentence, told) in [
            (
                "allow it, for example: --allow 10.88.0.0/24",
                "allow it, for example: allow = \"10.88.0.0/24\" in [server]",
            ),
            (
                "let netroot give them: --dhcp FIRST-LAST",
                "let netroot give them: mode = \"dhcp\" and range = \"FIRST-LAST\" in [[network]]",
            ),
            (
                "leave --dhcp out, or use --dhcp-anyway",
                "leave mode = \"dhcp\" out, or use anyway = true",
            ),
            (
                "the prefix: --dhcp 10.1.0.1-10.1.0.9/24",
                "the prefix: range = \"10.1.0.1-10.1.0.9/24\"",
            ),
            (
                "a folder of its own with --state DIR",
                "a folder of its own with state = \"DIR\" in [server]",
            ),
            (
                "let machines mount that one (--nfsroot ADDR:/PATH), or choose another port with --nfs-port (the",
                "let machines mount that one (nfsroot = \"ADDR:/PATH\"), or choose another port with nfs-port in [server] (the",
            ),
            (
                "choose another: --http-port PORT",
                "choose another: http-port = PORT in [server]",
            ),
            (
                "name one, for example: --interface lab",
                "name one, for example: interface = \"lab\"",
            ),
            (
                "choose one: --isolated lab=10.77.0.0/24",
                "choose one: subnet = \"10.77.0.0/24\"",
            ),
            (
                "serve the interface without --isolated",
                "serve the interface without mode = \"isolated\"",
            ),
            (
                "hide them with --hide-secrets (ssh-keygen -A)",
                "hide them with hide-secrets = true (ssh-keygen -A)",
            ),
            (
                "the kernel /boot/k is hidden (--hide)",
                "the kernel /boot/k is hidden (hide)",
            ),
        ] {
            assert_eq!(keys(sentence), told);
            assert_eq!(Advice::Options.told(sentence), sentence);
        }
    }

    #[test]
    fn what_is_no_option_of_netroot_is_left_as_it_is() {
        for sentence in [
            "iptables -I FORWARD -o eth1 -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
            "firewall-cmd --permanent --policy=netroot --add-ingress-zone=trusted",
            "docker run --cap-add=NET_RAW --cap-add=DAC_READ_SEARCH",
            "a -- b --",
            "/srv/x--state/y",
            "--",
            "",
        ] {
            assert_eq!(keys(sentence), sentence);
        }
    }
}
