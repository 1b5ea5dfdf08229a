//! The boot report: everything that is known about a boot, in one JSON object.
//!
//! It is left in `/run/netroot/report.json` for the root, and sent to `netroot.report=URL`, after each failure and
//! beside the switch to the root: whoever owns a machine without a screen reads there what it would have said.
//! [`render`] is pure; its members are described in REPORT.md.

mod http_post;
mod json;
mod upload;
mod uploader;

use std::fs;
use std::time::Duration;

use netroot_proto::mount::{NoRoot, RootChoice, choose_root_of};

use self::json::{Object, object, text};
use crate::address::Address;
use crate::boot::Machine;
use crate::clock::Moment;
use crate::configure::RUN;
use crate::console::{self, debug, warn};
use crate::link::{self, Nic};

/// How long a failed attempt waits for the report's server; a pause of at least two seconds follows.
const FAILED: Duration = Duration::from_millis(1500);
/// Attempts that are remembered: the last ones.
const ATTEMPTS: usize = 16;
/// Characters of a failure's sentence: servers' lists of exports are in it.
const SENTENCE: usize = 600;
/// Steps of one attempt; there are fewer.
const PHASES: usize = 32;

pub(crate) use upload::Upload;
pub(crate) use uploader::{NAME as UPLOADER, run as run_uploader};

/// What a boot has come through so far.
#[derive(Debug)]
pub(crate) struct BootReport {
    kernel: String,
    cmdline: String,
    started: Moment,
    /// Those before the first attempt, then those of the current one.
    phases: Vec<Phase>,
    /// How many were before the first attempt.
    once: Option<usize>,
    began: Moment,
    attempts: Vec<Attempt>,
    /// How many there were, with those that are forgotten.
    count: u32,
}

/// A part of the boot.
#[derive(Debug)]
struct Phase {
    name: &'static str,
    begin: Moment,
    end: Option<Moment>,
}

/// An attempt that failed.
#[derive(Debug)]
struct Attempt {
    begin: Moment,
    end: Moment,
    phase: &'static str,
    failure: String,
}

/// How the boot stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome<'a> {
    /// The root is mounted, and this is its init.
    Switch(&'a str),
    /// The last attempt failed.
    Failed,
}

impl BootReport {
    /// A boot that started with the step `early`.
    pub(crate) fn new(kernel: &str, cmdline: &str, started: Moment) -> Self {
        let mut report = Self {
            kernel: kernel.to_owned(),
            cmdline: cmdline.trim_end().to_owned(),
            started,
            phases: Vec::new(),
            once: None,
            began: started,
            attempts: Vec::new(),
            count: 0,
        };
        report.enter("early", started);
        report
    }

    /// The step before has ended, and this one begins.
    pub(crate) fn begin(&mut self, name: &'static str) {
        self.enter(name, Moment::now());
    }

    /// An attempt begins, with this step. The steps of the one before are forgotten.
    pub(crate) fn attempt(&mut self, name: &'static str) {
        let now = Moment::now();
        let once = *self.once.get_or_insert(self.phases.len());
        self.end(now);
        self.phases.truncate(once);
        self.began = now;
        self.enter(name, now);
    }

    /// The command line was changed at the prompt.
    pub(crate) fn changed(&mut self, cmdline: &str) {
        cmdline.clone_into(&mut self.cmdline);
    }

    /// The attempt failed, in its current step.
    pub(crate) fn failed(&mut self, failure: &str) {
        self.failed_at(failure, Moment::now());
    }

    /// Why the last attempt failed.
    pub(crate) fn last_failure(&self) -> Option<&str> {
        self.attempts.last().map(|attempt| attempt.failure.as_str())
    }

    fn failed_at(&mut self, failure: &str, now: Moment) {
        self.end(now);
        self.count = self.count.saturating_add(1);
        if self.attempts.len() >= ATTEMPTS {
            self.attempts.remove(0);
        }
        self.attempts.push(Attempt {
            begin: self.began,
            end: now,
            phase: self.phases.last().map_or("early", |phase| phase.name),
            failure: failure.chars().take(SENTENCE).collect(),
        });
    }

    fn enter(&mut self, name: &'static str, now: Moment) {
        self.end(now);
        if self.phases.len() < PHASES {
            let (begin, end) = (now, None);
            self.phases.push(Phase { name, begin, end });
        }
    }

    fn end(&mut self, now: Moment) {
        if let Some(phase) = self.phases.last_mut() {
            phase.end.get_or_insert(now);
        }
    }
}

/// What the report says besides what it remembers.
struct Facts<'a> {
    now: Moment,
    /// The kernel's random name of this boot (random(4)).
    boot_id: String,
    outcome: Outcome<'a>,
    nics: Vec<(Nic, Option<String>)>,
    address: Option<&'a Address>,
    root: Option<Result<RootChoice, NoRoot>>,
    mounts: Vec<String>,
    warnings: Vec<String>,
    memory_kib: Option<u64>,
}

/// Writes the report of a failed attempt down, and sends it if somebody wants it and there is an address to send it
/// from. Until there is, the attempts wait in the report for one that can be sent.
pub(crate) fn send_failure(machine: &Machine) {
    let text = written(machine, Outcome::Failed);
    let Some(upload) = Upload::new(machine, text) else {
        return;
    };
    match upload.send(FAILED) {
        Ok(()) => debug!("boot report sent to {}", upload.url),
        Err(e) => warn!("the boot report was not sent to {}: {e}", upload.url),
    }
}

