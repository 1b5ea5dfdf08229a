//! NFS-Ganesha with rpcbind: another NFS server.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::net::Net;
use crate::program::Program;

/// Who may mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clients {
    /// Every machine.
    All,
    /// Only these addresses or networks, comma separated.
    Only(String),
}

/// A running NFS-Ganesha with its rpcbind.
#[derive(Debug)]
pub struct Ganesha {
    // Dropped in this order: Ganesha unregisters with rpcbind.
    ganesha: Program,
    _rpcbind: Program,
}

/// Starting takes 1-3 s on an idle machine.
const START_TIMEOUT: Duration = Duration::from_secs(180);

impl Ganesha {
    /// Exports `directory` read-only as `path` over NFSv3 and v4 on port 2049 (MOUNT on
    /// 20048, both registered with rpcbind) to `clients`.
    ///
    /// # Errors
    /// When rpcbind or Ganesha do not start.
    pub fn start(net: &Net, directory: &Path, path: &str, clients: &Clients) -> Result<Self> {
        let text = configuration_text(directory, path, clients);
        Self::start_with(net, &text, &["100003", "100005"])
    }

    /// Exports `directory` read-only to every machine as `path` over the `minors` of NFSv4 (`0, 1, 2`) alone, on port
    /// 2049: no version 3, and no MOUNT. Owners are names there, as by default.
    ///
    /// # Errors
    /// When rpcbind or Ganesha do not start.
    pub fn start_version_4(net: &Net, directory: &Path, path: &str, minors: &str) -> Result<Self> {
        let text = configuration_text(directory, path, &Clients::All)
            .replace("Protocols = 3, 4;", "Protocols = 4;")
            .replace(
                "Only_Numeric_Owners = true;",
                &format!("Minor_Versions = {minors};"),
            );
        Self::start_with(net, &text, &["100003"])
    }

    /// Exports `directory` read-only to every machine as `path` over NFSv4 alone, by a server that also speaks v3 but
    /// refuses it for this export.
    ///
    /// # Errors
    /// When rpcbind or Ganesha do not start.
    pub fn start_hidden_from_version_3(net: &Net, directory: &Path, path: &str) -> Result<Self> {
        let text = configuration_text(directory, path, &Clients::All)
            .replace("Protocols = 3, 4; Transports", "Protocols = 4; Transports");
        Self::start_with(net, &text, &["100003", "100005"])
    }

    /// Exports `directory` as [`start`](Self::start) does to every machine, with its configuration changed: `EXPORT` blocks
    /// appended, or `Squash` and `SecType` replaced.
    ///
    /// # Errors
    /// When rpcbind or Ganesha do not start.
    pub fn start_changed(
        net: &Net,
        directory: &Path,
        path: &str,
        change: impl FnOnce(String) -> String,
    ) -> Result<Self> {
        let text = change(configuration_text(directory, path, &Clients::All));
        Self::start_with(net, &text, &["100003", "100005"])
    }

    /// The server itself.
    pub fn program(&self) -> &Program {
        &self.ganesha
    }

    fn start_with(net: &Net, configuration_text: &str, programs: &[&str]) -> Result<Self> {
        let rpcbind = net.spawn(&["rpcbind", "-f", "-w"])?;
        let deadline = Instant::now() + START_TIMEOUT;
        // Ganesha exits if it cannot register.
        while !registered(net, &["100000"])? {
            if Instant::now() > deadline {
                bail!("rpcbind did not start");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let configuration = net.logs().join("ganesha.conf");
        std::fs::write(&configuration, configuration_text)
            .with_context(|| format!("write {}", configuration.display()))?;
        let configuration = configuration.display().to_string();
        let log = net.logs().join("ganesha.log").display().to_string();
        let mut ganesha = net.spawn(&[
            "ganesha.nfsd",
            "-F",
            "-f",
            &configuration,
            "-L",
            &log,
            "-p",
            "/run/ganesha.pid",
        ])?;
        while !registered(net, programs)? {
            if !ganesha.running()? || Instant::now() > deadline {
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                let tail: Vec<&str> = said.lines().rev().take(15).collect();
                bail!(
                    "NFS-Ganesha did not come up; its log {log} ends (newest first):\n{}",
                    tail.join("\n")
                );
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(Self {
            ganesha,
            _rpcbind: rpcbind,
        })
    }
}

/// Whether the portmapper lists these programs: 100000 is itself, 100003 NFS, 100005 MOUNT.
fn registered(net: &Net, programs: &[&str]) -> Result<bool> {
    let done = net.run_for(&["rpcinfo", "-p", "127.0.0.1"], Duration::from_secs(60))?;
    let knows = |program: &str| {
        done.stdout
            .lines()
            .any(|line| line.split_whitespace().next() == Some(program))
    };
    Ok(programs.iter().all(|program| knows(program)))
}

fn configuration_text(directory: &Path, path: &str, clients: &Clients) -> String {
    let (access, client) = match clients {
        Clients::All => ("RO", String::new()),
        Clients::Only(list) => (
            "NONE",
            format!("CLIENT {{ Clients = {list}; Access_Type = RO; Squash = No_Root_Squash; }}"),
        ),
    };
    // By default it does not answer where a disk fails.
    format!(
        "NFS_CORE_PARAM {{ NFS_Protocols = 3, 4; NFS_Port = 2049; MNT_Port = 20048; Drop_IO_Errors = false;
  Enable_NLM = false; Enable_RQUOTA = false; mount_path_pseudo = true; }}
NFSV4 {{ Only_Numeric_Owners = true; Grace_Period = 5; Lease_Lifetime = 5; }}
LOG {{ Default_Log_Level = EVENT; }}
EXPORT {{ Export_Id = 1; Path = {directory}; Pseudo = {path}; Tag = {tag};
  Protocols = 3, 4; Transports = TCP; SecType = sys; Squash = No_Root_Squash;
  Access_Type = {access};
  {client}
  FSAL {{ Name = VFS; }} }}
",
        directory = directory.display(),
        tag = path.trim_start_matches('/'),
    )
}
