//! Tests with other kernels than the Debian root's own, and what is known to differ.

use std::collections::BTreeSet;
use std::fmt::Write;

use anyhow::{Result, ensure};

use super::one_test::{Done, Test};
use crate::setup::distribution_kernels::FetchedKernel;

/// What `cargo xtask test` runs with an old and a new kernel: NFS 3 and 4.2, an overlay, a bond, and a refusal.
const FEW: [&str; 8] = [
    "firmware::bios_boots_a_tiny_root_that_powers_off",
    "init_alone::a_static_address_needs_no_dhcp_server",
    "init_alone::overlayroot_tmpfs_requests_an_overlay",
    "nfs_versions::version_4_2_mounts_with_its_own_client_name_and_without_unknown_options",
    "nfs_versions::version_4_2_of_linuxs_nfsd_mounts_under_an_overlay",
    "nfs_versions::version_4_means_the_servers_newest_minor_version",
    "links::a_bond_of_two_cards_asks_for_one_lease_and_bootif_may_name_either_card",
    "failures::root::an_export_that_refuses_this_machine_is_explained",
];

/// Whose tests boot no machine with Debian's kernel for x86_64, or are of that kernel's package and not of what it does.
const WITHOUT_IT: [&str; 8] = [
    "aarch64::",
    "check::",
    "guix::",
    "harness_checks::",
    "installed::",
    "nfs_against_nfsd::every",
    "nfs_suites::the_table",
    "proxy::",
];

/// A difference that a kernel makes, in README's table with the same words.
pub(super) struct Difference {
    /// The first version with it, and the first one without it again.
    since: (u32, u32),
    until: Option<(u32, u32)>,
    /// The beginning of the tests' names.
    tests: &'static str,
    pub(super) why: &'static str,
    /// What such a test's log has then. One that fails without it fails for another reason.
    says: &'static str,
}

static DIFFERENCES: [Difference; 1] = [Difference {
    since: (6, 6),
    until: None,
    tests: "nfs_versions::version_4_2_mounts",
    why: "Linux asks for READ_PLUS since 6.6, and NFS-Ganesha answers it as the protocol says since 6.2 only; \
          give `vers=4.1` or `vers=3`",
    says: "(Linux from 6.6 on cannot read by 4.2 from NFS-Ganesha before 6.2)",
}];

/// How a test went with a kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) test: String,
    pub(crate) kernel: String,
    pub(crate) passed: bool,
    pub(crate) known: Option<&'static str>,
}

/// Why a test has to fail with its kernel, if it has to.
pub(super) fn known_difference(test: &Test) -> Option<&'static Difference> {
    let kernel = test.kernel.as_ref()?;
    difference(&kernel.version, &test.name)
}

/// Why it had to fail, if it had to. None, too, if it failed for another reason, as far as its log tells.
pub(super) fn known_end(done: &Done) -> Option<&'static str> {
    let difference = known_difference(&done.test)?;
    let log = || std::fs::read_to_string(&done.log);
    let is_so = done.result.is_ok() || log().is_ok_and(|log| log.contains(difference.says));
    is_so.then_some(difference.why)
}

fn difference(version: &str, test: &str) -> Option<&'static Difference> {
    let version = major_and_minor(version)?;
    let is_of = |difference: &&Difference| {
        difference.since <= version
            && difference.until.is_none_or(|until| version < until)
            && test.starts_with(difference.tests)
    };
    DIFFERENCES.iter().find(is_of)
}

fn major_and_minor(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split(|letter: char| !letter.is_ascii_digit());
    let mut next = || numbers.next()?.parse().ok();
    Some((next()?, next()?))
}

pub(super) fn is_one_of_the_few(test: &Test) -> bool {
    FEW.contains(&&*test.name)
}

pub(super) fn boots_the_kernel(test: &Test) -> bool {
    let is_of_machines = test.program.file_name().is_some_and(|name| {
        // With cargo's hash behind it.
        name.to_string_lossy().starts_with("vm-")
    });
    is_of_machines && !WITHOUT_IT.iter().any(|name| test.name.starts_with(name))
}

/// Those of `tests` that are `chosen`, once for each kernel.
pub(super) fn each_with(
    kernels: &[FetchedKernel],
    tests: &[Test],
    chosen: fn(&Test) -> bool,
) -> Result<Vec<Test>> {
    let chosen: Vec<&Test> = tests.iter().filter(|test| chosen(test)).collect();
    let few = tests.iter().filter(|test| is_one_of_the_few(test)).count();
    ensure!(
        few == FEW.len(),
        "a test that other kernels run with has another name: {}",
        FEW.join(", ")
    );
    for beginning in WITHOUT_IT {
        ensure!(
            tests.iter().any(|test| test.name.starts_with(beginning)),
            "no test begins with {beginning} any more, so others run with every kernel"
        );
    }
    let with = |kernel: &FetchedKernel| {
        let kernel = kernel.clone();
        chosen.clone().into_iter().map(move |test| Test {
            kernel: Some(kernel.clone()),
            ..test.clone()
        })
    };
    Ok(kernels.iter().flat_map(with).collect())
}

