//! The tests that need root, each in a process of its own with a log of its own.
//!
//! Some only translate a machine's instructions, others only wait. So it is not a number that says how many run at a time,
//! but the processors: one more runs while they are idle. The logs of failed tests are printed at the end. The kernel
//! kills the tests when this process ends, however that happens. What each costs of the processors is counted by a control
//! group of its own, which is also the end of whatever it left running.

mod costs;
mod kernels;
mod lanes;
mod one_test;
mod order;
mod processors;
mod running;

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use netroot_harness::{Accel, paths};

pub(crate) use self::kernels::{Row, table};
use self::lanes::Lanes;
use self::one_test::{Done, Load, Test};
pub(crate) use self::processors::Processors;
use self::processors::{available_memory_mib, number_of_processors};
use self::running::Running;
use crate::build;
use crate::control_group::ControlGroup;
use crate::privileges::needs_root;
use crate::run::output;
use crate::setup::distribution_kernels::FetchedKernel;

/// The share of idle time at which one more test is started that takes little: half of one of two processors.
const IDLE: f64 = 0.25;
/// How long the processors are looked at. A test that has been started shows within it.
const LOOK: Duration = Duration::from_secs(2);
/// How long a test may run, far above the longest, which waits for ten minutes.
const DEADLINE: Duration = Duration::from_secs(60 * 60);
/// How often it is looked at whether a test has ended.
const ENDED: Duration = Duration::from_millis(100);
/// After so long without the end of a test those that run are told.
const SILENCE: Duration = Duration::from_secs(5 * 60);
/// How many of the slowest tests are told.
const SLOWEST: usize = 12;
/// The tests that install the Debian package.
const OF_THE_PACKAGE: &str = "installed::";

/// Which tests are run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Which {
    /// Every one, and a few of them with each of these kernels.
    All(Vec<FetchedKernel>),
    /// Those that boot machines with Debian's kernel, with each of these instead.
    Kernels(Vec<FetchedKernel>),
    /// The few that [`Which::All`] has with other kernels, with each of these.
    FewWithKernels(Vec<FetchedKernel>),
    /// Those that no other run has.
    OnDemand(OnDemand),
    /// Those that wait for minutes (`#[ignore]`).
    Waiting,
    /// All others.
    Others,
}

/// Tests that would take longer than all others: each group has an option of `cargo xtask test` of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnDemand {
    /// Of a server on aarch64, which is built for them.
    Aarch64Server,
    /// Of Debian's root for arm64 under Secure Boot, on an emulated processor.
    Aarch64SecureBoot,
}

impl OnDemand {
    const ALL: [Self; 2] = [Self::Aarch64Server, Self::Aarch64SecureBoot];

    /// Whether the test is one of them, by the beginning of its name.
    fn has(self, test: &Test) -> bool {
        test.name.starts_with(match self {
            Self::Aarch64Server => "aarch64_server::",
            Self::Aarch64SecureBoot => "aarch64::secure_boot::login::",
        })
    }
}

/// The running tests.
pub(crate) struct RootTests {
    scheduler: JoinHandle<Vec<Done>>,
    package: Arc<OnceLock<Package>>,
}

/// What became of the Debian package, once that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Package {
    Made,
    NotMade,
}

impl RootTests {
    /// Starts them, as they were built. Those that install the Debian package wait for
    /// [`RootTests::package_is_made`].
    ///
    /// # Errors
    /// When they are not built, or this is not root.
    pub(crate) fn start(which: Which) -> Result<Self> {
        needs_root("these tests make network namespaces", "test")?;
        let accel = Accel::probe();
        let logs = paths::logs("tests")?;
        let mut tests = list(&which)?;
        order::sort(&mut tests);
        println!(
            "{} tests that need root; virtual machines run under {}; what each prints is in {}",
            tests.len(),
            accel.name(),
            logs.display()
        );
        let package = Arc::new(OnceLock::new());
        let is_made = Arc::clone(&package);
        let scheduler = std::thread::spawn(move || run_all(tests, &logs, accel, &is_made));
        Ok(Self { scheduler, package })
    }

    /// Lets those start that install the Debian package, or fails them, as it could not be made.
    pub(crate) fn package_is_made(&self, is_made: bool) {
        // The first word counts.
        let _ = self.package.set(match is_made {
            true => Package::Made,
            false => Package::NotMade,
        });
    }

