//! What a helper answers, on its side and on the server's.

use std::borrow::Cow;
use std::os::fd::OwnedFd;

use super::request::Outcome;

/// What a helper answers.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) outcome: Outcome,
    pub(super) present: u8,
    pub(super) content: Vec<u8>,
    pub(super) files: Vec<OwnedFd>,
}

impl Answer {
    /// Done, with these descriptors.
    pub(super) fn done(files: Vec<OwnedFd>) -> Self {
        Self {
            outcome: Outcome::Done,
            present: 0,
            content: Vec::new(),
            files,
        }
    }

    /// Not done.
    pub(super) fn failed(why: impl Into<String>) -> Self {
        Self {
            outcome: Outcome::Failed,
            content: why.into().into_bytes(),
            ..Self::done(Vec::new())
        }
    }

    /// Not done, now or later.
    pub(super) fn impossible(why: impl Into<String>) -> Self {
        Self {
            outcome: Outcome::Impossible,
            ..Self::failed(why)
        }
    }
}

/// What a helper has done.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) present: u8,
    pub(super) content: Vec<u8>,
    pub(super) files: std::vec::IntoIter<OwnedFd>,
}

impl Done {
    /// The content as text.
    pub(super) fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.content)
    }
}
