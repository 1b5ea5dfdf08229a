//! What edk2 has done until it tries its boot options, kept for the next machine with the same hardware.
//!
//! It takes an emulated processor seconds to unpack and start itself, always in the same way. The first machine
//! does so, is stopped before it has sent anything, its state is kept, and it goes on. The others begin from there: the
//! same devices and addresses, on a cable of their own. Their clocks are right: QEMU's real-time clock is the host's. What
//! firmware has drawn by lot until then is the same for all, such as the first port that it connects from.
//!
//! To keep a state is not what a test is about: where that fails, the machine goes on without. `rm -r target/firmware`
//! has all of them made anew.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

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
/// How many states are kept, of some 50 MB each: those that were used last.
const KEPT: usize = 80;
/// For how long one that is being written is left alone.
const WRITING: Duration = Duration::from_secs(24 * 3600);

/// The state of machines with the same hardware.
#[derive(Debug)]
pub(super) struct Snapshot(PathBuf);

impl Snapshot {
    /// The one of machines with the same arguments, run by the same emulator with the same firmware.
    ///
    /// # Errors
    /// When a file is missing.
    pub(super) fn of(arguments: &[String], emulator: &str, firmware: &[PathBuf]) -> Result<Self> {
        let mut hash = DefaultHasher::new();
        (arguments, RESET, RESETS).hash(&mut hash);
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

    /// Whether it is kept. It counts as used then.
    pub(super) fn exists(&self) -> bool {
        let Ok(kept) = File::options().append(true).open(&self.0) else {
            return false;
        };
        // Only which one is removed first depends on it.
        let _ = kept.set_modified(SystemTime::now());
        true
    }

    /// QEMU's arguments to begin from it. The machine stands still until [`Snapshot::go_on`], and its card is not announced,
    /// as no card is that was powered on.
    pub(super) fn arguments(&self) -> [String; 4] {
        [
            "-global".into(),
            "migration.announce-rounds=0".into(),
            "-incoming".into(),
            format!("exec:cat {}", self.0.display()),
        ]
    }

    /// Lets a machine go on once its state is read.
    ///
    /// # Errors
    /// When QEMU cannot read it, which is removed then.
    pub(super) fn go_on(&self, control: &Path) -> Result<()> {
        wait(|| Ok(status(control, "query-status")? != "inmigrate"))
            .and_then(|()| qmp::command(control, "cont", &json!({})))
            .inspect_err(|_| {
                let _ = fs::remove_file(&self.0);
            })
            .with_context(|| {
                let file = self.0.display();
                format!("begin from {file}, which is removed: the next machine makes it anew")
            })
    }

    /// Stops a machine that has just been powered on where firmware is about to try its boot options, keeps its state, and
    /// lets it go on. Nothing is kept if it `has_sent` something by then: it was stopped too late.
    ///
    /// # Errors
    /// When QEMU cannot be asked.
    pub(super) fn take(
        &self,
        program: &Program,
        control: &Path,
        has_sent: &dyn Fn() -> Result<bool>,
    ) -> Result<()> {
        let is_there = || -> Result<bool> {
            let console = fs::read(program.log())?;
            let resets = console.windows(RESET.len()).filter(|text| *text == RESET);
            Ok(resets.count() >= RESETS)
        };
        let came = wait(|| Ok(is_there()? || has_sent()? || program.stdout().ended()));
        if came.is_err() || !is_there()? {
            return Ok(());
        }
        qmp::command(control, "stop", &json!({}))?;
        if !has_sent()?
            && let Err(error) = self.write(control)
        {
            eprintln!("the state {} is not kept: {error:#}", self.0.display());
        }
        qmp::command(control, "cont", &json!({}))
    }

    fn write(&self, control: &Path) -> Result<()> {
        let folder = self.0.parent().context("a folder")?;
        fs::create_dir_all(folder)?;
        make_room(folder)?;
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
        File::open(&state)?.sync_all()?;
        fs::rename(&state, &self.0)?;
        Ok(())
    }
}

/// Removes the states that were not used for longest, and what tests that were killed have left.
fn make_room(folder: &Path) -> Result<()> {
    let mut kept = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // Another test may be doing the same.
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        let used = metadata.modified()?;
        if metadata.is_file() {
            kept.push((used, entry.path()));
        } else if used.elapsed().is_ok_and(|since| since > WRITING) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    kept.sort();
    let too_many = kept.len().saturating_sub(KEPT);
    for (_, file) in kept.into_iter().take(too_many) {
        let _ = fs::remove_file(file);
    }
    Ok(())
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
