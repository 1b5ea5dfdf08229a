//! The values of a lease, each checked separately.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use netroot_net::{Prefix, Route};

use super::super::note::{IGNORED_MTU, Note, SHORT_LEASE};
use super::super::options::Message;
use super::super::{code, is_host_address, routes};

/// Longest host name that Linux takes (`HOST_NAME_MAX`).
const HOST_NAME_MAX: usize = 64;

/// A message that is being read, and what is wrong with it so far.
pub(super) struct Reader<'a> {
    pub(super) message: &'a Message,
    pub(super) notes: Vec<Note>,
}

impl Reader<'_> {
    /// Notes an option that is present but has an invalid length.
    fn invalid_length(&mut self, code: u8) {
        if let Some(value) = self.message.options.bytes(code) {
            self.notes.push(Note::Length {
                code,
                len: value.len(),
            });
        }
    }

    /// The prefix length by the netmask, where that leaves the address a host's.
    pub(super) fn prefix(&mut self, address: Ipv4Addr) -> u8 {
        let mask = self.message.options.address(code::SUBNET_MASK);
        if let Some(mask) = mask
            && let Ok(ones) = u8::try_from(mask.to_bits().leading_ones())
            && ones > 0
            && Prefix::clamped(address, ones).netmask() == Some(mask)
            && !is_all_of_its_network(address, ones)
        {
            return ones;
        }
        let [first, ..] = address.octets();
        let prefix = match first {
            0..=127 => 8,
            128..=191 => 16,
            _ => 24,
        };
        self.notes.push(Note::Mask(mask, prefix));
        prefix
    }

    /// A list of addresses without those that no host can have.
    pub(super) fn hosts(&mut self, code: u8) -> Vec<Ipv4Addr> {
        let bytes = self.message.options.bytes(code).unwrap_or_default();
        if !bytes.len().is_multiple_of(4) {
            self.notes.push(Note::Length {
                code,
                len: bytes.len(),
            });
        }
        let mut hosts = Vec::new();
        for address in self.message.options.addresses(code) {
            if !is_host_address(address) {
                self.notes.push(Note::Address(code, address));
            } else if !hosts.contains(&address) {
                hosts.push(address);
            }
        }
        hosts
    }

    pub(super) fn routes(&mut self) -> Vec<Route> {
        let Some(bytes) = self.message.options.bytes(code::CLASSLESS_ROUTES) else {
            return Vec::new();
        };
        let (mut found, whole) = routes::classless(bytes);
        found.retain(|route| {
            route.gateway.is_none_or(
                |gateway| matches!(gateway, IpAddr::V4(gateway) if is_host_address(gateway)),
            )
        });
        if !whole || found.is_empty() {
            self.notes.push(Note::Routes(found.len()));
        }
        found
    }

    pub(super) fn routers(&mut self, own: Ipv4Addr, prefix: u8, needed: bool) -> Vec<Ipv4Addr> {
        let mut routers = self.hosts(code::ROUTERS);
        if routers.contains(&own) {
            self.notes.push(Note::Address(code::ROUTERS, own));
            routers.retain(|router| *router != own);
        }
        // A stable sort: in the server's order, those in the network first.
        let network = Prefix::clamped(own, prefix);
        routers.sort_by_key(|router| !network.contains(*router));
        if let (true, Some(first)) = (needed, routers.first()) {
            if routers.len() > 1 {
                self.notes.push(Note::Routers(*first, routers.len()));
            }
            if !network.contains(*first) {
                self.notes.push(Note::RouterElsewhere(*first));
            }
        }
        routers
    }

    fn name(&mut self, code: u8) -> Option<String> {
        let text = self.message.options.text(code)?;
        let text = text.strip_suffix(b".").unwrap_or(text);
        // RFC 1035 §2.3.4: no resolver takes longer labels.
        let mut labels = text.split(|b| *b == b'.');
        let fits = text.len() <= 253
            && labels.all(|label| (1..=63).contains(&label.len()))
            && text.first().is_some_and(u8::is_ascii_alphanumeric)
            && text
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        if !fits {
            self.notes.push(Note::Name(code, text.len()));
            return None;
        }
        Some(text.iter().map(|b| char::from(*b)).collect())
    }

    pub(super) fn host_name(&mut self) -> Option<String> {
        let name = self.name(code::HOST_NAME)?;
        if name.len() <= HOST_NAME_MAX {
            return Some(name);
        }
        match name.split_once('.') {
            Some((first, _)) if first.len() <= HOST_NAME_MAX => {
                self.notes.push(Note::NameCut(name.len()));
                Some(first.to_owned())
            }
            _ => {
                self.notes.push(Note::Name(code::HOST_NAME, name.len()));
                None
            }
        }
    }

    pub(super) fn domain(&mut self) -> Option<String> {
        self.name(code::DOMAIN_NAME)
    }

    pub(super) fn search(&mut self) -> Vec<String> {
        let Some(bytes) = self.message.options.bytes(code::DOMAIN_SEARCH) else {
            return Vec::new();
        };
        let (names, whole) = routes::search_list(bytes);
        if !whole {
            self.notes.push(Note::Search(names.len()));
        }
        names
    }

    pub(super) fn root_path(&mut self) -> Option<Vec<u8>> {
        let path = self.message.options.text(code::ROOT_PATH)?;
        if path.iter().any(u8::is_ascii_control) {
            self.notes.push(Note::RootPathControls);
        }
        Some(path.to_vec())
    }

    pub(super) fn mtu(&mut self) -> Option<u16> {
        let Some(mtu) = self.message.options.u16(code::INTERFACE_MTU) else {
            self.invalid_length(code::INTERFACE_MTU);
            return None;
        };
        if mtu <= IGNORED_MTU {
            self.notes.push(Note::Mtu(mtu));
            return None;
        }
        Some(mtu)
    }

    pub(super) fn broadcast(&mut self, own: Ipv4Addr, prefix: u8) -> Option<Ipv4Addr> {
        let Some(address) = self.message.options.address(code::BROADCAST_ADDRESS) else {
            self.invalid_length(code::BROADCAST_ADDRESS);
            return None;
        };
        // Its own address as broadcast address would keep the machine from receiving unicast.
        if !Prefix::clamped(own, prefix).contains(address) || address == own {
            self.notes.push(Note::Broadcast(address));
            return None;
        }
        Some(address)
    }

    /// Option 54, if a host can have that address.
    pub(super) fn server_id(&mut self) -> Option<Ipv4Addr> {
        let server = self.message.options.address(code::SERVER_ID)?;
        if is_host_address(server) {
            return Some(server);
        }
        self.notes.push(Note::Address(code::SERVER_ID, server));
        None
    }

    /// Lease, T1 and T2. RFC 2131 §4.4.5 gives the fractions; all ones is infinity.
    pub(super) fn times(&mut self) -> (Option<Duration>, Option<Duration>, Option<Duration>) {
        let Some(lease) = self.message.options.u32(code::LEASE_TIME) else {
            self.invalid_length(code::LEASE_TIME);
            return (None, None, None);
        };
        if lease == u32::MAX {
            return (None, None, None);
        }
        if lease < SHORT_LEASE {
            self.notes.push(Note::ShortLease(lease));
        }
        let usual = (lease / 2, lease - lease / 8);
        let given = (
            self.message
                .options
                .u32(code::RENEWAL_TIME)
                .unwrap_or(usual.0),
            self.message
                .options
                .u32(code::REBINDING_TIME)
                .unwrap_or(usual.1),
        );
        let (renew, rebind) = if given.0 < given.1 && given.1 < lease {
            given
        } else {
            // A lease of a few seconds leaves no room for T1 < T2 even by the fractions.
            if given != usual && lease >= SHORT_LEASE {
                self.notes.push(Note::Times);
            }
            usual
        };
        let seconds = |n: u32| Some(Duration::from_secs(u64::from(n)));
        (seconds(lease), seconds(renew), seconds(rebind))
    }
}

/// Whether the address is the network itself or its broadcast address. Networks of one or
/// two addresses have neither (RFC 3021).
pub(super) fn is_all_of_its_network(address: Ipv4Addr, prefix: u8) -> bool {
    let network = Prefix::clamped(address, prefix);
    prefix < 31 && (network.network() == network || network.broadcast() == Some(address))
}
