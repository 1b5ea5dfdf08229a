//! What the server has warned of lately, for the page and `netroot status`.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// How many are kept, and how long a text may be, in bytes.
const KEPT: usize = 16;
const LONGEST: usize = 1024;

/// The last warnings.
#[derive(Debug, Default)]
pub(super) struct Warnings(Mutex<VecDeque<ShownWarning>>);

/// A warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ShownWarning {
    /// When it was given last, UTC.
    time: String,
    /// The sentence.
    text: String,
    /// How often.
    count: u32,
}

impl Warnings {
    /// The server warns.
    pub(super) fn add(&self, time: String, mut text: String) {
        if text.len() > LONGEST {
            let end = (0..=LONGEST).rev().find(|end| text.is_char_boundary(*end));
            text.truncate(end.unwrap_or_default());
            text.push('…');
        }
        let mut kept = self.kept();
        let at = kept.iter().position(|one| one.text == text);
        let count = at.and_then(|at| kept.remove(at)).map_or(0, |one| one.count);
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        let count = count.saturating_add(1);
        kept.push_back(ShownWarning { time, text, count });
    }

    /// The last ones, the last one at the end.
    pub(super) fn shown(&self) -> Vec<ShownWarning> {
        self.kept().iter().cloned().collect()
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<ShownWarning>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_warnings_are_kept_each_once() {
        let warnings = Warnings::default();
        for number in 0..40 {
            warnings.add(number.to_string(), format!("warning {}", number % 20));
        }
        warnings.add("40".to_owned(), "warning 19".to_owned());
        let shown = warnings.shown();
        assert_eq!(shown.len(), KEPT);
        let last = shown.last().unwrap();
        assert_eq!((last.time.as_str(), last.count), ("40", 2));
        warnings.add(String::new(), "ü".repeat(LONGEST));
        assert!(warnings.shown().last().unwrap().text.len() <= LONGEST + 3);
    }
}
