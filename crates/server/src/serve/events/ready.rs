//! What is served, once machines may boot: the sentence and the fields.

use std::fmt::{self, Display, Formatter};
use std::net::{IpAddr, SocketAddr};

use netroot_net::Prefix;
use netroot_printable::Printable;
use serde_json::{Value, json};

use super::fields::Fields;

/// What is served, once machines may boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ready {
    /// The images.
    pub(crate) images: Vec<ReadyImage>,
    /// The interfaces.
    pub(crate) listeners: Vec<ReadyListener>,
}

/// An image that machines can boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReadyImage {
    /// Its name.
    pub(crate) name: String,
    /// What it is, as a word.
    pub(crate) kind: &'static str,
    /// The version of its kernel, where that is known.
    pub(crate) linux: Option<String>,
    /// Its root, as `nfsroot=` has it, if it has one.
    pub(crate) root: Option<String>,
}

/// An interface that is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReadyListener {
    /// Its name.
    pub(crate) interface: String,
    /// The server's address on it.
    pub(crate) address: IpAddr,
    /// The length of its network's prefix, in bits.
    pub(crate) prefix: u8,
    /// The interface's other addresses.
    pub(crate) others: Vec<Prefix>,
    /// The addresses that this server gives; none on a proxy.
    pub(crate) ranges: Vec<ReadyRange>,
    /// Whether the network is isolated.
    pub(crate) isolated: Option<Isolated>,
    /// The TCP port of HTTP.
    pub(crate) http_port: u16,
}

/// An isolated network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isolated {
    /// Its machines reach this server alone.
    Alone,
    /// They reach the outside, under this server's address.
    WithNat,
}

/// Addresses that this server gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReadyRange {
    /// The first one.
    pub(crate) first: IpAddr,
    /// The last one.
    pub(crate) last: IpAddr,
    /// Behind a relay, the length of their network's prefix, in bits.
    pub(crate) relayed: Option<u8>,
}

impl Display for ReadyImage {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            name, kind, linux, ..
        } = self;
        match linux {
            Some(linux) => write!(f, "{name} with Linux {linux}"),
            None => write!(f, "{name} ({kind})"),
        }
    }
}

impl Display for Ready {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let names = self.images.iter().map(ToString::to_string);
        let listeners = self.listeners.iter().map(|listener| {
            let ReadyListener {
                address, http_port, ..
            } = listener;
            let (place, mode) = (listener.place(), listener.mode());
            let http = SocketAddr::new(*address, *http_port);
            format!("{place}: {mode}, TFTP, http://{http}/")
        });
        let roots = self.images.iter().filter_map(|image| image.root.as_deref());
        let names: Vec<String> = names.collect();
        let listeners: Vec<String> = listeners.collect();
        let roots: Vec<&str> = roots.collect();
        write!(f, "{} on {}", names.join(" and "), listeners.join("; "))?;
        match roots.as_slice() {
            [] => Ok(()),
            roots => write!(f, ", root {}", roots.join(" and ")),
        }
    }
}

impl ReadyListener {
    /// `eth0 (10.0.0.1/24, 10.1.0.1/16)`.
    pub(crate) fn place(&self) -> String {
        let mut place = format!("{} ({}/{}", self.interface, self.address, self.prefix);
        for other in &self.others {
            place += &format!(", {other}");
        }
        place + ")"
    }

    /// `DHCP 10.0.0.100-10.0.0.200`, `isolated with NAT, DHCP 10.77.0.2-10.77.0.254` or `ProxyDHCP`. On an interface with ranges behind relays alone, it is both.
    pub(crate) fn mode(&self) -> String {
        let apart = match self.isolated {
            None => "",
            Some(Isolated::Alone) => "isolated, ",
            Some(Isolated::WithNat) => "isolated with NAT, ",
        };
        format!("{apart}{}", self.gives())
    }

    fn gives(&self) -> String {
        let here = self.ranges.iter().any(|range| range.relayed.is_none());
        let listed = |relayed: bool| {
            let ranges = self.ranges.iter();
            let ranges = ranges.filter(|range| range.relayed.is_some() == relayed);
            let ranges = ranges.map(|ReadyRange { first, last, .. }| format!("{first}-{last}"));
            ranges.collect::<Vec<_>>().join(", ")
        };
        let mut mode = match here {
            true => format!("DHCP {}", listed(false)),
            false => "ProxyDHCP".to_owned(),
        };
        let relayed = listed(true);
        if !relayed.is_empty() {
            mode += &format!(", behind relays DHCP {relayed}");
        }
        mode
    }
}

/// The fields.
pub(super) fn add_fields(fields: &mut Fields, ready: &Ready) {
    let images = ready.images.iter().map(|image| {
        json!({
            "name": Printable(&image.name).to_string(),
            "kind": image.kind,
            "linux": image.linux.as_ref().map(|linux| Printable(linux).to_string()),
            "root": image.root.as_ref().map(|root| Printable(root).to_string()),
        })
    });
    fields.add("images", images.collect::<Value>());
    let listeners = ready.listeners.iter().map(|listener| {
        json!({
            "interface": Printable(&listener.interface).to_string(),
            "address": listener.address.to_string(),
            "prefix": listener.prefix,
            "others": listener.others.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "first": listener.ranges.first().map(|range| range.first.to_string()),
            "last": listener.ranges.first().map(|range| range.last.to_string()),
            "ranges": ranges(&listener.ranges),
            "isolated": listener.isolated.is_some(),
            "nat": listener.isolated == Some(Isolated::WithNat),
            "http_port": listener.http_port,
        })
    });
    fields.add("listeners", listeners.collect::<Value>());
}

fn ranges(ranges: &[ReadyRange]) -> Value {
    let ranges = ranges.iter().map(|range| {
        json!({
            "first": range.first.to_string(),
            "last": range.last.to_string(),
            "relayed": range.relayed.is_some(),
        })
    });
    ranges.collect()
}
