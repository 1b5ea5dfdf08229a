//! A line of the table.

use std::fmt;

use anyhow::{Context, Result, ensure};
use netroot_harness::paths;

/// A case, or one side of it.
pub(super) struct Row {
    /// `S01`, `C14`.
    pub(super) id: &'static str,
    /// Where it was reported: an issue, by repository and number.
    source: &'static str,
    what: String,
    expected: String,
    observed: String,
}

impl Row {
    /// A row whose observation failed is one that differs.
    pub(super) fn new(
        (id, source): (&'static str, &'static str),
        what: &str,
        expected: &str,
        observed: Result<String>,
    ) -> Self {
        Self {
            id,
            source,
            what: what.to_owned(),
            expected: expected.to_owned(),
            observed: observed.unwrap_or_else(|error| format!("failed: {error:#}")),
        }
    }

    /// A row that another test shows: `test` is its path and its name, such as `tests/vm/guix.rs guix_boots`.
    pub(super) fn shown_by(
        case: (&'static str, &'static str),
        what: &str,
        expected: &str,
        test: &str,
    ) -> Self {
        let observed = exists(test).map(|()| format!("{expected} (shown by {test})"));
        let expected = format!("{expected} (shown by {test})");
        Self::new(case, what, &expected, observed)
    }

    pub(super) fn is_ok(&self) -> bool {
        self.expected == self.observed
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.is_ok() { "ok" } else { "DIFFERS" };
        write!(
            f,
            "{} | {} | {} | {} | {} | {verdict}",
            self.id, self.source, self.what, self.expected, self.observed
        )
    }
}

/// A test of this name is in that file.
fn exists(test: &str) -> Result<()> {
    let (file, name) = test.split_once(' ').context("a file and a name")?;
    let path = paths::workspace().join(file);
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {file}"))?;
    let mut lines = text.lines().map(str::trim);
    let start = format!("fn {name}(");
    let is_test = lines.any(|line| {
        // A row of a table of tests, or a function behind the attribute.
        line.starts_with(&start) || line == format!("{name},")
    });
    ensure!(
        is_test && text.contains("#[test]"),
        "{file} has no test {name}"
    );
    Ok(())
}
