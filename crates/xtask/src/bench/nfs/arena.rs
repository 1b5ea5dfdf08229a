//! The networks: one bridge, a server of each kind, and clients with an address each.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use netroot_harness::{Bridge, Clients, Ganesha, Net, NetrootServe};

use super::load::Target;
use super::processors::Processors;
use super::tree;
use crate::bench::congestion_control;

pub(super) const OURS: &str = "10.92.0.1";
pub(super) const GANESHA: &str = "10.92.0.2";
/// Where the image is mounted, and the name of its export.
const PLACE: &str = "/run/root";
/// How many clients there are, from [`super::load::FIRST_CLIENT`] on.
const CLIENTS: u32 = 100;

/// Where it is measured. Dropped in this order: the users of a network before the network.
pub(super) struct Arena {
    pub(super) clients: Net,
    pub(super) ours: Net,
    pub(super) ganesha: Net,
    pub(super) lan: Net,
    pub(super) bridge: Bridge,
    pub(super) image: PathBuf,
    pub(super) processors: Processors,
    initrd: PathBuf,
}

/// The two servers of this machine.
pub(super) struct Servers {
    ours: NetrootServe,
    ganesha: Ganesha,
    path: String,
    processors: Processors,
}

impl Arena {
    /// # Errors
    /// When the networks or the image cannot be made.
    pub(super) fn make(processors: Processors) -> Result<Self> {
        let lan = Net::new("bench-nfs-lan")?;
        let bridge = lan.bridge("br0", "10.92.0.254/16")?;
        let ours = Net::new("bench-nfs-ours")?;
        lan.cable(&bridge, &ours, "eth0", &format!("{OURS}/16"))?;
        let ganesha = Net::new("bench-nfs-ganesha")?;
        lan.cable(&bridge, &ganesha, "eth1", &format!("{GANESHA}/16"))?;
        let clients = Net::new("bench-nfs-clients")?;
        lan.cable(&bridge, &clients, "eth2", "10.92.1.1/16")?;
        let addresses = (2..=CLIENTS).map(|host| format!("ip addr add 10.92.1.{host}/16 dev eth2"));
        clients.shell(&addresses.collect::<Vec<_>>().join("\n"))?;
        let ends = [(&ours, "eth0"), (&ganesha, "eth1"), (&clients, "eth2")];
        for (net, interface) in ends {
            congestion_control::as_in_debian(net, interface, "10.92.0.0/16")?;
        }
        let image = lan.logs().join("tree.img");
        tree::make(&lan, &image)?;
        for net in [&ours, &ganesha] {
            net.shell(&format!("mkdir {PLACE}"))?;
        }
        let initrd = lan.logs().join("initrd.img");
        // Nobody boots from it.
        std::fs::write(&initrd, "an initrd")?;
        Ok(Self {
            clients,
            ours,
            ganesha,
            lan,
            bridge,
            image,
            processors,
            initrd,
        })
    }

    /// Both servers with the tree of the image. None of it is in memory, but the image is: the disk is as fast for each.
    pub(super) fn serve_tree(&self) -> Result<Servers> {
        let image = self.image.display();
        self.lan.shell(&format!("cat {image} > /dev/null"))?;
        for net in [&self.ours, &self.ganesha] {
            net.shell(&format!(
                "if mountpoint -q {PLACE}; then umount {PLACE}; fi; mount -o loop,ro {image} {PLACE}"
            ))?;
        }
        self.serve(Path::new(PLACE))
    }

    /// Both servers with this directory.
    pub(super) fn serve(&self, directory: &Path) -> Result<Servers> {
        let name = directory.file_name().and_then(|name| name.to_str());
        let path = format!("/{}", name.context("a directory with a name")?);
        let initrd = self.initrd.display().to_string();
        let arguments = ["--interface", "eth0", "--no-probe", "--initrd", &initrd];
        let mut ours = NetrootServe::start(&self.ours, directory, &arguments)?;
        let ganesha = Ganesha::start(&self.ganesha, directory, &path, &Clients::All)?;
        let processors = self.processors;
        for program in [ours.program(), ganesha.program()] {
            processors.give_server(program.pid()?.as_raw())?;
        }
        Ok(Servers {
            ours,
            ganesha,
            path,
            processors,
        })
    }
}

impl Servers {
    /// netroot first.
    pub(super) fn targets(&mut self) -> Result<[Target; 2]> {
        let ours = self.ours.program().pid()?.as_raw();
        let ganesha = self.ganesha.program().pid()?.as_raw();
        let target = |name, address, mount, pid| Target {
            name,
            address,
            mount,
            nfs: 2049,
            path: self.path.clone(),
            pid: Some(pid),
            processors: self.processors,
        };
        Ok([
            target("netroot", OURS, 2049, ours),
            target("Ganesha", GANESHA, 20048, ganesha),
        ])
    }
}
