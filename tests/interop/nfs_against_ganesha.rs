//! Our export and NFS-Ganesha on the same tree, call by call (`nfs_compared/compared.rs`).

use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::Result;
use netroot_harness::{Bridge, Clients, Ganesha, Net, NetrootServe};

use crate::nfs_compared::{ask, assert_equal, tree};

const OURS: Ipv4Addr = Ipv4Addr::new(10, 66, 0, 1);
const GANESHA: Ipv4Addr = Ipv4Addr::new(10, 66, 0, 3);

/// Dropped in this order: the users of a network before the network.
struct Lab {
    _server: NetrootServe,
    _ganesha: Ganesha,
    clients: Net,
    _other: Net,
    _net: Net,
    _bridge: Bridge,
}

impl Lab {
    fn new() -> Result<Self> {
        let net = Net::new("nfs-compared")?;
        let bridge = net.bridge("br0", "10.66.0.1/24")?;
        let clients = Net::new("nfs-compared-clients")?;
        net.cable(&bridge, &clients, "eth0", "10.66.0.2/24")?;
        let other = Net::new("nfs-compared-ganesha")?;
        net.cable(&bridge, &other, "eth1", "10.66.0.3/24")?;
        let image = net.logs().join("tree.img").display().to_string();
        tree::make_image(&net, &image)?;
        for host in [&net, &other] {
            host.shell(&format!(
                "mkdir /run/root; mount -o loop,ro {image} /run/root"
            ))?;
        }
        let initrd = net.logs().join("initrd.img");
        // Nobody boots from it.
        std::fs::write(&initrd, "an initrd")?;
        let initrd = initrd.display().to_string();
        let arguments = [
            "--interface",
            "br0",
            "--no-probe",
            "--portmapper",
            "--initrd",
            &initrd,
        ];
        let root = Path::new("/run/root");
        let ganesha = Ganesha::start(&other, root, "/root", &Clients::All)?;
        let server = NetrootServe::start(&net, root, &arguments)?;
        Ok(Self {
            _server: server,
            _ganesha: ganesha,
            clients,
            _other: other,
            _net: net,
            _bridge: bridge,
        })
    }
}

#[test]
fn every_answer_is_ganeshas_but_for_the_differences_that_are_explained() -> Result<()> {
    let lab = Lab::new()?;
    let ours = lab.clients.within(|| ask(OURS, "/root"))?;
    let theirs = lab.clients.within(|| ask(GANESHA, "/root"))?;
    assert_equal("Ganesha", &ours, &theirs)
}
