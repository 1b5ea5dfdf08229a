//! How the subcommands that show the server's state write: lines, ages, and colours where a person reads.

use std::io::{IsTerminal, Write, stdout};

use netroot_printable::Printable;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Whether colours are used: on a terminal, unless NO_COLOR is set (no-color.org) or it can show none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Colours(bool);

/// What a text says, for its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Nothing in particular.
    Plain,
    /// All is well.
    Good,
    /// Something goes on.
    Busy,
    /// Something is wrong.
    Bad,
    /// Something may be wrong.
    Warning,
    /// Beside the point.
    Soft,
}

impl Colours {
    /// On a terminal.
    #[cfg(test)]
    pub(crate) const ALL: Self = Self(true);

    /// As the environment has it.
    pub(crate) fn of_stdout() -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self(stdout().is_terminal() && !no_color && !dumb)
    }

    /// `text` in the colour of `tone`.
    pub(crate) fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            _ if !self.0 => return text.to_owned(),
            Tone::Good => "32",
            Tone::Busy => "36",
            Tone::Bad => "31",
            Tone::Warning => "33",
            Tone::Soft => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// What is written on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Screen {
    /// In columns; `None` where lines may have any length.
    pub(crate) width: Option<usize>,
    pub(crate) colours: Colours,
    /// Whether a line for every machine matters more than everything about each.
    pub(crate) leaves_out: bool,
}

impl Screen {
    /// Lines of any length, without colours.
    #[cfg(test)]
    pub(crate) const PLAIN: Self = Self {
        width: None,
        colours: Colours(false),
        leaves_out: false,
    };

    /// The terminal as it is now, whose size may change, or whatever standard output is.
    pub(crate) fn of_stdout() -> Self {
        Self {
            width: size().map(|(_, width)| width),
            colours: Colours::of_stdout(),
            leaves_out: false,
        }
    }

    /// What is left of a line behind so many spaces; enough for a word, however narrow it is.
    pub(super) fn room(self, indent: usize) -> usize {
        let room = self.width.map(|width| width.saturating_sub(indent));
        room.unwrap_or(usize::MAX).max(ROOM)
    }
}

/// A line of a screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// As it is: of a table, or what is to be copied.
    Row(String),
    /// Words, which go on below one another where there is no room.
    Words(usize, Tone, String),
}

impl Line {
    /// An empty one.
    pub(crate) const EMPTY: Self = Self::Row(String::new());

    /// Words with so many spaces before them.
    pub(crate) fn words(indent: usize, tone: Tone, text: impl Into<String>) -> Self {
        Self::Words(indent, tone, text.into())
    }

    /// As text, in lines that are no longer than the screen is wide; a row may be longer.
    pub(crate) fn text(&self, screen: Screen) -> Vec<String> {
        let colours = screen.colours;
        match self {
            Self::Row(row) => vec![row.clone()],
            Self::Words(indent, tone, text) => {
                let lines = wrapped(text, screen.room(*indent)).into_iter();
                let space = " ".repeat(*indent);
                lines
                    .map(|line| format!("{space}{}", colours.paint(*tone, &line)))
                    .collect()
            }
        }
    }
}

/// The room that words have at least, in columns.
const ROOM: usize = 12;

/// How many columns a text takes: East Asian characters take two.
pub(super) fn wide(text: &str) -> usize {
    text.width()
}

/// Words in lines of at most `width` columns. One that is longer is cut in pieces.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut length = 0;
    for word in text.split(' ') {
        let mut rest = word;
        if length > 0 && length + 1 + wide(rest) > width {
            lines.push(std::mem::take(&mut line));
            length = 0;
        }
        if length > 0 {
            line.push(' ');
            length += 1;
        }
        while wide(rest) > width {
            let (piece, after) = split(rest, width);
            if after.is_empty() {
                break;
            }
            lines.push(piece.to_owned());
            rest = after;
        }
        length += wide(rest);
        line += rest;
    }
    lines.push(line);
    lines
}

