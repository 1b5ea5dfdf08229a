//! Patterns of paths: of modules in a module tree, of firmware, and of files that an export does not show.

use crate::fnmatch::fnmatch;

/// Whether `pattern` matches the path `text`. `*` and `?` do not match a `/`; a component `**` matches any number of
/// components.
#[must_use]
pub fn path_matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<&str> = pattern.split('/').collect();
    let text: Vec<&str> = text.split('/').collect();
    components_match(&pattern, &text)
}

fn components_match(pattern: &[&str], text: &[&str]) -> bool {
    // As in `fnmatch`, one component at a time: only the last `**` needs to be retried.
    let mut retry: Option<(usize, usize)> = None;
    let (mut p, mut t) = (0, 0);
    while let Some(component) = text.get(t) {
        match pattern.get(p) {
            Some(&"**") => {
                retry = Some((p, t));
                p += 1;
            }
            Some(one) if fnmatch(one, component) => {
                p += 1;
                t += 1;
            }
            _ => match retry {
                Some((at, from)) => {
                    retry = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|one| *one == "**")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_match_by_component() {
        let path = "kernel/drivers/net/ethernet/intel/e1000e/e1000e";
        assert!(path_matches("kernel/drivers/net/ethernet/**", path));
        assert!(path_matches("kernel/**/e1000e", path));
        assert!(path_matches("**/e1000e/*", path));
        assert!(!path_matches("kernel/drivers/net/ethernet/*", path));
        assert!(!path_matches("kernel/drivers/net/eth", path));
        assert!(path_matches(
            "kernel/drivers/net/usb/cdc[_-]ether",
            "kernel/drivers/net/usb/cdc_ether"
        ));
    }

    #[test]
    fn a_pattern_full_of_stars_takes_no_time() {
        let pattern = "**/a/".repeat(100) + "b";
        assert!(!path_matches(&pattern, &"a/".repeat(10_000)));
    }

    proptest! {
        #[test]
        fn any_text_matches_itself_when_it_has_no_special_character(text in "[a-z0-9:_/-]{0,40}") {
            prop_assert!(path_matches(&text, &text));
        }

        #[test]
        fn no_pattern_panics(pattern in ".{0,40}", text in ".{0,40}") {
            let _ = path_matches(&pattern, &text);
        }
    }
}