    /// Waits for all of them, and prints the slowest and the costliest.
    ///
    /// # Errors
    /// When the thread that runs them panicked.
    pub(crate) fn finish(self) -> Result<Summary> {
        self.package_is_made(true);
        let all = self
            .scheduler
            .join()
            .map_err(|_| anyhow!("a thread panicked"))?;
        // The next run's order alone: what was found counts.
        if let Err(error) = order::remember(&all) {
            println!("how long each took is not known to the next run: {error:#}");
        }
        println!("the slowest:");
        for done in slowest(&all) {
            println!("  {:>4} s  {}", done.took.as_secs(), done.test.title());
        }
        print!("{}", costs::text(&all));
        Ok(Summary(all))
    }
}

/// How all of them went.
pub(crate) struct Summary(Vec<Done>);

impl Summary {
    /// Prints the logs of those that failed, and sums up.
    ///
    /// # Errors
    /// When a test failed that should not, or the other way round: with their names.
    pub(crate) fn judge(&self) -> Result<String> {
        let mut failed = Vec::new();
        for done in &self.0 {
            match (&done.result, kernels::known_end(done)) {
                (Ok(()), None) => {}
                (Err(_), Some(why)) => {
                    println!("{} fails, as it has to: {why}", done.test.title());
                }
                (Ok(()), Some(why)) => {
                    failed.push(format!("{} (it passed, although {why})", done.test.title()));
                }
                (Err(_), None) => {
                    println!("\n-- {}, {}:", done.test.title(), done.log.display());
                    println!("{}", std::fs::read_to_string(&done.log).unwrap_or_default());
                    failed.push(done.test.title());
                }
            }
        }
        ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
        Ok(format!(
            "{} tests, {:.0} s of a processor",
            self.0.len(),
            costs::sum(&self.0).as_secs_f64()
        ))
    }

    /// How each went with each kernel.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let of = |done: &Done| {
            let kernel = done.test.kernel.as_ref()?;
            Some(Row {
                test: done.test.name.clone(),
                kernel: kernel.version.clone(),
                passed: done.result.is_ok(),
                known: kernels::known_end(done),
            })
        };
        self.0.iter().filter_map(of).collect()
    }
}

fn slowest(all: &[Done]) -> Vec<&Done> {
    let mut all: Vec<&Done> = all.iter().collect();
    all.sort_by_key(|done| std::cmp::Reverse(done.took));
    all.truncate(SLOWEST);
    all
}

fn list(which: &Which) -> Result<Vec<Test>> {
    let is_on_demand = |test: &Test| OnDemand::ALL.iter().any(|group| group.has(test));
    let (on_demand, all): (Vec<Test>, Vec<Test>) =
        every_test()?.into_iter().partition(is_on_demand);
    let tests: Vec<Test> = match which {
        Which::OnDemand(group) => {
            let chosen = on_demand.into_iter().filter(|test| group.has(test));
            chosen.collect()
        }
        Which::All(kernels) => {
            let mut few = kernels::each_with(kernels, &all, kernels::is_one_of_the_few)?;
            few.retain(|test| match kernels::known_difference(test) {
                Some(difference) => {
                    println!("{} is not run: {}", test.title(), difference.why);
                    false
                }
                None => true,
            });
            all.into_iter().chain(few).collect()
        }
        Which::Kernels(kernels) => kernels::each_with(kernels, &all, kernels::boots_the_kernel)?,
        Which::FewWithKernels(kernels) => {
            kernels::each_with(kernels, &all, kernels::is_one_of_the_few)?
        }
        Which::Waiting => all.into_iter().filter(|test| test.waits).collect(),
        Which::Others => all.into_iter().filter(|test| !test.waits).collect(),
    };
    ensure!(!tests.is_empty(), "there are no such tests");
    Ok(tests)
}

/// The tests of every program.
fn every_test() -> Result<Vec<Test>> {
    let mut tests = Vec::new();
    for program in build::built_root_tests()? {
        let names = |more: &[&str]| -> Result<Vec<String>> {
            let listed = output(Command::new(&program).arg("--list").args(more))?;
            let names = listed
                .lines()
                .filter_map(|line| line.strip_suffix(": test"));
            Ok(names.map(str::to_owned).collect())
        };
        let waiting = names(&["--ignored"])?;
        for name in names(&[])? {
            tests.push(Test {
                program: program.clone(),
                waits: waiting.contains(&name),
                name,
                kernel: None,
            });
        }
    }
    Ok(tests)
}

