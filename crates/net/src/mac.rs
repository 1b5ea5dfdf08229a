//! Hardware addresses of Ethernet NICs.

use std::fmt;
use std::str::FromStr;

/// An Ethernet address. Displayed as `52:54:00:12:34:56`; parsed from that form and from `52-54-00-12-34-56`,
/// `5254.0012.3456` and `525400123456`, in upper or lower case.
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
    /// Whether every address that begins with `other` begins with this.
    pub fn covers(&self, other: &Self) -> bool {
        self.length <= other.length && self.contains(Mac(other.octets))
    }

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
        if let Ok(whole) = text.parse::<Mac>() {
            return Ok(whole.into());
        }
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
        // Digits between two separators: two, or as switches print them four, or all of them.
        let (separators, digits): (&[char], usize) = match text.len() {
            12 => (&[], 12),
            14 => (&['.'], 4),
            _ => (&[':', '-'], 2),
        };
        let mut mac = [0; 6];
        let mut octets = mac.iter_mut();
        for part in text.split(separators) {
            if part.len() != digits {
                return Err(NotAMac);
            }
            for pair in part.as_bytes().chunks(2) {
                // `from_str_radix` on its own accepts "+2".
                let pair = std::str::from_utf8(pair).map_err(|_| NotAMac)?;
                if pair.starts_with('+') {
                    return Err(NotAMac);
                }
                let octet = u8::from_str_radix(pair, 16).map_err(|_| NotAMac)?;
                *octets.next().ok_or(NotAMac)? = octet;
            }
        }
        match octets.next() {
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
    fn every_usual_notation_is_read() {
        assert_eq!("52:54:00:12:34:56".parse(), Ok(MAC));
        assert_eq!("52-54-00-12-34-56".parse(), Ok(MAC));
        for text in ["5254.0012.3456", "525400123456"] {
            assert_eq!(text.parse(), Ok(MAC), "{text}");
            assert_eq!(text.parse(), Ok(MacPrefix::from(MAC)), "{text}");
        }
        let upper = Mac([0x02, 0xab, 0xcd, 0xef, 0, 1]);
        for text in ["02-AB-CD-EF-00-01", "02AB.CDEF.0001", "02:aB:Cd:eF:00:01"] {
            assert_eq!(text.parse(), Ok(upper), "{text}");
        }
        assert_eq!(MAC.hyphenated().parse(), Ok(MAC));
        assert_eq!(MAC.to_string().parse(), Ok(MAC));
        for wrong in [
            "",
            "52:54:00:12:34",
            "52:54:00:12:34:56:78",
            "5:54:00:12:34:56",
            "+2:54:00:12:34:56",
            "52:54:00:12:34:5x",
            "52:54.00:12:34:56",
            "5254.0012.345",
            "5254.001234.56",
            "5254:0012:3456",
            "52540012345",
            "52540012345é",
            "+25400123456",
        ] {
            assert_eq!(wrong.parse::<Mac>(), Err(NotAMac), "{wrong}");
        }
    }
}
