//! Domain names as they go over the wire (RFC 1035 §3.1).

use std::fmt;

use thiserror::Error;

/// The longest name on the wire, with its length bytes and the root's.
const LONGEST: usize = 255;
/// The longest label.
const LONGEST_LABEL: usize = 63;
/// The most pointers that one name follows: each leads back, and no server needs many.
const MOST_POINTERS: usize = 32;

/// A name in wire format, in lower case: names are equal whatever their case (RFC 4343).
#[derive(Clone, PartialEq, Eq)]
pub struct Name(Vec<u8>);

/// Why a text is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NameError {
    /// Two dots without anything between, or nothing at all.
    #[error("a part of the name is empty")]
    Empty,
    /// A label of more than 63 bytes, or more than 255 bytes in all.
    #[error("the name or a part of it is longer than DNS allows")]
    TooLong,
}

impl Name {
    /// Reads `host.example.org`, with or without a dot at its end.
    ///
    /// # Errors
    /// When a label is empty or too long, or all of it is.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let mut wire = Vec::with_capacity(text.len() + 2);
        for label in text.split('.') {
            match u8::try_from(label.len()) {
                Ok(0) => return Err(NameError::Empty),
                Ok(length) if usize::from(length) <= LONGEST_LABEL => wire.push(length),
                _ => return Err(NameError::TooLong),
            }
            wire.extend(label.bytes().map(|b| b.to_ascii_lowercase()));
        }
        wire.push(0);
        if wire.len() > LONGEST {
            return Err(NameError::TooLong);
        }
        Ok(Self(wire))
    }

    /// Its bytes on the wire, uncompressed.
    pub(super) fn wire(&self) -> &[u8] {
        &self.0
    }

    /// Reads the name at `at`, following pointers, and says where what comes after it begins. `None` for anything
    /// malformed: too long, too many pointers, one that does not lead back, or the message's end.
    pub(super) fn read(message: &[u8], at: usize) -> Option<(Self, usize)> {
        let mut wire = Vec::new();
        let (mut here, mut after, mut pointers) = (at, None, 0);
        loop {
            let length = *message.get(here)?;
            match length {
                0 => {
                    wire.push(0);
                    return Some((Self(wire), after.unwrap_or(here + 1)));
                }
                1..=0x3f => {
                    let label = message.get(here + 1..)?.get(..usize::from(length))?;
                    if wire.len() + 1 + label.len() + 1 > LONGEST {
                        return None;
                    }
                    wire.push(length);
                    wire.extend(label.iter().map(u8::to_ascii_lowercase));
                    here += 1 + label.len();
                }
                0xc0.. => {
                    let low = *message.get(here + 1)?;
                    after.get_or_insert(here + 2);
                    let target = usize::from(u16::from_be_bytes([length & 0x3f, low]));
                    pointers += 1;
                    if target >= here || pointers > MOST_POINTERS {
                        return None;
                    }
                    here = target;
                }
                // 01 and 10 are reserved (RFC 1035 §4.1.4).
                _ => return None,
            }
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_slice();
        let mut first = true;
        while let Some((length, after)) = rest.split_first()
            && let Some((label, after)) = after.split_at_checked(usize::from(*length))
            && !label.is_empty()
        {
            if !first {
                f.write_str(".")?;
            }
            first = false;
            write!(f, "{}", label.escape_ascii())?;
            rest = after;
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The most domains of a search list that are tried (`MAXDNSRCH`, as resolv.conf(5) long had it).
const MOST_DOMAINS: usize = 6;

/// The names to ask for in turn, for a host as it is written: with a dot at its end, itself alone; with a dot
/// within, itself and then below each domain of the search list; else the other way round (resolv.conf(5),
/// `ndots:1`).
pub fn candidates<'a>(host: &str, search: impl IntoIterator<Item = &'a str>) -> Vec<Name> {
    let itself = Name::parse(host);
    if host.ends_with('.') {
        return itself.into_iter().collect();
    }
    let mut names: Vec<Name> = Vec::new();
    let below = search.into_iter().take(MOST_DOMAINS);
    let below: Vec<Name> = below
        .filter_map(|domain| Name::parse(&format!("{host}.{}", domain.trim_matches('.'))).ok())
        .collect();
    let dotted = host.contains('.');
    let (before, after) = if dotted {
        (itself.ok(), None)
    } else {
        (None, itself.ok())
    };
    for name in before.into_iter().chain(below).chain(after) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(host: &str, search: &[&str]) -> Vec<String> {
        candidates(host, search.iter().copied())
            .iter()
            .map(Name::to_string)
            .collect()
    }

    #[test]
    fn a_bare_name_is_looked_for_in_the_search_list_first() {
        assert_eq!(
            tried("nas", &["lab.example.", "example", "lab.example"]),
            ["nas.lab.example", "nas.example", "nas"]
        );
        assert_eq!(
            tried("nas.lab", &["example"]),
            ["nas.lab", "nas.lab.example"]
        );
        assert_eq!(tried("NAS.lab.", &["example"]), ["nas.lab"]);
        assert_eq!(tried("nas", &[]), ["nas"]);
    }

    #[test]
    fn names_too_long_for_dns_are_not_queried() {
        assert_eq!(Name::parse("a..b"), Err(NameError::Empty));
        assert_eq!(Name::parse(""), Err(NameError::Empty));
        assert_eq!(Name::parse(&"x".repeat(64)), Err(NameError::TooLong));
        assert_eq!(Name::parse(&"x.".repeat(128)), Err(NameError::TooLong));
        assert!(Name::parse(&"x.".repeat(127)).is_ok());
    }

    #[test]
    fn forward_and_looping_pointers_are_refused() {
        assert_eq!(Name::read(&[0xc0, 0], 0), None, "to itself");
        assert_eq!(Name::read(&[0xc0, 2, 0], 0), None, "forward");
        assert_eq!(Name::read(&[1, b'a', 0xc0, 0], 0), None, "around");
        assert_eq!(Name::read(&[0x80, 0], 0), None, "a reserved kind");
        assert_eq!(Name::read(&[3, b'a'], 0), None, "cut off");
    }
}
