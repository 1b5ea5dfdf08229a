//! Text of the configuration in a script.

/// A line that iPXE and PXELINUX show as it is: ASCII, without anything that iPXE expands or takes for the end of a
/// command.
pub(super) fn words(text: &str) -> String {
    let plain = |c: char| match c {
        '$' | '|' | '&' | '^' => None,
        c if c.is_whitespace() || c.is_control() => Some(' '),
        c if c.is_ascii() => Some(c),
        _ => Some('?'),
    };
    let text: String = text.chars().filter_map(plain).collect();
    let kept = text
        .split(' ')
        .filter(|word| !matches!(*word, "" | "#" | ";"));
    kept.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_title_is_a_command() {
        for (text, expected) in [
            (
                "Debian 12 (bookworm), #3; new",
                "Debian 12 (bookworm), #3; new",
            ),
            ("a || shell", "a shell"),
            ("a\nshell # ; x", "a shell x"),
            ("${netX/mac} && x", "{netX/mac} x"),
            ("Büro", "B?ro"),
        ] {
            assert_eq!(words(text), expected);
        }
    }
}
