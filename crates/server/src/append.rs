//! What an image, a rule or a machine adds to the kernel's command line: text in which `${mac}` and the like stand for what
//! the machine has. `$$` is a `$`.
//!
//! iPXE expands `${…}`, too, and what it put in once more. So nothing that a loader could take for more than text leaves
//! here: no `${`, no word that separates iPXE's commands, no control character.

use std::net::IpAddr;

use netroot_net::{Mac, Uuid};

/// The longest value that is taken from a machine, in bytes.
const LONGEST: usize = 64;

/// What the variables stand for. What is not known of the machine is `None`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Values<'a> {
    /// The image's name.
    pub(crate) image: &'a str,
    /// The machine's host name.
    pub(crate) name: Option<&'a str>,
    /// The hardware address that it boots with.
    pub(crate) mac: Option<Mac>,
    /// Its address.
    pub(crate) ip: Option<IpAddr>,
    /// Its UUID.
    pub(crate) uuid: Option<Uuid>,
    /// Its serial number.
    pub(crate) serial: Option<&'a str>,
    /// Its asset tag.
    pub(crate) asset: Option<&'a str>,
    /// Who made it.
    pub(crate) manufacturer: Option<&'a str>,
    /// Its model.
    pub(crate) product: Option<&'a str>,
    /// The server's address as the machine reaches it.
    pub(crate) server: Option<IpAddr>,
    /// The URL of its boot reports.
    pub(crate) report: Option<&'a str>,
    /// Whether iPXE reads it, which knows the NIC's address and the UUID itself.
    pub(crate) by_ipxe: bool,
}

/// Such a text cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AppendError {
    /// A variable that does not exist.
    #[error("${{{name}}} stands for nothing; {}", meant(name))]
    Unknown {
        /// Its name.
        name: String,
    },
    /// The end is missing.
    #[error("the variable at {rest:?} has no }}; write $$ for a $")]
    Unclosed {
        /// The text from its start.
        rest: String,
    },
    /// `$${`.
    #[error(
        "a command line cannot have $${{ in it, which iPXE would expand; write ${{mac}} for what the machine has, without a second $"
    )]
    Brace,
    /// A line break or another control character.
    #[error("a command line cannot have the character {0:?} in it")]
    Control(char),
    /// A word that ends an iPXE command.
    #[error(
        "a command line cannot have {0:?} as a word, which iPXE would take for the end of a command"
    )]
    Separator(String),
}

