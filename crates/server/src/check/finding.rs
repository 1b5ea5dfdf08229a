//! What was found, and what to do about it.

use std::error::Error;

use serde::Serialize;

use crate::advice::Advice;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// Worth knowing.
    Note,
    /// Some machines will not boot, or not well.
    Warning,
    /// Nothing boots, or nothing is served.
    Problem,
}

impl Level {
    /// The word before a line of the text.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Problem => "PROBLEM",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// How bad it is.
    pub(super) level: Level,
    /// What was looked at, as a word: `port`, `firewall`, `kernel`.
    pub(super) about: &'static str,
    /// What was found, with its cause.
    pub(super) text: String,
    /// Commands or lines that mend it, one a line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) cure: Vec<String>,
}

impl Finding {
    fn new(level: Level, about: &'static str, text: impl Into<String>) -> Self {
        Self {
            level,
            about,
            text: text.into(),
            cure: Vec::new(),
        }
    }

    pub(super) fn ok(about: &'static str, text: impl Into<String>) -> Self {
        Self::new(Level::Ok, about, text)
    }

    pub(super) fn note(about: &'static str, text: impl Into<String>) -> Self {
        Self::new(Level::Note, about, text)
    }

    pub(super) fn warning(about: &'static str, text: impl Into<String>) -> Self {
        Self::new(Level::Warning, about, text)
    }

    pub(super) fn problem(about: &'static str, text: impl Into<String>) -> Self {
        Self::new(Level::Problem, about, text)
    }

    /// A problem that an error tells of, with its causes.
    pub(super) fn failed(about: &'static str, error: &dyn Error) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        Self::problem(about, text)
    }

    /// The same, which names settings like this.
    pub(super) fn told(mut self, advice: Advice) -> Self {
        self.text = advice.told(self.text).into_owned();
        let cure = self.cure.into_iter();
        self.cure = cure.map(|line| advice.told(line).into_owned()).collect();
        self
    }

    /// The same with a line that mends it.
    pub(super) fn cured_by(mut self, line: impl Into<String>) -> Self {
        self.cure.push(line.into());
        self
    }
}
