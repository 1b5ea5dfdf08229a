//! The expressions of a rule, as attributes.

use std::net::Ipv4Addr;

use netroot_net::Prefix;

const NESTED: u16 = 0x8000;
const LIST_ELEMENT: u16 = 1;
const EXPRESSION_NAME: u16 = 1;
const EXPRESSION_DATA: u16 = 2;
const DATA_VALUE: u16 = 1;
const DATA_VERDICT: u16 = 2;
/// The register that all values go through; 0 is the verdict's.
const REGISTER: u32 = 1;

const META_INPUT_NAME: u32 = 6;
const META_OUTPUT_NAME: u32 = 7;
const META_FAMILY: u32 = 15;
const META_PROTOCOL: u32 = 16;
const CT_STATE: u32 = 0;
const CT_STATUS: u32 = 2;
const EQUAL: u32 = 0;
const NOT_EQUAL: u32 = 1;
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;
const ROUTE_TCP_MSS: u32 = 3;
const HOST_TO_NETWORK: u32 = 1;
const TCP_OPTION: u32 = 1;
const TCP_OPTION_MSS: u8 = 2;

const IPV4: u8 = 2;
const TCP: u8 = 6;
const SYN_AND_RST: u8 = 0x06;
const SYN: u8 = 0x02;
/// `NF_CT_STATE_BIT(IP_CT_ESTABLISHED)` and `IP_CT_RELATED`.
const ESTABLISHED_OR_RELATED: u32 = 0x2 | 0x4;
/// `IPS_DST_NAT`.
const DESTINATION_TRANSLATED: u32 = 1 << 5;

/// The expressions of one rule, one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Rule(Vec<u8>);

/// One attribute.
pub(super) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// An attribute that holds attributes.
pub(super) fn nested(kind: u16, attributes: &[Vec<u8>]) -> Vec<u8> {
    attribute(kind | NESTED, &attributes.concat())
}

/// A number in network order, as all of this protocol's are.
pub(super) fn number(kind: u16, value: u32) -> Vec<u8> {
    attribute(kind, &value.to_be_bytes())
}

impl Rule {
    /// The rule as an attribute of this kind.
    pub(super) fn as_attribute(&self, kind: u16) -> Vec<u8> {
        attribute(kind | NESTED, &self.0)
    }

    /// For packets that came in by this interface.
    pub(super) fn from(self, interface: &str) -> Self {
        self.meta(META_INPUT_NAME)
            .compare(EQUAL, &padded(interface))
    }

    /// For packets that go out by this interface.
    pub(super) fn to(self, interface: &str) -> Self {
        self.meta(META_OUTPUT_NAME)
            .compare(EQUAL, &padded(interface))
    }

    /// For packets that go out by any other interface.
    pub(super) fn not_to(self, interface: &str) -> Self {
        self.meta(META_OUTPUT_NAME)
            .compare(NOT_EQUAL, &padded(interface))
    }

    /// For IPv4.
    pub(super) fn ipv4(self) -> Self {
        self.meta(META_FAMILY).compare(EQUAL, &[IPV4])
    }

    /// For what is not IPv4.
    pub(super) fn not_ipv4(self) -> Self {
        self.meta(META_FAMILY).compare(NOT_EQUAL, &[IPV4])
    }

    /// For IPv4 from this network. Behind [`Rule::ipv4`].
    pub(super) fn source_in(self, network: Prefix) -> Self {
        self.source(network, EQUAL)
    }

    /// For IPv4 from elsewhere. Behind [`Rule::ipv4`].
    pub(super) fn source_outside(self, network: Prefix) -> Self {
        self.source(network, NOT_EQUAL)
    }

    /// For the packets of connections that exist, and for the errors about them.
    pub(super) fn established(self) -> Self {
        self.conntrack(CT_STATE)
            .bits(ESTABLISHED_OR_RELATED, NOT_EQUAL)
    }

    /// For every other packet.
    pub(super) fn not_established(self) -> Self {
        self.conntrack(CT_STATE).bits(ESTABLISHED_OR_RELATED, EQUAL)
    }

    /// For packets that were not sent on to another address than the one that they had, as a published port's are.
    pub(super) fn not_redirected(self) -> Self {
        self.conntrack(CT_STATUS)
            .bits(DESTINATION_TRANSLATED, EQUAL)
    }

