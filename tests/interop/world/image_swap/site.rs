//! A server whose image is swapped, the machines that run from it, and what they read meanwhile.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow, ensure};
use netroot_harness::{Finished, Net, NetrootServe, paths};
use nfs3_types::nfs3::nfs_fh3;

use super::super::root::{NEW, NFS, OLD, open_to_all, put_kernel, put_modules, who};
use crate::lan::{HTTP, TIMEOUT};
use crate::support::{Client, connect, root_handle};

/// How the server is told what to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// `netroot serve DIR`.
    Directory,
    /// A configuration.
    File,
}

/// Dropped in this order: the users of a network before the network.
pub(super) struct Site {
    pub(super) server: NetrootServe,
    /// Two machines, and one that boots.
    pub(super) clients: [Net; 3],
    pub(super) net: Net,
    pub(super) folder: tempfile::TempDir,
    pub(super) by: By,
}

impl Site {
    /// Serves the root `old`, by the name `debian` or (without a configuration) `old`. Beside it is `new`, with another
    /// kernel.
    pub(super) fn new(name: &str, by: By) -> Result<Self> {
        Self::with(name, by, "old")
    }

    /// The same with another path of the root.
    pub(super) fn with(name: &str, by: By, root: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let net = Net::new(name)?;
        let bridge = net.bridge("br0", "10.77.0.1/24")?;
        let clients =
            [("66", "eth0"), ("67", "eth1"), ("68", "eth2")].map(|(last, card)| -> Result<Net> {
                let client = Net::new(&format!("{name}-{last}"))?;
                net.cable(&bridge, &client, card, &format!("10.77.0.{last}/24"))?;
                Ok(client)
            });
        let [first, second, third] = clients;
        open_to_all(folder.path())?;
        fs::create_dir_all(folder.path().join("ipxe"))?;
        fs::create_dir_all(folder.path().join("etc"))?;
        for loader in ["undionly.kpxe", "snponly.efi"] {
            fs::write(folder.path().join("ipxe").join(loader), "a loader")?;
        }
        fs::write(folder.path().join("initrd.img"), "an initrd")?;
        for (root, kernel) in [("old", OLD), ("new", NEW)] {
            let root = folder.path().join(root);
            put_kernel(&root, kernel)?;
            put_modules(&root, kernel)?;
            open_to_all(&root)?;
        }
        fs::write(folder.path().join("old/who"), "old")?;
        fs::write(folder.path().join("new/who"), "new")?;
        symlink("old", folder.path().join("current"))?;
        let path = folder.path().display();
        let main = format!(
            "[server]\nstate = \"{path}/state\"\ncache = \"{path}/cache\"\nipxe = \"{path}/ipxe\"\n\
             control = \"{path}/control\"\n\
             [[network]]\ninterface = \"br0\"\nprobe = false\n\
             [image.debian]\nroot = \"{path}/{root}\"\ninitrd = \"{path}/initrd.img\"\n"
        );
        fs::write(folder.path().join("etc/netroot.toml"), main)?;
        let server = start(&net, folder.path(), by)?;
        Ok(Self {
            server,
            clients: [first?, second?, third?],
            net,
            folder,
            by,
        })
    }

    /// Another root with the new kernel.
    pub(super) fn add_root(&self, name: &str) -> Result<()> {
        let root = self.path(name);
        put_kernel(&root, NEW)?;
        put_modules(&root, NEW)?;
        open_to_all(&root)?;
        Ok(fs::write(root.join("who"), name)?)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub(super) fn image(&self) -> &'static str {
        match self.by {
            By::Directory => "old",
            By::File => "debian",
        }
    }

    /// Kills the server, and starts it again.
    pub(super) fn restart(&mut self) -> Result<()> {
        self.server.program().kill()?;
        self.server = start(&self.net, self.folder.path(), self.by)?;
        Ok(())
    }

    pub(super) fn netroot(&self, arguments: &[&str]) -> Result<Finished> {
        let netroot = paths::netroot()?.display().to_string();
        let (control, state) = (self.text("control"), self.text("state"));
        let mut argv = vec![netroot.as_str()];
        argv.extend(arguments);
        argv.extend(["--control", &control, "--state", &state]);
        self.net.run_for(&argv, TIMEOUT)
    }

    pub(super) fn swap(&self, to: &str) -> Result<Finished> {
        self.netroot(&["image", "swap", self.image(), &self.text(to)])
    }

    pub(super) fn script(&self) -> Result<String> {
        let url = format!("{HTTP}/boot/52-54-00-77-00-01.ipxe");
        let [.., client] = &self.clients;
        client.run(&["curl", "-sS", "--fail", "--max-time", "60", &url])
    }

    /// Whether machines boot this kernel and mount this path now.
    pub(super) fn boots(&self, linux: &str, tree: &str) -> Result<()> {
        let script = self.script()?;
        let root = format!(":/{}{tree},vers=3,", self.image());
        ensure!(
            script.contains(&format!("Linux {linux}")) && script.contains(&root),
            "{linux} {root}: {script}"
        );
        Ok(())
    }

    pub(super) fn handle(&self, client: usize, path: &str) -> Result<nfs_fh3> {
        let server: SocketAddr = NFS.parse()?;
        self.machine(client)?
            .within(|| Ok(root_handle(server, path)))
    }

    pub(super) fn machine(&self, number: usize) -> Result<&Net> {
        self.clients.get(number).context("three machines")
    }

    /// A connection of a machine that has this root.
    pub(super) fn connected(&self, client: usize, root: nfs_fh3) -> Result<Client> {
        let server: SocketAddr = NFS.parse()?;
        self.machine(client)?
            .within(|| Ok(Client::over(connect(server), root, 0, 0, &[])))
    }

    pub(super) fn mount(&self, client: usize, path: &str) -> Result<Client> {
        self.connected(client, self.handle(client, path)?)
    }

    /// What is told of each image's root.
    pub(super) fn shown(&self) -> Result<String> {
        Ok(self.netroot(&["image"])?.stdout)
    }
}

pub(super) fn start(net: &Net, folder: &Path, by: By) -> Result<NetrootServe> {
    let text = |name: &str| folder.join(name).display().to_string();
    match by {
        By::File => NetrootServe::start_configured(net, &folder.join("etc/netroot.toml"), &[]),
        By::Directory => {
            let [ipxe, initrd, control, state] =
                ["ipxe", "initrd.img", "control", "state"].map(text);
            let arguments = [
                ["--interface", "br0"],
                ["--ipxe", &ipxe],
                ["--initrd", &initrd],
                ["--control", &control],
            ];
            let mut arguments = arguments.concat();
            arguments.push("--no-probe");
            NetrootServe::start_with_state(net, &folder.join("old"), &state, &arguments)
        }
    }
}

/// A machine that reads its root without a pause.
pub(super) struct Reader {
    pub(super) stop: Arc<AtomicBool>,
    pub(super) reads: JoinHandle<Result<u32>>,
}

impl Reader {
    pub(super) fn start(mut client: Client, says: &'static str) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let ends = Arc::clone(&stop);
        let reads = std::thread::spawn(move || {
            let mut reads = 0;
            while !ends.load(Ordering::Relaxed) {
                let read = who(&mut client);
                ensure!(read == says, "{read} instead of {says} after {reads} reads");
                reads += 1;
            }
            Ok(reads)
        });
        Self { stop, reads }
    }

    pub(super) fn stop(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        let reads = self.reads.join().map_err(|_| anyhow!("a read failed"))??;
        ensure!(reads > 0, "nothing was read");
        Ok(())
    }
}
