//! The plan of a boot: every parameter that this project knows, with its meaning.

use std::time::Duration;

use super::fstab::Fstab;
use super::ignored::{Ignored, why_granted, why_not};
use super::modules::ModuleOrders;
use super::network::NetworkPlan;
use super::other_initrds::Concern;
use super::overlay::Overlay;
use super::program::{GuixParameters, InitProgram};
use super::report::ReportUrl;
use super::root::{RootParameters, RootRequest};
use super::stage::{Rescue, Stage};
use super::tokens::{CommandLine, Parameter, tokenize};
use super::word::{Notes, Word};
use crate::mount::Access;
use crate::reading::Setting;
use crate::reading::{Complaint, Reading};

/// What follows a boot that failed (`panic=`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFailure {
    /// `panic=0` or nothing: wait and try again, with growing pauses.
    TryAgain,
    /// `panic=N`: reboot after so long.
    RebootAfter(Duration),
    /// `panic=-1`: reboot at once.
    RebootNow,
}

/// The whole command line, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootPlan {
    /// How the network comes up.
    pub network: NetworkPlan,
    /// Which kernel modules are loaded, and their parameters.
    pub modules: ModuleOrders,
    /// Where the root is.
    pub root: RootRequest,
    /// `ro` or `rw`, the last one given; read-only by default, as in the kernel.
    pub access: Setting<Access>,
    /// A writable layer over the root.
    pub overlay: Setting<Overlay>,
    /// `netroot.fstab=`: whether lines for disks in the root's `/etc/fstab` are masked.
    pub fstab: Setting<Fstab>,
    /// `init=`: an absolute path within the root.
    pub init: Option<Setting<String>>,
    /// What is run in the end: [`init`](Self::init), else Guix System's boot program
    /// (`gnu.load=`), else the usual ones.
    pub program: Setting<InitProgram>,
    /// The words after `--`. The kernel also passes them (and unknown words) to `/init`
    /// in argv, which is what the init hands on.
    pub init_arguments: Vec<String>,
    /// `rootdelay=`: a pause before the root is mounted.
    pub root_delay: Setting<Duration>,
    /// `rootwait` (`None`: without a limit) or `rootwait=<s>`: how long the whole way to a
    /// mounted root may take before that counts as a failure that [`after_failure`] follows.
    ///
    /// [`after_failure`]: Self::after_failure
    pub root_wait: Option<Setting<Option<Duration>>>,
    /// `rd.break`, `break=`: where the boot pauses with the rescue prompt, each stage once.
    pub breaks: Vec<Setting<Stage>>,
    /// `rd.shell`: when a rescue prompt is given.
    pub rescue: Setting<Rescue>,
    /// `netroot.readahead=`: where the list is of what to read ahead ([`crate::readahead`]).
    pub readahead: Option<Setting<ReportUrl>>,
    /// `netroot.report=`: where the boot report is sent.
    pub report: Option<Setting<ReportUrl>>,
    /// `panic=`: what follows a failure.
    pub after_failure: Setting<AfterFailure>,
    /// The console takes messages of levels below this one (`loglevel=`; `quiet` is 4,
    /// `debug` 10, the default 7), where 3 is an error, 4 a warning, 6 information.
    pub console_level: Setting<u8>,
    /// What makes no sense, in order.
    pub complaints: Vec<Complaint>,
    /// What asks for what happens anyway (`boot=nfs`), in order, with the reason.
    pub granted: Vec<Ignored>,
    /// What an initrd could follow and this one does not, in order.
    pub ignored: Vec<Ignored>,
    /// The rest, as written: the kernel's parameters, its modules', and those of the root's init.
    pub foreign: Vec<String>,
}

impl BootPlan {
    /// The plan of a command line (the text of `/proc/cmdline`). Never fails.
    pub fn parse(cmdline: &str) -> Self {
        let line = tokenize(cmdline);
        let mut plan = Self {
            network: NetworkPlan::default(),
            modules: ModuleOrders::default(),
            root: RootRequest::Missing,
            access: Setting::default_value(Access::ReadOnly),
            overlay: Setting::default_value(Overlay::Off),
            fstab: Setting::default_value(Fstab::Mask),
            init: None,
            program: Setting::default_value(InitProgram::Usual),
            init_arguments: Vec::new(),
            root_delay: Setting::default_value(Duration::ZERO),
            root_wait: None,
            breaks: Vec::new(),
            rescue: Setting::default_value(Rescue::OnKey),
            readahead: None,
            report: None,
            after_failure: Setting::default_value(AfterFailure::TryAgain),
            console_level: Setting::default_value(DEFAULT_CONSOLE_LEVEL),
            complaints: Vec::new(),
            granted: Vec::new(),
            ignored: Vec::new(),
            foreign: Vec::new(),
        };
        let mut notes = Notes::default();
        for parameter in &line.parameters {
            let name = parameter.name.replace('-', "_");
            let text = parameter.text();
            let word = Word {
                name: &name,
                value: parameter.value.as_deref(),
                text: &text,
            };
            let taken = plan.network.take(&word, &mut notes)
                || plan.take(&word, &mut notes)
                || plan.modules.take(&word)
                || is_weighed_later(&word);
            if taken {
                continue;
            }
            if let Some(why) = why_granted(&name, word.value) {
                plan.granted.push(Ignored::new(text, why));
            } else if let Some(ignored) = why_not(&name, word.value, &text) {
                notes.ignored.push(ignored);
            } else {
                plan.modules.remember(parameter);
                plan.foreign.push(text);
            }
        }
        plan.finish(&line, &mut notes);
        plan.init_arguments = line.init_arguments;
        plan.complaints = notes.complaints;
        plan.ignored = notes.ignored;
        plan
    }

