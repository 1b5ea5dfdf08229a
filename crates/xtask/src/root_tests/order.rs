//! Which test starts first: those that wait for minutes, then whichever took longest the last time.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use netroot_harness::paths;

use super::one_test::{Done, Test};

/// The longest of those that wait have this in their names.
const LONGEST: &str = "outage";
/// A test that has never run is taken for one that boots a machine.
const UNKNOWN: u64 = 20;

pub(super) fn sort(tests: &mut [Test]) {
    let known = std::fs::read_to_string(file()).unwrap_or_default();
    let known = read(&known);
    let seconds = |test: &Test| known.get(test.title().as_str()).copied().unwrap_or(UNKNOWN);
    tests.sort_by_key(|test| {
        let is_longest = test.waits && test.name.contains(LONGEST);
        std::cmp::Reverse((is_longest, test.waits, seconds(test)))
    });
}

/// Writes down how long each took, for the next run.
pub(super) fn remember(all: &[Done]) -> Result<()> {
    let file = file();
    let old = std::fs::read_to_string(&file).unwrap_or_default();
    let mut known = read(&old);
    let titles: Vec<(String, u64)> = all
        .iter()
        .map(|done| (done.test.title(), done.took.as_secs()))
        .collect();
    known.extend(titles.iter().map(|(title, seconds)| (&**title, *seconds)));
    let mut lines: Vec<String> = known
        .into_iter()
        .map(|(name, seconds)| format!("{seconds} {name}\n"))
        .collect();
    lines.sort();
    std::fs::write(&file, lines.concat()).with_context(|| format!("write {}", file.display()))
}

fn read(text: &str) -> HashMap<&str, u64> {
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    pairs
        .filter_map(|(seconds, name)| Some((name, seconds.parse().ok()?)))
        .collect()
}

fn file() -> PathBuf {
    paths::target().join("root-tests.seconds")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_another_form_are_left_out() {
        let known = read("12 links::a_bond\nx y\n\n7 a");
        assert_eq!(known, HashMap::from([("links::a_bond", 12), ("a", 7)]));
    }
}
