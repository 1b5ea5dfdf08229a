//! Shell patterns, in the two dialects that are needed: module paths (`*`, `**`, `?`) and the
//! aliases of `modules.alias`, which the kernel's `file2alias.c` writes (`*`, `?`, `[a-c]`).

/// Whether `text`, a `/`-separated path, is one that `pattern` stands for. `*` and `?` do not
/// cross a `/`; a component `**` stands for any number of components.
pub(crate) fn path_matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<&str> = pattern.split('/').collect();
    let text: Vec<&str> = text.split('/').collect();
    components_match(&pattern, &text)
}

fn components_match(pattern: &[&str], text: &[&str]) -> bool {
    // The same walk as below, one component at a time: only the last `**` needs to be retried.
    let mut retry: Option<(usize, usize)> = None;
    let (mut p, mut t) = (0, 0);
    while let Some(component) = text.get(t) {
        match pattern.get(p) {
            Some(&"**") => {
                retry = Some((p, t));
                p += 1;
            }
            Some(one) if glob_matches(one, component) => {
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

/// Whether `text` is one that `pattern` stands for, as `fnmatch(3)` without flags sees it.
///
/// Only the last `*` is ever retried, so that the time is bounded by the product of the lengths:
/// patterns and texts come from the root and from devices.
pub(crate) fn glob_matches(pattern: &str, text: &str) -> bool {
    let pattern = pattern.as_bytes();
    let text = text.as_bytes();
    let mut retry: Option<(usize, usize)> = None;
    let (mut p, mut t) = (0, 0);
    while let Some(&byte) = text.get(t) {
        if pattern.get(p) == Some(&b'*') {
            retry = Some((p, t));
            p += 1;
            continue;
        }
        match one_matches(pattern.get(p..).unwrap_or_default(), byte) {
            Some(length) => {
                p += length;
                t += 1;
            }
            None => match retry {
                Some((at, from)) => {
                    retry = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|&byte| byte == b'*')
}

/// Whether the pattern's first element stands for `byte`: how many bytes of pattern that element is.
fn one_matches(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern.first()? {
        b'?' => Some(1),
        b'[' => match bracket(pattern, byte) {
            Some((true, length)) => Some(length),
            Some((false, _)) => None,
            // No closing bracket: the bracket itself.
            None => (byte == b'[').then_some(1),
        },
        literal => (*literal == byte).then_some(1),
    }
}

/// `[abc]`, `[a-c]`, `[!a]`: whether it holds `byte`, and its length.
fn bracket(pattern: &[u8], byte: u8) -> Option<(bool, usize)> {
    let mut at = 1;
    let negated = matches!(pattern.get(at), Some(b'!' | b'^'));
    if negated {
        at += 1;
    }
    let mut holds = false;
    let mut first = true;
    loop {
        let low = *pattern.get(at)?;
        if low == b']' && !first {
            return Some((holds != negated, at + 1));
        }
        first = false;
        match (pattern.get(at + 1), pattern.get(at + 2)) {
            (Some(b'-'), Some(&high)) if high != b']' => {
                holds |= (low..=high).contains(&byte);
                at += 3;
            }
            _ => {
                holds |= low == byte;
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn aliases_match_as_modprobe_matches_them() {
        let e1000e = "pci:v00008086d000010D3sv*sd*bc*sc*i*";
        let device = "pci:v00008086d000010D3sv00008086sd0000A01Fbc02sc00i00";
        assert!(glob_matches(e1000e, device));
        assert!(!glob_matches(e1000e, &device.replace("10D3", "10D4")));
        assert!(glob_matches(
            "usb:v0BDAp8153d*dc*dsc*dp*ic*isc*ip*in*",
            "usb:v0BDAp8153d3000dc00dsc00dp00icFFisc01ip00in00"
        ));
        assert!(glob_matches("x[1-3!]y[!a]", "x2yb"));
        assert!(!glob_matches("x[1-3]y[!a]", "x2ya"));
        assert!(glob_matches("a[b", "a[b"));
        assert!(glob_matches("crypto-crc32c", "crypto-crc32c"));
        assert!(!glob_matches("", "a"));
        assert!(glob_matches("**", ""));
    }

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
        let pattern = "*a".repeat(200);
        let text = "a".repeat(100_000) + "b";
        assert!(!glob_matches(&pattern, &text));
        let pattern = "**/a/".repeat(100) + "b";
        assert!(!path_matches(&pattern, &"a/".repeat(10_000)));
    }

    proptest! {
        #[test]
        fn any_text_matches_itself_when_it_has_no_special_character(text in "[a-z0-9:_/-]{0,40}") {
            prop_assert!(glob_matches(&text, &text));
            prop_assert!(path_matches(&text, &text));
        }

        #[test]
        fn no_pattern_panics(pattern in ".{0,40}", text in ".{0,40}") {
            let _ = glob_matches(&pattern, &text);
            let _ = path_matches(&pattern, &text);
        }

        #[test]
        fn a_star_stands_for_any_middle(a in "[a-z]{0,6}", b in "[a-z/]{0,12}", c in "[a-z]{0,6}") {
            let pattern = format!("{a}*{c}");
            let text = format!("{a}{b}{c}");
            prop_assert!(glob_matches(&pattern, &text));
        }
    }
}
