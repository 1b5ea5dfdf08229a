//! What an `ip=` with a common mistake was meant to say: a prefix in the address, a field too many or too few, a NIC or a
//! method in another's place, commas for colons. The fields are told apart by their shape.

use super::ip_fields::{Field, could_be_device, could_select_nic, split};
use super::method::{is_misspelt, names_method};
use super::selector::NicSelector;
use crate::address::dotted_quad;

/// A value as it was meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Meant {
    /// The value in the usual form, in which every field is where the kernel and dracut expect it.
    pub(super) text: String,
    /// Where the mistake is, as a byte offset in what was written.
    pub(super) position: usize,
    /// What stands there.
    pub(super) found: String,
}

/// The usual form, for people.
pub(super) const FORM: &str = "<address>:<server>:<router>:<netmask>:<host name>:<device>:<method>";

/// What a field looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Shape {
    Empty,
    /// An address, with the mask that is written behind it.
    Address(String, Option<String>),
    /// A network mask, and whether it is written as only this project reads it (`/24`).
    Mask(String, bool),
    Method,
    /// The usual name of a NIC, or its Ethernet address.
    Nic,
    /// A host name, or a mistake.
    Other,
}

/// The value as it was meant, if something in it is clearly in the wrong place; `None` if it is right, or if nobody can
/// know.
pub(super) fn meant(value: &str) -> Option<Meant> {
    if !value.contains(':') && value.contains([',', ';']) {
        return with_colons(value);
    }
    corrected(&split(value))
}

/// `10.0.0.9,,10.0.0.1,24` for `10.0.0.9::10.0.0.1:24`. `dhcp,1,lab` is a client identifier.
fn with_colons(value: &str) -> Option<Meant> {
    let colons = value.replace([',', ';'], ":");
    let fields = split(&colons);
    let telling = |f: &Field<'_>| matches!(shape(f.text), Shape::Address(..) | Shape::Nic);
    if !fields.iter().any(telling) {
        return None;
    }
    let text = corrected(&fields).map_or(colons, |meant| meant.text);
    let position = value.find([',', ';']).unwrap_or_default();
    let found = value
        .get(position..=position)
        .unwrap_or_default()
        .to_owned();
    Some(Meant {
        text,
        position,
        found,
    })
}

