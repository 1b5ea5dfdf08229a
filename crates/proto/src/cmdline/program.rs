//! Which program of the root is run in the end.

use crate::reading::Reading;

/// The programs that Linux tries, in this order (`init/main.c`).
pub const USUAL_PROGRAMS: [&str; 4] = ["/sbin/init", "/etc/init", "/bin/init", "/bin/sh"];

/// The program that the root is handed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InitProgram {
    /// The first of [`USUAL_PROGRAMS`] that is there.
    Usual,
    /// `init=`: this one, an absolute path within the root.
    Path(String),
    /// Guix System: its boot program is a Guile script that the system's own guile runs.
    GuixSystem {
        /// `<gnu.system>/profile/bin/guile`, an absolute path within the root.
        guile: String,
        /// `<gnu.system>/activate`: a script that guile runs. Without guile among the system's packages, the one that
        /// its first line names is the only one that is known to be there.
        activate: String,
        /// `gnu.load`: the boot program, an absolute path within the root.
        boot: String,
    },
}

impl InitProgram {
    /// The paths within the root, best first, of which one has to be there and executable.
    pub fn candidates(&self) -> Vec<&str> {
        match self {
            Self::Usual => USUAL_PROGRAMS.to_vec(),
            Self::Path(path) => vec![path],
            Self::GuixSystem {
                guile, activate, ..
            } => vec![guile, activate],
        }
    }

    /// Whether of `found`, one of the [`candidates`](Self::candidates), only the interpreter is run.
    pub fn lends_its_interpreter(&self, found: &str) -> bool {
        matches!(self, Self::GuixSystem { activate, .. } if activate == found)
    }

    /// What must be in the root besides the program, to be readable.
    pub fn needs(&self) -> Option<&str> {
        match self {
            Self::GuixSystem { boot, .. } => Some(boot),
            Self::Usual | Self::Path(_) => None,
        }
    }

    /// The arguments that go before those which the kernel passed on: everything of argv
    /// but its first, for the program `found` among the [`candidates`](Self::candidates).
    ///
    /// Guile must not try to write a compiled copy of the boot program.
    pub fn leading_arguments(&self) -> Vec<&str> {
        match self {
            Self::GuixSystem { boot, .. } => vec!["--no-auto-compile", boot],
            Self::Usual | Self::Path(_) => Vec::new(),
        }
    }
}

/// `gnu.load=` and `gnu.system=`, as far as they are given.
#[derive(Debug, Default)]
pub(super) struct GuixParameters {
    load: Option<String>,
    system: Option<String>,
}

impl GuixParameters {
    /// Takes one of the two, `name` being `gnu.load` or `gnu.system`.
    pub(super) fn take(&mut self, name: &str, value: &str, reading: &mut Reading<'_>) {
        let usable = value.starts_with('/') && !value.chars().any(char::is_control);
        if !usable {
            let expected = "an absolute path within the root";
            reading.complain(0, expected, value, "left out");
            return;
        }
        let place = match name {
            "gnu.load" => &mut self.load,
            _ => &mut self.system,
        };
        *place = Some(value.to_owned());
    }

    /// The program, where both are known. Without `gnu.system=`, the system is where the
    /// boot program is: `<system>/boot`.
    pub(super) fn program(&self) -> Option<InitProgram> {
        let boot = self.load.clone()?;
        let system = match &self.system {
            Some(system) => system.as_str(),
            None => boot.rsplit_once('/').map_or("", |(system, _)| system),
        };
        let system = system.trim_end_matches('/');
        Some(InitProgram::GuixSystem {
            guile: format!("{system}/profile/bin/guile"),
            activate: format!("{system}/activate"),
            boot,
        })
    }
}
