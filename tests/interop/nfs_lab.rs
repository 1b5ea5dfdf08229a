//! A boot server with a root on a file system of its own, and a machine on its network.

use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::Result;
use netroot_harness::{Bridge, Net, NetrootServe};

/// The server's address, and that of another one beside it.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 66, 0, 1);
pub(crate) const OTHER: Ipv4Addr = Ipv4Addr::new(10, 66, 0, 3);
/// Where the root is.
pub(crate) const ROOT: &str = "/run/root";

/// Dropped in this order: the users of a network before the network.
pub(crate) struct Lab {
    server: Option<NetrootServe>,
    pub(crate) clients: Net,
    pub(crate) other: Net,
    pub(crate) net: Net,
    _bridge: Bridge,
}

impl Lab {
    pub(crate) fn new(name: &str) -> Result<Self> {
        let net = Net::new(name)?;
        let bridge = net.bridge("br0", "10.66.0.1/24")?;
        let clients = Net::new(&format!("{name}-clients"))?;
        net.cable(&bridge, &clients, "eth0", "10.66.0.2/24")?;
        let other = Net::new(&format!("{name}-other"))?;
        net.cable(&bridge, &other, "eth1", "10.66.0.3/24")?;
        for host in [&net, &other] {
            host.shell(&format!("mkdir {ROOT}"))?;
        }
        let server = None;
        Ok(Self {
            server,
            clients,
            other,
            net,
            _bridge: bridge,
        })
    }

    /// Serves [`ROOT`].
    pub(crate) fn serve(&mut self) -> Result<()> {
        let initrd = self.net.logs().join("initrd.img");
        // Nobody boots from it.
        std::fs::write(&initrd, "an initrd")?;
        let initrd = initrd.display().to_string();
        let mut arguments = vec!["--interface", "br0", "--no-probe", "--portmapper"];
        arguments.extend(["--initrd", &initrd]);
        self.server = Some(NetrootServe::start(&self.net, Path::new(ROOT), &arguments)?);
        Ok(())
    }
}
