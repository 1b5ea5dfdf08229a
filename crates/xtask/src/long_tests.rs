//! The tests that mostly wait (`#[ignore]`). They run alongside everything else.
//!
//! Each runs in its own process with its own log, a few at a time. The logs of failed tests are printed at the end.
//! The kernel kills them when this process ends, however that happens.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use netroot_harness::{Accel, paths};

use crate::build;
use crate::privileges::needs_root;
use crate::run::output;

/// How many run at a time: each starts one to four machines of half a gigabyte, and booting them takes CPU time.
const AT_A_TIME: usize = 4;
/// Tests with this in their name take longest, so they start first.
const LONGEST: &str = "outage";

/// One test.
#[derive(Debug, Clone)]
struct Test {
    program: PathBuf,
    name: String,
}

/// How a test went.
#[derive(Debug)]
struct Done {
    test: Test,
    took: Duration,
    log: PathBuf,
    result: Result<()>,
}

/// The running tests.
pub(crate) struct LongTests {
    workers: Vec<JoinHandle<Vec<Done>>>,
}

impl LongTests {
    /// Starts them, as they were built.
    ///
    /// # Errors
    /// When they are not built, or this is not root.
    pub(crate) fn start() -> Result<Self> {
        needs_root("these tests make network namespaces", "test --long")?;
        let accel = Accel::probe();
        let logs = paths::logs("long-tests")?;
        let mut tests = list()?;
        ensure!(
            !tests.is_empty(),
            "there are no long tests: none is marked #[ignore]"
        );
        // Taken from the end.
        tests.sort_by_key(|test| test.name.contains(LONGEST));
        println!(
            "{} long tests run alongside the others, their logs are in {}",
            tests.len(),
            logs.display()
        );
        let queue = Arc::new(Mutex::new(tests));
        let worker = |_| {
            let (queue, logs) = (Arc::clone(&queue), logs.clone());
            std::thread::spawn(move || work(&queue, &logs, accel))
        };
        Ok(Self {
            workers: (0..AT_A_TIME).map(worker).collect(),
        })
    }

    /// Waits for all of them, prints the logs of those that failed, and sums up.
    ///
    /// # Errors
    /// When a test failed: with the names of the failed tests.
    pub(crate) fn finish(self) -> Result<String> {
        let mut all = Vec::new();
        for worker in self.workers {
            let done = worker.join().map_err(|_| anyhow!("a thread panicked"))?;
            all.extend(done);
        }
        all.sort_by_key(|done| done.took);
        let mut failed = Vec::new();
        for done in &all {
            let (name, took) = (&done.test.name, done.took.as_secs());
            match &done.result {
                Ok(()) => println!("long test {name}: ok, {took} s"),
                Err(error) => {
                    println!("long test {name}: {error:#}, {took} s");
                    println!("{}", std::fs::read_to_string(&done.log).unwrap_or_default());
                    failed.push(name.as_str());
                }
            }
        }
        if failed.is_empty() {
            return Ok(format!("{} long tests", all.len()));
        }
        bail!("failed: {}", failed.join(", "))
    }
}

/// Every ignored test of every program.
fn list() -> Result<Vec<Test>> {
    let mut tests = Vec::new();
    for program in build::built_root_tests()? {
        let listed = output(Command::new(&program).args(["--list", "--ignored"]))?;
        let names = listed
            .lines()
            .filter_map(|line| line.strip_suffix(": test"));
        tests.extend(names.map(|name| Test {
            program: program.clone(),
            name: name.to_owned(),
        }));
    }
    Ok(tests)
}

/// Runs tests until the queue is empty. The kernel kills what it started when this thread ends.
fn work(queue: &Mutex<Vec<Test>>, logs: &Path, accel: Accel) -> Vec<Done> {
    let mut all = Vec::new();
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let Some(test) = next else {
            return all;
        };
        let log = logs.join(format!("{}.log", test.name.replace("::", ".")));
        let start = Instant::now();
        let result = run_one(&test, &log, accel);
        all.push(Done {
            test,
            took: start.elapsed(),
            log,
            result,
        });
    }
}

fn run_one(test: &Test, log: &Path, accel: Accel) -> Result<()> {
    let file = File::create(log).with_context(|| format!("create {}", log.display()))?;
    let status = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "--"])
        .arg(&test.program)
        .args(["--ignored", "--exact", &test.name, "--nocapture"])
        .env("NETROOT_ACCEL", accel.name())
        .env("RUST_BACKTRACE", "0")
        .current_dir(paths::workspace())
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .status()
        .context("start setpriv (package util-linux)")?;
    match status.success() {
        true => Ok(()),
        false => bail!("failed ({status})"),
    }
}