fn run_all(
    mut tests: Vec<Test>,
    logs: &Path,
    accel: Accel,
    package: &OnceLock<Package>,
) -> Vec<Done> {
    let (sender, receiver) = channel();
    let (mut running, mut all) = (Running::default(), Vec::new());
    let mut processors = Processors::now();
    let mut lanes = Lanes::new(number_of_processors());
    let (mut idle, mut told) = (false, Instant::now());
    while !tests.is_empty() || running.all() > 0 {
        let (memory, now) = (available_memory_mib().unwrap_or(u64::MAX), Instant::now());
        let may_start = |test: &&Test| {
            let is_ready = package.get().is_some() || !test.name.starts_with(OF_THE_PACKAGE);
            is_ready && running.leave_room_for(test, now, (idle, &lanes), memory)
        };
        match tests.iter().position(|test| may_start(&test)) {
            Some(place) => {
                let test = tests.remove(place);
                running.begins(&test, now);
                start_one(test, logs, accel, package.get().copied(), &sender);
                // The next one for which they have to be idle is another look at them away.
                if idle {
                    (processors, idle) = (Processors::now(), false);
                }
            }
            None => {
                if let Ok(done) = receiver.recv_timeout(LOOK / 4) {
                    running.ends(&done.test);
                    println!("{}", done.line());
                    all.push(done);
                    told = Instant::now();
                }
                if told.elapsed() >= SILENCE {
                    println!("{}", running.line());
                    told = Instant::now();
                }
                if processors.since() >= LOOK {
                    let share = processors.idle();
                    idle = share >= IDLE;
                    lanes.after_a_look(share, running.with(Load::Machines));
                    processors = Processors::now();
                }
            }
        }
    }
    all
}

/// Runs a test in a thread of its own, which the kernel kills it with, and says how it went.
fn start_one(
    test: Test,
    logs: &Path,
    accel: Accel,
    package: Option<Package>,
    sender: &Sender<Done>,
) {
    let log = logs.join(format!("{}.log", test.title().replace("::", ".")));
    let sender = sender.clone();
    std::thread::spawn(move || {
        let start = Instant::now();
        let lacks_it = package == Some(Package::NotMade) && test.name.starts_with(OF_THE_PACKAGE);
        let program = test.program.file_stem().unwrap_or_default();
        let name = format!("{}-{}", program.display(), test.title());
        let group = ControlGroup::make(&name);
        let result = match lacks_it {
            true => Err(anyhow!("FAILED (not run: the Debian package was not made)")),
            false => run_one(&test, &log, accel, group.as_ref()),
        };
        let took = start.elapsed();
        let used = group.and_then(ControlGroup::end);
        let done = Done {
            test,
            took,
            used,
            log,
            result,
        };
        // Nobody waits for it any more if this fails.
        let _ = sender.send(done);
    });
}

fn run_one(test: &Test, log: &Path, accel: Accel, group: Option<&ControlGroup>) -> Result<()> {
    let file = File::create(log).with_context(|| format!("create {}", log.display()))?;
    let mut command = group.map_or_else(|| Command::new("env"), ControlGroup::command);
    if let Some(kernel) = &test.kernel {
        let logs = paths::all_logs().join("kernels");
        command
            .env("NETROOT_DEBIAN_ROOT", &kernel.root)
            .env("NETROOT_LOGS", logs.join(&kernel.version));
    }
    let mut child = command
        .args(["setpriv", "--pdeathsig", "KILL", "--"])
        .arg(&test.program)
        .args(["--include-ignored", "--exact", &test.name, "--nocapture"])
        .env("NETROOT_ACCEL", accel.name())
        // Errors contain their location.
        .env("RUST_BACKTRACE", "0")
        .current_dir(paths::workspace())
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .spawn()
        .context("start setpriv (package util-linux)")?;
    match status_within(&mut child, DEADLINE).context("wait for the test")? {
        Some(status) if status.success() => Ok(()),
        Some(status) => bail!("FAILED ({status})"),
        None => bail!(
            "FAILED (killed, still running after {} min)",
            DEADLINE.as_secs() / 60
        ),
    }
}

/// How a program ended: nothing if it had to be killed, as it still ran.
fn status_within(child: &mut Child, deadline: Duration) -> std::io::Result<Option<ExitStatus>> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if start.elapsed() >= deadline {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(ENDED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_hangs_is_killed() {
        let end = |program: &str, deadline| {
            let mut child = Command::new("sh").args(["-c", program]).spawn().unwrap();
            status_within(&mut child, deadline).unwrap()
        };
        assert_eq!(end("exec sleep 600", Duration::ZERO), None);
        let status = end("exit 3", Duration::from_secs(600));
        assert_eq!(status.unwrap().code(), Some(3));
    }
}
