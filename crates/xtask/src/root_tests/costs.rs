//! What the tests cost in processor time: the costliest ones, and the sum of those of each file.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use super::one_test::Done;

/// How many of each are told.
const COSTLIEST: usize = 10;
const FILES: usize = 20;

/// The sum of all, as far as it is known.
pub(super) fn sum(all: &[Done]) -> Duration {
    all.iter().filter_map(|done| done.used).sum()
}

/// Nothing where no time is known.
pub(super) fn text(all: &[Done]) -> String {
    let each = all
        .iter()
        .filter_map(|done| Some((done.test.title(), done.used?)));
    let mut files: BTreeMap<String, (u32, Duration)> = BTreeMap::new();
    for done in all {
        if let Some(used) = done.used {
            let (count, sum) = files.entry(file_of(done)).or_default();
            *count += 1;
            *sum += used;
        }
    }
    let files = files.into_iter().map(|(file, (count, used))| {
        let tests = if count == 1 { "test" } else { "tests" };
        (format!("{file}, {count} {tests}"), used)
    });
    let mut text = String::new();
    for (title, times, most) in [
        ("the costliest", each.collect(), COSTLIEST),
        ("the costliest files of tests", files.collect(), FILES),
    ] {
        write_most(&mut text, title, times, most);
    }
    text
}

fn write_most(text: &mut String, title: &str, mut times: Vec<(String, Duration)>, most: usize) {
    if times.is_empty() {
        return;
    }
    times.sort_by_key(|(_, used)| std::cmp::Reverse(*used));
    times.truncate(most);
    let _ = writeln!(text, "{title}, in seconds of a processor:");
    for (name, used) in times {
        let _ = writeln!(text, "  {:>6.1}  {name}", used.as_secs_f64());
    }
}

/// The test program, without cargo's hash, and the first part of the test's name: a file or a folder there.
fn file_of(done: &Done) -> String {
    let program = done.test.program.file_stem().unwrap_or_default();
    let program = program.to_string_lossy();
    let program = program.rsplit_once('-').map_or(&*program, |(name, _)| name);
    match done.test.name.split_once("::") {
        Some((file, _)) => format!("{program} {file}"),
        None => program.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::one_test::Test;
    use super::*;

    fn done(program: &str, name: &str, used: Option<u64>) -> Done {
        Done {
            test: Test {
                program: PathBuf::from(program),
                name: name.to_owned(),
                waits: false,
                kernel: None,
            },
            took: Duration::ZERO,
            used: used.map(Duration::from_secs),
            log: PathBuf::new(),
            result: Ok(()),
        }
    }

    #[test]
    fn the_costliest_come_first_and_a_file_is_the_sum_of_its_tests() {
        let all = [
            done("target/vm-12ab", "links::a", Some(3)),
            done("target/vm-12ab", "links::b", Some(4)),
            done("target/vm-12ab", "proxy::a", Some(5)),
            done("target/nfs_export-12ab", "alone", None),
        ];
        let expected = "the costliest, in seconds of a processor:\n     5.0  proxy::a\n     4.0  links::b\n     3.0  links::a\n\
                        the costliest files of tests, in seconds of a processor:\n     7.0  vm links, 2 tests\n     5.0  vm proxy, 1 test\n";
        assert_eq!(text(&all), expected);
        assert_eq!(sum(&all), Duration::from_secs(12));
        assert_eq!(file_of(&all[3]), "nfs_export");
        assert_eq!(text(&all[3..]), "");
    }
}
