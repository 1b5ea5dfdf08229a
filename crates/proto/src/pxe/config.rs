//! What a decision depends on besides the request: what the machine boots, where the request arrived, and the
//! server's role there.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use netroot_net::{Mac, Prefix, Route};

use super::arch::Platform;
use crate::dhcp::pool::Pool;

/// What one machine boots. Made for each request: two machines on one interface may boot different images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootOptions<'a> {
    /// The HTTP server's TCP port.
    pub http_port: u16,
    /// Path of a machine's iPXE script, without a leading slash; `{mac}` becomes
    /// `52-54-00-12-34-56`. The URL has to stay under 128 bytes.
    pub script_path: &'a str,
    /// The boot loaders, one entry per platform.
    pub loaders: &'a [Loader],
    /// Option 17: in the [`Role::Dhcp`] role for every initrd that asks for it, in the
    /// [`Role::Proxy`] role for netroot's own init.
    pub root_path: Option<&'a [u8]>,
}

/// The boot loaders of a platform, by the names under which TFTP and HTTP serve them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loader {
    /// What it runs on.
    pub platform: Platform,
    /// The usual one. iPXE with the firmware's own network driver (`snponly.efi`,
    /// `undionly.kpxe`) works wherever the firmware could send its request.
    pub first: String,
    /// The other one, with drivers of its own (`ipxe.efi`), for machines where the first fails.
    pub second: Option<String>,
}

impl BootOptions<'_> {
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
    /// The server's address in the answer: one of the interface's, the one that fits the client.
    pub address: Ipv4Addr,
    /// The network of that address.
    pub network: Prefix,
    /// The port of this server that the datagram came to: 67 or 4011.
    pub port: u16,
    /// Where the datagram came from.
    pub source: SocketAddrV4,
}

/// The server's role on an interface.
#[derive(Debug)]
pub enum Role<'a> {
    /// Another server gives the addresses; this one only says what to boot.
    Proxy,
    /// This server gives the addresses, and is the only one.
    Dhcp {
        /// What goes with an address.
        options: &'a SubnetOptions,
        /// The addresses.
        pool: &'a mut Pool,
    },
}

/// What goes with an address in the [`Role::Dhcp`] role. The mask is the arrival interface's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubnetOptions {
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

impl SubnetOptions {
    /// Addresses and nothing else.
    pub fn new(lease_time: Duration) -> SubnetOptions {
        SubnetOptions {
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
