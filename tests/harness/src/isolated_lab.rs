//! A server between a network with the way to everywhere else and a bridge that has no address yet.

use std::net::Ipv4Addr;

use anyhow::Result;

use crate::net::{Bridge, Net};

/// The server, with `house`, the bridge into the house's network, and `lab`, a bridge that is down and has no address: for
/// an isolated network. Dropped in this order: who uses a network before the network.
#[derive(Debug)]
pub struct IsolatedLab {
    /// A machine in the house, the router to everywhere else, at [`IsolatedLab::HOUSE`].
    pub house: Net,
    /// The bridge for machines.
    pub lab: Bridge,
    /// The server, at [`IsolatedLab::SERVER`] in the house.
    pub server: Net,
}

impl IsolatedLab {
    /// The house's router.
    pub const HOUSE: Ipv4Addr = Ipv4Addr::new(192, 168, 7, 1);
    /// The server in the house.
    pub const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 7, 5);

    /// Makes the networks; `name` names the directories of their logs.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn new(name: &str) -> Result<Self> {
        let server = Net::new(name)?;
        let lab = server.plain_bridge("lab")?;
        server.shell("ip link set lab down")?;
        let bridge = server.bridge("house", &format!("{}/24", Self::SERVER))?;
        let house = Net::new(&format!("{name}-house"))?;
        server.cable(&bridge, &house, "lan", &format!("{}/24", Self::HOUSE))?;
        server.shell(&format!("ip route add default via {}", Self::HOUSE))?;
        Ok(Self { house, lab, server })
    }
}