/// Writes the report of a boot that is about to switch to this init down. Returns what is to be sent, if somebody wants
/// it: not now, for the boot waits for nobody.
pub(crate) fn prepare_success(machine: &Machine, init: &str) -> Option<Upload> {
    let text = written(machine, Outcome::Switch(init));
    Upload::new(machine, text)
}

/// The report, as it is left for the root too.
fn written(machine: &Machine, outcome: Outcome<'_>) -> String {
    let text = render(&machine.report, &facts(machine, outcome));
    let written =
        fs::create_dir_all(RUN).and_then(|()| fs::write(format!("{RUN}/report.json"), &text));
    if let Err(e) = written {
        debug!("no boot report in {RUN}: {e}");
    }
    text
}

fn facts<'a>(machine: &'a Machine, outcome: Outcome<'a>) -> Facts<'a> {
    let nics = machine.nics.iter().map(|nic| {
        let driver = link::driver(&nic.name);
        (nic, driver)
    });
    Facts {
        now: Moment::now(),
        boot_id: fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .unwrap_or_default()
            .trim_end()
            .to_owned(),
        outcome,
        nics: nics.collect(),
        address: machine.address.as_ref(),
        root: root(machine),
        mounts: mounts(),
        warnings: console::warnings(),
        memory_kib: memory_kib(),
    }
}

/// The most memory that the init has ever had resident, in KiB (`VmHWM`, proc_pid_status(5)).
fn memory_kib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The root that the plan and the address come to, once there is an address.
pub(crate) fn root(machine: &Machine) -> Option<Result<RootChoice, NoRoot>> {
    let address = machine.address.as_ref()?;
    let identity = crate::identity::of(&address.nic);
    Some(choose_root_of(&machine.plan, &address.facts(), &identity))
}

/// What of NFS is mounted, and what is over it, as the kernel has it.
pub(crate) fn mounts() -> Vec<String> {
    let table = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let is_root = |line: &&str| {
        let mut fields = line.split(' ').skip(1);
        let (place, kind) = (fields.next(), fields.next());
        place == Some(crate::mount::ROOT) || kind.is_some_and(|kind| kind.starts_with("nfs"))
    };
    table.lines().filter(is_root).map(str::to_owned).collect()
}

fn render(report: &BootReport, facts: &Facts<'_>) -> String {
    let mut out = String::new();
    object(&mut out, |o| {
        o.number("format", 1);
        o.text("netroot", env!("CARGO_PKG_VERSION"));
        o.text("boot_id", &facts.boot_id);
        o.text("kernel", &report.kernel);
        o.text("cmdline", &report.cmdline);
        match facts.outcome {
            Outcome::Switch(init) => {
                o.text("outcome", "switch_root");
                o.text("init", init);
            }
            Outcome::Failed => o.text("outcome", "failed"),
        }
        time(o, "init_started_ms", report.started);
        time(o, "reported_ms", facts.now);
        if let Some(kib) = facts.memory_kib {
            o.number("memory_kib", kib.into());
        }
        o.list("steps", &report.phases, |out, phase| {
            object(out, |o| {
                o.text("name", phase.name);
                time(o, "begin_ms", phase.begin);
                time(o, "end_ms", phase.end.unwrap_or(facts.now));
            });
        });
        o.number("failed_attempts", report.count.into());
        o.list("attempts", &report.attempts, |out, attempt| {
            object(out, |o| {
                time(o, "begin_ms", attempt.begin);
                time(o, "end_ms", attempt.end);
                o.text("step", attempt.phase);
                o.text("failure", &attempt.failure);
            });
        });
        o.list("nics", &facts.nics, |out, (nic, driver)| {
            object(out, |o| {
                o.text("name", &nic.name);
                o.text("mac", nic.mac);
                o.some("driver", driver.as_ref());
                o.yes("carrier", nic.carrier);
            });
        });
        if let Some(address) = facts.address {
            o.object("address", |o| address_of(o, address));
        }
        match &facts.root {
            None => {}
            Some(Ok(root)) => o.object("root", |o| {
                o.text("server", &root.server);
                o.list("others", &root.others, |out, host| {
                    text(out, &host.to_string());
                });
                o.text("path", &root.path);
                o.text("why", root.why());
            }),
            Some(Err(none)) => o.object("root", |o| o.text("none", none)),
        }
        o.list("mounts", &facts.mounts, |out, line| text(out, line));
        o.list("warnings", &facts.warnings, |out, line| text(out, line));
    });
    out.push('\n');
    out
}

fn time(o: &mut Object<'_>, name: &str, moment: Moment) {
    o.number(name, moment.since_kernel().as_millis());
}

fn address_of(o: &mut Object<'_>, address: &Address) {
    let words = |out: &mut String, word: &std::net::Ipv4Addr| text(out, &word.to_string());
    o.text("nic", &address.nic.name);
    o.text(
        "address",
        format_args!("{}/{}", address.own, address.prefix),
    );
    o.list(
        "routers",
        address
            .routes
            .iter()
            .filter_map(|route| route.gateway.as_ref()),
        words,
    );
    o.list("dns", &address.dns, words);
    o.some("host_name", address.host_name.as_ref());
    o.some("domain", address.domain.as_ref());
    o.some("mtu", address.mtu);
    let Some(lease) = &address.lease else {
        return o.text("from", "ip=");
    };
    o.text("from", "DHCP");
    o.some("server", lease.server_id);
    o.some("next_server", lease.next_server);
    let root_path = lease.root_path.as_deref();
    o.some("root_path", root_path.map(String::from_utf8_lossy));
    if let Some(time) = lease.lease_time {
        o.number("lease_s", time.as_secs().into());
    }
}

#[cfg(test)]
mod tests;
