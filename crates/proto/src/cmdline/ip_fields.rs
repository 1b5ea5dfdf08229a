//! The fields of `ip=`, one by one.

use std::net::{IpAddr, Ipv6Addr};

use netroot_net::Mac;

use super::selector::{MAX_NAME, NicSelector, is_interface_name};
use crate::address::{dotted_quad, read_host_address};
use crate::reading::Reading;
use crate::reading::read_mac;

/// The DHCP client identifier (option 61) that `ip=dhcp,<type>,<value>` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientIdentifier {
    /// The type octet of RFC 2132 section 9.14: 1 is Ethernet, 0 is "no hardware type".
    pub kind: u8,
    /// The octets after it: the text as written, at most 251 bytes.
    pub value: Vec<u8>,
}

/// What happens to a field that makes no sense.
pub(super) const FIELD_EMPTY: &str = "the field is taken as empty";

/// A field and where it begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'a> {
    pub(super) text: &'a str,
    /// Byte offset within the parameter's value.
    pub(super) position: usize,
}

/// Splits at colons, but not within the brackets of an IPv6 address.
pub(super) fn split(value: &str) -> Vec<Field<'_>> {
    let mut fields = Vec::new();
    let mut start = 0;
    let mut bracketed = false;
    for (at, c) in value.char_indices() {
        match c {
            '[' => bracketed = true,
            ']' => bracketed = false,
            ':' if !bracketed => {
                fields.extend(value.get(start..at).map(|text| Field {
                    text,
                    position: start,
                }));
                start = at + 1;
            }
            _ => {}
        }
    }
    fields.extend(value.get(start..).map(|text| Field {
        text,
        position: start,
    }));
    fields
}

/// The text from `first` to the end of `fields`, as it was written.
pub(super) fn text_from(first: &Field<'_>, fields: &[Field<'_>]) -> String {
    let rest: Vec<&str> = fields
        .iter()
        .filter(|f| f.position >= first.position)
        .map(|f| f.text)
        .collect();
    rest.join(":")
}

/// The address of a host; `0.0.0.0` stands for none, as in the kernel.
pub(super) fn host_address(field: &Field<'_>, reading: &mut Reading<'_>) -> Option<IpAddr> {
    match read_host_address(field.text) {
        Ok(address) => address,
        Err(error) => {
            reading.complain(field.position, error.to_string(), field.text, FIELD_EMPTY);
            None
        }
    }
}

/// Whether a field is `0.0.0.0`, which stands for no address.
pub(super) fn is_unspecified(field: &Field<'_>) -> bool {
    matches!(read_host_address(field.text), Ok(None))
}

/// A network mask, or dracut's prefix length.
pub(super) fn prefix(field: &Field<'_>, reading: &mut Reading<'_>) -> Option<u8> {
    if let Some(mask) = dotted_quad(field.text) {
        let bits = u32::from(mask);
        if bits == 0 {
            return None;
        }
        let length = bits.leading_ones();
        if length + bits.trailing_zeros() == u32::BITS {
            return u8::try_from(length).ok();
        }
    } else if field.text.bytes().all(|b| b.is_ascii_digit())
        && let Ok(length @ 1..=32) = field.text.parse()
    {
        return Some(length);
    }
    let expected = "a network mask such as 255.255.255.0 or a prefix length";
    reading.complain(field.position, expected, field.text, FIELD_EMPTY);
    None
}

/// A host name and, after its first dot, the NIS domain.
pub(super) fn host_name(
    field: &Field<'_>,
    reading: &mut Reading<'_>,
) -> Option<(String, Option<String>)> {
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let (host, domain) = match field.text.split_once('.') {
        Some((host, domain)) => (host, Some(domain)),
        None => (field.text, None),
    };
    // 64 is __NEW_UTS_LEN, for both names.
    let fits = host.len() <= 64 && domain.is_none_or(|domain| domain.len() <= 64);
    if host.is_empty() || !fits || !field.text.chars().all(letter) {
        reading.complain(field.position, "a host name", field.text, FIELD_EMPTY);
        return None;
    }
    let domain = domain.filter(|domain| !domain.is_empty());
    Some((host.to_owned(), domain.map(str::to_owned)))
}

/// Whether the whole value is an IPv6 address, with or without brackets and a prefix.
pub(super) fn is_ipv6(value: &str) -> bool {
    let address = value.split('/').next().unwrap_or_default();
    let bare = address.strip_prefix('[').and_then(|a| a.strip_suffix(']'));
    let has_digit = address.bytes().any(|b| b.is_ascii_hexdigit());
    has_digit && bare.unwrap_or(address).parse::<Ipv6Addr>().is_ok()
}

/// Whether a first field is a NIC's name rather than a misspelt address.
pub(super) fn could_be_device(text: &str) -> bool {
    is_interface_name(text, MAX_NAME) && dotted_quad(text).is_none()
}

