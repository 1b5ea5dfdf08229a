//! An error with what it came from.

use std::error::Error;

/// Its sentence, and behind a colon each cause's: in one line, as the log and answers have it.
///
/// Either an error's text names its cause, or the cause is its `source`: never both, or it would stand here twice.
pub(crate) fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}
