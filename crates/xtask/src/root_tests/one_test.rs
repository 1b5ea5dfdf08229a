//! A test, and how it went.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use crate::setup::distribution_kernels::FetchedKernel;

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

impl Test {
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
