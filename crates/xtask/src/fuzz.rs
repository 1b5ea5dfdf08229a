//! `cargo xtask fuzz`: random input for every parser (`tests/fuzz`), starting from inputs that are kept.
//!
//! The targets are libFuzzer's, built by cargo-fuzz with the stable compiler: coverage without a sanitizer, since
//! unsafe code is in `crates/sys` alone, which parses nothing.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use netroot_harness::paths;

use crate::run::run;

/// How long each target runs by default, in seconds.
pub(crate) const SECONDS: u32 = 10;

/// Stands for each target, one after the other.
pub(crate) const ALL: &str = "all";

/// What ends a run as a finding: one input that takes longer, in seconds, or all of them more memory, in MiB.
const ONE_INPUT: u32 = 10;
const MEMORY: u32 = 1024;

/// How inputs are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inputs {
    /// The same ones each time, however many the time allows: a test that passed does not fail elsewhere by chance.
    Repeatable,
    /// Others each time.
    Random {
        /// Whether those that reach new code are added to the kept ones.
        keep: bool,
    },
}

/// The most inputs of a repeatable run.
const REPEATABLE: u32 = 200_000;

/// What a run of one target came to.
pub(crate) struct Fuzzed {
    pub(crate) target: String,
    /// How many inputs were tried.
    pub(crate) inputs: u64,
    /// How many branches of the code they reached.
    pub(crate) edges: u64,
}

/// Builds the targets and runs one, or [`ALL`], for at most `seconds` each.
///
/// # Errors
/// When a target cannot be built, or finds something: the message names the input's file.
pub(crate) fn fuzz(target: &str, seconds: u32, inputs: Inputs) -> Result<Vec<Fuzzed>> {
    let all = targets()?;
    let is_chosen = |name: &&String| target == ALL || *name == target;
    let chosen: Vec<&String> = all.iter().filter(is_chosen).collect();
    ensure!(!chosen.is_empty(), "no target {target}: {}", all.join(", "));
    build((target != ALL).then_some(target))?;
    let mut done = Vec::new();
    for target in chosen {
        let fuzzed = run_target(target, seconds, inputs)?;
        println!(
            "  {:<20} {:>10} inputs within {seconds} s, {:>5} branches",
            fuzzed.target, fuzzed.inputs, fuzzed.edges
        );
        done.push(fuzzed);
    }
    Ok(done)
}

fn folder() -> PathBuf {
    paths::workspace().join("tests/fuzz")
}

fn targets() -> Result<Vec<String>> {
    let folder = folder().join("fuzz_targets");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.file_stem().unwrap_or_default();
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn build(target: Option<&str>) -> Result<()> {
    run(Command::new("cargo")
        .args(["fuzz", "build", "--fuzz-dir", "tests/fuzz", "-s", "none"])
        .args(target)
        .env("NETROOT_INIT_X86_64", "none")
        // Its own, whatever the outer cargo uses: the flags differ.
        .env("CARGO_TARGET_DIR", folder().join("target"))
        .current_dir(paths::workspace()))
}

fn run_target(target: &str, seconds: u32, inputs: Inputs) -> Result<Fuzzed> {
    let kept = folder().join("corpus").join(target);
    ensure!(kept.is_dir(), "{}: no kept inputs", kept.display());
    let repeatable = inputs == Inputs::Repeatable;
    let found = match repeatable {
        true => folder().join("target/repeatable").join(target),
        false => folder().join("target/corpus").join(target),
    };
    if repeatable && found.exists() {
        std::fs::remove_dir_all(&found).with_context(|| format!("remove {}", found.display()))?;
    }
    let artifacts = folder().join("artifacts").join(target);
    for folder in [&found, &artifacts] {
        std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    }
    let mut fuzzer = fuzzer(target);
    fuzzer
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-timeout={ONE_INPUT}"))
        .arg(format!("-rss_limit_mb={MEMORY}"))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg("-print_final_stats=1")
        // Inputs that reach new code go to the first folder.
        .args([&found, &kept]);
    if repeatable {
        fuzzer.arg("-seed=1").arg(format!("-runs={REPEATABLE}"));
    }
    let done = fuzzer.output().with_context(|| format!("start {target}"))?;
    let said = String::from_utf8_lossy(&done.stderr);
    if !done.status.success() {
        let lines: Vec<&str> = said.lines().collect();
        let last = lines.get(lines.len().saturating_sub(60)..);
        bail!(
            "{target}: {}\n{}",
            done.status,
            last.unwrap_or_default().join("\n")
        );
    }
    if inputs == (Inputs::Random { keep: true }) {
        add_to_kept(target, &found, &kept)?;
    }
    Ok(Fuzzed {
        target: target.to_owned(),
        inputs: number_after(&said, "stat::number_of_executed_units:"),
        edges: number_after(&said, " cov:"),
    })
}

/// The smallest set of old and new inputs that reaches the same code.
fn add_to_kept(target: &str, found: &Path, kept: &Path) -> Result<()> {
    let merged = folder().join("target/merged").join(target);
    if merged.exists() {
        std::fs::remove_dir_all(&merged)?;
    }
    std::fs::create_dir_all(&merged)?;
    let mut merge = fuzzer(target);
    merge
        // By branches reached, not by how often: hundreds of files else.
        .args(["-set_cover_merge=1", "-use_counters=0"])
        .args([&merged, &kept.to_owned(), &found.to_owned()]);
    merge.stderr(Stdio::null());
    run(&mut merge)?;
    std::fs::remove_dir_all(kept)?;
    std::fs::create_dir(kept)?;
    for entry in std::fs::read_dir(&merged)? {
        let entry = entry?;
        std::fs::copy(entry.path(), kept.join(entry.file_name()))?;
    }
    Ok(())
}

fn fuzzer(target: &str) -> Command {
    let built = folder()
        .join("target/x86_64-unknown-linux-gnu/release")
        .join(target);
    let mut command = Command::new(built);
    command.stdin(Stdio::null());
    command
}

/// The number after the last occurrence of `word` in libFuzzer's output.
fn number_after(said: &str, word: &str) -> u64 {
    let rest = said.rsplit_once(word).map(|(_, rest)| rest);
    let number = rest.and_then(|rest| rest.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_number_is_read() {
        let said = "#2 INITED cov: 31 ft: 2\n#9 NEW    cov: 40 ft: 3\nstat::number_of_executed_units: 900\n";
        assert_eq!(number_after(said, " cov:"), 40);
        assert_eq!(number_after(said, "stat::number_of_executed_units:"), 900);
        assert_eq!(number_after(said, "absent"), 0);
    }

    #[test]
    fn every_target_has_kept_inputs_and_is_built() {
        let manifest = std::fs::read_to_string(folder().join("Cargo.toml")).unwrap();
        for target in targets().unwrap() {
            let kept = std::fs::read_dir(folder().join("corpus").join(&target));
            assert!(kept.is_ok_and(|kept| kept.count() > 0), "{target}");
            assert!(
                manifest.contains(&format!("name = \"{target}\"")),
                "{target}"
            );
        }
    }
}