    /// What this command line says about `concern` and the init passes over or cannot read, which may be why a boot
    /// fails: at most three sentences, for the failure's own. Each begins with the parameter.
    pub fn explanations(&self, concern: Concern) -> Vec<String> {
        let passed_over = self.ignored.iter().filter(|i| i.concern == Some(concern));
        let passed_over =
            passed_over.map(|i| format!("{} was passed over: {}", i.parameter, i.why));
        let is_about_it = |name: &str| match concern {
            Concern::Network => matches!(name, "ip" | "nfsaddrs" | "BOOTIF" | "bootdev" | "ifname"),
            Concern::Root => matches!(name, "root" | "nfsroot" | "netroot" | "rootflags"),
        };
        let complaints = self.complaints.iter();
        let complaints = complaints.filter(|c| is_about_it(&c.parameter));
        let mut all: Vec<String> = passed_over.take(2).collect();
        all.extend(complaints.take(1).map(ToString::to_string));
        all
    }

    /// Applies `word` if it has a meaning of its own; the last one of a kind wins. Returns
    /// whether it has one.
    fn take(&mut self, word: &Word<'_>, notes: &mut Notes) -> bool {
        let text = word.text;
        match (word.name, word.value) {
            ("ro", None) => self.access = Setting::parameter(Access::ReadOnly, text),
            ("rw", None) => self.access = Setting::parameter(Access::ReadWrite, text),
            (
                "rd.overlay"
                | "rd.overlayfs"
                | "rd.live.overlay.overlayfs"
                | "overlayroot"
                | "rootovl",
                _,
            ) => {
                if let Some(overlay) = Overlay::read(word, notes) {
                    self.overlay = Setting::parameter(overlay, text);
                }
            }
            ("init", Some(path)) if path.starts_with('/') => {
                self.init = Some(Setting::parameter(path.to_owned(), text));
            }
            ("init", Some(_)) => {
                let outcome = "left out: the usual programs are tried";
                notes.complain(word, "an absolute path within the root", outcome);
            }
            ("rootdelay", Some(_)) => {
                if let Some(delay) = notes.seconds(word, "no delay") {
                    self.root_delay = delay;
                }
            }
            ("rootwait", None) => self.root_wait = Some(Setting::parameter(None, text)),
            ("rootwait", Some(_)) => {
                if let Some(limit) = notes.seconds(word, "the root is waited for without a limit") {
                    self.root_wait = Some(Setting::parameter(Some(limit.value), text));
                }
            }
            ("rd.break" | "rd.systemd.break", value) => {
                let stage = Stage::read_dracut(value, &mut notes.reading(word));
                self.add_breaks(stage.as_slice(), text);
            }
            ("break", value) => {
                let stages = Stage::read_break(value, &mut notes.reading(word));
                self.add_breaks(&stages, text);
            }
            ("rd.shell" | "netroot.shell", _) => {
                if let Some(yes) = notes.boolean(word, "left out") {
                    let rescue = if yes {
                        Rescue::OnFailure
                    } else {
                        Rescue::Never
                    };
                    self.rescue = Setting::parameter(rescue, text);
                }
            }
            ("netroot.fstab", _) => {
                if let Some(fstab) = Fstab::read(word, notes) {
                    self.fstab = Setting::parameter(fstab, text);
                }
            }
            // What is appended turns it off.
            ("netroot.readahead", None | Some("")) => self.readahead = None,
            ("netroot.readahead", Some(value)) => {
                let url = ReportUrl::read(value, &mut notes.reading(word));
                self.readahead = url.map(|url| Setting::parameter(url, text));
            }
            ("netroot.report", Some(value)) => {
                let url = ReportUrl::read(value, &mut notes.reading(word));
                self.report = url.map(|url| Setting::parameter(url, text));
            }
            ("panic", Some(value)) => match value.parse::<i32>() {
                Ok(seconds) => {
                    let policy = match u64::try_from(seconds) {
                        Ok(0) => AfterFailure::TryAgain,
                        Ok(seconds) => AfterFailure::RebootAfter(Duration::from_secs(seconds)),
                        Err(_) => AfterFailure::RebootNow,
                    };
                    self.after_failure = Setting::parameter(policy, text);
                }
                Err(_) => {
                    let outcome = "left out: a failed boot is tried again";
                    notes.complain(word, "a number of seconds", outcome);
                }
            },
            ("quiet", None) => self.console_level = Setting::parameter(QUIET_LEVEL, text),
            ("debug", None) => self.console_level = Setting::parameter(DEBUG_LEVEL, text),
            ("rd.debug", _) => {
                if let Some(true) = notes.boolean(word, "left out") {
                    self.console_level = Setting::parameter(DEBUG_LEVEL, text);
                }
            }
            ("loglevel", Some(value)) => match value.parse() {
                Ok(level @ 0..=15) => self.console_level = Setting::parameter(level, text),
                _ => notes.complain(word, "a level of 0 to 7", "left out"),
            },
            _ => return false,
        }
        true
    }

