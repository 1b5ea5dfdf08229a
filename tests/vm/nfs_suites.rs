//! Public NFS test suites, as far as they read: what each of their tests asks (`rows`), asked again in our own words on a
//! machine that mounts our export (`checks.py`), beside the same tree on a disk.
//!
//! The suites themselves create what they test, which a read-only export cannot have. It is mounted for writing, as they
//! mount it, so that the refusals are the server's.

mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use netroot_harness::paths;

use crate::lan::TIMEOUT;
use crate::nfs_against_nfsd::Lab;
use rows::row::By;

const CHECKS: &str = include_str!("nfs_suites/checks.py");

const START: &str = "
mkdir /mnt/nfs
mount -t nfs -o rw,vers=3,proto=tcp,nolock,port=2049,mountport=2049,actimeo=0 10.77.0.2:/root /mnt/nfs
python3 -B /mnt/checks.py /mnt/root /mnt/nfs
while :; do sleep 1000; done
";

/// The names of the checks that the table refers to.
fn checked() -> BTreeSet<&'static str> {
    let by = rows::all().filter_map(|(_, _, by)| match by {
        By::Check(name) => Some(*name),
        _ => None,
    });
    by.collect()
}

#[test]
fn what_public_suites_read_is_read_alike_over_our_export() -> Result<()> {
    let script = format!("cat > /mnt/checks.py <<'END'\n{CHECKS}\nEND\n{START}");
    let lab = Lab::new("nfs-suites", &script)?;
    lab.wait_for("check: end", "the end of the checks", TIMEOUT)?;
    let console = lab.console();
    // On a busy machine the kernel says "clocksource: Long readout interval, skipping watchdog check: cs_nsec: ...".
    let told = console
        .lines()
        .filter(|line| !line.contains("clocksource:"))
        .filter_map(|line| line.split_once("check: "))
        .filter_map(|(_, told)| told.trim().split_once(' '));
    let told: BTreeMap<&str, &str> = told.collect();
    println!("{} checks", told.len());
    for name in checked() {
        assert_eq!(told.get(name), Some(&"passed"), "{name}");
    }
    // Those that no suite has as well.
    let failed: Vec<_> = told.iter().filter(|(_, how)| **how != "passed").collect();
    assert!(failed.is_empty(), "{failed:#?}");
    Ok(())
}

/// The text of every test of ours.
fn sources(folder: &Path, all: &mut String) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            sources(&path, all)?;
        } else if path.extension().is_some_and(|end| end == "rs") {
            all.push_str(&std::fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

#[test]
fn the_table_of_public_suites_names_checks_and_tests_that_there_are() -> Result<()> {
    let mut all = String::new();
    for folder in ["tests/vm", "tests/interop", "tests/nfs_compared"] {
        sources(&paths::workspace().join(folder), &mut all)?;
    }
    sources(&paths::workspace().join("crates/nfs-export"), &mut all)?;
    let mut seen = BTreeSet::new();
    let mut counts: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for (suite, test, by) in rows::all() {
        ensure!(seen.insert((suite, test)), "{suite} {test} is there twice");
        let there = match by {
            By::Check(name) => CHECKS.contains(&format!("@check\ndef {name}():\n")),
            By::Test(name) => all.contains(&format!("fn {name}(")),
            By::NotHere(why) => !why.is_empty(),
        };
        ensure!(there, "{suite} {test}: {by:?}");
        let counts = counts.entry(suite).or_default();
        let column = match by {
            By::Check(_) => 0,
            By::Test(_) => 1,
            By::NotHere(_) => 2,
        };
        counts[column] += 1;
    }
    for (suite, [checks, tests, not_here]) in counts {
        println!("{suite}: {checks} asked again, {tests} by tests of ours, {not_here} not here");
    }
    Ok(())
}
