//! Addresses and hosts as they are written on the command line, in DHCP option 17 and in settings.
//!
//! This is the one place that refuses an IPv6 address, with [`supported`] also for the server's command line: everything
//! behind it passes on [`IpAddr`]. Words that request IPv6 without an address (`ip=dhcp6`, `root=dhcp6`, `ip6=`) are
//! reported where they are read.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netroot_net::Host;
use thiserror::Error;

/// Why a text is not a usable address. Displayed as what was expected instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AddressError {
    /// Not an address at all.
    #[error("an IPv4 address")]
    Syntax,
    /// An IPv6 address, with or without brackets, or something in brackets.
    #[error("an IPv4 address (IPv6 is not supported)")]
    Ipv6,
    /// A multicast or broadcast address.
    #[error("the IPv4 address of one host")]
    NotAHost,
}

/// Reads an address.
///
/// # Errors
/// [`AddressError::Ipv6`] for what is meant as an IPv6 address, else [`AddressError::Syntax`].
pub fn read_address(text: &str) -> Result<IpAddr, AddressError> {
    match dotted_quad(text) {
        Some(address) => supported(address.into()),
        None if text.starts_with('[') => Err(AddressError::Ipv6),
        None => match text.parse::<Ipv6Addr>() {
            Ok(address) => supported(address.into()),
            Err(_) => Err(AddressError::Syntax),
        },
    }
}

/// Passes an address on unless it is one of IPv6. The check that goes away once IPv6 is supported.
///
/// # Errors
/// [`AddressError::Ipv6`] alone.
pub fn supported(address: IpAddr) -> Result<IpAddr, AddressError> {
    match address {
        IpAddr::V4(_) => Ok(address),
        IpAddr::V6(_) => Err(AddressError::Ipv6),
    }
}

/// Reads the address of one host; `None` for `0.0.0.0`, which stands for no address, as in the
/// kernel's `ipconfig.c`.
///
/// # Errors
/// Those of [`read_address`], and [`AddressError::NotAHost`].
pub fn read_host_address(text: &str) -> Result<Option<IpAddr>, AddressError> {
    let address = read_address(text)?;
    let broadcast = address == IpAddr::V4(Ipv4Addr::BROADCAST);
    if address.is_multicast() || broadcast {
        return Err(AddressError::NotAHost);
    }
    Ok(Some(address).filter(|address| !address.is_unspecified()))
}

/// Reads a server's address or name; `None` for what is neither, and for `0.0.0.0`.
pub fn read_host(text: &str) -> Option<Host> {
    if let Ok(address) = read_address(text) {
        return (!address.is_unspecified()).then_some(Host::Address(address));
    }
    let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    // Digits and dots alone are a misspelt address, which no name server knows either.
    let numeric = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let name = (1..=253).contains(&text.len()) && text.bytes().all(letter) && !numeric;
    name.then(|| Host::Name(text.to_owned()))
}

/// Four decimal numbers with dots. Leading zeros are decimal too, as in the kernel's
/// `in_aton`; anything that is not 0 to 255 is refused, which `in_aton` accepts.
pub(crate) fn dotted_quad(text: &str) -> Option<Ipv4Addr> {
    let mut octets = [0u8; 4];
    let mut pieces = text.split('.');
    for octet in &mut octets {
        let piece = pieces.next()?;
        let decimal = (1..=3).contains(&piece.len()) && piece.bytes().all(|b| b.is_ascii_digit());
        *octet = if decimal {
            piece.parse().ok()?
        } else {
            return None;
        };
    }
    pieces.next().is_none().then(|| Ipv4Addr::from(octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv6_is_refused_with_one_sentence() {
        for text in ["2001:db8::1", "[2001:db8::1]", "::", "[fe80::1%eth0]"] {
            let error = read_host_address(text).unwrap_err();
            assert_eq!(
                error.to_string(),
                "an IPv4 address (IPv6 is not supported)",
                "{text}"
            );
            assert_eq!(read_host(text), None, "{text}");
        }
    }

    #[test]
    fn only_the_address_of_a_single_host_is_accepted() {
        let read = read_host_address;
        assert_eq!(read("10.0.0.1"), Ok(Some([10, 0, 0, 1].into())));
        assert_eq!(read("010.0.0.01"), Ok(Some([10, 0, 0, 1].into())));
        assert_eq!(read("0.0.0.0"), Ok(None));
        assert_eq!(read("224.0.0.1"), Err(AddressError::NotAHost));
        assert_eq!(read("255.255.255.255"), Err(AddressError::NotAHost));
        for text in ["", "10.0.0", "10.0.0.256", "10.0.0.1.2", "server"] {
            assert_eq!(read(text), Err(AddressError::Syntax), "{text}");
        }
    }

    #[test]
    fn a_host_is_an_address_or_a_name() {
        let address = Host::Address([10, 0, 0, 1].into());
        assert_eq!(read_host("10.0.0.1"), Some(address));
        assert_eq!(read_host("nas.lab"), Some(Host::Name("nas.lab".into())));
        for text in ["", "0.0.0.0", "10.0.0.300", "a b", "a/b"] {
            assert_eq!(read_host(text), None, "{text}");
        }
    }
}
