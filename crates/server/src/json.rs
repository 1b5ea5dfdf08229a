//! JSON that is harmless on a terminal, whatever its strings contain.

use netroot_printable::{is_printable, json_escape};
use serde::Serialize;

/// A value as JSON on one line, with everything escaped that is not printable: serde_json escapes only what JSON
/// requires (C0), and a person may read this on a terminal.
///
/// # Errors
/// Those of `value`'s `Serialize`.
pub(crate) fn to_string(value: &impl Serialize) -> serde_json::Result<String> {
    let json = serde_json::to_string(value)?;
    if json.chars().all(is_printable) {
        return Ok(json);
    }
    // Outside its strings, JSON on one line has printable ASCII only.
    let mut harmless = String::with_capacity(json.len());
    for c in json.chars() {
        if is_printable(c) {
            harmless.push(c);
        } else {
            // Writing to a `String` cannot fail.
            let _ = json_escape(&mut harmless, c);
        }
    }
    Ok(harmless)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_is_escaped_and_read_back_as_it_was() {
        let text = "\x1b[2J\u{7f}\u{9b}31m \u{202e}gnp.exe \u{2028} \u{e0041} ü\"\\";
        let json = to_string(&[text]).unwrap();
        assert!(json.chars().all(is_printable), "{json}");
        let read: [String; 1] = serde_json::from_str(&json).unwrap();
        assert_eq!(read, [text]);
    }
}
