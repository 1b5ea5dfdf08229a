//! `ip=`: how a NIC gets its address.

use std::net::IpAddr;

use netroot_net::{Mac, Prefix};

use super::ip_fields::{self, ClientIdentifier, FIELD_EMPTY, Field};
use super::ip_meant::{self, Meant};
use super::method::{METHODS, Method, Spelling, could_be_method, names_method, spelled};
use super::selector::NicSelector;
use crate::address::AddressError;
use crate::reading::Origin;
use crate::reading::Reading;

/// One `ip=` (or `nfsaddrs=`) parameter, with its defaults not yet filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpRequest {
    /// How the address is obtained. `Static` only with [`client`](Self::client).
    pub method: Method,
    /// The NIC; `None` stands for every NIC.
    pub device: Option<NicSelector>,
    /// This machine's address. With `Dhcp` or `Bootp` it is the one to ask for.
    pub client: Option<IpAddr>,
    /// Field 2: the NFS server, unless the root names its own.
    pub server: Option<IpAddr>,
    /// The default router.
    pub gateway: Option<IpAddr>,
    /// Length of the network prefix, 0 to 32, from a mask or a number.
    pub prefix: Option<u8>,
    /// The host name, up to its first dot.
    pub host_name: Option<String>,
    /// The NIS domain: what follows the host name's first dot.
    pub nis_domain: Option<String>,
    /// Name servers, at most two.
    pub dns: Vec<IpAddr>,
    /// A time server.
    pub ntp: Option<IpAddr>,
    /// The client identifier to send.
    pub client_identifier: Option<ClientIdentifier>,
    /// MTU in bytes, 68 to 65535 (dracut).
    pub mtu: Option<u16>,
    /// The Ethernet address to give the NIC (dracut).
    pub link_address: Option<Mac>,
    /// The parameter as written.
    pub origin: Origin,
}

impl IpRequest {
    /// A request with a method and nothing else.
    pub(super) fn bare(method: Method, origin: Origin) -> Self {
        Self {
            method,
            device: None,
            client: None,
            server: None,
            gateway: None,
            prefix: None,
            host_name: None,
            nis_domain: None,
            dns: Vec::new(),
            ntp: None,
            client_identifier: None,
            mtu: None,
            link_address: None,
            origin,
        }
    }

    /// The address to set with the length of its prefix, for a request that names its address.
    /// The length defaults to the classful one, as in the kernel.
    pub fn address(&self) -> Option<Prefix> {
        let client = self.client?;
        let length = self.prefix.unwrap_or_else(|| classful_prefix(client));
        Some(Prefix::clamped(client, length))
    }

    /// Reads a value of `ip=`: the kernel's form (`ipconfig.c`, `ip_auto_config_setup`) or
    /// dracut's `<device>:<method>`; the fields after the method are distinguished by their form. A common mistake is put
    /// right and named.
    pub(super) fn read(value: &str, origin: Origin, reading: &mut Reading<'_>) -> Self {
        // As nearly every command line has it (`ip=dhcp`): nothing else can be meant, and nothing is looked for.
        if let Some(Spelling {
            method,
            caveat: None,
            ..
        }) = spelled(value)
        {
            return Self::bare(method, origin);
        }
        let Some(meant) = ip_meant::meant(value) else {
            return Self::read_as_written(value, origin, reading);
        };
        let Meant {
            text,
            position,
            found,
        } = &meant;
        let expected = format!("{text}, as in {}", ip_meant::FORM);
        reading.complain(*position, expected, found, "taken as that");
        let mut complaints = Vec::new();
        let request = Self::read_as_written(
            text,
            origin,
            &mut Reading::new("ip", Some(text), &mut complaints),
        );
        for complaint in complaints {
            // Its position is one in the corrected text.
            let (at, there) = match ip_fields::find(value, &complaint.found) {
                Some(at) => (at, &complaint.found),
                None => (*position, found),
            };
            reading.complain(at, complaint.expected, there, complaint.outcome);
        }
        request
    }

    fn read_as_written(value: &str, origin: Origin, reading: &mut Reading<'_>) -> Self {
        if ip_fields::is_ipv6(value) {
            let outcome = "no address is taken from it";
            reading.complain(0, AddressError::Ipv6.to_string(), value, outcome);
            return Self::bare(Method::Unreadable, origin);
        }
        let mut fields = ip_fields::split(value);
        ip_fields::join_link_address(value, &mut fields);
        match fields.as_slice() {
            [] => Self::bare(Method::Any, origin),
            [only] => Self::read_bare(only, origin, reading),
            [device, method, rest @ ..]
                if ip_fields::could_select_nic(device.text)
                    && (names_method(method.text) || ip_meant::is_device(device.text)) =>
            {
                let mut request = Self::bare(Method::Any, origin);
                request.device = Some(ip_fields::nic(device, reading));
                request.read_method(method, reading);
                request.read_after_method(rest, reading);
                request
            }
            _ => Self::read_fields(&fields, origin, reading),
        }
    }

    fn read_bare(field: &Field<'_>, origin: Origin, reading: &mut Reading<'_>) -> Self {
        let mut request = Self::bare(Method::Any, origin);
        if field.text.is_empty() {
            reading.complain(
                0,
                METHODS,
                "",
                "taken as ip=any; the kernel itself would take it as ip=off",
            );
        } else if field.text.starts_with(|c: char| c.is_ascii_digit()) {
            request.client = ip_fields::own_address(field, reading);
            request.method = match request.client {
                Some(_) => Method::Static,
                // `0.0.0.0` stands for none.
                None if ip_fields::is_unspecified(field) => Method::Any,
                None => Method::Unreadable,
            };
        } else if could_be_method(field.text) {
            request.read_method(field, reading);
        } else {
            // Something with an address or a NIC in it is not every NIC's DHCP.
            let outcome = "no address is taken from it";
            reading.complain(0, METHODS, field.text, outcome);
            request.method = Method::Unreadable;
        }
        request
    }

