//! The network of one boot: a bridge, dnsmasq, NFS-Ganesha and the machine's cable.

use anyhow::Result;
use netroot_harness::{Bridge, Clients, Ganesha, Net, Program, Tap, TinyRoot};

use super::dnsmasq;

/// The DHCP and NFS server.
pub(super) const SERVER: &str = "10.90.0.1";
/// What it exports.
pub(super) const PATH: &str = "/root";
/// How dnsmasq answers. Its ping before an offer costs every client the same three seconds, so both cases are
/// measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dnsmasq {
    /// It offers at once, as to a machine whose firmware has just had a lease.
    AnswersAtOnce,
    /// It does not know the machine, and pings an address for three seconds before offering it.
    PingsFirst,
}

/// A new network, in which no server remembers a machine.
pub(super) struct BenchNetwork {
    pub(super) net: Net,
    pub(super) tap: Tap,
    _dhcp: Program,
    _nfs: Ganesha,
}

impl BenchNetwork {
    /// Starts the servers; `log` names the folder of their logs.
    ///
    /// # Errors
    /// When the network cannot be made, or a server does not start.
    pub(super) fn start(log: &str, root: &TinyRoot, dnsmasq: Dnsmasq) -> Result<Self> {
        let net = Net::new(&format!("bench-boot-{log}"))?;
        let bridge = net.bridge("br0", &format!("{SERVER}/24"))?;
        let tap = net.tap("tap0", &bridge)?;
        Ok(Self {
            _dhcp: start_dnsmasq(&net, &bridge, dnsmasq)?,
            _nfs: Ganesha::start(&net, root.path(), PATH, &Clients::All)?,
            net,
            tap,
        })
    }
}

fn start_dnsmasq(net: &Net, bridge: &Bridge, behaviour: Dnsmasq) -> Result<Program> {
    let mut more = vec![
        "--dhcp-leasefile=/run/dnsmasq.leases",
        "--dhcp-range=10.90.0.100,10.90.0.200,255.255.255.0,1h",
    ];
    if behaviour == Dnsmasq::AnswersAtOnce {
        more.push("--no-ping");
    }
    dnsmasq::start(net, "dnsmasq", None, &bridge.0, &more)
}
