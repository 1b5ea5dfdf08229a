//! The rescue prompt on the console: inspect the machine, change a parameter, retry.
//!
//! It opens when somebody presses Enter while a failed boot waits for its next attempt, at the breakpoints that
//! `rd.break` and `break=` name, and with `rd.shell` after each failure. If nobody types, the boot continues automatically,
//! except at a breakpoint. `rd.shell=0` and `netroot.shell=0` disable the prompt.

mod command;
mod log;
mod shell;
mod state;

use std::io::Write;
use std::time::Duration;

use netroot_printable::Printable;
use netroot_proto::cmdline::{BootPlan, Rescue, Stage};

use self::command::{Command, HELP, with, without};
use self::state::Row;
use crate::clock::Moment;
use crate::console::{info, warn};
use crate::failure::Failure;
use crate::keyboard::{self, Input};
use crate::machine::Machine;
use crate::policy::{self, Next};
use crate::retry_trigger::RetryTrigger;

pub(crate) use shell::{NAME as SHELL, run as run_shell};
pub(crate) use state::log_address;

/// How long the prompt waits for input before the boot continues.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);

/// Whether the prompt may be opened.
fn allowed(plan: &BootPlan) -> bool {
    plan.rescue.value != Rescue::Never
}

/// Opens the prompt before the boot starts, if the command line asks for that; nothing else is known yet. Returns the
/// command line, changed or not, if it was opened.
pub(crate) fn at_start(cmdline: &str, plan: &BootPlan) -> Option<String> {
    let stop = plan.breaks.iter().find(|stop| stop.value == Stage::Start);
    let stop = stop.filter(|_| allowed(plan))?;
    info!("stopped {} ({})", Stage::Start.before(), stop.origin);
    let mut session = Session::new(cmdline.to_owned(), Vec::new());
    session.run(None);
    Some(session.cmdline)
}

/// Opens the prompt, once, at a breakpoint of the command line.
///
/// # Errors
/// [`Failure::Changed`] if a parameter was changed: the attempt has to start over.
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
    let (changed, _) = open(machine, None);
    if changed {
        Err(Failure::Changed)
    } else {
        Ok(())
    }
}

/// Follows the policy after a failure, unless somebody at the console opens the prompt first. Returns for the next
/// attempt.
pub(crate) fn follow(machine: &mut Machine, next: Next, failure: &Failure) {
    let rescue = machine.plan.rescue.value;
    if rescue == Rescue::OnFailure && open(machine, Some(IDLE_TIMEOUT)).1 {
        return;
    }
    let mut trigger = RetryTrigger::after(failure);
    while policy::follow(next, rescue != Rescue::Never, &mut || {
        trigger.has_fired(&mut machine.nics)
    }) {
        if open(machine, Some(IDLE_TIMEOUT)).1 {
            return;
        }
    }
}

/// Opens the prompt. Returns whether a parameter was changed, and whether a command ended the prompt.
fn open(machine: &mut Machine, timeout: Option<Duration>) -> (bool, bool) {
    let before = machine.cmdline.clone();
    let mut session = Session::new(before.clone(), state::of(machine));
    let retry = session.run(timeout);
    let changed = session.cmdline != before;
    if changed {
        machine.set_cmdline(session.cmdline);
    }
    (changed, retry)
}

/// One use of the prompt.
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

    /// Executes commands until one of them ends the prompt, or nothing is typed for so long. Returns whether one did.
    fn run(&mut self, timeout: Option<Duration>) -> bool {
        print("help lists the commands; retry continues the boot");
        loop {
            prompt();
            match keyboard::read_line(timeout.map(|timeout| Moment::now().after(timeout))) {
                Input::Line(line) => {
                    if self.execute(Command::read(&line)) {
                        return true;
                    }
                }
                Input::Eof => {
                    write("\n");
                    return true;
                }
                Input::Timeout => {
                    write("\n");
                    info!("no input: the boot continues");
                    return false;
                }
                Input::NoKeyboard => {
                    warn!("no prompt: the console has no keyboard");
                    return false;
                }
            }
        }
    }

    /// Returns whether the prompt ends.
    fn execute(&mut self, command: Command) -> bool {
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
                    print(&format!("{name} is removed; retry boots without it"));
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
            Command::Incomplete(usage) => print(&format!("usage: {usage}")),
            Command::Unknown(word) => {
                print(&format!("unknown command {word}; help lists the commands"))
            }
        }
        false
    }

    /// Replaces the command line, and prints the complaints about it that are new.
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
    write("netroot> ");
}

/// Prints an answer at the prompt; it does not go to the log.
fn print(text: &str) {
    for line in text.lines() {
        write(&format!("  {}\n", Printable(line)));
    }
}

/// Writes to the console. `println!` would panic when a serial line hangs up.
fn write(text: &str) {
    let mut out = std::io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
