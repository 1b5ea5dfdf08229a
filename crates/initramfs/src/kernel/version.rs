//! Kernel versions: validity and order.

use std::cmp::Ordering;

/// A version is the name of a directory in `lib/modules`, so it contains no slash.
pub(super) fn is_version(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
        && text.len() <= 128
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'/')
}

/// Words of flavours for one kind of machine or purpose, which have fewer drivers, or do not run everywhere: of Debian,
/// Ubuntu, RHEL, Alpine, openSUSE, and Raspberry Pi OS (2712 is the Raspberry Pi 5 alone).
const SPECIAL: [&str; 18] = [
    "rt",
    "cloud",
    "debug",
    "lowlatency",
    "64k",
    "16k",
    "kvm",
    "kvmsmall",
    "virt",
    "2712",
    "aws",
    "azure",
    "gcp",
    "gke",
    "ibm",
    "oracle",
    "oem",
    "realtime",
];

/// Orders kernel versions: runs of digits as numbers, `-rc1` before the release, and within a release the plain flavour
/// after the special ones, so that `amd64` is newer than `cloud-amd64` and `rt-amd64`, which have fewer drivers.
pub fn compare_versions(a: &str, b: &str) -> Ordering {
    let (a_release, a_flavour) = split_flavour(a);
    let (b_release, b_flavour) = split_flavour(b);
    compare_releases(upstream(a_release), upstream(b_release))
        .then_with(|| {
            let (a, b) = (
                is_derived(a_release, a_flavour),
                is_derived(b_release, b_flavour),
            );
            b.cmp(&a)
        })
        .then_with(|| compare_releases(a_release, b_release))
        .then_with(|| is_special(b_flavour).cmp(&is_special(a_flavour)))
        .then_with(|| revision(a_flavour).cmp(&revision(b_flavour)))
        .then_with(|| parts(b_flavour).cmp(&parts(a_flavour)))
        .then_with(|| words(b_flavour).cmp(words(a_flavour)))
        // Arch's `arch1-2` after `arch1-1`.
        .then_with(|| compare_releases(a_flavour, b_flavour))
        // A total order: `6.01` and `6.1` are the same number, but not the same version.
        .then_with(|| a.cmp(b))
}

/// `6.8.0` of `6.8.0-45`.
fn upstream(release: &str) -> &str {
    release.split('-').next().unwrap_or(release)
}

/// Ubuntu numbers the kernels for clouds and boards from 1000, beside the 45 of the usual one (and its builds of
/// upstream's by the version: `061200`).
fn is_derived(release: &str, flavour: &str) -> bool {
    let number = release.split('-').nth(1).unwrap_or_default();
    let is_number = number.len() >= 4
        && !number.starts_with('0')
        && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number && !flavour.is_empty()
}

fn is_special(flavour: &str) -> bool {
    flavour
        .split(['-', '+'])
        .any(|word| SPECIAL.contains(&word))
}

/// `6.1.0-50-cloud-amd64` is `6.1.0-50` and `cloud-amd64`: the flavour starts at the first part
/// after a hyphen that is a word other than `rc1`. RHEL's `5.14.0-503.el9.x86_64+debug` has it behind the architecture.
fn split_flavour(version: &str) -> (&str, &str) {
    for architecture in [".x86_64+", ".aarch64+"] {
        if let Some(at) = version.find(architecture) {
            let (release, flavour) = version.split_at(at + architecture.len() - 1);
            return (release, flavour.trim_start_matches('+'));
        }
    }
    let mut at = 0;
    for part in version.split('-') {
        let word = part.starts_with(|c: char| c.is_ascii_alphabetic());
        if at > 0 && word && !is_candidate(part) {
            let (release, flavour) = version.split_at(at);
            return (release.trim_end_matches('-'), flavour);
        }
        at += part.len() + 1;
    }
    (version, "")
}

/// Gentoo's: 2 of `gentoo-r2-dist`, and 0 of `gentoo`.
fn revision(flavour: &str) -> u32 {
    flavour.split('-').find_map(number_of_revision).unwrap_or(0)
}

fn number_of_revision(part: &str) -> Option<u32> {
    part.strip_prefix('r')?.parse().ok()
}

/// Of how many words a flavour consists, without a revision.
fn parts(flavour: &str) -> usize {
    let parts = flavour.split('-');
    parts
        .filter(|part| number_of_revision(part).is_none())
        .count()
}

