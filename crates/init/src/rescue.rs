//! The prompt on the console: look, change a parameter, try again.
//!
//! It opens when somebody presses Enter while a failed boot waits for its next try, at the places that `rd.break`
//! and `break=` name, and with `rd.shell` after each failure. Nobody at the keyboard keeps the boot from going on,
//! except where a break was asked for. `rd.shell=0` and `netroot.shell=0` forbid it.

mod command;
mod keyboard;
mod log;
mod shell;
mod state;

use std::io::Write;
use std::time::Duration;

use netroot_proto::cmdline::{BootPlan, Rescue, Stage};

use self::command::{Command, HELP, with, without};
use self::keyboard::Typed;
use self::state::Row;
use crate::boot::Machine;
use crate::clock::Moment;
use crate::console::{self, info, warn};
use crate::failure::Failure;
use crate::policy::{self, Next};
use crate::retry_trigger::RetryTrigger;

pub(crate) use shell::{NAME as SHELL, run as run_shell};
pub(crate) use state::tell_address;

/// How long nobody types before the boot goes on.
const NOBODY: Duration = Duration::from_secs(120);

/// Whether somebody may open the prompt.
fn allowed(plan: &BootPlan) -> bool {
    plan.rescue.value != Rescue::Never
}

/// Waits, and says whether somebody pressed Enter meanwhile.
pub(crate) fn enter_within(pause: Duration) -> bool {
    let until = Moment::now().after(pause);
    match keyboard::line(Some(until)) {
        Typed::Line(_) => true,
        Typed::Nothing => false,
        // The end of nothing is no wish to look.
        Typed::End | Typed::Gone => {
            std::thread::sleep(until.remaining());
            false
        }
    }
}

/// The prompt before anything was done: only the command line is there. Returns it, changed or not.
pub(crate) fn at_start(cmdline: String) -> String {
    let plan = BootPlan::parse(&cmdline);
    let stop = plan.breaks.iter().find(|stop| stop.value == Stage::Start);
    let Some(stop) = stop.filter(|_| allowed(&plan)) else {
        return cmdline;
    };
    info!("stopped {} ({})", Stage::Start.before(), stop.origin);
    let mut session = Session::new(cmdline, Vec::new());
    session.hold(None);
    session.cmdline
}

/// The prompt at a place where the command line asks for it, once.
///
/// # Errors
/// [`Failure::Changed`] if a parameter was changed: the attempt is to start anew.
pub(crate) fn stop_at(machine: &mut Machine, stage: Stage) -> Result<(), Failure> {
    let stops = &mut machine.plan.breaks;
    let Some(at) = stops.iter().position(|stop| stop.value == stage) else {
        return Ok(());
    };
    let stop = stops.remove(at);
    if !allowed(&machine.plan) {
        return Ok(());
    }
    info!("stopped {} ({})", stage.before(), stop.origin);
    machine.stopped.push(stage);
    let (changed, _) = hold(machine, None);
    if changed {
        Err(Failure::Changed)
    } else {
        Ok(())
    }
}

/// What follows a failure: what the policy says, unless somebody at the console wants to look first. Returns to
/// try again.
pub(crate) fn follow(machine: &mut Machine, next: Next, failure: &Failure) {
    let rescue = machine.plan.rescue.value;
    if rescue == Rescue::OnFailure && hold(machine, Some(NOBODY)).1 {
        return;
    }
    let mut trigger = RetryTrigger::after(failure);
    while policy::follow(next, rescue != Rescue::Never, &mut || {
        trigger.has_fired(&mut machine.nics)
    }) {
        if hold(machine, Some(NOBODY)).1 {
            return;
        }
    }
}

/// Returns whether a parameter was changed, and whether somebody said `retry`.
fn hold(machine: &mut Machine, patience: Option<Duration>) -> (bool, bool) {
    let before = machine.cmdline.clone();
    let mut session = Session::new(before.clone(), state::of(machine));
    let retry = session.hold(patience);
    let changed = session.cmdline != before;
    if changed {
        machine.take_parameters(session.cmdline);
    }
    (changed, retry)
}

/// One opening of the prompt.
struct Session {
    cmdline: String,
    /// What `show` prints below the command line.
    state: Vec<Row>,
}

impl Session {
    fn new(cmdline: String, state: Vec<Row>) -> Self {
        let cmdline = cmdline.trim_end().to_owned();
        Self { cmdline, state }
    }

    /// Follows commands until one of them ends it, or nobody types for so long. Says whether one did.
    fn hold(&mut self, patience: Option<Duration>) -> bool {
        print("help lists the commands; retry goes on");
        loop {
            prompt();
            match keyboard::line(patience.map(|patience| Moment::now().after(patience))) {
                Typed::Line(line) => {
                    if self.follow(Command::read(&line)) {
                        return true;
                    }
                }
                Typed::End => {
                    written("\n");
                    return true;
                }
                Typed::Nothing => {
                    written("\n");
                    info!("nobody types: the boot goes on");
                    return false;
                }
                Typed::Gone => {
                    warn!("no prompt: the console has no keyboard");
                    return false;
                }
            }
        }
    }

    /// Says whether the prompt ends.
    fn follow(&mut self, command: Command) -> bool {
        match command {
            Command::Nothing => {}
            Command::Help => print(HELP),
            Command::Show => {
                print(&state::row("command line", &self.cmdline));
                for (label, text) in &self.state {
                    print(&state::row(label, text));
                }
            }
            Command::Set(parameters) => {
                self.change(with(&self.cmdline, &parameters));
                print(&format!("{parameters} is set; retry boots with it"));
            }
            Command::Unset(name) => {
                let cmdline = without(&self.cmdline, &name);
                if cmdline == with(&self.cmdline, "") {
                    print(&format!("the command line has no {name}"));
                } else {
                    self.change(cmdline);
                    print(&format!("{name} is taken away; retry boots without it"));
                }
            }
            Command::Retry => return true,
            Command::Log => log::last_lines().iter().for_each(|line| print(line)),
            Command::Shell => {
                if let Err(e) = shell::open() {
                    print(&e.to_string());
                }
            }
            Command::Reboot => policy::reboot(),
            Command::PowerOff => policy::power_off(),
            Command::Incomplete(usage) => print(&format!("say {usage}")),
            Command::Unknown(word) => {
                print(&format!("there is no {word} here; help lists what is"))
            }
        }
        false
    }

    /// Takes a command line, and says what is wrong with it that was not wrong before.
    fn change(&mut self, cmdline: String) {
        let before = BootPlan::parse(&self.cmdline);
        let after = BootPlan::parse(&cmdline);
        for complaint in after.complaints {
            if !before.complaints.contains(&complaint) {
                print(&complaint.to_string());
            }
        }
        for ignored in after.ignored {
            if !before.ignored.contains(&ignored) {
                print(&format!(
                    "{} is ignored: {}",
                    ignored.parameter, ignored.why
                ));
            }
        }
        self.cmdline = cmdline;
    }
}

fn prompt() {
    written("netroot> ");
}

/// An answer: to whoever types, and not to the log.
fn print(text: &str) {
    for line in text.lines() {
        written(&format!("  {}\n", console::printable(line)));
    }
}

/// Writes to the console. `println!` would panic when a serial line hangs up.
fn written(text: &str) {
    let mut out = std::io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
