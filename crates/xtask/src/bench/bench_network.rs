//! The network of one boot: a bridge, dnsmasq, NFS-Ganesha and the machine's cable.

use std::time::Duration;

use anyhow::{Context, Result};
use netroot_harness::{Bridge, Clients, Ganesha, Net, Program, Tap, TinyRoot};

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
    let interface = format!("--interface={}", bridge.0);
    let mut argv = vec![
        "dnsmasq",
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--port=0",
        "--log-facility=-",
        "--user=root",
        "--pid-file=/run/dnsmasq.pid",
        "--dhcp-leasefile=/run/dnsmasq.leases",
        "--dhcp-authoritative",
        "--dhcp-range=10.90.0.100,10.90.0.200,255.255.255.0,1h",
        &interface,
    ];
    if behaviour == Dnsmasq::AnswersAtOnce {
        argv.push("--no-ping");
    }
    let program = net.spawn(&argv)?;
    program
        .stderr()
        .wait_for("started", "dnsmasq starting", Duration::from_secs(20))
        .context("the DHCP server of the bench")?;
    Ok(program)
}
