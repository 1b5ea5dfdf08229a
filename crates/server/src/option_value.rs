//! Values as they are written, on the command line and in files.

use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;
use std::time::Duration;

use netroot_net::Prefix;
use netroot_proto::address::{self, AddressError};
use netroot_proto::pxe::strategy::SecureBootMode;

use crate::append::{self, AppendError};

/// Two addresses of DHCPv4, the first not higher than the second, and what goes with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AddressRange {
    /// The lowest address.
    pub(crate) first: Ipv4Addr,
    /// The highest address.
    pub(crate) last: Ipv4Addr,
    /// The length of their network's prefix.
    pub(crate) length: Option<u8>,
    /// The router there.
    pub(crate) router: Option<Ipv4Addr>,
}

/// An interface that is served as a network of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IsolatedInterface {
    /// Its name.
    pub(crate) interface: String,
    /// The network, or the server's address there with the length of its prefix.
    pub(crate) subnet: Option<Prefix>,
}

impl FromStr for IsolatedInterface {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (interface, subnet) = match text.split_once('=') {
            Some((interface, subnet)) => (interface, Some(isolated_subnet(subnet)?)),
            None => (text, None),
        };
        if interface.is_empty() || interface.contains(':') {
            return Err(ValueError::NotAnInterface);
        }
        Ok(Self {
            interface: interface.to_owned(),
            subnet,
        })
    }
}

/// A network with room for machines, or an address in it.
pub(crate) fn isolated_subnet(text: &str) -> Result<Prefix, ValueError> {
    let subnet = network(text)?;
    if !text.contains('/') {
        return Err(ValueError::NoLength(subnet.address()));
    }
    if !(16..=29).contains(&subnet.length()) {
        return Err(ValueError::IsolatedLength(subnet.length()));
    }
    Ok(subnet)
}

/// Why an option's value is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ValueError {
    /// What cannot be added to a command line.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// Not when machines are given the signed chain.
    #[error("expected auto, always or never")]
    NotASecureBootMode,
    /// Not `A-B`.
    #[error("expected two addresses such as 10.0.0.100-10.0.0.200")]
    NotARange,
    /// `B-A`.
    #[error("the range ends before it begins: {first} is above {last}")]
    Backwards {
        /// The first address as written.
        first: Ipv4Addr,
        /// The second.
        last: Ipv4Addr,
    },
    /// Behind the slash.
    #[error(
        "expected the length of a prefix or a netmask behind the slash, such as /24 or /255.255.255.0, not /{0}"
    )]
    NotALength(String),
    /// The range is not in one network.
    #[error("{first} and {last} are not in one network with a prefix of {length} bits")]
    NotOneNetwork {
        /// The first address as written.
        first: Ipv4Addr,
        /// The second.
        last: Ipv4Addr,
        /// The length as written.
        length: u8,
    },
    /// Behind the comma.
    #[error("expected a router behind the comma, such as ,router=10.88.0.1, not ,{0}")]
    NotARouter(String),
    /// Not an address that can be used.
    #[error("expected {0}")]
    Address(#[from] AddressError),
    /// Not `A/N`.
    #[error("expected a network such as 10.0.0.0/24, or one address")]
    NotANetwork,
    /// A network's address alone.
    #[error("expected the length of the network's prefix behind {0}, such as {0}/24")]
    NoLength(IpAddr),
    /// Before `=NETWORK`.
    #[error("expected an interface and perhaps its network, such as eth1 or eth1=10.20.0.0/24")]
    NotAnInterface,
    /// Too many addresses, or too few.
    #[error("expected a network whose prefix has 16 to 29 bits, such as 10.20.0.0/24, not /{0}")]
    IsolatedLength(u8),
    /// Not a time.
    #[error(
        "expected seconds, or a number with a unit such as \"300ms\", \"90s\", \"10m\", \"12h\" or \"1d\""
    )]
    NotATime,
    /// A time that cannot be meant.
    #[error("expected a time from {} to {}", written(*.shortest), written(*.longest))]
    TimeOutside {
        /// The shortest that can.
        shortest: Duration,
        /// The longest.
        longest: Duration,
    },
    /// It would end the script's line.
    #[error("a command line cannot have control characters")]
    ControlCharacter,
    /// Not `ADDR:/PATH`.
    #[error(
        "expected an address, a colon and an absolute path, such as 10.0.0.5:/srv/debian,vers=3"
    )]
    NotAnExport,
}

impl FromStr for AddressRange {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        // Two addresses with a comma between them are no range with a router.
        let (range, router) = match text
            .split_once(',')
            .filter(|(range, _)| range.contains('-'))
        {
            Some((range, more)) => (range, Some(range_router(more)?)),
            None => (text, None),
        };
        let (range, length) = match range.split_once('/') {
            Some((range, length)) => (range, Some(prefix_length(length)?)),
            None => (range, None),
        };
        let (first, last) = range.split_once('-').ok_or(ValueError::NotARange)?;
        let first: Ipv4Addr = first.trim().parse().map_err(|_| ValueError::NotARange)?;
        let last: Ipv4Addr = last.trim().parse().map_err(|_| ValueError::NotARange)?;
        if first > last {
            return Err(ValueError::Backwards { first, last });
        }
        if let Some(length) = length.filter(|it| !Prefix::clamped(first, *it).contains(last)) {
            return Err(ValueError::NotOneNetwork {
                first,
                last,
                length,
            });
        }
        Ok(Self {
            first,
            last,
            length,
            router,
        })
    }
}

