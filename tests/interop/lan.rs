//! A boot server, and a client on another machine of the same network.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result};
use netroot_harness::{Bridge, Net, NetrootServe, TinyRoot};

/// The server's address.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// Its HTTP server.
pub(crate) const HTTP: &str = "http://10.77.0.1:8069";
/// The longest that a client may take. No test asserts a duration.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(180);

/// The network of a server, before anything is served, and a client in it. Dropped in this order: the users of a network before the network.
pub(crate) struct Network {
    pub(crate) client: Net,
    pub(crate) bridge: Bridge,
    pub(crate) net: Net,
}

impl Network {
    pub(crate) fn new(name: &str) -> Result<Self> {
        let net = Net::new(name)?;
        let bridge = net.bridge("br0", "10.77.0.1/24")?;
        let client = Net::new(&format!("{name}-client"))?;
        net.cable(&bridge, &client, "eth0", "10.77.0.66/24")?;
        // Broadcasts to 255.255.255.255 need a route.
        client.shell("ip route add default dev eth0")?;
        Ok(Self {
            client,
            bridge,
            net,
        })
    }
}

/// Dropped in this order: the users of a network before the network.
pub(crate) struct Lan {
    pub(crate) server: NetrootServe,
    pub(crate) client: Net,
    pub(crate) root: TinyRoot,
    pub(crate) bridge: Bridge,
    pub(crate) net: Net,
}

impl Lan {
    /// Serves a tiny root in a new network; `client` is another machine.
    pub(crate) fn new(name: &str) -> Result<Self> {
        let Network {
            net,
            bridge,
            client,
        } = Network::new(name)?;
        let root = TinyRoot::make()?;
        let range = "10.77.0.100-10.77.0.199";
        let mut arguments = vec!["--interface", "br0", "--dhcp", range];
        // An initrd with one driver is quick to build.
        arguments.extend(["--modules", "virtio_net"]);
        let server = NetrootServe::start(&net, root.path(), &arguments)?;
        Ok(Self {
            server,
            client,
            root,
            bridge,
            net,
        })
    }

    /// Fetches a URL path with curl; further arguments before the URL.
    pub(crate) fn curl(&self, path: &str, arguments: &[&str]) -> Result<String> {
        let url = format!("{HTTP}{path}");
        let mut argv = vec!["curl", "-sS", "--max-time", "30"];
        argv.extend(arguments);
        argv.push(&url);
        self.client.run(&argv)
    }

    /// The status of a request whose path curl must not normalise.
    pub(crate) fn status_of(&self, path: &str) -> Result<u16> {
        let arguments = ["--path-as-is", "-o", "/dev/null", "-w", "%{http_code}"];
        let status = self.curl(path, &arguments)?;
        status.trim().parse().context(status)
    }
}
