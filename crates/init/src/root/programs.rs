//! The program that a root is expected to have: its init.

mod mounted;

use netroot_proto::cmdline::{BootPlan, InitProgram};

use crate::diagnosis::NotExecutable;
use crate::root::contents::{self, Instead};
use mounted::MountedContents;
pub(crate) use mounted::first_in;

/// The programs that may be the root's init, in order.
pub(crate) fn candidates(plan: &BootPlan) -> Vec<String> {
    let candidates = plan.program.value.candidates();
    candidates.into_iter().map(str::to_owned).collect()
}

/// How the init is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// There is no such file.
    Absent,
    /// There is one, but it cannot be executed.
    Unusable,
}

/// A root without an init.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no init: the root {root} has no {tried}{instead}; {advice}")]
pub(crate) struct NoInit {
    /// The root, as messages name it.
    pub(crate) root: String,
    /// The programs that were looked for.
    pub(crate) tried: String,
    /// What it is instead of a root, after a colon, if that is known.
    pub(crate) instead: String,
    /// What to do.
    pub(crate) advice: String,
}

/// A root whose init cannot be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProgramError {
    /// It has none.
    #[error(transparent)]
    NoInit(#[from] NoInit),
    /// The kernel would refuse it.
    #[error("no init: {program} of the root {root} {reason}; {}", reason.advice())]
    NotExecutable {
        /// The root, as messages name it.
        root: String,
        /// The init.
        program: String,
        /// Why.
        reason: NotExecutable,
    },
}

/// The program to run in the mounted root `root`, which the kernel will be able to run, as far as can be told. `known` is
/// the one that was found before the mount.
pub(crate) fn choose(
    plan: &BootPlan,
    root: &str,
    known: Option<&str>,
) -> Result<String, ProgramError> {
    let none = |instead: Option<&Instead>| {
        NoInit::none_of(plan, root.to_owned(), Missing::Absent, instead)
    };
    let programs = candidates(plan);
    let known = known.map(str::to_owned);
    let Some(init) = known.or_else(|| mounted::first_program(&programs)) else {
        let instead = match mounted::refused(&programs) {
            true => Some(Instead::Refused),
            false => contents::look(&mut MountedContents, &programs),
        };
        return Err(none(instead.as_ref()).into());
    };
    let program = &plan.program.value;
    if let Some(script) = program.needs().filter(|path| !mounted::is_there(path)) {
        return Err(NoInit::boot_program(root.to_owned(), script).into());
    }
    if let Some(reason) = mounted::check_program(&init) {
        return Err(ProgramError::NotExecutable {
            root: root.to_owned(),
            program: init,
            reason,
        });
    }
    if !program.lends_its_interpreter(&init) {
        return Ok(init);
    }
    mounted::interpreter(&init).ok_or_else(|| none(None).into())
}

impl NoInit {
    /// A root that has none of the programs that the command line asks for.
    pub(crate) fn none_of(
        plan: &BootPlan,
        root: String,
        missing: Missing,
        instead: Option<&Instead>,
    ) -> Self {
        let programs = candidates(plan);
        let tried = match programs.as_slice() {
            [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
            _ => programs.join(", "),
        };
        let advice = match (missing, &plan.program.value) {
            (Missing::Unusable, _) => {
                "what has that name is no file that can be run: set its execute permission"
            }
            (Missing::Absent, InitProgram::Path(_)) => "correct init=",
            (Missing::Absent, InitProgram::GuixSystem { .. }) => {
                "correct gnu.system= and gnu.load="
            }
            (Missing::Absent, InitProgram::Usual) => {
                "put a root file system there, or name its program with init="
            }
        };
        Self {
            root,
            tried,
            instead: instead.map_or_else(String::new, |instead| format!(": {instead}")),
            advice: instead.map_or_else(|| advice.to_owned(), Instead::advice),
        }
    }

    /// A Guix System without its boot program.
    pub(crate) fn boot_program(root: String, script: &str) -> Self {
        Self {
            root,
            tried: script.to_owned(),
            instead: String::new(),
            advice: "correct gnu.load=".to_owned(),
        }
    }
}
