//! A check and its result.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use netroot_harness::paths;

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
    pub(super) result: Result<Outcome>,
}

pub(super) fn run_check(
    name: &'static str,
    check: impl FnOnce() -> Result<Outcome>,
) -> CheckResult {
    println!("\n== {name}");
    let start = Instant::now();
    let result = check();
    let took = start.elapsed();
    let result = CheckResult { name, took, result };
    println!("{}", result.line());
    result
}

impl CheckResult {
    fn line(&self) -> String {
        let took = self.took.as_secs_f64();
        let (word, more) = match &self.result {
            Ok(Outcome::Passed(more)) => ("ok", more.clone()),
            Ok(Outcome::NotDone(why)) => ("NOT DONE", why.clone()),
            Err(error) => ("FAILED", format!("{error:#}")),
        };
        format!("{word:<8} {took:>6.1} s  {}  {more}", self.name)
            .trim_end()
            .to_owned()
    }
}

/// Prints every result again, and the total time.
///
/// # Errors
/// When a check failed.
pub(super) fn sum_up(results: &[CheckResult], began: Instant) -> Result<()> {
    println!("\n== summary");
    for result in results {
        println!("{}", result.line());
    }
    println!("total {:.0} s", began.elapsed().as_secs_f64());
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

/// How a check calls cargo: [`cargo`] or [`cargo_without_init`].
pub(super) type Cargo = fn(&[&str]) -> Command;

pub(super) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(paths::workspace());
    command
}

/// The boot server is built without an `init` in it, which saves a minute whenever `init` has changed.
pub(super) fn cargo_without_init(arguments: &[&str]) -> Command {
    let mut command = cargo(arguments);
    command.env("NETROOT_INIT_X86_64", "none");
    command
}
