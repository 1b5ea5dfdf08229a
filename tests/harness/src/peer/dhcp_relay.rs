//! A router with a DHCP relay (dnsmasq's) between two networks.

use std::time::Duration;

use anyhow::Result;

use crate::net::{Bridge, Net};
use crate::peer::dnsmasq::command;
use crate::program::Program;

/// A network behind a router: what is asked for there by DHCP reaches the servers on this side.
#[derive(Debug)]
pub struct RelayedNetwork {
    _relay: Program,
    /// The router: `near` is its leg in the servers' network, `far` the one in the machines'.
    pub router: Net,
    /// The machines' network, with the bridge [`RelayedNetwork::bridge`] and no address of its own.
    pub far: Net,
    /// The machines' Ethernet.
    pub bridge: Bridge,
}

impl RelayedNetwork {
    /// The router's address in the servers' network.
    pub const NEAR: &str = "10.77.0.254";
    /// Its address in the machines' network, which is 10.88.0.0/24.
    pub const FAR: &str = "10.88.0.1";

    /// A router from `bridge` of `net`, which is 10.77.0.0/24, with a relay to `servers` there. `net` gets a route.
    ///
    /// # Errors
    /// When the networks cannot be made, or the relay does not start.
    pub fn new(name: &str, net: &Net, bridge: &Bridge, servers: &[&str]) -> Result<Self> {
        let router = Net::new(&format!("{name}-router"))?;
        let far = Net::new(&format!("{name}-far"))?;
        let far_bridge = far.plain_bridge("br1")?;
        net.cable(bridge, &router, "near", &format!("{}/24", Self::NEAR))?;
        far.cable(&far_bridge, &router, "far", &format!("{}/24", Self::FAR))?;
        router.shell("echo 1 > /proc/sys/net/ipv4/ip_forward")?;
        net.shell(&format!("ip route add 10.88.0.0/24 via {}", Self::NEAR))?;
        let mut argv: Vec<String> = command().into_iter().map(str::to_owned).collect();
        for server in servers {
            argv.push(format!("--dhcp-relay={},{server}", Self::FAR));
        }
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        let relay = router.spawn(&argv)?;
        relay.stderr().wait_for(
            "DHCP relay from",
            "dnsmasq's relay",
            Duration::from_secs(120),
        )?;
        Ok(Self {
            _relay: relay,
            router,
            far,
            bridge: far_bridge,
        })
    }
}
