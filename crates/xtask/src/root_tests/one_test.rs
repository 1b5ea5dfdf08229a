//! A test, and how it went.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use crate::setup::distribution_kernels::FetchedKernel;

/// The beginning of the file name of the program whose tests boot machines (`tests/vm`).
const MACHINES: &str = "vm-";

/// One test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Test {
    pub(super) program: PathBuf,
    pub(super) name: String,
    /// Whether it waits for minutes.
    pub(super) waits: bool,
    /// Another kernel than the Debian root's own.
    pub(super) kernel: Option<FetchedKernel>,
}

/// What a test takes of the processors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Load {
    /// It boots machines, and then waits for minutes.
    Waits,
    /// It boots machines, whose instructions are translated where there is no KVM.
    Machines,
    /// Little: programs in network namespaces, which mostly wait for one another.
    Programs,
}

impl Test {
    pub(super) fn load(&self) -> Load {
        let name = self.program.file_name().unwrap_or_default();
        let boots_machines = name.to_string_lossy().starts_with(MACHINES);
        match (self.waits, boots_machines) {
            (true, _) => Load::Waits,
            (false, true) => Load::Machines,
            (false, false) => Load::Programs,
        }
    }

    pub(super) fn title(&self) -> String {
        match &self.kernel {
            Some(kernel) => format!("{} with Linux {}", self.name, kernel.version),
            None => self.name.clone(),
        }
    }
}

/// How a test went.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) test: Test,
    pub(super) took: Duration,
    /// The processor time of all its programs, where it is known.
    pub(super) used: Option<Duration>,
    /// The file with what it printed.
    pub(super) log: PathBuf,
    pub(super) result: Result<()>,
}

impl Done {
    pub(super) fn line(&self) -> String {
        let how = match &self.result {
            Ok(()) => "ok".to_owned(),
            Err(error) => format!("{error:#}"),
        };
        let (title, seconds) = (self.test.title(), self.took.as_secs());
        let used = self.used.map_or_else(String::new, |used| {
            format!(", {:.1} s of a processor", used.as_secs_f64())
        });
        format!("test {title} ... {how}, {seconds} s{used}")
    }
}
