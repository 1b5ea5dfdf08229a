//! A TPM 2.0 (swtpm) for a machine with an x86_64 processor.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::net::Net;
use crate::program::Program;

/// How long swtpm may take until QEMU can connect to it.
const STARTING: Duration = Duration::from_secs(120);

/// A TPM that has never been used. It ends with the network, or when it is dropped.
#[derive(Debug)]
pub(super) struct Tpm {
    _swtpm: Program,
    control: PathBuf,
}

impl Tpm {
    /// Starts one for the machine called `machine`, with its state beside the logs.
    ///
    /// # Errors
    /// When swtpm is not installed, or does not start.
    pub(super) fn start(net: &Net, machine: &str) -> Result<Self> {
        let folder = net.logs().join(format!("{machine}-tpm"));
        if folder.exists() {
            fs::remove_dir_all(&folder).context("remove an earlier TPM's state")?;
        }
        fs::create_dir(&folder).context("make a folder for the TPM's state")?;
        let control = folder.join("control");
        let state = format!("dir={},mode=0600", folder.display());
        let socket = format!("type=unixio,path={}", control.display());
        let mut swtpm = net.spawn(&[
            "swtpm",
            "socket",
            "--tpm2",
            "--tpmstate",
            &state,
            "--ctrl",
            &socket,
        ])?;
        let deadline = Instant::now() + STARTING;
        while !control.exists() {
            ensure!(
                swtpm.running()? && Instant::now() < deadline,
                "swtpm does not start (is the package swtpm installed?): {}{}",
                swtpm.stdout().text(),
                swtpm.stderr().text()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(Self {
            _swtpm: swtpm,
            control,
        })
    }

    /// QEMU's arguments for it.
    pub(super) fn arguments(&self) -> [String; 6] {
        let socket = format!("socket,id=tpm-control,path={}", self.control.display());
        [
            "-chardev",
            &socket,
            "-tpmdev",
            "emulator,id=tpm,chardev=tpm-control",
            "-device",
            "tpm-crb,tpmdev=tpm",
        ]
        .map(str::to_owned)
    }
}