    fn read_fields(fields: &[Field<'_>], origin: Origin, reading: &mut Reading<'_>) -> Self {
        let mut request = Self::bare(Method::Any, origin);
        let field = |at: usize| fields.get(at).filter(|field| !field.text.is_empty());
        request.client = field(0).and_then(|f| ip_fields::own_address(f, reading));
        request.server = field(1).and_then(|f| ip_fields::host_address(f, reading));
        request.gateway = field(2).and_then(|f| ip_fields::host_address(f, reading));
        request.prefix = field(3).and_then(|f| ip_fields::prefix(f, reading));
        if let Some((host, domain)) = field(4).and_then(|f| ip_fields::host_name(f, reading)) {
            request.host_name = Some(host);
            request.nis_domain = domain;
        }
        request.device = field(5).map(|f| ip_fields::nic(f, reading));
        if let Some(method) = field(6) {
            request.read_method(method, reading);
        }
        if let Some(rest) = fields.get(7..) {
            request.read_after_method(rest, reading);
        }
        // A written address is static unless a protocol is asked for by its name: the
        // kernel's "any" asks no server once it has an address.
        if request.client.is_some() && matches!(request.method, Method::Any | Method::Off) {
            request.method = Method::Static;
        }
        // A fixed address that cannot be read does not become another one from whatever server answers.
        if request.client.is_none()
            && matches!(request.method, Method::Any | Method::Off)
            && field(0).is_some_and(|own| !ip_fields::is_unspecified(own))
        {
            request.method = Method::Unreadable;
        }
        request
    }

    fn read_method(&mut self, field: &Field<'_>, reading: &mut Reading<'_>) {
        if let Some(identifier) = field.text.strip_prefix("dhcp,")
            && identifier.starts_with(|c: char| c.is_ascii_digit())
        {
            self.method = Method::Dhcp;
            self.client_identifier =
                ip_fields::client_identifier(identifier, field.position + 5, reading);
            return;
        }
        // dracut's lists name an IPv4 and an IPv6 method; the IPv4 one counts here.
        let list = field.text.contains(',');
        let mut position = field.position;
        let mut asked = None;
        for word in field.text.split(',') {
            let method = match spelled(word) {
                Some(Spelling {
                    method,
                    caveat: None,
                    ..
                }) => Some(method),
                Some(Spelling { ipv6: true, .. }) if list => None,
                Some(Spelling {
                    method,
                    caveat: Some(caveat),
                    ..
                }) => {
                    reading.complain(position, METHODS, word, caveat);
                    Some(method)
                }
                None => {
                    reading.complain(position, METHODS, word, "taken as any");
                    Some(Method::Any)
                }
            };
            asked = asked.or(method);
            position += word.len() + 1;
        }
        self.method = asked.unwrap_or(Method::Dhcp);
    }

    /// What follows the method: `dns0:dns1:ntp0` for the kernel, `mtu:mac` or `dns1:dns2`
    /// for dracut.
    fn read_after_method(&mut self, fields: &[Field<'_>], reading: &mut Reading<'_>) {
        let mut fields = fields;
        if let Some((first, rest)) = fields.split_first() {
            let number = !first.text.is_empty() && first.text.bytes().all(|b| b.is_ascii_digit());
            let (is_mtu, address) = (number, ip_fields::joined_link_address(rest));
            if is_mtu || (first.text.is_empty() && address.is_some()) {
                if is_mtu {
                    self.mtu = ip_fields::mtu(first, reading);
                }
                self.link_address = address;
                if address.is_none()
                    && let Some(field) = rest.iter().find(|field| !field.text.is_empty())
                {
                    let found = ip_fields::text_from(field, rest);
                    let expected = "an Ethernet address after the MTU";
                    reading.complain(field.position, expected, &found, FIELD_EMPTY);
                }
                return;
            }
        }
        for dns in fields.iter().take(2).filter(|field| !field.text.is_empty()) {
            self.dns.extend(ip_fields::host_address(dns, reading));
        }
        fields = fields.get(2..).unwrap_or_default();
        if let Some((ntp, rest)) = fields.split_first() {
            if !ntp.text.is_empty() {
                self.ntp = ip_fields::host_address(ntp, reading);
            }
            fields = rest;
        }
        if let Some(field) = fields.iter().find(|field| !field.text.is_empty()) {
            let found = ip_fields::text_from(field, fields);
            reading.complain(
                field.position,
                "at most ten fields",
                &found,
                "the rest is left out",
            );
        }
    }
}

/// The prefix length of an address's historical class: 8, 16 or 24 (`ipconfig.c`,
/// `inet_abc_len`); 32 for an address that no host can have. IPv6 has no classes: 64.
pub fn classful_prefix(address: impl Into<IpAddr>) -> u8 {
    let IpAddr::V4(address) = address.into() else {
        return 64;
    };
    let [first, ..] = address.octets();
    match first {
        0..=127 => 8,
        128..=191 => 16,
        192..=223 => 24,
        224.. => 32,
    }
}

#[cfg(test)]
mod tests;
