//! A boot server whose root is on some file system, and machines on its network.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use netroot_harness::{Bridge, Net, NetrootServe};

/// A folder that only the server's mount namespace has: every file system is mounted below it, and all of them and
/// their loop devices end with the namespace.
pub(super) const PLACE: &str = "/run/lab";

/// What the set-up scripts have: `image NAME SIZE` makes an empty file, `on NAME FOLDER [OPTIONS]` mounts it.
const PRELUDE: &str = "cd /run/lab
image() { truncate -s $2 $1.img; }
on() { mkdir -p $2; mount -o loop${3:+,$3} $1.img $2; }
";

/// Dropped in this order: the users of a network before the network.
pub(super) struct Lab {
    server: Option<NetrootServe>,
    /// The machines, with the addresses of `hostile::lab::client` from 2 to 5.
    pub(super) clients: Net,
    net: Net,
    _bridge: Bridge,
}

impl Lab {
    pub(super) fn new(name: &str) -> Result<Self> {
        let net = Net::new(&format!("file-system-{name}"))?;
        let bridge = net.bridge("br0", "10.66.0.1/24")?;
        let clients = Net::new(&format!("file-system-{name}-clients"))?;
        net.cable(&bridge, &clients, "eth0", "10.66.0.2/24")?;
        clients.shell("for host in 3 4 5; do ip addr add 10.66.0.$host/24 dev eth0; done")?;
        net.shell(&format!(
            "mkdir {PLACE}; mount -t tmpfs lab {PLACE}; mkdir {PLACE}/root"
        ))?;
        // Nobody boots from it.
        std::fs::write(net.logs().join("initrd.img"), "an initrd")?;
        let server = None;
        Ok(Self {
            server,
            clients,
            net,
            _bridge: bridge,
        })
    }

    /// Runs commands in the folder that is the server's alone.
    pub(super) fn shell(&self, commands: &str) -> Result<()> {
        self.net.shell(&format!("{PRELUDE}{commands}"))?;
        Ok(())
    }

    /// The path, from outside of the namespace, of something in that folder.
    pub(super) fn path(&self, inside: &str) -> PathBuf {
        self.net.path(&format!("{PLACE}/{inside}"))
    }

    /// Takes a copy of an image of another host, and of what its server keeps: the key, and the names of its directories.
    pub(super) fn copy(&self, image: &str, of: &Lab) -> Result<()> {
        let copied = std::fs::copy(of.path(image), self.path(image));
        copied.with_context(|| format!("copy {image}"))?;
        let state = |lab: &Lab| lab.net.logs().join("state").display().to_string();
        self.net.run(&["cp", "-a", &state(of), &state(self)])?;
        Ok(())
    }

    /// Starts the server, after `kill -9` of the one that runs, on the same state.
    pub(super) fn serve(&mut self, more: &[&str]) -> Result<()> {
        if let Some(mut server) = self.server.take() {
            server.program().kill()?;
        }
        let initrd = self.net.logs().join("initrd.img").display().to_string();
        let mut arguments = vec!["--interface", "br0", "--no-probe", "--initrd", &initrd];
        arguments.extend(more);
        let root = format!("{PLACE}/root");
        self.server = Some(NetrootServe::start(
            &self.net,
            Path::new(&root),
            &arguments,
        )?);
        Ok(())
    }

    /// What the server said, as text for people.
    pub(super) fn said(&self) -> Vec<String> {
        let events = self.server.iter().flat_map(NetrootServe::events);
        events.map(|(_, event)| event.text).collect()
    }

    /// Makes the host's kernel forget every inode and name that nobody uses, as memory pressure does.
    pub(super) fn forget_inodes(&self) -> Result<()> {
        self.net.shell(&format!("sync -f {PLACE}/root"))?;
        std::fs::write("/proc/sys/vm/drop_caches", "2").context("drop the inode cache")
    }
}
