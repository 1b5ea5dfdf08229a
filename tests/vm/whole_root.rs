//! Machines that read their whole root again and again, and whenever they are asked (`facts.stay facts.sum`), and what each
//! reading has to come to.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use netroot_harness::Vm;

use crate::lan::TIMEOUT;
use crate::sum;

/// What such a machine prints before it reads its root.
pub(crate) const READING: &str = "facts: reading ";
/// What it prints afterwards, before what came of it.
pub(crate) const SUM: &str = "facts: sum ";
/// What is never on its console.
const ERRORS: [&str; 2] = ["Stale file handle", "facts: sum failed"];

/// What is in a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WholeRoot(String);

impl WholeRoot {
    /// Reads it here.
    pub(crate) fn of(root: &Path) -> Result<Self> {
        let (files, hash) = sum::of_tree(root).map_err(|(path, error)| {
            anyhow::Error::from(error).context(path.display().to_string())
        })?;
        Ok(Self(format!("{files} files {hash:016x}")))
    }

    /// Waits until the machine has read it, for the first time after so much of its console's text.
    pub(crate) fn is_read_after(&self, vm: &Vm, begin: usize, timeout: Duration) -> Result<()> {
        let what = "the sum of the whole root";
        let seen = vm.console().wait_after(begin, SUM, what, timeout)?;
        ensure!(seen.line.contains(&self.0), "{}: {}", self.0, seen.line);
        has_seen_no_error(vm)
    }

    /// Has the machine, which has read it before, read it once more from the beginning, and waits until it has.
    pub(crate) fn is_read_once_more(&self, vm: &mut Vm) -> Result<()> {
        let begun = begins_to_read(vm)?;
        self.is_read_after(vm, begun, TIMEOUT)
    }
}

/// Has a machine, which has read its root before, read it once more. Waits until it begins, and tells how long its console's
/// text is then.
pub(crate) fn begins_to_read(vm: &mut Vm) -> Result<usize> {
    let said = vm.console().text().len();
    vm.type_in("\n")?;
    let what = "a machine that reads its root";
    Ok(vm.console().wait_after(said, READING, what, TIMEOUT)?.end)
}

/// No error of its root is on the machine's console.
pub(crate) fn has_seen_no_error(vm: &Vm) -> Result<()> {
    let text = vm.console().text();
    for word in ERRORS {
        ensure!(!text.contains(word), "{word}: {text}");
    }
    Ok(())
}
