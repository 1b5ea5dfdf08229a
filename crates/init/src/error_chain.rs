//! The causes of an error as text.

use std::error::Error;

/// An error's causes, outermost first: `no such device: ...`.
pub(crate) fn causes(error: &dyn Error) -> String {
    let mut text = String::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// An error of the form `<why>; <what to do>`, with its causes after the first part.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let (text, causes) = (error.to_string(), causes(error));
    match text.split_once("; ") {
        Some((why, cure)) if !causes.is_empty() => format!("{why} ({causes}); {cure}"),
        _ => text,
    }
}
