//! Single values, without their places.

use std::borrow::Cow;
use std::path::PathBuf;

use netroot_proto::pxe::strategy::SecureBootMode;
use toml::de::DeValue;

use crate::option_value;
use crate::settings::Choice;

pub(super) fn integer(value: &DeValue<'_>) -> Option<u64> {
    let integer = value.as_integer()?;
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// A text that says something.
pub(super) fn some_text(text: String) -> Result<String, &'static str> {
    match text.trim().is_empty() {
        true => Err("expected a text that is not empty"),
        false => Ok(text),
    }
}

/// A path from the root directory on.
pub(super) fn absolute(text: &str) -> Result<PathBuf, &'static str> {
    let path = PathBuf::from(text);
    match path.is_absolute() {
        true => Ok(path),
        false => Err(
            "expected a whole path, which begins with /, such as /srv/debian (none is relative to this file)",
        ),
    }
}

/// A value as it may be shown in a sentence.
pub(super) fn shown(value: &DeValue<'_>) -> Cow<'static, str> {
    match value {
        DeValue::String(text) => format!("\"{text}\"").into(),
        DeValue::Integer(number) => number.as_str().to_owned().into(),
        DeValue::Float(number) => number.as_str().to_owned().into(),
        DeValue::Boolean(true) => "true".into(),
        DeValue::Boolean(false) => "false".into(),
        DeValue::Datetime(_) => "a date".into(),
        DeValue::Array(_) => "a list".into(),
        DeValue::Table(_) => "a table".into(),
    }
}

/// What a machine is given, as a word.
pub(super) fn choice(text: String) -> Result<Choice, String> {
    match text.as_str() {
        "" => Err("expected an image's name, or menu, wait or refuse".to_owned()),
        word => Ok(Choice::of_word(word)),
    }
}

/// Whether firmware is given the signed chain.
pub(super) fn secure_boot(text: String) -> Result<SecureBootMode, String> {
    option_value::secure_boot(&text).map_err(|error| error.to_string())
}

/// Bytes in hexadecimal digits with colons between them, as `01:52:54:00:12:34:56`, or a text as it is.
pub(super) fn bytes(text: &str) -> Result<Vec<u8>, String> {
    if text.is_empty() || text.len() > 3 * 255 {
        return Err("expected 1 to 255 bytes".to_owned());
    }
    let pairs = text.split(':').map(|pair| {
        let is_pair = pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit());
        is_pair.then(|| u8::from_str_radix(pair, 16).ok()).flatten()
    });
    let hexadecimal: Option<Vec<u8>> = pairs.collect();
    Ok(hexadecimal.unwrap_or_else(|| text.as_bytes().to_vec()))
}