/// `24` or `255.255.255.0`.
fn prefix_length(text: &str) -> Result<u8, ValueError> {
    let text = text.trim();
    let wrong = || ValueError::NotALength(text.to_owned());
    let length = match text.parse::<Ipv4Addr>() {
        Ok(netmask) => {
            let bits = netmask.to_bits();
            let length = bits.leading_ones();
            let is_mask = length + bits.trailing_zeros() >= 32;
            is_mask
                .then_some(length)
                .and_then(|it| u8::try_from(it).ok())
        }
        Err(_) => text.parse().ok(),
    };
    length
        .filter(|length| (1..=32).contains(length))
        .ok_or_else(wrong)
}

/// `router=10.88.0.1`.
fn range_router(text: &str) -> Result<Ipv4Addr, ValueError> {
    let address = text.trim().strip_prefix("router=");
    let address = address.and_then(|address| address.trim().parse().ok());
    address
        .filter(|address| netroot_proto::dhcp::is_host_address(*address))
        .ok_or_else(|| ValueError::NotARouter(text.to_owned()))
}

/// A time from `shortest` to `longest`: `90` seconds, `300ms`, `90s`, `10m`, `12h` or `1d`.
pub(crate) fn time(
    text: &str,
    (shortest, longest): (Duration, Duration),
) -> Result<Duration, ValueError> {
    let text = text.trim();
    let with_unit = UNITS
        .iter()
        .find_map(|(unit, length)| Some((text.strip_suffix(unit)?, *length)));
    let (number, unit) = with_unit.unwrap_or((text, 1000));
    let number = number.trim_end();
    let digits = !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit());
    let number = number.parse::<u64>().ok().filter(|_| digits);
    let number = number.ok_or(ValueError::NotATime)?;
    let time = Duration::from_millis(number.saturating_mul(unit));
    match (shortest..=longest).contains(&time) {
        true => Ok(time),
        false => Err(ValueError::TimeOutside { shortest, longest }),
    }
}

/// Units of time in milliseconds, the one with the longest name first.
const UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// A time as [`time`] reads it, in the largest unit in which it is a whole number.
pub(crate) fn written(time: Duration) -> String {
    let milliseconds = time.as_millis();
    let whole = |(_, length): &&(&str, u64)| milliseconds.is_multiple_of(u128::from(*length));
    let (unit, length) = UNITS.iter().rev().find(whole).unwrap_or(&("ms", 1));
    format!("{}{unit}", milliseconds / u128::from(*length))
}

/// Whether firmware is given the signed chain.
pub(crate) fn secure_boot(text: &str) -> Result<SecureBootMode, ValueError> {
    let mut all = SecureBootMode::ALL.into_iter();
    let mode = all.find(|mode| mode.word() == text);
    mode.ok_or(ValueError::NotASecureBootMode)
}

/// How long an address is lent.
pub(crate) fn lease_time(text: &str) -> Result<Duration, ValueError> {
    time(text, LEASE_TIMES)
}

/// From a minute, below which clients do nothing but renew, to a year, beyond which nobody means it.
pub(crate) const LEASE_TIMES: (Duration, Duration) = (
    Duration::from_secs(60),
    Duration::from_secs(366 * 24 * 3600),
);

/// The IPv4 address of a host.
pub(crate) fn ipv4_host(text: &str) -> Result<Ipv4Addr, ValueError> {
    match host(text)? {
        IpAddr::V4(address) if netroot_proto::dhcp::is_host_address(address) => Ok(address),
        _ => Err(AddressError::NotAHost.into()),
    }
}

/// The address of a host.
pub(crate) fn host(text: &str) -> Result<IpAddr, ValueError> {
    Ok(address::read_host_address(text)?.ok_or(AddressError::NotAHost)?)
}

/// A network, or one address.
pub(crate) fn network(text: &str) -> Result<Prefix, ValueError> {
    let network: Prefix = text.parse().map_err(|_| ValueError::NotANetwork)?;
    let address = address::supported(network.address())?;
    // No host has it: a network is meant.
    let is_network = matches!(address, IpAddr::V4(address) if address.octets().ends_with(&[0]));
    if is_network && !text.contains('/') {
        return Err(ValueError::NoLength(address));
    }
    Ok(network)
}

/// A text without control characters.
pub(crate) fn one_line(text: &str) -> Result<String, ValueError> {
    if text.chars().any(char::is_control) {
        return Err(ValueError::ControlCharacter);
    }
    Ok(text.trim().to_owned())
}

/// What is added to the kernel's command line, with its variables.
pub(crate) fn appended(text: &str) -> Result<String, ValueError> {
    let text = one_line(text)?;
    append::check(&text)?;
    Ok(text)
}

/// An export on another server.
pub(crate) fn nfsroot(text: &str) -> Result<String, ValueError> {
    let (server, path) = text.split_once(":/").ok_or(ValueError::NotAnExport)?;
    let odd = |text: &str| text.chars().any(|c| c.is_control() || c.is_whitespace());
    match address::read_host_address(server) {
        Ok(Some(_)) if !odd(path) => Ok(text.to_owned()),
        Err(AddressError::Ipv6) => Err(AddressError::Ipv6.into()),
        _ => Err(ValueError::NotAnExport),
    }
}
