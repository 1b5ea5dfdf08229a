//! What the server is told once, and where a request came in.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use super::arch::Platform;
use crate::dhcp::Mac;
use crate::dhcp::lease::Route;
use crate::dhcp::pool::Pool;

/// What the server hands out to boot with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The port of this server's HTTP side.
    pub http_port: u16,
    /// Path of a machine's iPXE script, without a leading slash; `{mac}` becomes
    /// `52-54-00-12-34-56`. The URL has to stay under 128 bytes.
    pub script_path: String,
    /// What there is to load, one line per platform.
    pub loaders: Vec<Loader>,
    /// Option 17, in the [`Role::Dhcp`] role for every initrd that asks for it, as a
    /// [`Role::Proxy`] for our own init.
    pub root_path: Option<Vec<u8>>,
}

/// The boot loaders of a platform, by the names under which TFTP and HTTP serve them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loader {
    /// What it runs on.
    pub platform: Platform,
    /// The usual one. iPXE with the firmware's own network driver (`snponly.efi`,
    /// `undionly.kpxe`) works wherever the firmware got as far as asking.
    pub first: String,
    /// The other one, with drivers of its own (`ipxe.efi`), for machines where the first fails.
    pub second: Option<String>,
}

impl Config {
    /// The absolute URL of a machine's script. iPXE's own `${next-server}` is the *main*
    /// DHCP server under ProxyDHCP, so nothing relative can be handed out.
    pub fn script_url(&self, server: Ipv4Addr, mac: Mac) -> String {
        self.url(
            server,
            &self.script_path.replace("{mac}", &mac.hyphenated()),
        )
    }

    /// The absolute URL of something this server serves. The host is an address: UEFI
    /// HTTP boot resolves no names without DNS.
    pub fn url(&self, server: Ipv4Addr, path: &str) -> String {
        match self.http_port {
            80 => format!("http://{server}/{path}"),
            port => format!("http://{server}:{port}/{path}"),
        }
    }
}

/// Where and how a request came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// The interface's name.
    pub interface: String,
    /// This server's address on it.
    pub address: Ipv4Addr,
    /// Prefix length of the network on it.
    pub prefix: u8,
    /// The port of this server that the datagram came to: 67 or 4011.
    pub port: u16,
    /// Where the datagram came from.
    pub source: SocketAddrV4,
}

/// What the server is on this wire.
#[derive(Debug)]
pub enum Role<'a> {
    /// Another server gives the addresses; this one only says what to boot.
    Proxy,
    /// This server gives the addresses, and is the only one.
    Dhcp {
        /// What goes with an address.
        network: &'a Network,
        /// The addresses.
        pool: &'a mut Pool,
    },
}

/// What goes with an address in the [`Role::Dhcp`] role. The mask is the arrival interface's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// How long an address is granted for.
    pub lease_time: Duration,
    /// Option 3.
    pub routers: Vec<Ipv4Addr>,
    /// Option 6.
    pub dns: Vec<Ipv4Addr>,
    /// Option 15.
    pub domain: Option<String>,
    /// Option 26, in bytes.
    pub mtu: Option<u16>,
    /// Option 42.
    pub ntp: Vec<Ipv4Addr>,
    /// Option 121. Clients that read it ignore `routers`, so a default route belongs
    /// into it as well (RFC 3442).
    pub routes: Vec<Route>,
}

impl Network {
    /// A network with nothing but addresses.
    pub fn new(lease_time: Duration) -> Network {
        Network {
            lease_time,
            routers: Vec::new(),
            dns: Vec::new(),
            domain: None,
            mtu: None,
            ntp: Vec::new(),
            routes: Vec::new(),
        }
    }
}
