//! What is wrong in a configuration, and where.

use std::fmt;
use std::path::PathBuf;

use netroot_printable::Printable;

use crate::settings::Origin;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// The file.
    pub(crate) path: PathBuf,
    /// The line, counted from 1.
    pub(crate) line: usize,
    /// What it is about, such as `image.debian.overlay`; empty for the file.
    pub(crate) about: String,
    /// What is wrong, and what was expected.
    pub(crate) text: String,
}

impl Mistake {
    /// One at a place of a file; `None` for the command line, which is refused by itself.
    pub(crate) fn at(origin: &Origin, about: String, text: impl Into<String>) -> Option<Self> {
        match origin {
            Origin::CommandLine => None,
            Origin::File { path, line } => Some(Self {
                path: path.clone(),
                line: *line,
                about,
                text: text.into(),
            }),
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            line,
            about,
            text,
        } = self;
        write!(f, "{}:{line}: ", path.display())?;
        if !about.is_empty() {
            write!(f, "{}: ", Printable(about))?;
        }
        Printable(text).fmt(f)
    }
}

/// Everything that is wrong, at least one thing; in the order of the files and lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistakes(pub(crate) Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, mistake) in self.0.iter().enumerate() {
            let newline = if number == 0 { "" } else { "\n" };
            write!(f, "{newline}{mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}
