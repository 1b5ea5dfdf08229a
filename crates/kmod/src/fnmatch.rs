//! The patterns of `modules.alias`.

/// Whether `pattern` (`*`, `?`, `[a-z]`, `[!a]`) matches the whole of `text`, as `fnmatch(3)` without flags does.
///
/// The time is bounded by the product of the two lengths, whatever the pattern: only the last `*` is ever retried,
/// which is enough because an earlier one could match nothing that the last one cannot.
#[must_use]
pub fn fnmatch(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.as_bytes(), text.as_bytes());
    let mut after_star: Option<(&[u8], &[u8])> = None;
    loop {
        let step = match (pattern.split_first(), text.split_first()) {
            (Some((b'*', rest)), _) => {
                after_star = Some((rest, text));
                pattern = rest;
                continue;
            }
            (None, None) => return true,
            (Some(_), None) => return false,
            (None, Some(_)) => None,
            (Some((b'?', rest)), Some((_, tail))) => Some((rest, tail)),
            (Some((b'[', rest)), Some((byte, tail))) => match class(rest, *byte) {
                Some((true, rest)) => Some((rest, tail)),
                Some((false, _)) => None,
                // Without a closing bracket it is an ordinary character.
                None => (*byte == b'[').then_some((rest, tail)),
            },
            (Some((wanted, rest)), Some((byte, tail))) => (wanted == byte).then_some((rest, tail)),
        };
        match (step, after_star) {
            (Some((rest, tail)), _) => (pattern, text) = (rest, tail),
            (None, Some((rest, [_, tail @ ..]))) => {
                after_star = Some((rest, tail));
                (pattern, text) = (rest, tail);
            }
            (None, _) => return false,
        }
    }
}

/// Parses a bracket expression after its `[`: whether it contains `byte`, and the pattern after its `]`.
fn class(expression: &[u8], byte: u8) -> Option<(bool, &[u8])> {
    let (negated, mut rest) = match expression {
        [b'!' | b'^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut found = false;
    let mut first = true;
    loop {
        match rest {
            [b']', behind @ ..] if !first => return Some((found != negated, behind)),
            [low, b'-', high, behind @ ..] if *high != b']' => {
                found |= (*low..=*high).contains(&byte);
                rest = behind;
            }
            [one, behind @ ..] => {
                found |= *one == byte;
                rest = behind;
            }
            [] => return None,
        }
        first = false;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::fnmatch;

    #[test]
    fn aliases_match_as_modprobe_matches_them() {
        let e1000e = "pci:v00008086d000010D3sv*sd*bc*sc*i*";
        let device = "pci:v00008086d000010D3sv00008086sd0000A01Fbc02sc00i00";
        assert!(fnmatch(e1000e, device));
        assert!(!fnmatch(e1000e, &device.replace("10D3", "10D4")));
        assert!(fnmatch("virtio:d00000001v*", "virtio:d00000001v00001AF4"));
        assert!(fnmatch(
            "usb:v0BDAp8153d*dc*dsc*dp*ic*isc*ip*in*",
            "usb:v0BDAp8153d3000dc00dsc00dp00icFFisc01ip00in00"
        ));
        assert!(fnmatch(
            "mdio:0000000000100010000101010???????????",
            "mdio:000000000010001000010101010101010101"
        ));
    }

    #[test]
    fn stars_question_marks_and_brackets_are_those_of_fnmatch() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("**", "", true),
            ("a*b*c", "aXXbYYc", true),
            ("a*b*c", "aXXbYY", false),
            ("*abc", "ababcabc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("mdio:?", "mdio:", false),
            ("d[0-4]e", "d3e", true),
            ("d[0-4]e", "d7e", false),
            ("d[!0-4]e", "d7e", true),
            ("x[1-3!]y[!a]", "x2yb", true),
            ("x[1-3]y[!a]", "x2ya", false),
            ("d[]x]e", "d]e", true),
            ("d[ab", "d[ab", true),
            ("dc0[12]*", "dc02sc00", true),
            ("crypto-crc32c", "crypto-crc32c", true),
        ] {
            assert_eq!(fnmatch(pattern, text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn a_pattern_full_of_stars_takes_no_time() {
        let pattern = "*a".repeat(200);
        let text = "a".repeat(100_000) + "b";
        assert!(!fnmatch(&pattern, &text));
    }

    proptest! {
        #[test]
        fn a_text_without_special_characters_matches_itself(text in "[a-z0-9:_/-]{0,40}") {
            prop_assert!(fnmatch(&text, &text));
        }

        #[test]
        fn no_pattern_panics(pattern in ".{0,40}", text in ".{0,40}") {
            let _ = fnmatch(&pattern, &text);
        }

        #[test]
        fn a_star_matches_any_middle(a in "[a-z]{0,6}", b in "[a-z/]{0,12}", c in "[a-z]{0,6}") {
            let (pattern, text) = (format!("{a}*{c}"), format!("{a}{b}{c}"));
            prop_assert!(fnmatch(&pattern, &text));
        }
    }
}
