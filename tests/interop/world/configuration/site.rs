//! A served configuration with drop-ins, and the machines that boot by it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use netroot_harness::{Event, Finished, Net, NetrootServe};
use nfs3_types::mount::dirpath;
use nfs3_types::xdr_codec::Opaque;

use super::super::root::{NFS, OLD, open_to_all, put_kernel, put_modules};
use crate::lan::{HTTP, Network, TIMEOUT};
use crate::support::{Client, connect, mount_client, now, root_handle};

/// A machine that a drop-in names, and one that none does.
pub(crate) const NAMED: &str = "52-54-00-77-00-01";
pub(crate) const OTHER: &str = "52-54-00-77-00-99";

/// Dropped in this order: the users of a network before the network.
pub(crate) struct Site {
    pub(crate) server: NetrootServe,
    pub(crate) client: Net,
    pub(crate) net: Net,
    pub(crate) folder: tempfile::TempDir,
}

impl Site {
    /// Serves the image `debian`, and follows the drop-ins beside its file.
    pub(crate) fn new(name: &str) -> Result<Self> {
        Self::with(name, "", &[], |_| Ok(()))
    }

    /// With more in `[server]`, started by another program, with something that is there before.
    pub(crate) fn with(
        name: &str,
        server: &str,
        by: &[&str],
        before: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let Network { net, client, .. } = Network::new(name)?;
        // The unprivileged server looks for what is at these paths.
        open_to_all(folder.path())?;
        for folder in [folder.path().join("ipxe"), folder.path().join("etc/conf.d")] {
            fs::create_dir_all(folder)?;
        }
        for loader in ["undionly.kpxe", "snponly.efi"] {
            fs::write(folder.path().join("ipxe").join(loader), "a loader")?;
        }
        fs::write(folder.path().join("initrd.img"), "an initrd")?;
        put_root(folder.path(), "debian", OLD)?;
        let path = folder.path().display();
        let main = format!(
            "[server]\nstate = \"{path}/state\"\ncache = \"{path}/cache\"\nipxe = \"{path}/ipxe\"\n\
             control = \"{path}/control\"\n{server}\n\
             [[network]]\ninterface = \"br0\"\nprobe = false\n\n{}",
            image(folder.path(), "debian", "")
        );
        let file = folder.path().join("etc/netroot.toml");
        fs::write(&file, main)?;
        // It may hold secrets.
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(folder.path().join("etc"), mode)?;
        before(folder.path())?;
        let server = NetrootServe::start_configured(&net, &file, by)?;
        Ok(Self {
            server,
            client,
            net,
            folder,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn drop_in(&self, name: &str) -> PathBuf {
        drop_in(self.path(), name)
    }

    /// Writes a drop-in under another name and gives it its own then, as a careful service does.
    pub(crate) fn add(&self, name: &str, text: &str) -> Result<()> {
        let part = self.path().join("etc/conf.d").join(format!(".{name}.part"));
        fs::write(&part, text)?;
        Ok(fs::rename(part, self.drop_in(name))?)
    }

    /// A drop-in with an image, and a rule that gives it to a machine.
    pub(crate) fn lab(&self, more: &str) -> String {
        let mac = NAMED.replace('-', ":");
        let image = image(self.path(), "lab", more);
        format!("{image}\n[[rule]]\nmac = \"{mac}\"\nboot = \"lab\"\n")
    }

    pub(crate) fn get(&self, path: &str) -> Result<String> {
        let url = format!("{HTTP}/{path}");
        self.client
            .run(&["curl", "-sS", "--fail", "--max-time", "60", &url])
    }

    pub(crate) fn script(&self, machine: &str) -> Result<String> {
        self.get(&format!("boot/{machine}.ipxe"))
    }

    /// Fetches a machine's script until it has these words.
    pub(crate) fn wait_for(&self, machine: &str, words: &str) -> Result<String> {
        let mut last = String::new();
        for _ in 0..TIMEOUT.as_secs() {
            last = self.script(machine)?;
            if last.contains(words) {
                return Ok(last);
            }
            std::thread::sleep(Duration::from_secs(1));
        }
        anyhow::bail!("no script with {words:?}; the last one:\n{last}")
    }

    pub(crate) fn mount(&self, path: &str) -> Result<Client> {
        let server: SocketAddr = NFS.parse()?;
        self.client.within(|| {
            let root = root_handle(server, path);
            Ok(Client::over(connect(server), root, 0, 0, &[]))
        })
    }

    pub(crate) fn mounts(&self, path: &str) -> Result<bool> {
        let server: SocketAddr = NFS.parse()?;
        self.client.within(|| {
            let mut client = mount_client(server);
            let path = dirpath(Opaque::borrowed(path.as_bytes()));
            Ok(now(client.mnt(path)).is_ok())
        })
    }

    /// The events of this kind so far.
    pub(crate) fn of_kind(&self, kind: &str) -> Vec<Event> {
        let events = self.server.events().into_iter().map(|(_, event)| event);
        events.filter(|event| event.kind == kind).collect()
    }

    /// Waits for this many warnings that the configuration was not taken over, and returns the last.
    pub(crate) fn refused(&self, count: usize) -> Result<String> {
        let mut refused = Vec::new();
        for _ in 0..TIMEOUT.as_secs() {
            let warnings = self.of_kind("warning").into_iter();
            refused = warnings
                .filter(|event| event.text.contains("cannot be served, all stays as it was"))
                .collect();
            if refused.len() >= count {
                break;
            }
            std::thread::sleep(Duration::from_secs(1));
        }
        ensure!(refused.len() == count, "{count} of {refused:?}");
        Ok(refused.pop().context("a warning")?.text)
    }

    pub(crate) fn reload(&self) -> Result<Finished> {
        self.order(&["reload"])
    }

    /// Has a command of `netroot` done by the server.
    pub(crate) fn order(&self, command: &[&str]) -> Result<Finished> {
        let netroot = netroot_harness::paths::netroot()?.display().to_string();
        let control = self.path().join("control").display().to_string();
        let command = [&[netroot.as_str()], command, &["--control", &control]].concat();
        self.client.run_for(&command, TIMEOUT)
    }
}

pub(crate) fn drop_in(folder: &Path, name: &str) -> PathBuf {
    folder.join("etc/conf.d").join(format!("{name}.toml"))
}

/// A root with one kernel, and a file that says whose it is.
pub(crate) fn put_root(folder: &Path, name: &str, kernel: &str) -> Result<()> {
    let root = folder.join(name);
    put_kernel(&root, kernel)?;
    put_modules(&root, kernel)?;
    fs::write(root.join("who"), name)?;
    open_to_all(&root)
}

/// The table of an image with its root and a given initrd.
pub(crate) fn image(folder: &Path, name: &str, more: &str) -> String {
    let path = folder.display();
    format!("[image.{name}]\nroot = \"{path}/{name}\"\ninitrd = \"{path}/initrd.img\"\n{more}\n")
}
