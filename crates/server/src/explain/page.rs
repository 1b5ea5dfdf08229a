//! An explanation in parts and lines, as text and as JSON.

use std::fmt::{self, Write as _};

use netroot_printable::Printable;
use netroot_proto::cmdline::Origin;
use serde::Serialize;

/// The longest parameter that is shown in full, in bytes.
const MOST_OF_ORIGIN: usize = 40;

/// The whole explanation.
#[derive(Debug, Default)]
pub(super) struct Page(Vec<Part>);

/// Lines that belong together.
#[derive(Debug, Serialize)]
pub(super) struct Part {
    title: &'static str,
    lines: Vec<Line>,
}

/// One line.
#[derive(Debug, Serialize)]
struct Line {
    /// What it is about: `server`. Empty if it continues the line before.
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    text: String,
    /// The parameter that it comes from, or `default`.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
}

impl Page {
    /// Begins a part.
    pub(super) fn heading(&mut self, title: &'static str) {
        let lines = Vec::new();
        self.0.push(Part { title, lines });
    }

    /// `  label       what happens (where that comes from)`.
    pub(super) fn row(&mut self, label: &str, text: &dyn fmt::Display, origin: &Origin) {
        self.push(Some(label), text, Some(origin.to_string()));
    }

    /// A row that follows from those before it: `  label       what happens`.
    pub(super) fn conclusion(&mut self, label: &str, text: &dyn fmt::Display) {
        self.push(Some(label), text, None);
    }

    /// A line without a label.
    pub(super) fn line(&mut self, text: &dyn fmt::Display) {
        self.push(None, text, None);
    }

    fn push(&mut self, label: Option<&str>, text: &dyn fmt::Display, from: Option<String>) {
        if let Some(part) = self.0.last_mut() {
            part.lines.push(Line {
                label: label.map(str::to_owned),
                text: text.to_string(),
                from,
            });
        }
    }

    /// The parts, for JSON.
    pub(super) fn into_parts(self) -> Vec<Part> {
        self.0
    }

    /// Everything as text.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for (number, part) in self.0.iter().enumerate() {
            if number > 0 {
                text.push('\n');
            }
            add(&mut text, format_args!("{}", part.title));
            for line in &part.lines {
                line.add_to(&mut text);
            }
        }
        text
    }
}

impl Line {
    fn add_to(&self, text: &mut String) {
        let label = self.label.as_deref().unwrap_or_default();
        match &self.from {
            // A long parameter would hide its meaning, and is on the command line anyway.
            Some(from) if from.len() > MOST_OF_ORIGIN => {
                let name = from.split('=').next().unwrap_or_default();
                add(
                    text,
                    format_args!("  {label:<9} {} ({name}=...)", self.text),
                );
            }
            Some(from) => add(text, format_args!("  {label:<9} {} ({from})", self.text)),
            None if self.label.is_none() => add(text, format_args!("  {}", self.text)),
            None => add(text, format_args!("  {label:<9} {}", self.text)),
        }
    }
}

fn add(text: &mut String, line: fmt::Arguments<'_>) {
    let mut whole = String::new();
    // Writing to a `String` cannot fail.
    let _ = whole.write_fmt(line);
    // A parameter may have any character in it.
    let _ = writeln!(text, "{}", Printable(&whole));
}