fn corrected(fields: &[Field<'_>]) -> Option<Meant> {
    let mut shapes: Vec<Shape> = fields.iter().map(|field| shape(field.text)).collect();
    if let ([only], [shape @ Shape::Other]) = (fields, shapes.as_mut_slice())
        && is_numbered_name(only.text)
    {
        *shape = Shape::Nic;
    }
    if let [Shape::Nic | Shape::Other, Shape::Method, ..] = shapes.as_slice()
        && fields.first().is_some_and(|f| could_select_nic(f.text))
    {
        return None;
    }
    let wrong = (0..fields.len()).find(|&at| is_misplaced(&shapes, at))?;
    let field = fields.get(wrong)?;
    Some(Meant {
        text: put_in_order(fields, &shapes)?,
        position: field.position,
        found: field.text.to_owned(),
    })
}

/// Whether the field is recognisably something else than what belongs there.
fn is_misplaced(shapes: &[Shape], at: usize) -> bool {
    let is_absent = |at: usize| matches!(shapes.get(at), None | Some(Shape::Empty));
    let is_method = |at: usize| matches!(shapes.get(at), Some(Shape::Method));
    match (at, shapes.get(at)) {
        (0..=2, Some(Shape::Address(_, mask))) => mask.is_some(),
        // Alone, a number is a method that cannot be read, and a word a method.
        (0, Some(Shape::Mask(..) | Shape::Method)) => shapes.len() > 1,
        (0..=2, Some(Shape::Mask(..) | Shape::Method | Shape::Nic)) => true,
        (3, Some(Shape::Mask(_, with_slash))) => *with_slash,
        (3, Some(Shape::Address(..) | Shape::Method | Shape::Nic)) => true,
        (4, Some(Shape::Mask(_, with_slash))) => *with_slash,
        (4, Some(Shape::Address(..))) => true,
        (4, Some(Shape::Method)) => is_absent(5) && is_absent(6),
        (4, Some(Shape::Nic)) => is_absent(5) || (is_method(5) && !is_method(6)),
        (5, Some(Shape::Address(..))) => true,
        (5, Some(Shape::Method)) => !is_method(6),
        (6, Some(Shape::Address(..) | Shape::Nic)) => true,
        _ => false,
    }
}

/// The fields in their usual order. `None` if there are more of a kind than have a place.
fn put_in_order(fields: &[Field<'_>], shapes: &[Shape]) -> Option<String> {
    // Behind the method, addresses are those of name servers.
    let method = shapes.iter().position(|shape| *shape == Shape::Method);
    let before = |at: usize| shapes.get(..at).unwrap_or_default();
    let named = |s: &Shape| matches!(s, Shape::Address(..) | Shape::Nic);
    let nic_follows =
        |at: usize| shapes.get(at + 1) == Some(&Shape::Nic) && !before(at).contains(&Shape::Nic);
    let end = match method {
        Some(at) if before(at).iter().any(named) => at + 1 + usize::from(nic_follows(at)),
        _ => fields.len(),
    };
    let mut found = Found::default();
    for (field, shape) in fields.iter().zip(shapes).take(end) {
        found.take(field.text, shape)?;
    }
    if found.addresses.is_empty() && found.nic.is_none() && fields.len() == 2 {
        found.nic = found.host.take().filter(|word| could_be_device(word));
    }
    let address = |at: usize| found.addresses.get(at).copied().unwrap_or_default();
    let in_place = |shape: &Shape| matches!(shape, Shape::Empty | Shape::Address(..));
    let positional = fields.len() > 2
        && shapes.iter().take(3).all(in_place)
        && shapes.first() != Some(&Shape::Empty)
        && !matches!(shapes.get(3), Some(Shape::Address(..)));
    let (server, router) = match (positional, found.addresses.len()) {
        (true, _) => (written(shapes, 1), written(shapes, 2)),
        (false, 3) => (address(1), address(2)),
        (false, 0..=2) => ("", address(1)),
        _ => return None,
    };
    let (nic, method) = (found.nic, found.method.unwrap_or_default());
    if found.addresses.is_empty() {
        let nic = nic.filter(|_| found.host.is_none() && found.mask.is_none())?;
        let method = if method.is_empty() { "dhcp" } else { method };
        return Some(with_rest(&[nic, method], fields, end));
    }
    let mask = found.mask.as_deref().unwrap_or_default();
    let host = found.host.unwrap_or_default();
    let nic = nic.unwrap_or_default();
    let in_order = [address(0), server, router, mask, host, nic, method];
    Some(with_rest(&in_order, fields, end))
}

/// The fields as one value, with those that are left behind them.
fn with_rest(in_order: &[&str], fields: &[Field<'_>], end: usize) -> String {
    let rest = fields.get(end..).unwrap_or_default();
    let rest = rest.iter().map(|field| field.text);
    let all: Vec<&str> = in_order.iter().copied().chain(rest).collect();
    all.join(":").trim_end_matches(':').to_owned()
}

fn written(shapes: &[Shape], at: usize) -> &str {
    match shapes.get(at) {
        Some(Shape::Address(text, _)) => text,
        _ => "",
    }
}

/// The parts of a value, by their shape.
#[derive(Default)]
struct Found<'a> {
    addresses: Vec<&'a str>,
    mask: Option<String>,
    method: Option<&'a str>,
    nic: Option<&'a str>,
    host: Option<&'a str>,
}

impl<'a> Found<'a> {
    /// `None` for what has no place left.
    fn take(&mut self, text: &'a str, shape: &'a Shape) -> Option<()> {
        let before = match shape {
            Shape::Empty => None,
            Shape::Address(address, mask) => {
                self.addresses.push(address);
                self.mask = self.mask.take().or_else(|| mask.clone());
                None
            }
            Shape::Mask(mask, _) => {
                let same = |earlier: &String| earlier == mask;
                let before = self.mask.replace(mask.clone());
                return before.is_none_or(|earlier| same(&earlier)).then_some(());
            }
            Shape::Method => self.method.replace(text),
            Shape::Nic => self.nic.replace(text),
            Shape::Other => {
                let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
                let name =
                    text.bytes().all(letter) && text.bytes().any(|b| b.is_ascii_alphabetic());
                if !name {
                    return None;
                }
                self.host.replace(text)
            }
        };
        before.is_none().then_some(())
    }
}

fn shape(text: &str) -> Shape {
    if text.is_empty() {
        return Shape::Empty;
    }
    if let Some(mask) = text.strip_prefix('/').and_then(read_mask) {
        return Shape::Mask(mask, true);
    }
    if let Some(mask) = read_mask(text) {
        return Shape::Mask(mask, false);
    }
    let (address, mask) = match text.split_once('/') {
        Some((address, mask)) => (address, Some(mask)),
        None => (text, None),
    };
    let bare = address.strip_prefix('[').and_then(|a| a.strip_suffix(']'));
    if let Some(quad) = dotted_quad(bare.unwrap_or(address)) {
        // No host has an address that begins with 255.
        let wrong_mask = quad.octets().first() == Some(&255);
        return match (mask, mask.and_then(read_mask)) {
            // As in the kernel; boot loaders write it for whatever they do not know, a mask as well.
            (None, _) if quad.is_unspecified() => Shape::Empty,
            (Some(_), None) => Shape::Other,
            _ if wrong_mask => Shape::Other,
            (_, mask) => Shape::Address(quad.to_string(), mask),
        };
    }
    if names_method(text) {
        return Shape::Method;
    }
    match NicSelector::read(text) {
        Some(NicSelector::Address(_) | NicSelector::BootLink) => Shape::Nic,
        Some(NicSelector::Name(name)) if is_usual_name(&name) => Shape::Nic,
        _ => Shape::Other,
    }
}

/// The shortest prefix of a network that has hosts (class A). What is shorter is another number, or an address.
const SHORTEST_PREFIX: u32 = 8;

/// A mask, with its dots: of `255.255.255.0` or `24`.
fn read_mask(text: &str) -> Option<String> {
    if let Some(mask) = dotted_quad(text) {
        let bits = u32::from(mask);
        let ones = bits.leading_ones();
        return (ones >= SHORTEST_PREFIX && ones + bits.trailing_zeros() == u32::BITS)
            .then(|| mask.to_string());
    }
    let digits = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let length: u32 = text.parse().ok().filter(|_| digits)?;
    let host_bits = u32::BITS.checked_sub(length)?;
    let mask = u32::MAX.checked_shl(host_bits).unwrap_or_default();
    (length >= SHORTEST_PREFIX).then(|| std::net::Ipv4Addr::from(mask).to_string())
}

/// Whether a first field names a NIC beyond doubt.
pub(super) fn is_device(text: &str) -> bool {
    shape(text) == Shape::Nic
}

/// Whether a word alone is the name of a NIC, such as `lan0`, rather than a misspelt method.
fn is_numbered_name(text: &str) -> bool {
    let letters = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let named = letters.len() >= 2 && letters.bytes().all(|b| b.is_ascii_lowercase());
    named && letters.len() < text.len() && could_be_device(text) && !is_misspelt(text)
}

/// Whether a word is what kernels and udev call a NIC: no host is likely to have such a name.
fn is_usual_name(text: &str) -> bool {
    let after = |prefix: &str| text.strip_prefix(prefix);
    let number = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
    let by_kernel = ["eth", "ib", "bond", "br", "vlan", "usb", "em"];
    let by_udev = ["eno", "ens", "enp", "enP", "end", "enx", "enX"];
    let hexadecimal = |rest: &str| rest.len() == 12 && rest.bytes().all(|b| b.is_ascii_hexdigit());
    plain
        && (by_kernel
            .iter()
            .chain(&by_udev)
            .any(|p| after(p).is_some_and(number))
            || after("enx").is_some_and(hexadecimal))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_mistake_is_put_right() {
        for (written, expected, found) in [
            (
                "192.0.2.10/24:192.0.2.254",
                "192.0.2.10::192.0.2.254:255.255.255.0",
                "192.0.2.10/24",
            ),
            (
                "192.0.2.10/24",
                "192.0.2.10:::255.255.255.0",
                "192.0.2.10/24",
            ),
            (
                "192.0.2.10/24::192.0.2.254",
                "192.0.2.10::192.0.2.254:255.255.255.0",
                "192.0.2.10/24",
            ),
            (
                "192.0.2.10/255.255.0.0:192.0.2.1:192.0.2.254::pc:eth0:none:192.0.2.53",
                "192.0.2.10:192.0.2.1:192.0.2.254:255.255.0.0:pc:eth0:none:192.0.2.53",
                "192.0.2.10/255.255.0.0",
            ),
            (
                "192.0.2.10::192.0.2.254/24::pc:eth0:off",
                "192.0.2.10::192.0.2.254:255.255.255.0:pc:eth0:off",
                "192.0.2.254/24",
            ),
            (
                "192.0.2.10::192.0.2.254:/24",
                "192.0.2.10::192.0.2.254:255.255.255.0",
                "/24",
            ),
            // A colon too few or too many.
            (
                "192.0.2.10:192.0.2.254:255.255.255.0",
                "192.0.2.10::192.0.2.254:255.255.255.0",
                "255.255.255.0",
            ),
            (
                "192.0.2.10:192.0.2.254:24::eth0:none",
                "192.0.2.10::192.0.2.254:255.255.255.0::eth0:none",
                "24",
            ),
            (
                "192.0.2.10:255.255.255.0:192.0.2.254:pc:eth0:none",
                "192.0.2.10::192.0.2.254:255.255.255.0:pc:eth0:none",
                "255.255.255.0",
            ),
            (
                "192.0.2.10:::192.0.2.254:255.255.255.0::eth0:none",
                "192.0.2.10::192.0.2.254:255.255.255.0::eth0:none",
                "192.0.2.254",
            ),
            (
                "192.0.2.10::192.0.2.254:255.255.255.0:eth0:none",
                "192.0.2.10::192.0.2.254:255.255.255.0::eth0:none",
                "eth0",
            ),
            (
                "192.0.2.10::192.0.2.254:255.255.255.0:pc:none",
                "192.0.2.10::192.0.2.254:255.255.255.0:pc::none",
                "none",
            ),
            (
                "192.0.2.10::192.0.2.254:255.255.255.0:enp4s0",
                "192.0.2.10::192.0.2.254:255.255.255.0::enp4s0",
                "enp4s0",
            ),
            (
                "192.0.2.10::192.0.2.254:255.255.255.0::none",
                "192.0.2.10::192.0.2.254:255.255.255.0:::none",
                "none",
            ),
            // In another's place.
            (
                "eth0:192.0.2.10::192.0.2.254:255.255.255.0",
                "192.0.2.10::192.0.2.254:255.255.255.0::eth0",
                "eth0",
            ),
            (
                "eth0:192.0.2.10/24:192.0.2.254",
                "192.0.2.10::192.0.2.254:255.255.255.0::eth0",
                "eth0",
            ),
            (
                "192.0.2.10::192.0.2.254:255.255.255.0::none:eth0",
                "192.0.2.10::192.0.2.254:255.255.255.0::eth0:none",
                "none",
            ),
            (
                "static:192.0.2.10::192.0.2.254:24",
                "192.0.2.10::192.0.2.254:255.255.255.0:::static",
                "static",
            ),
            ("dhcp:eth0", "eth0:dhcp", "dhcp"),
            ("dhcp:lan0", "lan0:dhcp", "dhcp"),
            (":::::dhcp:eth0", "eth0:dhcp", "dhcp"),
            ("dhcp:52-54-00-12-34-56", "52-54-00-12-34-56:dhcp", "dhcp"),
            ("lan0", "lan0:dhcp", "lan0"),
            ("eth0", "eth0:dhcp", "eth0"),
            (
                "[192.0.2.10]/24:192.0.2.254",
                "192.0.2.10::192.0.2.254:255.255.255.0",
                "[192.0.2.10]/24",
            ),
            // Commas.
            (
                "192.0.2.10,,192.0.2.254,255.255.255.0,,eth0,none",
                "192.0.2.10::192.0.2.254:255.255.255.0::eth0:none",
                ",",
            ),
            (
                "192.0.2.10,192.0.2.254,24",
                "192.0.2.10::192.0.2.254:255.255.255.0",
                ",",
            ),
            ("eth0,dhcp", "eth0:dhcp", ","),
            ("dhcp,eth0", "eth0:dhcp", ","),
        ] {
            let meant = meant(written).unwrap_or_else(|| panic!("{written}"));
            assert_eq!(
                (meant.text.as_str(), meant.found.as_str()),
                (expected, found),
                "{written}"
            );
            assert!(written[meant.position..].starts_with(found), "{written}");
        }
    }

    #[test]
    fn what_is_right_or_beyond_help_is_left_as_it_is() {
        for value in [
            "",
            "dhcp",
            "eth0:dhcp",
            "lan0:dhcp",
            "enp1s0:dhcp,auto6:9000:52:54:00:12:34:56",
            "dhcp,1,lab",
            "dhcp,dhcp6",
            "192.0.2.10",
            "192.0.2.10:192.0.2.1",
            "192.0.2.10:::24",
            "192.0.2.10::192.0.2.254:0.0.0.0::eth0:off",
            "192.0.2.10:0.0.0.0:192.0.2.254:255.255.255.0:0.0.0.0:eth0:off",
            ":::0.0.0.0::eth0:dhcp",
            ":192.0.2.1",
            "::::::off",
            ":::::eth0:dhcp",
            "192.0.2.10:192.0.2.1:192.0.2.254:255.255.255.0:pc:eth1:off:192.0.2.53:192.0.2.54:192.0.2.4",
            "192.0.2.10::192.0.2.254:24:eth0:eth1:none",
            "192.0.2.10::192.0.2.254:24:pc:eth0:none:1400:52-54-00-12-34-56",
            // Not to be guessed.
            "192.0.2.999::192.0.2.254:24::eth0:none",
            "192.0.2.10:server",
            "192.0.2.10/33",
            "192.0.2.10/24:a b",
            "[2001:db8::9]::[2001:db8::1]:64::eth0:none",
            "192.0.2.10/24:192.0.2.1:192.0.2.2:192.0.2.3:192.0.2.4",
            "dchp",
            "eth0:dchp",
            "dhcp5",
            "[2001:db8::9]/64",
            "eth0=dhcp",
            "255.255.255.0",
            "24",
            // No prefix of a network with hosts.
            "192.0.2.10/4",
        ] {
            assert_eq!(meant(value), None, "{value}");
        }
    }

    proptest! {
        #[test]
        fn what_was_meant_is_right(value in "([0-9./:,;]|eth0|dhcp|none|pc|10\\.0\\.0\\.[1-9]|255\\.255\\.0\\.0|/24){0,14}") {
            if let Some(first) = meant(&value) {
                prop_assert_eq!(meant(&first.text), None, "{:?}", first);
                prop_assert!(first.position <= value.len());
            }
        }
    }
}
