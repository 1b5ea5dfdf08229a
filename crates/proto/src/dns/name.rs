//! Domain names in wire format (RFC 1035 §3.1).

use std::fmt;

use thiserror::Error;

/// The longest name in wire format, in bytes, including the length bytes and the root label.
const MAX_NAME: usize = 255;
/// The longest label, in bytes.
const MAX_LABEL: usize = 63;
/// The most compression pointers followed in one name: each leads back, and no server needs many.
const MAX_POINTERS: usize = 32;

/// A name in wire format, in lower case: names are compared without regard to case (RFC 4343).
#[derive(Clone, PartialEq, Eq)]
pub struct Name(Vec<u8>);

/// Why a text is not a domain name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NameError {
    /// Two dots in a row, or an empty name.
    #[error("a part of the name is empty")]
    Empty,
    /// A label of more than 63 bytes, or more than 255 bytes in all.
    #[error("the name or a part of it is longer than DNS allows")]
    TooLong,
}

impl Name {
    /// Parses `host.example.org`, with or without a trailing dot.
    ///
    /// # Errors
    /// If a label is empty, or a label or the whole name is too long.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let mut wire = Vec::with_capacity(text.len() + 2);
        for label in text.split('.') {
            match u8::try_from(label.len()) {
                Ok(0) => return Err(NameError::Empty),
                Ok(length) if usize::from(length) <= MAX_LABEL => wire.push(length),
                _ => return Err(NameError::TooLong),
            }
            wire.extend(label.bytes().map(|b| b.to_ascii_lowercase()));
        }
        wire.push(0);
        if wire.len() > MAX_NAME {
            return Err(NameError::TooLong);
        }
        Ok(Self(wire))
    }

    /// The name in wire format, uncompressed.
    pub(super) fn wire(&self) -> &[u8] {
        &self.0
    }

    /// Reads the name at `at`, following pointers, and returns it with the offset of what follows. `None` if it is
    /// malformed: too long, too many pointers, a pointer that does not lead back, or cut off.
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
                    if wire.len() + 1 + label.len() + 1 > MAX_NAME {
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
                    if target >= here || pointers > MAX_POINTERS {
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

/// The most domains of a search list that are tried (`MAXDNSRCH`, the traditional limit of resolv.conf(5)).
const MAX_SEARCH_DOMAINS: usize = 6;

/// The names to query for a host as written, in order. With a trailing dot: only the name itself. With a dot
/// inside: the name itself, then the name in each domain of the search list. Without a dot: the search list first
/// (resolv.conf(5), `ndots:1`).
pub fn candidates<'a>(host: &str, search: impl IntoIterator<Item = &'a str>) -> Vec<Name> {
    let itself = Name::parse(host);
    if host.ends_with('.') {
        return itself.into_iter().collect();
    }
    let mut names: Vec<Name> = Vec::new();
    let below = search.into_iter().take(MAX_SEARCH_DOMAINS);
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
    fn a_name_without_dots_is_tried_in_the_search_list_first() {
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
    fn names_that_are_invalid_in_dns_are_refused() {
        assert_eq!(Name::parse("a..b"), Err(NameError::Empty));
        assert_eq!(Name::parse(""), Err(NameError::Empty));
        assert_eq!(Name::parse(&"x".repeat(64)), Err(NameError::TooLong));
        assert_eq!(Name::parse(&"x.".repeat(128)), Err(NameError::TooLong));
        assert!(Name::parse(&"x.".repeat(127)).is_ok());
    }

    #[test]
    fn forward_and_circular_pointers_are_refused() {
        assert_eq!(Name::read(&[0xc0, 0], 0), None, "to itself");
        assert_eq!(Name::read(&[0xc0, 2, 0], 0), None, "forward");
        assert_eq!(Name::read(&[1, b'a', 0xc0, 0], 0), None, "circular");
        assert_eq!(Name::read(&[0x80, 0], 0), None, "reserved label type");
        assert_eq!(Name::read(&[3, b'a'], 0), None, "cut off");
    }
}
