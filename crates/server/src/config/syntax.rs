//! What is not TOML, in the words of somebody who writes a configuration.

use std::ops::Range;

/// How many such mistakes of a file are told: what follows one is often not read as it was meant.
const MOST: usize = 4;

/// An error of the parser.
#[derive(Debug)]
pub(super) struct Syntax<'a> {
    /// Where it is, in bytes.
    pub(super) at: Range<usize>,
    /// What it says.
    pub(super) message: &'a str,
}

/// The mistakes of a file with this text, one a line, each with its place.
pub(super) fn mistakes<'a>(
    text: &str,
    errors: impl Iterator<Item = Syntax<'a>>,
) -> Vec<(Range<usize>, String)> {
    let mut told: Vec<(Range<usize>, String)> = Vec::new();
    // The keys of a table that is there twice seem to be there twice, too.
    let mut in_second: Option<usize> = None;
    for error in errors {
        let start = line_start(text, error.at.start);
        let line = line(text, start);
        let is_heading = line.trim_start().starts_with('[');
        if let Some(second) = in_second.filter(|_| error.message == DUPLICATE && !is_heading) {
            let between = text.get(second..start).unwrap_or_default();
            let mut lines = between.lines().skip(1);
            if !lines.any(|line| line.trim_start().starts_with('[')) {
                continue;
            }
        }
        if error.message == DUPLICATE && is_heading {
            in_second = Some(start);
        }
        let same_line = |(at, _): &(Range<usize>, String)| line_start(text, at.start) == start;
        if told.last().is_none_or(|last| !same_line(last)) {
            told.push((error.at.clone(), sentence(text, line, &error)));
        }
    }
    if told.len() > MOST {
        told.truncate(MOST);
        if let Some((_, last)) = told.last_mut() {
            last.push_str("; more of the file is no TOML, too");
        }
    }
    told
}

/// The parser's words for what is there already.
const DUPLICATE: &str = "duplicate key";

fn sentence(text: &str, line: &str, error: &Syntax<'_>) -> String {
    let found = text.get(error.at.clone()).unwrap_or_default();
    let written = line.trim();
    let is_quote = |c: char| matches!(c, '\u{2018}'..='\u{201f}' | '\u{ab}' | '\u{bb}');
    if written.contains(is_quote) {
        return format!("not TOML: quotes are the straight ones, \" and \"; found {written}");
    }
    match error.message {
        DUPLICATE if written.starts_with('[') => {
            format!(
                "{written} is there already: a table stands once; write its keys under the first one, or give it another name"
            )
        }
        DUPLICATE => format!("{found} is there already in this table; leave one of the two out"),
        message if message.contains("must be quoted") => {
            format!(
                "not TOML: a text is in quotes, such as root = \"/srv/debian\"; found {written}"
            )
        }
        message if message.contains("key with no value") || message.contains("unquoted key") => {
            format!(
                "not TOML: expected a line such as root = \"/srv/debian\" or [image.debian]; found {written}"
            )
        }
        message => format!("not TOML: {message}; found {written}"),
    }
}

fn line_start(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or(text);
    before.rfind('\n').map_or(0, |newline| newline + 1)
}

fn line(text: &str, start: usize) -> &str {
    let rest = text.get(start..).unwrap_or_default();
    rest.lines().next().unwrap_or_default()
}
