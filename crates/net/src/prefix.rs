//! An address with a prefix length.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An address and its prefix length: `10.0.0.7/24`.
///
/// The host bits are kept, so that this can be a machine's address as well as a network;
/// [`Prefix::network`] clears them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

/// The prefix is longer than the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{address}/{length} is not a network: the prefix has at most {} bits; write {address}/{} for one machine", bits(*address), bits(*address))]
pub struct PrefixTooLong {
    /// The address before the slash.
    pub address: IpAddr,
    /// The number after it.
    pub length: u8,
}

/// The text is not a prefix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAPrefix {
    /// Neither `ADDRESS/LENGTH` nor an address.
    #[error("expected a network such as 10.0.0.0/24, or one address")]
    Syntax,
    /// The length is greater than the number of bits in the address.
    #[error(transparent)]
    TooLong(#[from] PrefixTooLong),
}

/// The number of bits in an address of this IP version.
fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

impl Prefix {
    /// An address with a prefix of `length` bits.
    ///
    /// # Errors
    /// [`PrefixTooLong`] above 32 bits for IPv4 and above 128 for IPv6.
    pub fn new(address: impl Into<IpAddr>, length: u8) -> Result<Self, PrefixTooLong> {
        let address = address.into();
        if length > bits(address) {
            return Err(PrefixTooLong { address, length });
        }
        Ok(Self { address, length })
    }

    /// Like [`Prefix::new`], but a length that is too great is reduced to all bits of the address.
    #[must_use]
    pub fn clamped(address: impl Into<IpAddr>, length: u8) -> Self {
        let address = address.into();
        let length = length.min(bits(address));
        Self { address, length }
    }

    /// A single machine: `/32` or `/128`.
    #[must_use]
    pub fn host(address: impl Into<IpAddr>) -> Self {
        Self::clamped(address, u8::MAX)
    }

    /// The address, including its host bits.
    #[must_use]
    pub fn address(self) -> IpAddr {
        self.address
    }

    /// The prefix length in bits.
    #[must_use]
    pub fn length(self) -> u8 {
        self.length
    }

    /// The network: the address with its host bits cleared.
    #[must_use]
    pub fn network(self) -> Self {
        let address = match self.address {
            IpAddr::V4(address) => IpAddr::V4(Ipv4Addr::from_bits(
                address.to_bits() & self.mask_v4().to_bits(),
            )),
            IpAddr::V6(address) => {
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & self.mask_v6()))
            }
        };
        Self { address, ..self }
    }

    /// Whether `address` is in this network. Always false for an address of the other IP version.
    #[must_use]
    pub fn contains(self, address: impl Into<IpAddr>) -> bool {
        match (self.address, address.into()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()) & self.mask_v4().to_bits() == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()) & self.mask_v6() == 0
            }
            _ => false,
        }
    }

    /// The IPv4 netmask; `None` for IPv6.
    #[must_use]
    pub fn netmask(self) -> Option<Ipv4Addr> {
        self.address.is_ipv4().then(|| self.mask_v4())
    }

    /// The broadcast address of an IPv4 network; `None` for IPv6.
    #[must_use]
    pub fn broadcast(self) -> Option<Ipv4Addr> {
        match self.address {
            IpAddr::V4(address) => Some(Ipv4Addr::from_bits(
                address.to_bits() | !self.mask_v4().to_bits(),
            )),
            IpAddr::V6(_) => None,
        }
    }

    fn mask_v4(self) -> Ipv4Addr {
        let host_bits = 32u32.saturating_sub(u32::from(self.length));
        Ipv4Addr::from_bits(u32::MAX.checked_shl(host_bits).unwrap_or(0))
    }

    fn mask_v6(self) -> u128 {
        let host_bits = 128u32.saturating_sub(u32::from(self.length));
        u128::MAX.checked_shl(host_bits).unwrap_or(0)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

impl FromStr for Prefix {
    type Err = NotAPrefix;

    /// Parses `10.0.0.0/24`, or a single address, which becomes `/32` or `/128`.
    fn from_str(text: &str) -> Result<Self, NotAPrefix> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NotAPrefix::Syntax)?;
        match length {
            None => Ok(Self::host(address)),
            Some(length) => {
                let length = length.parse().map_err(|_| NotAPrefix::Syntax)?;
                Ok(Self::new(address, length)?)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn every_length_yields_a_mask() {
        let [a, b] = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)];
        assert!(prefix("10.0.0.1/0").contains(Ipv4Addr::new(200, 0, 0, 1)));
        assert!(prefix("10.0.0.1/32").contains(a) && !prefix("10.0.0.1/32").contains(b));
        assert_eq!(
            prefix("10.1.2.3/24").netmask(),
            Some(Ipv4Addr::new(255, 255, 255, 0))
        );
        assert_eq!(prefix("10.1.2.3/0").netmask(), Some(Ipv4Addr::UNSPECIFIED));
        assert!(prefix("2001:db8::1/0").contains(Ipv6Addr::LOCALHOST));
        assert!(!prefix("::1/128").contains(Ipv6Addr::UNSPECIFIED));
    }

    #[test]
    fn a_network_has_no_host_bits_and_ipv4_has_a_broadcast_address() {
        assert_eq!(prefix("10.1.2.3/20").network(), prefix("10.1.0.0/20"));
        assert_eq!(
            prefix("2001:db8:1:2:3::4/64").network(),
            prefix("2001:db8:1:2::/64")
        );
        assert_eq!(
            prefix("10.1.2.3/20").broadcast(),
            Some(Ipv4Addr::new(10, 1, 15, 255))
        );
        assert_eq!(prefix("2001:db8::1/64").broadcast(), None);
    }

    #[test]
    fn an_address_of_the_other_version_is_in_no_network() {
        assert!(!prefix("0.0.0.0/0").contains(Ipv6Addr::LOCALHOST));
        assert!(!prefix("::/0").contains(Ipv4Addr::LOCALHOST));
    }

    #[test]
    fn a_single_address_is_a_host_prefix_and_too_long_a_prefix_is_refused() {
        assert_eq!(prefix("10.0.0.7"), prefix("10.0.0.7/32"));
        assert_eq!(prefix("2001:db8::7"), prefix("2001:db8::7/128"));
        assert_eq!("10.0.0.0/".parse::<Prefix>(), Err(NotAPrefix::Syntax));
        assert_eq!("server/24".parse::<Prefix>(), Err(NotAPrefix::Syntax));
        assert_eq!(
            "10.0.0.0/33".parse::<Prefix>().unwrap_err().to_string(),
            "10.0.0.0/33 is not a network: the prefix has at most 32 bits; write 10.0.0.0/32 for one machine"
        );
        assert_eq!(
            Prefix::clamped(Ipv4Addr::LOCALHOST, 99),
            Prefix::host(Ipv4Addr::LOCALHOST)
        );
    }
}
