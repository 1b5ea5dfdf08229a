//! Which test starts first: those that wait for minutes, then whichever took longest the last time.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use netroot_harness::paths;

use super::one_test::{Done, Test};

/// A test that has never run is taken for one that boots a machine.
const UNKNOWN: u64 = 20;
/// The same for those that take much longer, by the beginnings of their names, in seconds: or else the first run in a
/// work tree ends with one of them alone.
const LONG: [(&str, u64); 11] = [
    ("server_outage::", 900),
    ("network_managers::three_leases::", 600),
    ("network_managers::", 300),
    ("shutdown::a_machine_without_its_network", 300),
    ("aarch64::", 120),
    ("read_ahead::", 100),
    ("secure_boot::", 100),
    ("nfs_decoded::", 60),
    ("never_stale::", 60),
    ("debian_server::", 50),
    ("distributions::", 40),
];

pub(super) fn sort(tests: &mut [Test]) {
    let known = std::fs::read_to_string(file()).unwrap_or_default();
    let known = read(&known);
    sort_by(tests, &known);
}

fn sort_by(tests: &mut [Test], known: &HashMap<&str, u64>) {
    let seconds = |test: &Test| match known.get(test.title().as_str()) {
        Some(seconds) => *seconds,
        None => expected(&test.name),
    };
    tests.sort_by_key(|test| std::cmp::Reverse((test.waits, seconds(test))));
}

/// How long a test may take that has never run here, in seconds.
fn expected(name: &str) -> u64 {
    let long = LONG
        .iter()
        .find(|(beginning, _)| name.starts_with(beginning));
    long.map_or(UNKNOWN, |(_, seconds)| *seconds)
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
    fn those_that_wait_come_first_and_then_the_longest() {
        let test = |name: &str, waits| Test {
            program: PathBuf::new(),
            name: name.to_owned(),
            waits,
            kernel: None,
        };
        let mut tests = [
            test("links::a_bond", false),
            test("secure_boot::a_machine", false),
            test("links::known_to_be_long", false),
            test("shutdown::a_machine_without_its_network_reboots", true),
            test("server_outage::machines", true),
        ];
        sort_by(
            &mut tests,
            &HashMap::from([("links::known_to_be_long", 200)]),
        );
        let names = tests.map(|test| test.name);
        let expected = [
            "server_outage::machines",
            "shutdown::a_machine_without_its_network_reboots",
            "links::known_to_be_long",
            "secure_boot::a_machine",
            "links::a_bond",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn each_long_one_is_of_a_file_that_there_is() {
        for (beginning, seconds) in LONG {
            let file = beginning.split("::").next().unwrap();
            let file = paths::workspace().join(format!("tests/vm/{file}.rs"));
            assert!(file.exists(), "{beginning}: no {}", file.display());
            assert!(seconds > UNKNOWN, "{beginning}");
        }
    }

    #[test]
    fn lines_of_another_form_are_left_out() {
        let known = read("12 links::a_bond\nx y\n\n7 a");
        assert_eq!(known, HashMap::from([("links::a_bond", 12), ("a", 7)]));
    }
}
