//! `ip=`: how a NIC gets its address.

use std::net::Ipv4Addr;

use super::link_address::LinkAddress;
use super::setting::Origin;

/// How an address is obtained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// DHCP.
    Dhcp,
    /// BOOTP only.
    Bootp,
    /// Whatever answers: DHCP and BOOTP replies are both taken.
    Any,
    /// The address is written in the request; nobody is asked.
    Static,
    /// The NIC is left alone.
    Off,
}

/// The DHCP client identifier (option 61) that `ip=dhcp,<type>,<value>` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientIdentifier {
    /// The type octet of RFC 2132 section 9.14: 1 is Ethernet, 0 is "no hardware type".
    pub kind: u8,
    /// The octets after it: the text as written, at most 251 bytes.
    pub value: Vec<u8>,
}

/// One `ip=` (or `nfsaddrs=`) parameter, with its defaults not yet filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpRequest {
    /// How the address is obtained. `Static` if and only if [`client`](Self::client) is
    /// there and no protocol is asked for by name.
    pub method: Method,
    /// The NIC's name; `None` stands for every NIC.
    pub device: Option<String>,
    /// This machine's address. With `Dhcp` or `Bootp` it is the one to ask for.
    pub client: Option<Ipv4Addr>,
    /// Field 2: the NFS server, unless the root names its own.
    pub server: Option<Ipv4Addr>,
    /// The default router.
    pub gateway: Option<Ipv4Addr>,
    /// Length of the network prefix, 0 to 32, from a mask or a number.
    pub prefix: Option<u8>,
    /// The host name, up to its first dot.
    pub host_name: Option<String>,
    /// The NIS domain: what follows the host name's first dot.
    pub nis_domain: Option<String>,
    /// Name servers, at most two.
    pub dns: Vec<Ipv4Addr>,
    /// A time server.
    pub ntp: Option<Ipv4Addr>,
    /// The client identifier to send.
    pub client_identifier: Option<ClientIdentifier>,
    /// MTU in bytes (dracut).
    pub mtu: Option<u16>,
    /// The Ethernet address to give the NIC (dracut).
    pub link_address: Option<LinkAddress>,
    /// The parameter as written.
    pub origin: Origin,
}

impl IpRequest {
    /// The address and prefix length to set, for a request that names its address. The
    /// prefix defaults to the classful one, as in the kernel.
    pub fn address(&self) -> Option<(Ipv4Addr, u8)> {
        let client = self.client?;
        Some((
            client,
            self.prefix.unwrap_or_else(|| classful_prefix(client)),
        ))
    }
}

/// The prefix length of an address's historical class: 8, 16 or 24 (`ipconfig.c`,
/// `inet_abc_len`); 32 for what is no host's address.
pub fn classful_prefix(address: Ipv4Addr) -> u8 {
    let [first, ..] = address.octets();
    match first {
        0..=127 => 8,
        128..=191 => 16,
        192..=223 => 24,
        224.. => 32,
    }
}
