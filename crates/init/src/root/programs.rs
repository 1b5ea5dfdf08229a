//! The program that a root is expected to have: its init.

use netroot_proto::cmdline::{BootPlan, InitProgram};

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
#[error("no init: the root {root} has no {tried}; {advice}")]
pub(crate) struct NoInit {
    /// The root, as messages name it.
    pub(crate) root: String,
    /// The programs that were looked for.
    pub(crate) tried: String,
    /// What to do.
    pub(crate) advice: &'static str,
}

impl NoInit {
    /// A root that has none of the programs that the command line asks for.
    pub(crate) fn none_of(plan: &BootPlan, root: String, missing: Missing) -> Self {
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
            advice,
        }
    }

    /// A Guix System without its boot program.
    pub(crate) fn boot_program(root: String, script: &str) -> Self {
        Self {
            root,
            tried: script.to_owned(),
            advice: "correct gnu.load=",
        }
    }
}