    /// Has TCP connections use segments that fit on both ways.
    pub(super) fn clamp_segments(self) -> Self {
        let flags = self
            .ipv4()
            .meta(META_PROTOCOL)
            .compare(EQUAL, &[TCP])
            .payload(TRANSPORT_HEADER, 13, 1)
            .masked(&[SYN_AND_RST])
            .compare(EQUAL, &[SYN]);
        let route = [number(1, REGISTER), number(2, ROUTE_TCP_MSS)];
        let order = [
            number(1, REGISTER),
            number(2, REGISTER),
            number(3, HOST_TO_NETWORK),
            number(4, 2),
            number(5, 2),
        ];
        let option = [
            attribute(2, &[TCP_OPTION_MSS]),
            number(3, 2),
            number(4, 2),
            number(6, TCP_OPTION),
            number(7, REGISTER),
        ];
        flags
            .with("rt", &route)
            .with("byteorder", &order)
            .with("exthdr", &option)
    }

    /// The end: the packet is dropped.
    pub(super) fn drop(self) -> Self {
        self.verdict(0)
    }

    /// The end: this chain lets the packet pass.
    pub(super) fn accept(self) -> Self {
        self.verdict(1)
    }

    /// The end: the packet leaves under this machine's address.
    pub(super) fn masquerade(self) -> Self {
        self.with("masq", &[])
    }

    fn with(mut self, name: &str, data: &[Vec<u8>]) -> Self {
        let mut expression = attribute(EXPRESSION_NAME, &terminated(name));
        expression.extend(nested(EXPRESSION_DATA, data));
        self.0.extend(attribute(LIST_ELEMENT | NESTED, &expression));
        self
    }

    fn meta(self, key: u32) -> Self {
        self.with("meta", &[number(1, REGISTER), number(2, key)])
    }

    fn conntrack(self, key: u32) -> Self {
        self.with("ct", &[number(1, REGISTER), number(2, key)])
    }

    fn payload(self, base: u32, offset: u32, length: u32) -> Self {
        let place = [
            number(1, REGISTER),
            number(2, base),
            number(3, offset),
            number(4, length),
        ];
        self.with("payload", &place)
    }

    fn masked(self, mask: &[u8]) -> Self {
        let length = u32::try_from(mask.len()).unwrap_or(u32::MAX);
        let zero = vec![0; mask.len()];
        let data = [
            number(1, REGISTER),
            number(2, REGISTER),
            number(3, length),
            nested(4, &[attribute(DATA_VALUE, mask)]),
            nested(5, &[attribute(DATA_VALUE, &zero)]),
        ];
        self.with("bitwise", &data)
    }

    fn compare(self, how: u32, value: &[u8]) -> Self {
        let data = [
            number(1, REGISTER),
            number(2, how),
            nested(3, &[attribute(DATA_VALUE, value)]),
        ];
        self.with("cmp", &data)
    }

    /// Whether any of these bits is set (`NOT_EQUAL` to zero), or none. Conntrack's are in this machine's order.
    fn bits(self, bits: u32, how: u32) -> Self {
        self.masked(&bits.to_ne_bytes()).compare(how, &[0; 4])
    }

    fn source(self, network: Prefix, how: u32) -> Self {
        let octets = |address: Option<Ipv4Addr>| address.map_or([0; 4], |one| one.octets());
        let address = match network.network().address() {
            std::net::IpAddr::V4(address) => Some(address),
            std::net::IpAddr::V6(_) => None,
        };
        self.payload(NETWORK_HEADER, 12, 4)
            .masked(&octets(network.netmask()))
            .compare(how, &octets(address))
    }

    fn verdict(self, code: u32) -> Self {
        let verdict = nested(DATA_VERDICT, &[number(1, code)]);
        self.with("immediate", &[number(1, 0), nested(2, &[verdict])])
    }
}

/// With the zero at its end.
pub(super) fn terminated(text: &str) -> Vec<u8> {
    [text.as_bytes(), &[0]].concat()
}

/// An interface's name as the kernel compares it.
pub(super) fn padded(interface: &str) -> [u8; 16] {
    let mut name = [0; 16];
    for (place, byte) in name.iter_mut().zip(interface.bytes()) {
        *place = byte;
    }
    name
}
