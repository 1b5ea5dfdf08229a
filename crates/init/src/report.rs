//! The boot report: everything that is known about a boot, in one JSON object.
//!
//! It is written to `/run/netroot/report.json` for the root, and uploaded to `netroot.report=URL` after each failed
//! attempt and during the switch to the root, so that a machine without a screen can be diagnosed. [`render`] is pure;
//! REPORT.md describes the members.

mod http_post;
mod json;
mod record;
mod secure_boot;
mod upload;
mod uploader;

use std::fs;
use std::time::Duration;

use netroot_proto::cmdline::BootPlan;
use netroot_proto::mount::RootChoice;
use netroot_proto::root::{NoRoot, choose_root_of};
use nix::sys::resource::{UsageWho, getrusage};

use self::json::{Object, object, text};
use crate::clock::Moment;
use crate::console::{self, debug, warn};
use crate::directory;
use crate::net::address::Address;
use crate::net::link::{self, Nics};
use crate::net::nic::Nic;
use crate::run_directory::RUN;

/// How long a failed attempt waits for the upload; a pause of at least two seconds follows.
const UPLOAD_TIMEOUT: Duration = Duration::from_millis(1500);

pub(crate) use record::BootReport;
pub(crate) use secure_boot::modules as secure_boot_modules;
pub(crate) use upload::Upload;
pub(crate) use uploader::{NAME as UPLOADER, run as run_uploader};

/// The outcome of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome<'a> {
    /// The root is mounted, and its init, this program, is about to run.
    Switch(&'a str),
    /// It failed.
    Failed,
}

/// What a report is made from.
#[derive(Clone, Copy)]
pub(crate) struct Sources<'a> {
    /// The phases and failures so far.
    pub(crate) record: &'a BootReport,
    /// The plan from the command line.
    pub(crate) plan: &'a BootPlan,
    /// The machine's NICs.
    pub(crate) nics: &'a Nics,
    /// The configured address, once there is one.
    pub(crate) address: Option<&'a Address>,
}

/// What the report contains besides the record.
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

/// Writes the report of a failed attempt, and uploads it if the command line asks for that and the machine has an
/// address. Attempts that failed before there was one are in the next report that can be uploaded.
pub(crate) fn send_failure(sources: Sources<'_>) {
    let text = write(sources, Outcome::Failed);
    let Some(upload) = Upload::new(sources.plan, sources.address, text) else {
        return;
    };
    match upload.send(UPLOAD_TIMEOUT) {
        Ok(()) => debug!("boot report sent to {}", upload.url),
        Err(e) => warn!("the boot report was not sent to {}: {e}", upload.url),
    }
}

/// Writes the report of a boot that is about to switch to this init. Returns its upload, if the command line asks for
/// one, to be started in the background: the boot does not wait for it.
pub(crate) fn prepare_success(sources: Sources<'_>, init: &str) -> Option<Upload> {
    let text = write(sources, Outcome::Switch(init));
    Upload::new(sources.plan, sources.address, text)
}

/// Renders the report and writes it for the root. Returns its text.
fn write(sources: Sources<'_>, outcome: Outcome<'_>) -> String {
    let text = render(sources.record, &facts(sources, outcome));
    let written =
        directory::make(RUN).and_then(|()| fs::write(format!("{RUN}/report.json"), &text));
    if let Err(e) = written {
        debug!("cannot write the boot report to {RUN}: {e}");
    }
    text
}

fn facts<'a>(sources: Sources<'a>, outcome: Outcome<'a>) -> Facts<'a> {
    let nics = sources.nics.iter().map(|nic| {
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
        address: sources.address,
        root: root(sources.plan, sources.address),
        mounts: mounts(),
        warnings: console::warnings(),
        memory_kib: memory_kib(),
    }
}

/// The peak resident memory of the init, in KiB (`ru_maxrss`, getrusage(2)): `/proc/self/status` has it too, and fifty
/// lines more that the kernel would write for it.
fn memory_kib() -> Option<u64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    usage.max_rss().try_into().ok()
}

/// The root that the plan and the address lead to, once there is an address.
pub(crate) fn root(
    plan: &BootPlan,
    address: Option<&Address>,
) -> Option<Result<RootChoice, NoRoot>> {
    let address = address?;
    let identity = crate::identity::of(address.nic.mac);
    Some(choose_root_of(plan, &address.facts(), &identity))
}

/// The NFS mounts and the overlay above them, as lines of `/proc/self/mounts`.
pub(crate) fn mounts() -> Vec<String> {
    let table = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let is_root = |line: &&str| {
        let mut fields = line.split(' ').skip(1);
        let (place, kind) = (fields.next(), fields.next());
        place == Some(crate::root::mount_point::ROOT)
            || kind.is_some_and(|kind| kind.starts_with("nfs"))
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
                o.boolean("carrier", nic.carrier);
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
    let words = |out: &mut String, word: &std::net::IpAddr| text(out, &word.to_string());
    o.text("nic", &address.nic.name);
    o.text("address", format_args!("{}", address.prefix));
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