/// Whether a first field names a NIC, by its name or by its address.
pub(super) fn could_select_nic(text: &str) -> bool {
    NicSelector::read(text).is_some() && dotted_quad(text).is_none()
}

/// Where something stands in a value as a whole, between separators of fields or of what a field consists of.
pub(super) fn find(value: &str, text: &str) -> Option<usize> {
    let ends = |c: Option<char>| c.is_none_or(|c| matches!(c, ':' | ',' | ';' | '/'));
    let mut all = value.match_indices(text).filter(|_| !text.is_empty());
    let whole = all.find(|(at, _)| {
        let before = value.get(..*at).unwrap_or_default();
        let behind = value.get(at + text.len()..).unwrap_or_default();
        ends(before.chars().next_back()) && ends(behind.chars().next())
    });
    whole.map(|(at, _)| at)
}

/// The NIC that a field names.
pub(super) fn nic(field: &Field<'_>, reading: &mut Reading<'_>) -> NicSelector {
    NicSelector::read(field.text).unwrap_or_else(|| {
        let expected = "the name or the Ethernet address of a network device";
        reading.complain(
            field.position,
            expected,
            field.text,
            "no NIC is set up by it",
        );
        NicSelector::Unreadable(field.text.to_owned())
    })
}

/// Puts together an Ethernet address with colons that [`split`] took apart, where a field for a NIC may stand: before the
/// method in dracut's form, or in the kernel's sixth field.
pub(super) fn join_link_address<'a>(value: &'a str, fields: &mut Vec<Field<'a>>) {
    let pair = |f: &Field<'_>| f.text.len() == 2 && f.text.bytes().all(|b| b.is_ascii_hexdigit());
    for first in [0, 5] {
        // With the hardware type before it, as in BOOTIF=, there are seven.
        for count in [7, 6] {
            let Some(octets) = fields.get(first..first + count) else {
                continue;
            };
            let (Some(start), Some(last)) = (octets.first(), octets.last()) else {
                continue;
            };
            let end = last.position + last.text.len();
            if octets.iter().all(pair)
                && let Some(text) = value.get(start.position..end)
            {
                let position = start.position;
                fields.drain(first + 1..first + count);
                if let Some(field) = fields.get_mut(first) {
                    *field = Field { text, position };
                }
                return;
            }
        }
    }
}

/// This machine's address.
pub(super) fn own_address(field: &Field<'_>, reading: &mut Reading<'_>) -> Option<IpAddr> {
    match read_host_address(field.text) {
        Ok(address) => address,
        Err(error) => {
            let outcome = "no address is taken from it";
            reading.complain(field.position, error.to_string(), field.text, outcome);
            None
        }
    }
}

/// An MTU: IPv4 cannot live with less than 68 (RFC 791).
pub(super) fn mtu(field: &Field<'_>, reading: &mut Reading<'_>) -> Option<u16> {
    match field.text.parse() {
        Ok(mtu @ 68..) => Some(mtu),
        _ => {
            reading.complain(
                field.position,
                "an MTU of 68 to 65535",
                field.text,
                FIELD_EMPTY,
            );
            None
        }
    }
}

/// An Ethernet address that the split at colons tore apart.
pub(super) fn joined_link_address(fields: &[Field<'_>]) -> Option<Mac> {
    let pieces: Vec<&str> = fields.iter().map(|field| field.text).collect();
    read_mac(&pieces.join(":")).ok()
}

/// `<type>,<value>` after `dhcp,` (`ipconfig.c`, `ic_proto_name`). The type may be
/// decimal, octal or hexadecimal, as `kstrtou8` with base 0 takes it.
pub(super) fn client_identifier(
    text: &str,
    position: usize,
    reading: &mut Reading<'_>,
) -> Option<ClientIdentifier> {
    let outcome = "no client identifier is sent";
    let Some((kind, value)) = text.split_once(',') else {
        let expected = "a comma and the client identifier after its type";
        reading.complain(position + text.len(), expected, "", outcome);
        return None;
    };
    let number = match kind.strip_prefix("0x").or_else(|| kind.strip_prefix("0X")) {
        Some(digits) => u8::from_str_radix(digits, 16),
        None if kind.len() > 1 && kind.starts_with('0') => u8::from_str_radix(kind, 8),
        None => kind.parse(),
    };
    let Ok(number) = number else {
        reading.complain(
            position,
            "a client identifier type of 0 to 255",
            kind,
            outcome,
        );
        return None;
    };
    if value.is_empty() || value.len() > 251 {
        let expected = "a client identifier of 1 to 251 bytes";
        reading.complain(position + kind.len() + 1, expected, value, outcome);
        return None;
    }
    Some(ClientIdentifier {
        kind: number,
        value: value.as_bytes().to_vec(),
    })
}