fn meant(name: &str) -> String {
    let written = |name: &str| format!("${{{name}}}");
    let known = Variable::NAMES.map(|(name, _)| written(name));
    netroot_spelling::did_you_mean(
        &written(name),
        known.iter().map(String::as_str),
        "known are",
    )
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variable {
    Image,
    Name,
    Mac,
    MacHyphens,
    MacDigits,
    Ip,
    Uuid,
    Serial,
    Asset,
    Manufacturer,
    Product,
    Server,
    Report,
}

impl Variable {
    /// The formats of the MAC are iPXE's.
    const NAMES: [(&'static str, Self); 13] = [
        ("mac", Self::Mac),
        ("mac:hexhyp", Self::MacHyphens),
        ("mac:hexraw", Self::MacDigits),
        ("name", Self::Name),
        ("ip", Self::Ip),
        ("uuid", Self::Uuid),
        ("serial", Self::Serial),
        ("asset", Self::Asset),
        ("manufacturer", Self::Manufacturer),
        ("product", Self::Product),
        ("server", Self::Server),
        ("image", Self::Image),
        ("report", Self::Report),
    ];

    fn named(name: &str) -> Result<Self, AppendError> {
        let known = Self::NAMES.iter().find(|(known, _)| *known == name);
        known
            .map(|(_, variable)| *variable)
            .ok_or_else(|| AppendError::Unknown {
                name: name.to_owned(),
            })
    }

    /// What it stands for; `None` if that is not known.
    fn value(self, values: &Values<'_>) -> Option<String> {
        let ipxe = |setting: &str| values.by_ipxe.then(|| format!("${{{setting}}}"));
        let mac = values.mac;
        match self {
            Self::Image => Some(values.image.to_owned()),
            Self::Name => values.name.and_then(cleaned),
            Self::Mac => mac.map(|mac| mac.to_string()).or_else(|| ipxe("netX/mac")),
            Self::MacHyphens => mac.map(Mac::hyphenated).or_else(|| ipxe("netX/mac:hexhyp")),
            Self::MacDigits => mac
                .map(|mac| mac.hyphenated().replace('-', ""))
                .or_else(|| ipxe("netX/mac:hexraw")),
            Self::Ip => values
                .ip
                .map(|ip| ip.to_string())
                .or_else(|| ipxe("netX/ip")),
            Self::Uuid => values
                .uuid
                .map(|uuid| uuid.to_string())
                .or_else(|| ipxe("uuid")),
            Self::Serial => values.serial.and_then(cleaned),
            Self::Asset => values.asset.and_then(cleaned),
            Self::Manufacturer => values.manufacturer.and_then(cleaned),
            Self::Product => values.product.and_then(cleaned),
            Self::Server => values.server.map(|server| server.to_string()),
            Self::Report => values.report.map(str::to_owned),
        }
    }
}

/// What a machine says of itself, without anything that would be more than one value: every other character is a
/// hyphen. `None` if nothing is left.
fn cleaned(value: &str) -> Option<String> {
    let kept = |c: char| c.is_ascii_alphanumeric() || "._:+@%-".contains(c);
    let value: String = value
        .trim()
        .chars()
        .map(|c| if kept(c) { c } else { '-' })
        .take(LONGEST)
        .collect();
    value
        .contains(|c: char| c.is_ascii_alphanumeric())
        .then_some(value)
}

/// A part of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    Dollar,
    Variable(Variable),
}

fn parts(text: &str) -> Result<Vec<Part<'_>>, AppendError> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        parts.push(Part::Text(before));
        if let Some(more) = after.strip_prefix('$') {
            if more.starts_with('{') {
                return Err(AppendError::Brace);
            }
            parts.push(Part::Dollar);
            rest = more;
        } else if let Some(more) = after.strip_prefix('{') {
            let Some((name, more)) = more.split_once('}') else {
                return Err(AppendError::Unclosed {
                    rest: format!("${after}"),
                });
            };
            parts.push(Part::Variable(Variable::named(name)?));
            rest = more;
        } else {
            parts.push(Part::Dollar);
            rest = after;
        }
    }
    parts.push(Part::Text(rest));
    Ok(parts)
}

/// Whether a text can be used.
///
/// # Errors
/// See [`AppendError`].
pub(crate) fn check(text: &str) -> Result<(), AppendError> {
    if let Some(control) = text.chars().find(|c| c.is_control() && *c != '\t') {
        return Err(AppendError::Control(control));
    }
    parts(text)?;
    let separators = ["#", ";", "||", "&&"];
    match text
        .split_whitespace()
        .find(|word| separators.contains(word))
    {
        Some(word) => Err(AppendError::Separator(word.to_owned())),
        None => Ok(()),
    }
}

/// A text with every variable replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Expanded {
    /// The parameters.
    pub(crate) line: String,
    /// The parameters, as written, that are not in it: what they need is not known of the machine.
    pub(crate) left_out: Vec<String>,
}