    fn add_breaks(&mut self, stages: &[Stage], text: &str) {
        for stage in stages {
            if !self.breaks.iter().any(|earlier| earlier.value == *stage) {
                self.breaks.push(Setting::parameter(*stage, text));
            }
        }
    }

    /// Settles what depends on the whole line.
    fn finish(&mut self, line: &CommandLine, notes: &mut Notes) {
        let last = |name: &str| {
            let given = |p: &&Parameter| p.is(name) && p.value.is_some();
            line.parameters.iter().rfind(given)
        };
        for name in ["root", "netroot", "nfsroot"] {
            let holds = last(name);
            let given = line.parameters.iter().filter(|p| p.is(name));
            for earlier in given.filter(|p| p.value.is_some() && Some(*p) != holds) {
                notes.ignore(&earlier.text(), "a later one takes its place");
            }
        }
        let parameters = RootParameters {
            root: last("root"),
            netroot: last("netroot"),
            nfsroot: last("nfsroot"),
            rootflags: last("rootflags"),
            rootfstype: last("rootfstype").filter(|p| is_nfs(p)),
        };
        self.root = parameters.resolve(&mut notes.complaints, &mut notes.ignored);
        if let Some(off) = last("rd.bootif").filter(|p| p.value.as_deref() == Some("0"))
            && let Some(passed_over) = self.network.without_boot_link()
        {
            notes.ignored.push(passed_over);
            notes
                .ignored
                .retain(|ignored| ignored.parameter != off.text());
        }
        self.network.settle_boot_link(notes);
        self.program = self.choose_program(last("gnu.load"), last("gnu.system"), notes);
    }

    /// `init=` goes before Guix System's boot program, so that a shell can be run instead.
    fn choose_program(
        &self,
        load: Option<&Parameter>,
        system: Option<&Parameter>,
        notes: &mut Notes,
    ) -> Setting<InitProgram> {
        let mut guix = GuixParameters::default();
        for (name, parameter) in [("gnu.load", load), ("gnu.system", system)] {
            if let Some(parameter) = parameter
                && let Some(value) = parameter.value.as_deref()
            {
                let mut reading = Reading::new(name, Some(value), &mut notes.complaints);
                guix.take(name, value, &mut reading);
            }
        }
        if let Some(init) = &self.init {
            for parameter in [load, system].into_iter().flatten() {
                notes.ignore(&parameter.text(), "init= names the program");
            }
            let program = InitProgram::Path(init.value.clone());
            return Setting {
                value: program,
                origin: init.origin.clone(),
            };
        }
        match (guix.program(), load) {
            (Some(program), Some(load)) => Setting::parameter(program, &load.text()),
            _ => {
                let why = "without a gnu.load= there is no boot program to run";
                system.iter().for_each(|p| notes.ignore(&p.text(), why));
                Setting::default_value(InitProgram::Usual)
            }
        }
    }
}

/// `rootfstype=nfs` and `nfs4`; other values are not followed.
fn is_nfs(rootfstype: &Parameter) -> bool {
    matches!(rootfstype.value.as_deref(), Some("nfs" | "nfs4"))
}

/// What names the root or its program is weighed once the whole line is known.
fn is_weighed_later(word: &Word<'_>) -> bool {
    let named = matches!(
        word.name,
        "root" | "nfsroot" | "netroot" | "rootflags" | "gnu.load" | "gnu.system"
    );
    match word.value {
        None => false,
        Some(value) => named || (word.name == "rootfstype" && matches!(value, "nfs" | "nfs4")),
    }
}

/// `CONFIG_CONSOLE_LOGLEVEL_DEFAULT`, and what `quiet` and `debug` make of it.
const DEFAULT_CONSOLE_LEVEL: u8 = 7;
const QUIET_LEVEL: u8 = 4;
const DEBUG_LEVEL: u8 = 10;

#[cfg(test)]
mod tests;
