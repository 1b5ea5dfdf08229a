//! A server with its API, and a client that asks it with curl.

use std::fs;

use anyhow::{Context, Result, ensure};
use netroot_harness::{Bridge, Finished, Net, NetrootServe, TinyRoot, paths};
use serde_json::Value;

use crate::lan::{HTTP, Network, TIMEOUT};

/// Dropped in this order: the users of a network before the network.
pub(crate) struct Served {
    pub(crate) server: NetrootServe,
    pub(crate) client: Net,
    pub(crate) bridge: Bridge,
    pub(crate) net: Net,
    /// The client's hardware address; its name is lab-1.
    pub(crate) mac: String,
    pub(crate) folder: tempfile::TempDir,
    _root: TinyRoot,
}

impl Served {
    /// Serves the images `debian` and `rescue`, and what else `tables` of its configuration say.
    pub(crate) fn new(name: &str, tables: &str) -> Result<Self> {
        Self::prepared(name, |_, _| Ok(tables.to_owned()))
    }

    /// The tables are made in the folder, once there is the network.
    pub(crate) fn prepared(
        name: &str,
        tables: impl FnOnce(&Net, &std::path::Path) -> Result<String>,
    ) -> Result<Self> {
        let Network {
            net,
            bridge,
            client,
        } = Network::new(name)?;
        let link = client.run(&["ip", "-br", "link", "show", "eth0"])?;
        let mac = link
            .split_whitespace()
            .nth(2)
            .context(link.clone())?
            .to_owned();
        let root = TinyRoot::make()?;
        let folder = tempfile::tempdir()?;
        let tables = tables(&net, folder.path())?;
        let at = folder.path().display();
        let config = format!(
            "default = \"debian\"\n\
             [server]\nstate = \"{at}/state\"\ncache = \"{}\"\ncontrol = \"{at}/control\"\n\
             [[network]]\ninterface = \"br0\"\nmode = \"dhcp\"\nrange = \"10.77.0.100-10.77.0.199\"\nprobe = false\n\
             [image.debian]\nroot = \"{}\"\ninitrd = \"{at}/initrd.img\"\n\
             [image.rescue]\ntitle = \"Rescue\"\nlocal-disk = true\n\
             [machine.lab-1]\nmac = \"{mac}\"\n{tables}\n",
            paths::target().join("netroot-initrds").display(),
            root.path().display(),
        );
        fs::write(folder.path().join("initrd.img"), "an initrd")?;
        let file = folder.path().join("netroot.toml");
        fs::write(&file, config)?;
        let server = NetrootServe::start_configured(&net, &file, &[])?;
        Ok(Self {
            server,
            client,
            bridge,
            net,
            mac,
            folder,
            _root: root,
        })
    }

    pub(super) fn control(&self) -> String {
        self.folder.path().join("control").display().to_string()
    }

    /// A command of ours, which asks the server through its socket.
    pub(crate) fn netroot(&self, arguments: &[&str]) -> Result<Finished> {
        let netroot = paths::netroot()?.display().to_string();
        let control = self.control();
        let mut argv = vec![netroot.as_str()];
        argv.extend(arguments);
        argv.extend(["--control", &control]);
        self.net.run_for(&argv, TIMEOUT)
    }

    /// What it prints, if it succeeds.
    pub(super) fn printed(&self, arguments: &[&str]) -> Result<String> {
        let done = self.netroot(arguments)?;
        ensure!(done.status.success(), "{arguments:?}: {done:?}");
        Ok(done.stdout)
    }

    /// The status and the body of what curl, run by the client, is answered.
    pub(super) fn curl(&self, arguments: &[&str]) -> Result<(u16, String)> {
        let mut argv = vec!["curl", "-sS", "--max-time", "60", "-w", "\n%{http_code}"];
        argv.extend(arguments);
        let text = self.client.run(&argv)?;
        let (body, status) = text.trim_end().rsplit_once('\n').context(text.clone())?;
        Ok((status.parse()?, body.to_owned()))
    }

    /// The same through the socket.
    pub(super) fn through_socket(
        &self,
        method: &str,
        path: &str,
        body: Option<&str>,
    ) -> Result<(u16, Value)> {
        let control = self.control();
        let url = format!("http://netroot/api/v1{path}");
        let mut arguments = vec!["--unix-socket", &control, "-X", method, &url];
        if let Some(body) = body {
            arguments.extend(["-d", body]);
        }
        let (status, body) = self.curl(&arguments)?;
        Ok((
            status,
            serde_json::from_str(&body).with_context(|| body.clone())?,
        ))
    }

    /// Fetches the client's script, as its iPXE does.
    pub(crate) fn script(&self) -> Result<String> {
        let url = format!("{HTTP}/boot/{}.ipxe", self.mac.replace(':', "-"));
        self.client
            .run(&["curl", "-sS", "--fail", "--max-time", "60", &url])
    }
}