/// The kernels with how many tests passed, and below them what did not pass everywhere, as Markdown.
pub(crate) fn table(rows: &[Row]) -> String {
    let kernels: BTreeSet<&str> = rows.iter().map(|row| row.kernel.as_str()).collect();
    let mut text = "| kernel | passed | differ as known | failed |\n|---|---|---|---|\n".to_owned();
    for kernel in &kernels {
        let count = |is: fn(&Row) -> bool| {
            let of_it = rows.iter().filter(|row| row.kernel == *kernel);
            of_it.filter(|row| is(row)).count()
        };
        let passed = count(|row| row.passed);
        let known = count(|row| !row.passed && row.known.is_some());
        let failed = count(|row| !row.passed && row.known.is_none());
        let _ = writeln!(text, "| {kernel} | {passed} | {known} | {failed} |");
    }
    let mut differing: Vec<&Row> = rows.iter().filter(|row| !row.passed).collect();
    differing.sort_by(|a, b| (&a.test, &a.kernel).cmp(&(&b.test, &b.kernel)));
    if !differing.is_empty() {
        text.push_str("\n| test | kernel | why |\n|---|---|---|\n");
    }
    for row in differing {
        let why = row.known.unwrap_or("FAILED");
        let _ = writeln!(text, "| `{}` | {} | {why} |", row.test, row.kernel);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_version_is_read_from_what_uname_says() {
        for (version, read) in [
            ("5.10.0-32-amd64", Some((5, 10))),
            ("7.3.4+deb13-amd64", Some((7, 3))),
            ("4.15", Some((4, 15))),
            ("sid", None),
        ] {
            assert_eq!(major_and_minor(version), read, "{version}");
        }
    }

    #[test]
    fn a_difference_begins_with_a_version() {
        let test = "nfs_versions::version_4_2_mounts_with_its_own_client_name";
        assert!(difference("6.6.1-amd64", test).is_some());
        assert!(difference("7.3.4+deb13-amd64", test).is_some());
        assert!(difference("6.1.0-50-amd64", test).is_none());
        assert!(difference("7.3.4+deb13-amd64", "links::a").is_none());
    }

    #[test]
    fn a_test_that_fails_for_another_reason_is_not_excused() {
        let folder = tempfile::tempdir().unwrap();
        let known = &DIFFERENCES[0];
        let end = |log: &str, result| {
            let done = Done {
                test: Test {
                    program: "vm".into(),
                    name: format!("{}_with_its_own_client_name", known.tests),
                    waits: false,
                    kernel: Some(FetchedKernel {
                        version: "6.12.1-amd64".to_owned(),
                        root: "/".into(),
                    }),
                },
                took: Duration::ZERO,
                used: None,
                log: folder.path().join("log"),
                result,
            };
            std::fs::write(&done.log, log).unwrap();
            known_end(&done)
        };
        let failed = || Err(anyhow!("FAILED"));
        let said = format!("netroot: boot failed: I/O error {}, or renew", known.says);
        assert_eq!(end(&said, failed()), Some(known.why));
        assert_eq!(end("a panic of the kernel", failed()), None);
        assert_eq!(end("", Ok(())), Some(known.why));
    }

    #[test]
    fn the_table_names_what_failed() {
        let row = |test: &str, kernel: &str, passed, known| Row {
            test: test.to_owned(),
            kernel: kernel.to_owned(),
            passed,
            known,
        };
        let text = table(&[
            row("a", "5.10", true, None),
            row("a", "7.3", false, Some("it is new")),
            row("b", "7.3", false, None),
        ]);
        for line in [
            "| 5.10 | 1 | 0 | 0 |",
            "| 7.3 | 0 | 1 | 1 |",
            "| `a` | 7.3 | it is new |",
            "| `b` | 7.3 | FAILED |",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
    }

    #[test]
    fn every_known_difference_is_in_readme() {
        let readme = netroot_harness::paths::workspace().join("README.md");
        let readme = std::fs::read_to_string(readme).unwrap();
        for difference in &DIFFERENCES {
            assert!(readme.contains(difference.why), "{}", difference.why);
            assert!(
                difference
                    .until
                    .is_none_or(|until| until > difference.since)
            );
        }
    }
}
