//! Text from strangers (the network, the names of files) on a terminal, in a log and in JSON.
//!
//! * [`Printable`]: the text with everything escaped that a terminal or a reader would not see as what it is.
//! * [`json_escape`]: such a character in JSON.
//! * [`Octal`]: any bytes as one word, and [`from_octal`] back.
//!
//! Pure. The one rule about this in netroot: [`is_printable`].

#![forbid(unsafe_code)]

mod octal;

use std::fmt::{self, Display, Formatter, Write};

pub use octal::{Octal, from_octal};

/// Whether a character is shown as itself. Not so: controls (C0, DEL, C1), which a terminal obeys; the separators
/// of lines and paragraphs, which start a new line; the marks that change the direction of writing, which show text in
/// another order; and everything that has no width (Unicode's `Cf` and `Default_Ignorable_Code_Point`), which makes
/// two names look alike.
pub const fn is_printable(c: char) -> bool {
    !matches!(c,
        '\0'..='\x1f' | '\x7f'..='\u{9f}'
        | '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
        | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Shows text on one line, with every character that is not [printable](is_printable) escaped as Rust writes it:
/// `\n`, `\u{1b}`, `\u{202e}`. Escaping twice changes nothing.
#[derive(Debug, Clone, Copy)]
pub struct Printable<'a>(pub &'a str);

impl Display for Printable<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| !is_printable(*c)) {
            f.write_str(rest.get(..at).unwrap_or_default())?;
            match c {
                '\t' => f.write_str("\\t")?,
                '\r' => f.write_str("\\r")?,
                '\n' => f.write_str("\\n")?,
                _ => write!(f, "\\u{{{:x}}}", u32::from(c))?,
            }
            rest = rest.get(at + c.len_utf8()..).unwrap_or_default();
        }
        f.write_str(rest)
    }
}

/// Writes a character that is not [printable](is_printable) as JSON does within a string: `\u202e`, above U+FFFF
/// as two surrogates (RFC 8259 section 7).
///
/// # Errors
/// Those of `out`.
pub fn json_escape(out: &mut impl Write, c: char) -> fmt::Result {
    c.encode_utf16(&mut [0; 2])
        .iter()
        .try_for_each(|unit| write!(out, "\\u{unit:04x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_act_on_is_escaped() {
        for (text, shown) in [
            ("a\x1b[2Jb\rc\n\td", "a\\u{1b}[2Jb\\rc\\n\\td"),
            ("\u{9b}31m\u{7f}", "\\u{9b}31m\\u{7f}"),
            ("\u{202e}gnp.exe", "\\u{202e}gnp.exe"),
            ("a\u{2028}b\u{2029}c", "a\\u{2028}b\\u{2029}c"),
            ("pay\u{200b}pal\u{feff}", "pay\\u{200b}pal\\u{feff}"),
            ("\u{e0041}", "\\u{e0041}"),
        ] {
            let once = Printable(text).to_string();
            assert_eq!(once, shown);
            assert_eq!(Printable(&once).to_string(), shown);
        }
    }

    #[test]
    fn what_people_write_stays_as_it_is() {
        for text in ["", "Grüße, мир, שלום, 你好 \\ \u{fffd} 👍", "/srv/root (1)"] {
            assert_eq!(Printable(text).to_string(), text);
        }
    }

    #[test]
    fn every_control_and_every_direction_mark_is_escaped() {
        let marks = ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}');
        let all = marks.chain("\u{200e}\u{200f}\u{61c}".chars());
        for c in ('\0'..='\u{10ffff}').filter(|c| c.is_control()).chain(all) {
            assert!(!is_printable(c), "{c:?}");
        }
    }

    #[test]
    fn json_escapes_one_or_two_units() {
        let mut out = String::new();
        json_escape(&mut out, '\u{9b}').unwrap();
        json_escape(&mut out, '\u{e0041}').unwrap();
        assert_eq!(out, "\\u009b\\udb40\\udc41");
    }
}
