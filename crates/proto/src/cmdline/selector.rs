//! How a parameter names a NIC: by its name, or by its Ethernet address.

use std::fmt;

use netroot_net::Mac;

use crate::reading::read_mac;

/// The NIC that a parameter is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NicSelector {
    /// By a name: the kernel's (`eth0`), one that udev would give (`enp4s0`), or one that the command line gives. Names
    /// of 16 to 127 bytes are udev's alternative names.
    Name(String),
    /// By its Ethernet address (`52-54-00-12-34-56`).
    Address(Mac),
    /// `BOOTIF`: the NIC that the firmware booted from. A [`BootPlan`](super::BootPlan) has its address instead, if the
    /// command line names one.
    BootLink,
    /// What was written is neither. It selects no NIC, as opposed to every one.
    Unreadable(String),
}

impl NicSelector {
    /// Reads a field; `None` if it is neither a name nor an address.
    pub(super) fn read(text: &str) -> Option<Self> {
        // anaconda writes it in small letters.
        if text.eq_ignore_ascii_case("BOOTIF") {
            return Some(Self::BootLink);
        }
        // Twelve hexadecimal digits in a row are a name.
        if text.contains(['-', ':'])
            && let Ok(address) = read_mac(text)
        {
            return Some(Self::Address(address));
        }
        is_interface_name(text, MAX_ALTERNATIVE_NAME).then(|| Self::Name(text.to_owned()))
    }

    /// Whether it is this name.
    pub fn is_name(&self, name: &str) -> bool {
        matches!(self, Self::Name(own) if own == name)
    }

    /// The name, if it is one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Address(_) | Self::BootLink | Self::Unreadable(_) => None,
        }
    }
}

/// As on the command line.
impl fmt::Display for NicSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(text) | Self::Unreadable(text) => f.write_str(text),
            Self::Address(address) => address.fmt(f),
            Self::BootLink => f.write_str("BOOTIF"),
        }
    }
}

/// The longest name of an interface in bytes: `IFNAMSIZ` less the zero byte.
pub(super) const MAX_NAME: usize = 15;
/// The longest alternative name: `ALTIFNAMSIZ` less the zero byte.
const MAX_ALTERNATIVE_NAME: usize = 127;

/// The kernel's own rule, `dev_valid_name`: no white space, `/` or `:`.
pub(super) fn is_interface_name(text: &str, longest: usize) -> bool {
    let refused = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | ':');
    (1..=longest).contains(&text.len()) && !matches!(text, "." | "..") && !text.contains(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nic_is_named_by_its_name_or_by_its_address() {
        let mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
        for (text, expected) in [
            ("enp4s0", Some(NicSelector::Name("enp4s0".into()))),
            ("52-54-00-12-34-56", Some(NicSelector::Address(mac))),
            ("01-52-54-00-12-34-56", Some(NicSelector::Address(mac))),
            ("52:54:00:12:34:56", Some(NicSelector::Address(mac))),
            (
                "525400123456",
                Some(NicSelector::Name("525400123456".into())),
            ),
            ("BOOTIF", Some(NicSelector::BootLink)),
            ("bootif", Some(NicSelector::BootLink)),
            (
                "enP10000p1s0f0np0",
                Some(NicSelector::Name("enP10000p1s0f0np0".into())),
            ),
            ("a/b", None),
            ("", None),
        ] {
            assert_eq!(NicSelector::read(text), expected, "{text}");
        }
    }
}