/// What fits into `width` columns, at least one character, and the rest.
fn split(text: &str, width: usize) -> (&str, &str) {
    let mut taken = 0;
    let mut ends = text.char_indices().skip_while(|(at, c)| {
        taken += c.width().unwrap_or_default();
        *at == 0 || taken <= width
    });
    let end = ends.next().map_or(text.len(), |(at, _)| at);
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// The rows of the terminal that is written to, and how many columns each has; `None` if it is none, or does not say.
pub(crate) fn size() -> Option<(usize, usize)> {
    if !stdout().is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(stdout()).ok()?;
    let size = (usize::from(size.ws_row), usize::from(size.ws_col));
    Some(size).filter(|(rows, width)| *rows > 0 && *width > 0)
}

/// Prints lines.
pub(crate) fn print(lines: &[Line], screen: Screen) -> std::io::Result<()> {
    let mut out = stdout().lock();
    for line in lines.iter().flat_map(|line| line.text(screen)) {
        writeln!(out, "{line}")?;
    }
    out.flush()
}

/// Text from the network, harmless on a terminal.
pub(crate) fn shown(text: &str) -> String {
    Printable(text).to_string()
}

/// `3 min`, from seconds.
pub(crate) fn span(seconds: f64) -> String {
    match seconds {
        short if short < 10.0 => format!("{short:.1} s"),
        short if short < 100.0 => format!("{short:.0} s"),
        minutes if minutes < 5400.0 => format!("{:.0} min", minutes / 60.0),
        hours if hours < 129_600.0 => format!("{:.0} h", hours / 3600.0),
        days => format!("{:.0} d", days / 86_400.0),
    }
}

/// How long ago, from seconds.
pub(crate) fn ago(seconds: f64) -> String {
    match seconds {
        now if now < 2.0 => "now".to_owned(),
        seconds => format!("{} ago", span(seconds.floor()).replace(".0", "")),
    }
}

/// A UTC time as the clock here shows it.
pub(crate) fn local(utc: &str) -> String {
    match utc.parse::<jiff::Timestamp>() {
        Ok(time) => time
            .to_zoned(jiff::tz::TimeZone::system())
            .strftime("%Y-%m-%d %H:%M:%S")
            .to_string(),
        Err(_) => shown(utc),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The lines, without colours.
    pub(crate) fn text(lines: &[Line]) -> Vec<String> {
        let lines = lines.iter();
        lines.flat_map(|line| line.text(Screen::PLAIN)).collect()
    }

    /// The same on a terminal that is so wide.
    pub(crate) fn text_in(width: usize, lines: &[Line]) -> Vec<String> {
        let screen = Screen {
            width: Some(width),
            ..Screen::PLAIN
        };
        let lines = lines.iter();
        lines.flat_map(|line| line.text(screen)).collect()
    }

    #[test]
    fn words_go_on_in_the_next_line_and_nothing_is_lost() {
        let line = Line::words(
            2,
            Tone::Bad,
            "the kernel was loaded and 0123456789abcdefghij",
        );
        assert_eq!(
            text_in(16, std::slice::from_ref(&line)),
            [
                "  the kernel was",
                "  loaded and",
                "  0123456789abcd",
                "  efghij"
            ]
        );
        assert_eq!(line.text(Screen::PLAIN).len(), 1);
        let narrow = Screen {
            width: Some(1),
            colours: Colours(true),
            ..Screen::PLAIN
        };
        assert_eq!(line.text(narrow)[0], "  \x1b[31mthe kernel\x1b[0m");
        assert_eq!(wrapped("", 5), [""]);
        assert_eq!(wrapped("ä ö ü", 3), ["ä ö", "ü"]);
        assert_eq!(wrapped("教室 a", 3), ["教", "室", "a"]);
        assert_eq!(wrapped("教室", 1), ["教", "室"]);
    }

    #[test]
    fn times_are_as_exact_as_they_are_short() {
        for (seconds, text) in [
            (0.0, "0.0 s"),
            (9.96, "10.0 s"),
            (42.4, "42 s"),
            (600.0, "10 min"),
            (7200.0, "2 h"),
            (1_000_000.0, "12 d"),
        ] {
            assert_eq!(span(seconds), text);
        }
        assert_eq!(
            (ago(1.9), ago(5.7)),
            ("now".to_owned(), "5 s ago".to_owned())
        );
    }
}
