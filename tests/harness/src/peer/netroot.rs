//! `netroot serve`, the release build.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::net::Net;
use crate::paths;
use crate::program::{Finished, Program};
use crate::transcript::{Seen, Transcript};

/// A running boot server.
#[derive(Debug)]
pub struct NetrootServe {
    program: Program,
}

/// One line of `netroot serve --json`.
#[derive(Clone, Debug, Deserialize)]
pub struct Event {
    /// The machine's MAC address, or nothing for an event of the server's own.
    #[serde(default)]
    pub machine: Option<String>,
    /// What happened: `dhcp-offer`, `kernel`, `mount`, … (`crates/server/EVENTS.md`).
    pub kind: String,
    /// How a file was fetched: `tftp` or `http`.
    #[serde(default)]
    pub protocol: Option<String>,
    /// The sentence for people.
    #[serde(default)]
    pub text: String,
    /// The lines that would adopt an unknown machine.
    #[serde(default)]
    pub adopt: Option<String>,
}

/// Making an initrd for every card compresses a few MiB; a debug build is slow at that.
const READY_TIMEOUT: Duration = Duration::from_secs(180);
const END_TIMEOUT: Duration = Duration::from_secs(120);

impl NetrootServe {
    /// Serves `root` with further arguments of `netroot serve`, and waits until it is
    /// ready. Events are asked for as JSON.
    ///
    /// # Errors
    /// When it is not built or does not become ready.
    pub fn start(net: &Net, root: &Path, arguments: &[&str]) -> Result<Self> {
        let server = Self::start_unready(net, root, arguments)?;
        server.program.wait_for(
            "\"kind\":\"ready\"",
            "the server's readiness",
            READY_TIMEOUT,
        )?;
        Ok(server)
    }

    /// As [`NetrootServe::start`], started by the program `by`, if there is one.
    ///
    /// # Errors
    /// When it is not built or does not become ready.
    pub fn start_by(net: &Net, root: &Path, arguments: &[&str], by: &[&str]) -> Result<Self> {
        let server = Self::start_unready_by(net, root, arguments, by)?;
        server.wait_for_kind("ready", READY_TIMEOUT)?;
        Ok(server)
    }

    /// As [`NetrootServe::start`], with a line for each call of NFS in the file `calls`.
    ///
    /// # Errors
    /// When it is not built or does not become ready.
    pub fn start_recording(
        net: &Net,
        root: &Path,
        calls: &Path,
        arguments: &[&str],
    ) -> Result<Self> {
        let variable = format!("NETROOT_NFS_CALLS={}", calls.display());
        Self::start_by(net, root, arguments, &["env", &variable])
    }

    /// How many calls of each procedure are recorded in the file `calls`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn recorded(calls: &Path) -> Result<BTreeMap<String, u32>> {
        let text = std::fs::read_to_string(calls).context("read the recorded calls")?;
        let mut counted = BTreeMap::new();
        for procedure in text.lines().filter_map(|line| line.split(' ').nth(3)) {
            *counted.entry(procedure.to_owned()).or_default() += 1;
        }
        Ok(counted)
    }

    /// Waits until the server of this network has listed what a boot read, as it does once the machine is quiet.
    ///
    /// # Errors
    /// When it has made no list by then.
    pub fn wait_for_read_ahead_list(net: &Net, timeout: Duration) -> Result<()> {
        let list = net.logs().join("state/readahead.json");
        let deadline = Instant::now() + timeout;
        while !list.exists() {
            ensure!(
                Instant::now() < deadline,
                "the server made no list of what the boot read within {timeout:?}: {}",
                list.display()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Serves what the configuration `file` says, which has to have a state folder of its own, and waits until it is ready.
    /// It is started by the program `by`, if there is one.
    ///
    /// # Errors
    /// When it is not built or does not become ready.
    pub fn start_configured(net: &Net, file: &Path, by: &[&str]) -> Result<Self> {
        let netroot = paths::netroot()?.display().to_string();
        let file = file.display().to_string();
        let serve = [netroot.as_str(), "serve", "--json", "--config", &file];
        let server = Self {
            program: net.spawn(&[by, &serve].concat())?,
        };
        server.wait_for_kind("ready", READY_TIMEOUT)?;
        Ok(server)
    }

    /// As [`NetrootServe::start`], without waiting.
    ///
    /// # Errors
    /// When it is not built.
    pub fn start_unready(net: &Net, root: &Path, arguments: &[&str]) -> Result<Self> {
        Self::start_unready_by(net, root, arguments, &[])
    }

    fn start_unready_by(net: &Net, root: &Path, arguments: &[&str], by: &[&str]) -> Result<Self> {
        // What outlives a restart belongs to this network.
        let state = net.logs().join("state").display().to_string();
        Self::spawn(net, root, &state, arguments, by)
    }

    /// As [`NetrootServe::start`], with this `--state`.
    ///
    /// # Errors
    /// When it is not built or does not become ready.
    pub fn start_with_state(
        net: &Net,
        root: &Path,
        state: &str,
        arguments: &[&str],
    ) -> Result<Self> {
        let server = Self::spawn(net, root, state, arguments, &[])?;
        server.wait_for_kind("ready", READY_TIMEOUT)?;
        Ok(server)
    }

    fn spawn(net: &Net, root: &Path, state: &str, arguments: &[&str], by: &[&str]) -> Result<Self> {
        let netroot = paths::netroot()?.display().to_string();
        let root = root.display().to_string();
        // Initrds are the same for all.
        let cache = paths::target()
            .join("netroot-initrds")
            .display()
            .to_string();
        let mut argv = by.to_vec();
        argv.extend([netroot.as_str(), "serve", &root, "--json"]);
        argv.extend(["--state", state]);
        if !arguments.contains(&"--cache") {
            argv.extend(["--cache", &cache]);
        }
        argv.extend(arguments);
        let program = net.spawn(&argv)?;
        Ok(Self { program })
    }

    /// Its events, one JSON object per line.
    pub fn output(&self) -> &Transcript {
        self.program.stdout()
    }

    /// The program itself.
    pub fn program(&mut self) -> &mut Program {
        &mut self.program
    }

    /// The program itself, to be kept instead.
    pub fn into_program(self) -> Program {
        self.program
    }

    /// All events so far, with the time since the server was started at which each
    /// arrived here.
    pub fn events(&self) -> Vec<(Duration, Event)> {
        self.output()
            .lines()
            .into_iter()
            .filter_map(|(at, line)| Some((at, serde_json::from_str(&line).ok()?)))
            .collect()
    }

    /// Waits until an event of this kind has come.
    ///
    /// # Errors
    /// When none comes within `timeout`.
    pub fn wait_for_kind(&self, kind: &str, timeout: Duration) -> Result<Seen> {
        self.program
            .wait_for(
                &format!("\"kind\":\"{kind}\""),
                &format!("the event {kind}"),
                timeout,
            )
            .context("netroot serve")
    }

    /// Asks it to end, and waits for that.
    ///
    /// # Errors
    /// When it does not end within two minutes.
    pub fn terminate(&mut self) -> Result<Finished> {
        self.program.terminate(END_TIMEOUT)
    }
}
