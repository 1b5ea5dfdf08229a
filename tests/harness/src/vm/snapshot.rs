//! What edk2 has done until it tries its boot options, kept for the next machine of the same shape.
//!
//! It takes an emulated processor seconds to unpack and start itself, always in the same way. The first machine of a shape
//! does so, is stopped before it has sent anything, its state is kept, and it goes on. The others begin from there: the
//! same devices and addresses, on a cable of their own. Their clocks are right: QEMU's real-time clock is the host's.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::paths;
use crate::program::Program;
use crate::qmp;

/// edk2's console driver resets a terminal with it. It does so twice before any boot option is tried.
const RESET: &[u8] = b"\x1b[=3h";
const RESETS: usize = 2;
/// How long firmware may take until then, and QEMU to write or read a state, on a busy host.
const TIMEOUT: Duration = Duration::from_secs(300);
const OFTEN: Duration = Duration::from_millis(5);

/// The state of machines of one shape.
#[derive(Debug)]
pub(super) struct Snapshot(PathBuf);

impl Snapshot {
    /// The one of machines that the same words describe, run by the same emulator with the same firmware.
    ///
    /// # Errors
    /// When a file is missing.
    pub(super) fn of(words: &[&str], emulator: &str, firmware: &[PathBuf]) -> Result<Self> {
        let mut hash = DefaultHasher::new();
        words.hash(&mut hash);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut emulators = std::env::split_paths(&path).map(|folder| folder.join(emulator));
        let emulator = emulators.find(|file| file.exists());
        for file in firmware.iter().chain(&emulator) {
            let metadata = fs::metadata(file);
            let metadata = metadata.with_context(|| format!("look at {}", file.display()))?;
            (metadata.len(), metadata.modified()?).hash(&mut hash);
        }
        let name = format!("{:016x}.state", hash.finish());
        Ok(Self(paths::target().join("firmware").join(name)))
    }

    pub(super) fn exists(&self) -> bool {
        self.0.exists()
    }

    /// QEMU's arguments to begin from it. The machine stands still until [`Snapshot::go_on`].
    pub(super) fn arguments(&self) -> [String; 2] {
        ["-incoming".into(), format!("exec:cat {}", self.0.display())]
    }

    /// Lets a machine go on once its state is read.
    ///
    /// # Errors
    /// When QEMU cannot read it.
    pub(super) fn go_on(&self, control: &Path) -> Result<()> {
        wait(|| Ok(status(control, "query-status")? != "inmigrate"))
            .and_then(|()| qmp::command(control, "cont", &json!({})))
            .with_context(|| format!("begin from {}", self.0.display()))
    }

    /// Stops a machine that has just been powered on where firmware is about to try its boot options, keeps its state, and
    /// lets it go on. Nothing is kept if it `has_sent` something by then: it was stopped too late.
    ///
    /// # Errors
    /// When it does not come so far, or QEMU cannot write the state.
    pub(super) fn take(
        &self,
        program: &Program,
        control: &Path,
        has_sent: impl FnOnce() -> Result<bool>,
    ) -> Result<()> {
        wait(|| {
            let console = fs::read(program.log())?;
            let resets = console.windows(RESET.len()).filter(|text| *text == RESET);
            Ok(resets.count() >= RESETS || program.stdout().ended())
        })
        .context("wait for firmware to try its boot options")?;
        qmp::command(control, "stop", &json!({}))?;
        if !has_sent()? {
            self.write(control)
                .with_context(|| format!("write {}", self.0.display()))?;
        }
        qmp::command(control, "cont", &json!({}))
    }

    fn write(&self, control: &Path) -> Result<()> {
        let folder = self.0.parent().context("a folder")?;
        fs::create_dir_all(folder)?;
        // Other tests may write the same at the same time: it is there whole or not at all.
        let unfinished = tempfile::TempDir::new_in(folder)?;
        let [state, end] = ["state", "end"].map(|name| unfinished.path().join(name));
        let to = format!("exec:cat > {} && touch {}", state.display(), end.display());
        qmp::command(control, "migrate", &json!({ "uri": to }))?;
        wait(|| match status(control, "query-migrate")?.as_str() {
            "completed" => Ok(end.exists()),
            end @ ("failed" | "cancelled") => bail!("it {end}"),
            _ => Ok(false),
        })?;
        fs::rename(&state, &self.0)?;
        Ok(())
    }
}

fn status(control: &Path, question: &str) -> Result<String> {
    let answer = qmp::ask(control, question, &json!({}))?;
    let status = answer.get("status").and_then(Value::as_str);
    Ok(status.unwrap_or_default().to_owned())
}

fn wait(until: impl Fn() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + TIMEOUT;
    while !until()? {
        if Instant::now() > deadline {
            bail!("waited {} s", TIMEOUT.as_secs());
        }
        std::thread::sleep(OFTEN);
    }
    Ok(())
}