/// A flavour without its numbers.
fn words(flavour: &str) -> impl Iterator<Item = char> {
    flavour.chars().filter(|c| !c.is_ascii_digit())
}

/// `rc1`, `rc12`.
fn is_candidate(part: &str) -> bool {
    part.strip_prefix("rc")
        .is_some_and(|number| number.starts_with(|c: char| c.is_ascii_digit()))
}

fn compare_releases(a: &str, b: &str) -> Ordering {
    let mut a = Tokens(a);
    let mut b = Tokens(b);
    loop {
        match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            // `6.2` is newer than `6.2-rc3` and `6.2~rc3`; `6.2.1` is newer than `6.2`.
            (Some(token), None) => {
                return if token == Token::Candidate {
                    Ordering::Less
                } else {
                    Ordering::Greater
                };
            }
            (None, Some(token)) => {
                return if token == Token::Candidate {
                    Ordering::Greater
                } else {
                    Ordering::Less
                };
            }
            (Some(x), Some(y)) => match x.cmp(&y) {
                Ordering::Equal => {}
                unequal => return unequal,
            },
        }
    }
}

/// The order of the variants is the order of the versions.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Token<'a> {
    /// `rc`, or Debian's `~`: before everything, the end included.
    Candidate,
    /// Any other word.
    Word(&'a str),
    /// A number: its digits without leading zeroes, ordered by length and then by value.
    Number(usize, &'a str),
}

struct Tokens<'a>(&'a str);

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let text = self
            .0
            .trim_start_matches(|c: char| !c.is_ascii_alphanumeric() && c != '~');
        let first = text.chars().next()?;
        let same_kind = |c: char| {
            if first.is_ascii_digit() {
                c.is_ascii_digit()
            } else {
                c.is_ascii_alphabetic()
            }
        };
        let end = if first == '~' {
            1
        } else {
            text.find(|c: char| !same_kind(c)).unwrap_or(text.len())
        };
        let (token, rest) = text.split_at(end);
        self.0 = rest;
        Some(if first.is_ascii_digit() {
            let digits = token.trim_start_matches('0');
            Token::Number(digits.len(), digits)
        } else if token == "rc" || token == "~" {
            Token::Candidate
        } else {
            Token::Word(token)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn versions_are_ordered_as_expected() {
        let ordered = [
            "5.10.0-9-amd64",
            "5.10.0-33-amd64",
            "5.14.0-503.11.1.el9_5.x86_64",
            "5.14.0-611.55.1.el9_7.x86_64+rt-debug",
            "5.14.0-611.55.1.el9_7.x86_64+debug",
            "5.14.0-611.55.1.el9_7.x86_64",
            "6.1-rc7",
            "6.1",
            "6.1.0-9-amd64",
            "6.1.0-50-rt-amd64",
            "6.1.0-50-cloud-amd64",
            "6.1.0-50-amd64",
            "6.6.51+rpt-rpi-2712",
            "6.6.51+rpt-rpi-v8",
            "6.6.62-0-virt",
            "6.6.62-0-lts",
            "6.8.0-1015-aws",
            "6.8.0-45-lowlatency",
            "6.8.0-45-generic",
            "6.9.12",
            "6.12.0~rc1-amd64",
            "6.12.0-rc5",
            "6.12.0-amd64",
            "6.12.1-zen1-1-zen",
            "6.12.1-arch1-1",
            "6.12.1-arch1-2",
            "6.12.73+deb13-cloud-amd64",
            "6.12.73+deb13-amd64",
            "6.12.74+deb13-amd64",
            "6.100.0",
        ];
        for (i, a) in ordered.iter().enumerate() {
            for (j, b) in ordered.iter().enumerate() {
                assert_eq!(compare_versions(a, b), i.cmp(&j), "{a} against {b}");
            }
        }
    }

    proptest! {
        #[test]
        fn comparing_versions_is_an_order(a in "[0-9a-z.~_-]{0,12}", b in "[0-9a-z.~_-]{0,12}", c in "[0-9a-z.~_-]{0,12}") {
            prop_assert_eq!(compare_versions(&a, &b), compare_versions(&b, &a).reverse());
            prop_assert_eq!(compare_versions(&a, &b) == Ordering::Equal, a == b);
            if compare_versions(&a, &b).is_le() && compare_versions(&b, &c).is_le() {
                prop_assert!(compare_versions(&a, &c).is_le());
            }
        }
    }
}
