//! `init`: finds the machine's NIC, gets it an address, mounts its root over NFS and runs the root's init.
//!
//! It is the `/init` of an initramfs, and therefore process 1: it never returns. [`boot`] is the table of contents.
//! netroot-proto parses parameters, DHCP options and mount options; this crate talks to the kernel and to servers.

#![forbid(unsafe_code)]
// `println!` panics when the console is gone.
#![deny(clippy::print_stdout)]

mod after;
mod background;
mod boot;
mod channel;
mod clock;
mod console;
mod diagnosis;
mod directory;
mod early;
mod error_chain;
mod failure;
mod identity;
mod keyboard;
mod machine;
mod modules;
mod net;
mod panic_handler;
mod policy;
mod report;
mod rescue;
mod retry_trigger;
mod root;
mod run_directory;
mod threads;
mod timeouts;

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use netroot_proto::cmdline::{AfterFailure, BootPlan, Stage};

use crate::clock::{Moment, Seconds};
use crate::console::{debug, error, info, warn};
use crate::early::SavedSysctl;
use crate::failure::Failure;
use crate::machine::{Machine, apply_to_program, later_modules};
use crate::modules::Loader;
use crate::net::by_index::ByIndex;
use crate::net::link::Nics;
use crate::policy::{Failures, Next};
use crate::report::BootReport;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    if name == after::shutdown::NAME && rustix::process::getpid().is_init() {
        after::shutdown::run(arguments);
    }
    if !rustix::process::getpid().is_init() {
        let arguments: Vec<String> = arguments
            .map(|a| a.to_string_lossy().into_owned())
            .collect();
        if name == after::renewer::NAME {
            background::begin();
            return after::renewer::run(&arguments);
        }
        if name == after::read_ahead::NAME {
            return after::read_ahead::run(&arguments);
        }
        if name == root::switch::CLEANER {
            background::begin();
            return root::switch::run_cleaner();
        }
        if name == report::UPLOADER {
            background::begin();
            return report::run_uploader(&arguments);
        }
        if arguments.first().is_some_and(|first| first == "-q") {
            return ExitCode::from(modules::run_as_modprobe(&arguments));
        }
        if arguments
            .first()
            .is_some_and(|first| first == rescue::SHELL)
        {
            return rescue::run_shell();
        }
        eprintln!("netroot: this is the /init of an initramfs; the kernel starts it as process 1");
        return ExitCode::FAILURE;
    }
    run(arguments.by_ref().collect())
}

/// Runs process 1.
fn run(arguments: Vec<OsString>) -> ! {
    let started = Moment::now();
    panic_handler::install();
    let unmounted = early::mount_file_systems();
    console::open();
    for (path, error) in unmounted {
        warn!("cannot mount {path}: {error}");
    }
    let mut failures = Failures::default();
    let mut machine = loop {
        match prepare(started, &arguments) {
            Ok(machine) => break machine,
            Err(failure) => failed(&failure, AfterFailure::TryAgain, &mut failures),
        }
    };
    loop {
        let began = Moment::now();
        let Err(mut failure) = boot::boot(&mut machine);
        let lasted = Moment::now().since(began);
        let since_start = Moment::now().since(machine.started);
        let after = if failure.is_tried_again() {
            AfterFailure::TryAgain
        } else {
            timeouts::after_failure(&machine.plan, since_start)
        };
        if matches!(failure, Failure::Changed) {
            continue;
        }
        failure.measure_packet_loss(machine.address.as_deref());
        let sentence = failure.sentence(&machine.plan);
        error!("boot failed: {sentence}");
        machine.report.failed(&sentence);
        report::send_failure(machine.report_sources());
        if matches!(failure, Failure::Switch { .. }) {
            policy::follow(Next::GiveUp, false, &mut || false);
        }
        let next = policy::next(after, failures.add(lasted));
        rescue::follow(&mut machine, next, &failure);
    }
}

fn failed(failure: &Failure, after: AfterFailure, failures: &mut Failures) {
    error!("boot failed: {failure}");
    let next = policy::next(after, failures.add(Duration::ZERO));
    policy::follow(next, false, &mut || false);
}

/// Does everything that is done once: the command line, sysctls, modules.
fn prepare(started: Moment, arguments: &[OsString]) -> Result<Machine, Failure> {
    // It may contain any byte but zero.
    let cmdline = fs::read("/proc/cmdline").map_err(Failure::CommandLine)?;
    let mut cmdline = String::from_utf8_lossy(&cmdline).into_owned();
    let mut plan = BootPlan::parse(&cmdline);
    apply_to_program(&plan);
    let kernel = rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned();
    let since = Seconds(started.since_kernel());
    info!(
        "init {} on {kernel}, {since} s after the kernel started",
        env!("CARGO_PKG_VERSION")
    );
    for complaint in &plan.complaints {
        warn!("{complaint}");
    }
    for ignored in &plan.ignored {
        debug!("{} is ignored: {}", ignored.parameter, ignored.why);
    }
    // A server may announce four gigabytes, and the XDR decoder allocates them before it reads: that must not kill
    // process 1. The memory is never touched.
    let overcommit = SavedSysctl::set("/proc/sys/vm/overcommit_memory", "1", "0");
    // The kernel requests PHY drivers, file systems and ciphers through modprobe only.
    let modprobe =
        own_path().and_then(|own| SavedSysctl::set(modules::MODPROBE, &own, "/sbin/modprobe"));
    if let Some(changed) = rescue::at_start(&cmdline, &plan) {
        plan = BootPlan::parse(&changed);
        cmdline = changed;
    }
    let mut report = BootReport::new(&kernel, &cmdline, started);
    report.begin("drivers");
    let loader = Loader::open(&kernel, plan.modules.clone());
    // DHCP needs it at once, and no device requests it.
    loader.load("af_packet");
    loader.load_requested();
    let nics =
        Nics::open(loader.clone(), &plan.network).map_err(|error| boot::no_link(error, &loader))?;
    Ok(Machine {
        later: later_modules(&plan),
        plan,
        cmdline,
        stopped: vec![Stage::Start],
        started,
        report,
        loader,
        nics,
        address: None,
        failed: ByIndex::new(),
        arguments: arguments.to_vec(),
        conflicts: 0,
        saved_sysctls: overcommit.into_iter().chain(modprobe).collect(),
    })
}

/// Where this program is in the initrd. The kernel starts it by its path; this program restarts itself by `/proc`, which is
/// another program to each process.
fn own_path() -> Option<String> {
    let name = std::env::args_os().next()?.into_string().ok()?;
    if name.starts_with('/') && !name.starts_with("/proc/") && rustix::fs::stat(&*name).is_ok() {
        return Some(name);
    }
    std::env::current_exe()
        .ok()?
        .into_os_string()
        .into_string()
        .ok()
}

/// Asserts that [`boot::boot`] cannot return without a failure.
const _: fn(&mut Machine) -> Result<Infallible, Failure> = boot::boot;
