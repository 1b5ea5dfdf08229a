//! A check and its result.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use netroot_harness::paths;

use crate::control_group::used_by_own;
use crate::root_tests::Processors;

pub(super) type Check = fn() -> Result<Outcome>;

pub(super) enum Outcome {
    /// It passed; with details, if any.
    Passed(String),
    /// It could not be run, and why.
    NotDone(String),
}

pub(super) struct CheckResult {
    pub(super) name: &'static str,
    pub(super) took: Duration,
    /// The share of that time in which the processors had nothing to do.
    pub(super) idle: f64,
    /// The processor time of this program and of what it started meanwhile, but the tests that need root, where it is known.
    pub(super) used: Option<Duration>,
    pub(super) result: Result<Outcome>,
}

pub(super) fn run_check(
    name: &'static str,
    check: impl FnOnce() -> Result<Outcome>,
) -> CheckResult {
    println!("\n== {name}");
    let (start, processors) = (Instant::now(), Processors::now());
    let before = used_by_own();
    let result = check();
    let result = CheckResult {
        name,
        took: start.elapsed(),
        idle: processors.idle(),
        used: used_by_own()
            .zip(before)
            .map(|(now, before)| now.saturating_sub(before)),
        result,
    };
    println!("{}", result.line());
    result
}

impl CheckResult {
    fn line(&self) -> String {
        let (took, idle) = (self.took.as_secs_f64(), self.idle * 100.0);
        let (word, more) = match &self.result {
            Ok(Outcome::Passed(more)) => ("ok", more.clone()),
            Ok(Outcome::NotDone(why)) => ("NOT DONE", why.clone()),
            Err(error) => ("FAILED", format!("{error:#}")),
        };
        let used = match self.used {
            Some(used) => format!("{:.0} s", used.as_secs_f64()),
            None => "-".to_owned(),
        };
        format!(
            "{word:<8} {took:>6.1} s {idle:>3.0} % idle {used:>7} of a processor  {}  {more}",
            self.name
        )
        .trim_end()
        .to_owned()
    }
}

/// Prints every result again, the total time, how much of the processors' since then was not used, and how much the
/// checks used.
///
/// # Errors
/// When a check failed.
pub(super) fn sum_up(
    results: &[CheckResult],
    began: Instant,
    processors: &Processors,
) -> Result<()> {
    println!("\n== summary");
    for result in results {
        println!("{}", result.line());
    }
    let used = used_by_own().map_or_else(String::new, |used| {
        format!(
            "; {:.0} s of a processor but for the tests that need root",
            used.as_secs_f64()
        )
    });
    println!(
        "total {:.0} s, of which the processors were idle for {:.0} %{used}",
        began.elapsed().as_secs_f64(),
        processors.idle() * 100.0
    );
    let failed = results.iter().filter(|check| check.result.is_err());
    match failed.count() {
        0 => Ok(()),
        1 => bail!("a check failed"),
        count => bail!("{count} checks failed"),
    }
}

pub(super) fn passed() -> Outcome {
    Outcome::Passed(String::new())
}

/// Calls cargo. The boot server is built without an `init` in it, as for all tests: a build with one would be another,
/// and the release build has both.
pub(super) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command
        .args(arguments)
        .env("NETROOT_INIT_X86_64", "none")
        .current_dir(paths::workspace());
    command
}
