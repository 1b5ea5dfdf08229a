//! The inputs of a decision besides the request: what the machine boots, where the request arrived, and the
//! server's role on that interface.

use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use netroot_net::{Endpoint, Host, Mac, Prefix, Route};

use super::arch::Platform;
use super::client::Client;
use crate::dhcp::pool::Pool;

/// What one machine boots. Built for each request: machines on one interface may boot different images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootOptions<'a> {
    /// The TCP port of the HTTP server.
    pub http_port: u16,
    /// Path of a machine's iPXE script, without a leading slash; `{mac}` is replaced with
    /// `52-54-00-12-34-56`. The URL has at most 255 bytes, and 127 for a client that does not read option 67.
    pub script_path: &'a str,
    /// The boot loaders, one entry per platform.
    pub loaders: &'a [Loader],
    /// Option 17: in the [`Role::Authoritative`] role for every initrd that requests it, in the
    /// [`Role::Proxy`] role only for netroot's init.
    pub root_path: Option<&'a [u8]>,
    /// The networks whose machines may mount the root and load files; `None`: nobody knows, or everybody may.
    pub allowed: Option<&'a [Prefix]>,
    /// Option 12, where this server gives addresses: the name that the machine has in the configuration.
    pub host_name: Option<&'a str>,
    /// The machine does not boot from this server: a proxy is silent, and an address comes without a boot file.
    pub refused: bool,
}

/// The boot loaders of a platform, by the names under which TFTP and HTTP serve them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loader {
    /// The platform.
    pub platform: Platform,
    /// The preferred loader. iPXE with the firmware's own network driver (`snponly.efi`,
    /// `undionly.kpxe`) works wherever the firmware was able to send its request.
    pub first: String,
    /// The alternative, with its own drivers (`ipxe.efi`), for machines where the first fails.
    pub second: Option<String>,
    /// What firmware with Secure Boot starts, for machines that refuse the others.
    pub signed: Option<SignedLoader>,
}

/// The beginning of a signed chain, usually shim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedLoader {
    /// Its name. What it loads is beside it.
    pub file: String,
    /// Whether what follows can load files by HTTP. Without that, a machine that booted by HTTP would stop there.
    pub over_http: bool,
    /// Whether what follows heeds a proxy's offer. Without that, it looks for its files on the server of its address.
    pub by_proxy: bool,
}

impl Loader {
    /// The beginning of the signed chain, where it can go on for this client, which gets its address from this server
    /// (`authoritative`) or from another one.
    pub fn signed_for(&self, client: Client, authoritative: bool) -> Option<&str> {
        let signed = self.signed.as_ref()?;
        let goes_on = match client {
            // The URL says where it came from.
            Client::Http(_) => signed.over_http,
            _ => signed.by_proxy || authoritative,
        };
        goes_on.then_some(signed.file.as_str())
    }
}

impl BootOptions<'_> {
    /// The absolute URL of a machine's script. With ProxyDHCP, iPXE's `${next-server}` is the
    /// *main* DHCP server, so a relative URL would not work.
    pub fn script_url(&self, server: IpAddr, mac: Mac) -> String {
        self.url(
            server,
            &self.script_path.replace("{mac}", &mac.hyphenated()),
        )
    }

    /// The absolute URL of a file on this server. The host is an address: UEFI HTTP boot may
    /// have no DNS server to resolve names.
    pub fn url(&self, server: IpAddr, path: &str) -> String {
        let server = Endpoint {
            host: Host::Address(server),
            port: self.http_port,
        };
        format!("http://{}/{path}", server.in_url(80))
    }
}

/// Where and how a request arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// The interface's name.
    pub interface: String,
    /// The server's address in the answer: that address of the interface which suits the client.
    pub address: Ipv4Addr,
    /// The network of that address, or where the server gives addresses the client's.
    pub network: Prefix,
    /// Whether that network is behind relays, not on the interface.
    pub behind_relays: bool,
    /// The server port that received the datagram: 67 or 4011.
    pub port: u16,
    /// The sender of the datagram.
    pub source: SocketAddrV4,
}

/// The server's role on an interface.
#[derive(Debug)]
pub enum Role<'a> {
    /// Another server assigns addresses; this one only offers what to boot (ProxyDHCP).
    Proxy,
    /// This server assigns addresses, and is the only one to do so.
    Authoritative {
        /// The options sent with an address.
        options: &'a SubnetOptions,
        /// The address pool.
        pool: &'a mut Pool,
    },
}

/// The options sent with an address in the [`Role::Authoritative`] role. The netmask is that of [`Arrival::network`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubnetOptions {
    /// The lease time.
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
    /// Option 121. Clients that use it ignore `routers`, so it must contain the default route
    /// as well (RFC 3442).
    pub routes: Vec<Route>,
}

impl SubnetOptions {
    /// No options except the lease time.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_address_is_in_brackets_in_a_url() {
        let url = |http_port, server: &str| {
            let boots = BootOptions {
                http_port,
                script_path: "boot/{mac}.ipxe",
                loaders: &[],
                root_path: None,
                allowed: None,
                host_name: None,
                refused: false,
            };
            boots.url(server.parse().unwrap(), "x")
        };
        assert_eq!(url(80, "10.0.0.1"), "http://10.0.0.1/x");
        assert_eq!(url(8069, "10.0.0.1"), "http://10.0.0.1:8069/x");
        assert_eq!(url(80, "2001:db8::1"), "http://[2001:db8::1]/x");
        assert_eq!(url(8069, "2001:db8::1"), "http://[2001:db8::1]:8069/x");
    }
}
