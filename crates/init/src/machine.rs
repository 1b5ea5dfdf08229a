//! The state of the machine that persists from one boot attempt to the next.

use std::ffi::OsString;
use std::fs;
use std::rc::Rc;

use netroot_proto::cmdline::{BootPlan, Overlay, Stage};

use crate::clock::Moment;
use crate::console;
use crate::early::SavedSysctl;
use crate::modules::Loader;
use crate::net::address::Address;
use crate::net::by_index::ByIndex;
use crate::net::link::Nics;
use crate::panic_handler;
use crate::report::{self, BootReport};
use crate::root::source;

/// Names of modules to load whatever the devices need, one per line.
const ALWAYS: &str = "/etc/netroot/modules";

/// The machine: what persists from one attempt to the next.
pub(crate) struct Machine {
    pub(crate) plan: BootPlan,
    /// The command line that the plan was parsed from.
    pub(crate) cmdline: String,
    /// The breakpoints that it has stopped at already (`rd.break`).
    pub(crate) stopped: Vec<Stage>,
    pub(crate) started: Moment,
    pub(crate) report: BootReport,
    pub(crate) loader: Loader,
    pub(crate) nics: Nics,
    /// Modules that the mount will need, until they are being loaded.
    pub(crate) later: Vec<String>,
    /// The configured address.
    pub(crate) address: Option<Rc<Address>>,
    /// When an attempt with a NIC failed last, by its index.
    pub(crate) failed: ByIndex<Moment>,
    /// How often another machine claimed the address late.
    pub(crate) conflicts: u32,
    /// The arguments of `/init`, which are passed on to the root's init.
    pub(crate) arguments: Vec<OsString>,
    /// The sysctls to restore before the switch.
    pub(crate) saved_sysctls: Vec<SavedSysctl>,
}

impl Machine {
    /// What the boot report is made from.
    pub(crate) fn report_sources(&self) -> report::Sources<'_> {
        report::Sources {
            record: &self.report,
            plan: &self.plan,
            nics: &self.nics,
            address: self.address.as_deref(),
        }
    }

    /// Applies a command line that was changed at the rescue prompt, from the next attempt on.
    pub(crate) fn set_cmdline(&mut self, cmdline: String) {
        let mut plan = BootPlan::parse(&cmdline);
        plan.breaks
            .retain(|stop| !self.stopped.contains(&stop.value));
        apply_to_program(&plan);
        self.later = later_modules(&plan);
        self.report.set_cmdline(&cmdline);
        self.failed.clear();
        self.nics.change(&plan.network);
        self.plan = plan;
        self.cmdline = cmdline;
    }
}

/// Applies the settings of the command line that hold for the whole program: what the console shows, and what follows
/// a panic.
pub(crate) fn apply_to_program(plan: &BootPlan) {
    console::set_level(console::level_of_loglevel(plan.console_level.value));
    panic_handler::set_policy(plan.after_failure.value);
}

/// The modules that the mount will need, which are loaded while the network comes up.
pub(crate) fn later_modules(plan: &BootPlan) -> Vec<String> {
    let always = fs::read_to_string(ALWAYS).unwrap_or_default();
    let needed = source::modules(&plan.root).into_iter();
    let mut modules: Vec<String> = needed.map(str::to_owned).collect();
    if plan.overlay.value != Overlay::Off {
        modules.push("overlay".to_owned());
    }
    modules.extend(report::secure_boot_modules(plan).map(str::to_owned));
    modules.extend(
        always
            .lines()
            .map(str::trim)
            .filter(|l| !l.is_empty() && !l.starts_with('#'))
            .map(str::to_owned),
    );
    modules
}
