//! Bytes as one word of printable ASCII, as `/proc/mounts` has paths (`seq_path` of Linux).

use std::fmt::{self, Display, Formatter, Write};

/// Shows bytes as a word: what is not printable ASCII, spaces and backslashes are a backslash and three octal digits.
#[derive(Debug, Clone, Copy)]
pub struct Octal<'a>(pub &'a [u8]);

impl Display for Octal<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| match byte {
            b'!'..=b'[' | b']'..=b'~' => f.write_char(char::from(*byte)),
            other => write!(f, "\\{other:03o}"),
        })
    }
}

/// The bytes that [`Octal`] shows as this word; `None` if there are none.
pub fn from_octal(word: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let (digits, after) = after.split_at_checked(3)?;
        bytes.push(u8::from_str_radix(digits, 8).ok()?);
        rest = after;
    }
    bytes.extend_from_slice(rest.as_bytes());
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_word_of_one_line() {
        let name = b"a b\n\\\xff";
        assert_eq!(Octal(name).to_string(), r"a\040b\012\134\377");
        assert_eq!(
            from_octal(r"a\040b\012\134\377").as_deref(),
            Some(&name[..])
        );
        for word in ["\\", "\\04", "\\9", "\\400", "\\é1"] {
            assert_eq!(from_octal(word), None, "{word}");
        }
    }
}
