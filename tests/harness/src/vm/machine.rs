//! A running machine.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use super::tpm::Tpm;
use crate::nic::Nic;
use crate::program::{Finished, Program};
use crate::qmp;
use crate::transcript::{Seen, Transcript};

/// Messages that no machine may print: a kernel panic, and the panic of a Rust program.
const PANICS: [&str; 2] = ["Kernel panic", "panicked at"];

/// QEMU's name for memory in an anonymous file.
pub(super) const COUNTED: &str = "memory-backend-memfd";

/// A running machine. Dropping it powers it off, and fails the test if it has panicked.
#[derive(Debug)]
pub struct Vm {
    pub(super) program: Program,
    pub(super) has_quick_firmware: bool,
    pub(super) nics: Vec<Nic>,
    /// It ends after the machine.
    pub(super) _tpm: Option<Tpm>,
    pub(super) control: PathBuf,
    pub(super) may_panic: bool,
}

impl Vm {
    /// Its serial console.
    pub fn console(&self) -> &Transcript {
        self.program.stdout()
    }

    /// The process of QEMU.
    ///
    /// # Errors
    /// When it has ended.
    pub fn pid(&self) -> Result<i32> {
        Ok(self.program.pid()?.as_raw())
    }

    /// Whether its firmware began where that of an earlier machine was
    /// ([`VmBuilder::quick_firmware`](super::VmBuilder::quick_firmware)).
    pub fn has_quick_firmware(&self) -> bool {
        self.has_quick_firmware
    }

    /// The file that the console is logged to.
    pub fn log(&self) -> &Path {
        self.program.log()
    }

    /// Waits until the console shows `text`; `what` describes it in errors.
    ///
    /// # Errors
    /// When it does not: with the console's last lines and the log's path. A panic ends the wait.
    pub fn wait_for(&self, text: &str, what: &str, timeout: Duration) -> Result<Seen> {
        let [kernel, init] = PANICS;
        let console = self.console();
        let result = match console.wait_for_any(0, &[text, kernel, init], timeout) {
            Some((0, seen)) => Ok(seen),
            Some((_, panic)) => Err(anyhow!(
                "{what} was waited for, and instead: {}",
                panic.line
            )),
            None => Err(self.program.missing(text, what, timeout)),
        };
        result.with_context(|| format!("the whole console is in {}", self.log().display()))
    }

    /// Types on its serial console; a line ends with `\n`.
    ///
    /// # Errors
    /// When it is powered off.
    pub fn type_in(&mut self, text: &str) -> Result<()> {
        self.program.type_in(text)
    }

    /// Plugs in the card with this number, which was left out at the start ([`Nic::later`]).
    ///
    /// # Errors
    /// When the card does not exist, or QEMU refuses.
    pub fn plug_in(&self, number: usize) -> Result<()> {
        let nic = self.nics.get(number);
        let nic = nic.with_context(|| format!("the machine has no card {number}"))?;
        qmp::command(&self.control, "device_add", &nic.plugged_in(number))
    }

    /// Unplugs a card that was plugged in. It is gone once the machine has released it.
    ///
    /// # Errors
    /// When it was never plugged in.
    pub fn take_out(&self, number: usize) -> Result<()> {
        let arguments = serde_json::json!({ "id": Nic::card_name(number) });
        qmp::command(&self.control, "device_del", &arguments)
    }

    /// Pulls the cable of the card with this number, or puts it in again.
    ///
    /// # Errors
    /// When the card does not exist.
    pub fn cable(&self, number: usize, is_in: bool) -> Result<()> {
        let arguments = serde_json::json!({ "name": Nic::cable_name(number), "up": is_in });
        qmp::command(&self.control, "set_link", &arguments)
    }

    /// How many bytes of its memory have ever been touched: by firmware, kernel, initrd, programs, caches. Pages that the
    /// machine frees are not returned, so this is its peak so far.
    ///
    /// # Errors
    /// When it was not started as [`counted`](super::VmBuilder::counted), or is powered off.
    pub fn touched(&self) -> Result<u64> {
        let folder = format!("/proc/{}/fd", self.program.pid()?);
        let is_memory = |path: &Path| {
            let target = std::fs::read_link(path).unwrap_or_default();
            target.to_string_lossy().contains(COUNTED)
        };
        let mut files = std::fs::read_dir(&folder).with_context(|| format!("read {folder}"))?;
        let memory = files.find_map(|file| file.ok().map(|f| f.path()).filter(|p| is_memory(p)));
        let memory =
            memory.context("the machine's memory is not in a file: start it as counted")?;
        // `st_blocks` is in units of 512 bytes wherever the file is.
        Ok(std::fs::metadata(memory)?.blocks() * 512)
    }

    /// Waits until it powers itself off.
    ///
    /// # Errors
    /// When it does not within `timeout`.
    pub fn wait(&mut self, timeout: Duration) -> Result<Finished> {
        self.program.wait(timeout)
    }

    /// Whether it is running.
    ///
    /// # Errors
    /// When QEMU's state cannot be asked.
    pub fn running(&mut self) -> Result<bool> {
        self.program.running()
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        let console = self.console();
        let panic = PANICS.iter().find_map(|words| console.find(words));
        // A test that is already failing has its reason, and a second panic would abort the run.
        let why = panic.filter(|_| !std::thread::panicking() && !self.may_panic);
        if let Some(seen) = why {
            #[expect(
                clippy::panic,
                reason = "a value that is dropped has no other way to fail a test"
            )]
            {
                panic!(
                    "the machine panicked: {} ({})",
                    seen.line,
                    self.log().display()
                );
            }
        }
    }
}