/// Replaces every variable. A parameter with one whose value is not known is left out as a whole.
pub(crate) fn expand(text: &str, values: &Values<'_>) -> Expanded {
    let mut expanded = Expanded::default();
    for word in text.split_whitespace() {
        let replaced = parts(word).ok().and_then(|parts| {
            let replaced = parts.into_iter().map(|part| match part {
                Part::Text(text) => Some(text.to_owned()),
                Part::Dollar => Some("$".to_owned()),
                Part::Variable(variable) => variable.value(values),
            });
            replaced.collect::<Option<String>>()
        });
        match replaced {
            Some(word) => {
                if !expanded.line.is_empty() {
                    expanded.line.push(' ');
                }
                expanded.line += &word;
            }
            None => expanded.left_out.push(word.to_owned()),
        }
    }
    expanded
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    fn values() -> Values<'static> {
        Values {
            image: "debian",
            name: Some("lab-01"),
            mac: Some(Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56])),
            ip: Some(Ipv4Addr::new(10, 0, 0, 7).into()),
            uuid: "00112233-4455-6677-8899-aabbccddeeff".parse().ok(),
            serial: Some("CZC 123"),
            server: Some(Ipv4Addr::new(10, 0, 0, 1).into()),
            ..Values::default()
        }
    }

    fn line(text: &str) -> String {
        check(text).unwrap();
        expand(text, &values()).line
    }

    #[test]
    fn every_variable_is_replaced_and_a_dollar_stays_usable() {
        for (text, expected) in [
            ("quiet  splash", "quiet splash"),
            (
                "hostname=${name} a=${mac}",
                "hostname=lab-01 a=52:54:00:12:34:56",
            ),
            ("BOOTIF=01-${mac:hexhyp}", "BOOTIF=01-52-54-00-12-34-56"),
            ("id=${mac:hexraw}", "id=525400123456"),
            ("${image}@${server}/${ip}", "debian@10.0.0.1/10.0.0.7"),
            ("u=${uuid}", "u=00112233-4455-6677-8899-aabbccddeeff"),
            ("a=$$b c=$d e=$", "a=$b c=$d e=$"),
            ("a=$$$$b", "a=$$b"),
            ("x={${name}}", "x={lab-01}"),
        ] {
            assert_eq!(line(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_known_is_left_out_and_told() {
        let nobody = Values {
            image: "debian",
            ..Values::default()
        };
        let text = "quiet hostname=${name} mac=${mac} x=${image}";
        let expanded = expand(text, &nobody);
        assert_eq!(expanded.line, "quiet x=debian");
        assert_eq!(expanded.left_out, ["hostname=${name}", "mac=${mac}"]);
        let by_ipxe = Values {
            by_ipxe: true,
            ..nobody
        };
        let expanded = expand(text, &by_ipxe);
        assert_eq!(expanded.line, "quiet mac=${netX/mac} x=debian");
    }

    #[test]
    fn what_a_machine_says_of_itself_is_one_value() {
        for (serial, expected) in [
            ("CZC 123", Some("CZC-123")),
            ("x init=/bin/sh", Some("x-init--bin-sh")),
            ("a\n||\tshell", Some("a----shell")),
            ("${netX/mac}", Some("--netX-mac-")),
            ("ÄÖ1", Some("--1")),
            ("  ", None),
            ("---", None),
        ] {
            assert_eq!(cleaned(serial).as_deref(), expected, "{serial:?}");
        }
        assert_eq!(
            cleaned(&"x".repeat(1000)).map(|value| value.len()),
            Some(LONGEST)
        );
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_the_remedy() {
        for (text, expected) in [
            (
                "a=${hostname}",
                "${hostname} stands for nothing; known are ${mac}, ",
            ),
            (
                "a=${nane}",
                "${nane} stands for nothing; did you mean ${name}?",
            ),
            ("a=${netX/mac}", "${netX/mac} stands for nothing"),
            ("a=${", "has no }; write $$ for a $"),
            ("a=$${mac}", "which iPXE would expand"),
            ("quiet\nshell", "the character '\\n'"),
            ("quiet || shell", "\"||\" as a word"),
            ("quiet # old", "\"#\" as a word"),
        ] {
            let error = check(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    proptest! {
        /// Whatever a machine says and whatever is written, iPXE has nothing to expand, and no word is added.
        #[test]
        fn nothing_expands_twice(text in "[ -~]{0,40}", serial in "\\PC{0,20}", dollars in "(\\$|\\{|\\}|mac|serial| ){0,12}") {
            let values = Values { serial: Some(&serial), ..values() };
            for text in [text, dollars] {
                if check(&text).is_ok() {
                    let expanded = expand(&text, &values);
                    prop_assert!(!expanded.line.contains("${"), "{}", expanded.line);
                    let words = text.split_whitespace().count();
                    let kept = expanded.line.split_whitespace().count();
                    prop_assert_eq!(kept + expanded.left_out.len(), words);
                }
            }
        }
    }
}
