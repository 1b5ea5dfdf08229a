//! Hardware addresses of Ethernet NICs.

use std::fmt;
use std::str::FromStr;

/// An Ethernet address. Displayed as `52:54:00:12:34:56`; parsed from that form and from
/// `52-54-00-12-34-56`, in upper or lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

/// The text is not an Ethernet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an Ethernet address such as 52:54:00:12:34:56")]
pub struct NotAMac;

impl Mac {
    /// `ff:ff:ff:ff:ff:ff`.
    pub const BROADCAST: Mac = Mac([0xff; 6]);

    /// True for an address that a single machine can have: neither zero nor a group address.
    pub fn is_unicast(self) -> bool {
        self.0 != [0; 6] && self.0.first().is_some_and(|octet| octet & 1 == 0)
    }

    /// The form used in `BOOTIF=`, without the leading `01-`: `52-54-00-12-34-56`.
    pub fn hyphenated(self) -> String {
        let [a, b, c, d, e, f] = self.0;
        format!("{a:02x}-{b:02x}-{c:02x}-{d:02x}-{e:02x}-{f:02x}")
    }
}

/// The first octets of Ethernet addresses: a manufacturer's (`52:54:00`), or all six of one NIC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacPrefix {
    octets: [u8; 6],
    length: usize,
}

/// The text is not the beginning of an Ethernet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an Ethernet address or its first octets, such as 52:54:00")]
pub struct NotAMacPrefix;

impl MacPrefix {
    /// Whether the address begins so.
    pub fn contains(&self, mac: Mac) -> bool {
        let own = self.octets.iter().take(self.length);
        own.eq(mac.0.iter().take(self.length))
    }
}

impl From<Mac> for MacPrefix {
    fn from(mac: Mac) -> Self {
        Self {
            octets: mac.0,
            length: 6,
        }
    }
}

impl fmt::Display for MacPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets = self.octets.iter().take(self.length);
        for (position, octet) in octets.enumerate() {
            let colon = if position == 0 { "" } else { ":" };
            write!(f, "{colon}{octet:02x}")?;
        }
        Ok(())
    }
}

impl FromStr for MacPrefix {
    type Err = NotAMacPrefix;

    fn from_str(text: &str) -> Result<Self, NotAMacPrefix> {
        let given = text.strip_suffix([':', '-', '*']).unwrap_or(text);
        let given = given.strip_suffix([':', '-']).unwrap_or(given);
        let length = given.split([':', '-']).count();
        let missing = 6_usize.checked_sub(length).ok_or(NotAMacPrefix)?;
        let whole = given.to_owned() + &":00".repeat(missing);
        let Mac(octets) = whole.parse().map_err(|NotAMac| NotAMacPrefix)?;
        Ok(Self { octets, length })
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for Mac {
    type Err = NotAMac;

    fn from_str(text: &str) -> Result<Self, NotAMac> {
        let mut mac = [0; 6];
        let mut parts = text.split([':', '-']);
        for byte in &mut mac {
            // `from_str_radix` on its own accepts "+2".
            let part = parts
                .next()
                .filter(|part| part.len() == 2 && !part.starts_with('+'))
                .ok_or(NotAMac)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| NotAMac)?;
        }
        match parts.next() {
            None => Ok(Mac(mac)),
            Some(_) => Err(NotAMac),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);

    #[test]
    fn a_prefix_contains_the_addresses_that_begin_so() {
        let prefix = |text: &str| text.parse::<MacPrefix>();
        for text in ["52:54:00", "52-54-00", "52:54:00:", "52:54:00:*", "52"] {
            assert!(prefix(text).unwrap().contains(MAC), "{text}");
        }
        let whole = prefix("52:54:00:12:34:56").unwrap();
        assert_eq!(whole, MAC.into());
        assert!(whole.contains(MAC) && !whole.contains(Mac([0x52, 0x54, 0, 0x12, 0x34, 0x57])));
        assert!(!prefix("52:55").unwrap().contains(MAC));
        assert_eq!(prefix("52:54:00:").unwrap().to_string(), "52:54:00");
        for wrong in ["", ":", "*", "5", "52:5", "52:54:00:12:34:56:78", "52::54"] {
            assert_eq!(prefix(wrong), Err(NotAMacPrefix), "{wrong}");
        }
    }

    #[test]
    fn only_colons_and_hyphens_separate_the_octets() {
        assert_eq!("52:54:00:12:34:56".parse(), Ok(MAC));
        assert_eq!("52-54-00-12-34-56".parse(), Ok(MAC));
        assert_eq!(MAC.hyphenated().parse(), Ok(MAC));
        assert_eq!(MAC.to_string().parse(), Ok(MAC));
        for wrong in [
            "",
            "52:54:00:12:34",
            "52:54:00:12:34:56:78",
            "5:54:00:12:34:56",
            "+2:54:00:12:34:56",
            "52:54:00:12:34:5x",
        ] {
            assert_eq!(wrong.parse::<Mac>(), Err(NotAMac), "{wrong}");
        }
    }
}
