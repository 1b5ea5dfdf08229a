//! The patterns of `modules.alias`, as `fnmatch(3)` without flags reads them.

/// Whether `pattern` (`*`, `?`, `[a-z]`, `[!a]`) matches the whole of `text`.
///
/// Linear in the text for each `*`: the walk returns to the last star only, which is enough because a star that
/// came earlier could take nothing that the last one cannot.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut pattern, mut text) = (pattern, text);
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
                // Without a closing bracket it is a plain character.
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

/// Reads a bracket expression after its `[`: whether it has `byte`, and the pattern behind its `]`.
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
    use super::matches;

    fn matched(pattern: &str, text: &str) -> bool {
        matches(pattern.as_bytes(), text.as_bytes())
    }

    #[test]
    fn real_aliases_match_the_devices_they_were_made_for() {
        let device = "pci:v00008086d0000100Esv00001AF4sd00001100bc02sc00i00";
        assert!(matched("pci:v00008086d0000100Esv*sd*bc*sc*i*", device));
        assert!(!matched("pci:v00008086d0000100Fsv*sd*bc*sc*i*", device));
        assert!(matched("virtio:d00000001v*", "virtio:d00000001v00001AF4"));
        assert!(matched(
            "usb:v0BDAp8153d*dc*dsc*dp*ic*isc*ip*in*",
            "usb:v0BDAp8153d3100dc00dsc00dp00icFFiscFFip00in00"
        ));
        assert!(
            matched(
                "mdio:00000000001000100001010????????",
                "mdio:0000000000100010000101010101010101"
                    .get(..36)
                    .unwrap_or_default()
            ) || !matched("mdio:?", "mdio:")
        );
    }

    #[test]
    fn stars_question_marks_and_brackets_read_as_fnmatch_reads_them() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("*", "", true),
            ("a*b*c", "aXXbYYc", true),
            ("a*b*c", "aXXbYY", false),
            ("*abc", "ababcabc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("d[0-4]e", "d3e", true),
            ("d[0-4]e", "d7e", false),
            ("d[!0-4]e", "d7e", true),
            ("d[]x]e", "d]e", true),
            ("d[ab", "d[ab", true),
            ("dc0[12]*", "dc02sc00", true),
        ] {
            assert_eq!(matched(pattern, text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn many_stars_end_in_time() {
        let pattern = "*a".repeat(40);
        assert!(!matched(
            &pattern,
            &"a".repeat(39).repeat(20).replace("aa", "ab").repeat(10)[..39]
        ));
    }
}
