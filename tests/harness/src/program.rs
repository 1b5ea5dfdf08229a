//! A program that runs inside a [`Net`](crate::Net).

use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::transcript::{Echo, Seen, Transcript};

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub struct Program {
    name: String,
    /// `nsenter`, which waits for the program and returns its exit status.
    child: Child,
    stdout: Transcript,
    stderr: Transcript,
    log: PathBuf,
}

/// The result of a program that has ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Its exit status.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// What a program's standard streams are connected to, besides its log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Streams {
    /// Its standard input.
    pub(crate) input: Input,
    /// How its output is copied to our standard output.
    pub(crate) echo: Echo,
}

/// What a program's standard input is connected to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Input {
    /// Nothing.
    #[default]
    Nothing,
    /// The text passed to [`Program::type_in`].
    Typed,
    /// Our terminal.
    Terminal,
}

/// How long nsenter may take to start the program.
const FORKING: Duration = Duration::from_secs(60);

impl Program {
    pub(crate) fn start(
        name: &str,
        mut command: Command,
        log: PathBuf,
        streams: Streams,
    ) -> Result<Self> {
        let mut child = command
            .stdin(match streams.input {
                Input::Nothing => Stdio::null(),
                Input::Typed => Stdio::piped(),
                Input::Terminal => Stdio::inherit(),
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {name}"))?;
        let (stdout, stderr) = (Transcript::new(name), Transcript::new(name));
        if let Some(pipe) = child.stdout.take() {
            stdout.follow(pipe, &log, streams.echo)?;
        }
        if let Some(pipe) = child.stderr.take() {
            stderr.follow(pipe, &log, streams.echo)?;
        }
        Ok(Self {
            name: name.to_owned(),
            child,
            stdout,
            stderr,
            log,
        })
    }

    /// Its standard output.
    pub fn stdout(&self) -> &Transcript {
        &self.stdout
    }

    /// Its standard error.
    pub fn stderr(&self) -> &Transcript {
        &self.stderr
    }

    /// The file that both are logged to.
    pub fn log(&self) -> &std::path::Path {
        &self.log
    }

    /// Whether it is still running.
    ///
    /// # Errors
    /// When its state cannot be read.
    pub fn running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Waits until it ends.
    ///
    /// # Errors
    /// When it is still running after `timeout`.
    pub fn wait(&mut self, timeout: Duration) -> Result<Finished> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(status) = self.child.try_wait()? {
                // The pipes end with the program: what is left in them arrives at once.
                while !(self.stdout.ended() && self.stderr.ended()) && Instant::now() < deadline {
                    std::thread::sleep(Duration::from_millis(5));
                }
                return Ok(Finished {
                    status,
                    stdout: self.stdout.text(),
                    stderr: self.stderr.text(),
                });
            }
            if Instant::now() >= deadline {
                bail!(
                    "{} is still running after {:.0} s. The last lines:\n{}{}",
                    self.name,
                    timeout.as_secs_f64(),
                    self.stdout.tail(15),
                    self.stderr.tail(15)
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Asks it to end (SIGTERM) and waits for that.
    ///
    /// # Errors
    /// When it cannot be signalled or does not end within `timeout`.
    pub fn terminate(&mut self, timeout: Duration) -> Result<Finished> {
        let pid = self.pid()?;
        kill(pid, Signal::SIGTERM).with_context(|| format!("signal {}", self.name))?;
        self.wait(timeout)
    }

    /// Ends it at once (SIGKILL), and waits for that.
    ///
    /// # Errors
    /// When it cannot be signalled.
    pub fn kill(&mut self) -> Result<Finished> {
        kill(self.pid()?, Signal::SIGKILL).with_context(|| format!("kill {}", self.name))?;
        self.wait(Duration::from_secs(60))
    }

    /// Resident memory in KiB (`VmRSS`).
    ///
    /// # Errors
    /// When the program has ended.
    pub fn resident_kib(&self) -> Result<u64> {
        self.status_kib("VmRSS:")
    }

    /// The most resident memory that it has had, in KiB (`VmHWM`).
    ///
    /// # Errors
    /// When the program has ended.
    pub fn peak_resident_kib(&self) -> Result<u64> {
        self.status_kib("VmHWM:")
    }

    /// What it has in memory now of files: program text, mostly, in KiB.
    ///
    /// # Errors
    /// When the program has ended.
    pub fn resident_files_kib(&self) -> Result<u64> {
        self.status_kib("RssFile:")
    }

    fn status_kib(&self, line: &str) -> Result<u64> {
        let pid = self.pid()?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
            .with_context(|| format!("read the state of {}", self.name))?;
        status
            .lines()
            .find_map(|text| text.strip_prefix(line))
            .and_then(|rest| rest.split_whitespace().next())
            .and_then(|number| number.parse().ok())
            .with_context(|| format!("no {line} for {}", self.name))
    }

    /// Writes `text` to its standard input.
    ///
    /// # Errors
    /// When its standard input is not connected, or it has ended.
    pub(crate) fn type_in(&mut self, text: &str) -> Result<()> {
        let input = self.child.stdin.as_mut();
        let input = input.with_context(|| format!("{} has no keyboard", self.name))?;
        input.write_all(text.as_bytes())?;
        Ok(input.flush()?)
    }

    /// Waits until its standard output contains `text`.
    ///
    /// # Errors
    /// As [`Transcript::wait_for`], with its standard error in the error.
    pub fn wait_for(&self, text: &str, what: &str, timeout: Duration) -> Result<Seen> {
        match self.stdout.wait_for_any(0, &[text], timeout) {
            Some((_, seen)) => Ok(seen),
            None => Err(self.missing(text, what, timeout)),
        }
    }

    /// The error for a text that did not appear, with the last lines of both streams.
    pub(crate) fn missing(&self, text: &str, what: &str, timeout: Duration) -> anyhow::Error {
        let error = anyhow::anyhow!(self.stdout.missing(text, what, timeout));
        match self.stderr.tail(20) {
            said if said.is_empty() => error,
            said => anyhow::anyhow!("{error}and on its standard error:\n{said}"),
        }
    }

    /// The processes that the program itself has started and that have not been waited for, each with its name.
    ///
    /// # Errors
    /// When it has ended.
    pub fn children(&self) -> Result<Vec<(String, Pid)>> {
        let pid = self.pid()?;
        let listed = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
        // One that has ended since has no name any more.
        let named = listed.split_whitespace().filter_map(|child| {
            let name = std::fs::read_to_string(format!("/proc/{child}/comm")).ok()?;
            let pid = child.parse().map(Pid::from_raw);
            Some(pid.map(|pid| (name.trim().to_owned(), pid)))
        });
        Ok(named.collect::<Result<_, _>>()?)
    }

    /// The program's own process: the one child of `nsenter`, which forked because a
    /// process cannot move itself into another process namespace.
    ///
    /// # Errors
    /// When it has ended.
    pub fn pid(&self) -> Result<Pid> {
        let deadline = Instant::now() + FORKING;
        loop {
            match child_of(self.child.id()) {
                Ok(pid) => return Ok(pid),
                Err(error) if Instant::now() > deadline => {
                    return Err(error.context(format!("{} has no process", self.name)));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // The program dies with nsenter (PR_SET_PDEATHSIG).
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The first child of the process `parent`.
pub(crate) fn child_of(parent: u32) -> Result<Pid> {
    for entry in std::fs::read_dir("/proc")? {
        let Some(pid) = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<i32>().ok())
        else {
            continue;
        };
        // A process may end between the listing and the reading.
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
            continue;
        };
        // The name in parentheses may contain anything: fields are counted from its end.
        let its_parent = stat
            .rsplit_once(')')
            .and_then(|(_, rest)| rest.split_whitespace().nth(1))
            .and_then(|field| field.parse::<u32>().ok());
        if its_parent == Some(parent) {
            return Ok(Pid::from_raw(pid));
        }
    }
    bail!("process {parent} has no child")
}
