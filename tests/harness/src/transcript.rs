//! The output of a program or a machine, with times.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Text that another thread appends to, each piece with its time of arrival. Terminal
/// control sequences are removed, so that the text of firmware that positions the cursor
/// can be searched like any other.
#[derive(Clone, Debug)]
pub struct Transcript {
    name: String,
    start: Instant,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    text: String,
    /// For each piece: its offset in `text`, and when it arrived.
    arrivals: Vec<(usize, Duration)>,
    ended: bool,
    escape: Escape,
}

/// A text that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The whole line that contains the text, as far as it had arrived.
    pub line: String,
    /// When its piece arrived, since the start of the transcript.
    pub at: Duration,
    /// Where the found text ends: a later search can start here.
    pub end: usize,
}

/// Whether the output is also copied to our standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Echo {
    /// No.
    #[default]
    Off,
    /// Without control sequences: firmware clears the screen.
    Plain,
    /// Unchanged, for a terminal that is connected to the program.
    Raw,
}

/// How long a search lets more arrive before it looks again: a serial line's characters come one by one.
const MORE_TO_COME: Duration = Duration::from_millis(5);

/// How long a search waits for the rest of the line once its text has arrived.
const REST_OF_LINE: Duration = Duration::from_secs(2);

impl Transcript {
    /// An empty transcript whose clock starts now. `name` is its name in errors.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            start: Instant::now(),
            shared: Arc::default(),
        }
    }

    /// Reads `source` to its end in a new thread, into this transcript and, unchanged,
    /// into the file `log`.
    pub fn follow(
        &self,
        mut source: impl Read + Send + 'static,
        log: &Path,
        echo: Echo,
    ) -> Result<()> {
        let mut log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("create the log {}", log.display()))?;
        let transcript = self.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                let count = match source.read(&mut buffer) {
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                    Ok(0) | Err(_) => break,
                    Ok(count) => count,
                };
                let piece = buffer.get(..count).unwrap_or_default();
                let plain = transcript.push(piece);
                // A full disk must not end the run: the log is only a record.
                let _ = log.write_all(piece);
                let mut out = std::io::stdout();
                let _ = match echo {
                    Echo::Off => Ok(()),
                    Echo::Plain => out.write_all(plain.as_bytes()).and_then(|()| out.flush()),
                    Echo::Raw => out.write_all(piece).and_then(|()| out.flush()),
                };
            }
            transcript.lock().ended = true;
            transcript.shared.changed.notify_all();
        });
        Ok(())
    }

    /// Adds a piece; returns it without control sequences.
    fn push(&self, piece: &[u8]) -> String {
        let at = self.start.elapsed();
        let mut state = self.lock();
        let begin = state.text.len();
        state.arrivals.push((begin, at));
        let plain: String = String::from_utf8_lossy(piece)
            .chars()
            .filter_map(|character| state.escape.filter(character))
            .collect();
        state.text.push_str(&plain);
        drop(state);
        self.shared.changed.notify_all();
        plain
    }

    /// Everything so far.
    pub fn text(&self) -> String {
        self.lock().text.clone()
    }

    /// The complete lines so far, each with the time at which it began to arrive.
    pub fn lines(&self) -> Vec<(Duration, String)> {
        let state = self.lock();
        let mut begin = 0;
        let mut lines = Vec::new();
        for line in state.text.split_inclusive('\n') {
            if line.ends_with('\n') {
                lines.push((state.arrival(begin), line.trim_end().to_owned()));
            }
            begin += line.len();
        }
        lines
    }

    /// The moment `at` of this transcript as the clock of `other` shows it; zero when it
    /// was before `other` began.
    pub fn on_the_clock_of(&self, other: &Self, at: Duration) -> Duration {
        (self.start + at).saturating_duration_since(other.start)
    }

    /// How long this transcript has been running.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Whether the writer is gone.
    pub fn ended(&self) -> bool {
        self.lock().ended
    }

    /// Whether `text` has appeared.
    pub fn contains(&self, text: &str) -> bool {
        self.lock().text.contains(text)
    }

    /// The first occurrence of `text` so far.
    pub fn find(&self, text: &str) -> Option<Seen> {
        self.lock().find(0, text)
    }

    /// Waits until `text` appears. `what` describes it in errors.
    ///
    /// # Errors
    /// When `timeout` runs out or the writer ends first: names what was
    /// expected and shows the last lines.
    pub fn wait_for(&self, text: &str, what: &str, timeout: Duration) -> Result<Seen> {
        self.wait_after(0, text, what, timeout)
    }

    /// As [`Transcript::wait_for`], but searches only after `begin` (a [`Seen::end`]).
    ///
    /// # Errors
    /// As [`Transcript::wait_for`].
    pub fn wait_after(
        &self,
        begin: usize,
        text: &str,
        what: &str,
        timeout: Duration,
    ) -> Result<Seen> {
        match self.wait_for_any(begin, &[text], timeout) {
            Some((_, seen)) => Ok(seen),
            None => bail!(self.missing(text, what, timeout)),
        }
    }

    /// Waits for the first of several texts; returns its index. `None` when
    /// `timeout` ran out or the writer ended.
    pub fn wait_for_any(
        &self,
        begin: usize,
        texts: &[&str],
        timeout: Duration,
    ) -> Option<(usize, Seen)> {
        let deadline = Instant::now() + timeout;
        let longest = texts.iter().map(|text| text.len()).max().unwrap_or(0);
        let (mut begin, mut state) = (begin, self.lock());
        loop {
            let found = texts
                .iter()
                .enumerate()
                .filter_map(|(which, text)| state.find(begin, text).map(|seen| (which, seen)))
                .min_by_key(|(_, seen)| seen.end);
            if let Some((which, seen)) = found {
                return Some((which, self.with_rest_of_line(state, seen)));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if state.ended || left.is_zero() {
                return None;
            }
            begin = begin.max(state.end_of_search(longest));
            state = self.wait(state, left);
            drop(state);
            std::thread::sleep(MORE_TO_COME);
            state = self.lock();
        }
    }

    fn with_rest_of_line(&self, mut state: MutexGuard<'_, State>, seen: Seen) -> Seen {
        let deadline = Instant::now() + REST_OF_LINE;
        loop {
            let line = state.line_around(seen.end);
            let left = deadline.saturating_duration_since(Instant::now());
            if line.1 || state.ended || left.is_zero() {
                return Seen {
                    line: line.0,
                    ..seen
                };
            }
            state = self.wait(state, left);
        }
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, timeout: Duration) -> MutexGuard<'a, State> {
        self.shared
            .changed
            .wait_timeout(state, timeout)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }

    /// The message for a text that did not appear: what, where, how long, and the last lines.
    pub(crate) fn missing(&self, text: &str, what: &str, timeout: Duration) -> String {
        let ended = if self.ended() {
            format!("it ended after {:.1} s", self.elapsed().as_secs_f64())
        } else {
            format!("waited {:.0} s", timeout.as_secs_f64())
        };
        format!(
            "{}: no sign of {what} ({text:?}): {ended}. The last lines:\n{}",
            self.name,
            self.tail(40)
        )
    }

    /// The last `lines` lines, indented.
    pub fn tail(&self, lines: usize) -> String {
        let text = self.text();
        let all: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        let skip = all.len().saturating_sub(lines);
        all.iter()
            .skip(skip)
            .map(|line| format!("    | {}\n", line.trim_end()))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn find(&self, begin: usize, text: &str) -> Option<Seen> {
        let start = begin + self.text.get(begin..)?.find(text)?;
        let at = self.arrival(start);
        let end = start + text.len();
        Some(Seen {
            line: self.line_around(end).0,
            at,
            end,
        })
    }

    /// Where a text of at most `longest` bytes begins at the earliest that has not arrived whole yet.
    fn end_of_search(&self, longest: usize) -> usize {
        let end = self.text.len().saturating_sub(longest.saturating_sub(1));
        let is_start = |place: &usize| self.text.is_char_boundary(*place);
        (0..=end).rev().find(is_start).unwrap_or(0)
    }

    /// When the character at `position` arrived.
    fn arrival(&self, position: usize) -> Duration {
        let next = self
            .arrivals
            .partition_point(|(offset, _)| *offset <= position);
        next.checked_sub(1)
            .and_then(|last| self.arrivals.get(last))
            .map_or(Duration::ZERO, |(_, at)| *at)
    }

    /// The line that ends at or contains `position`, and whether it is complete.
    fn line_around(&self, position: usize) -> (String, bool) {
        let before = self.text.get(..position).unwrap_or_default();
        let after = self.text.get(position..).unwrap_or_default();
        let begin = before.rfind('\n').map_or(0, |at| at + 1);
        let end = after.find('\n');
        let line = format!(
            "{}{}",
            before.get(begin..).unwrap_or_default(),
            end.and_then(|at| after.get(..at)).unwrap_or(after)
        );
        (line.trim_end().to_owned(), end.is_some())
    }
}

/// The parser's state within a terminal control sequence (ECMA-48).
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Escape {
    #[default]
    Plain,
    Started,
    Control,
}

impl Escape {
    /// The character, unless it belongs to a control sequence.
    fn filter(&mut self, character: char) -> Option<char> {
        match (*self, character) {
            (_, '\u{1b}') => *self = Self::Started,
            (Self::Plain, '\r' | '\0') => {}
            (Self::Plain, plain) => return Some(plain),
            (Self::Started, '[') => *self = Self::Control,
            (Self::Started, _) => *self = Self::Plain,
            // OVMF starts a line by moving the cursor, others by a newline.
            (Self::Control, 'H') => {
                *self = Self::Plain;
                return Some('\n');
            }
            (Self::Control, '@'..='~') => *self = Self::Plain,
            (Self::Control, _) => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transcript_of(pieces: &[&str]) -> Transcript {
        let transcript = Transcript::new("machine");
        for piece in pieces {
            transcript.push(piece.as_bytes());
        }
        transcript
    }

    #[test]
    fn a_text_is_found_across_pieces_with_its_whole_line() {
        let transcript = transcript_of(&["one\ntw", "o and a ", "half\nthree"]);
        let seen = transcript.find("two").unwrap();
        assert_eq!(seen.line, "two and a half");
    }

    #[test]
    fn control_sequences_do_not_hide_a_text() {
        let transcript = transcript_of(&["\u{1b}[1;32mlo", "\u{1b}[0mgin\u{1b}[2;5H: "]);
        assert!(transcript.contains("login"));
    }

    #[test]
    fn a_missing_text_is_reported_with_the_tail() {
        let transcript = transcript_of(&["kernel panic\n"]);
        let error = transcript
            .wait_for("login:", "the login prompt", Duration::from_millis(10))
            .unwrap_err()
            .to_string();
        assert!(error.contains("the login prompt"), "{error}");
        assert!(error.contains("| kernel panic"), "{error}");
    }

    #[test]
    fn a_text_is_waited_for_although_its_beginning_has_arrived() {
        let transcript = transcript_of(&["the prompt is lo", "gi"]);
        let waiting = transcript.clone();
        let search = std::thread::spawn(move || {
            waiting.wait_for_any(0, &["panic", "login:"], Duration::from_secs(600))
        });
        for piece in ["\u{e9}\u{e9}log", "i", "n", ": root\n"] {
            // The search looks at each state, or at several pieces at once.
            std::thread::sleep(2 * MORE_TO_COME);
            transcript.push(piece.as_bytes());
        }
        let (which, seen) = search.join().unwrap().unwrap();
        assert_eq!(which, 1);
        assert_eq!(seen.line, "the prompt is logi\u{e9}\u{e9}login: root");
    }

    #[test]
    fn a_search_goes_on_where_no_text_can_begin_before() {
        let end = |text: &str, longest| {
            let transcript = transcript_of(&[text]);
            transcript.lock().end_of_search(longest)
        };
        assert_eq!(end("abcdef", 3), 4);
        assert_eq!(end("abcdef", 1), 6);
        assert_eq!(end("ab", 9), 0);
        // Two bytes each.
        assert_eq!(end("\u{e9}\u{e9}", 2), 2);
        assert_eq!(end("", 0), 0);
    }

    #[test]
    fn a_search_can_start_after_an_earlier_match() {
        let transcript = transcript_of(&["tick 1\ntick 2\n"]);
        let first = transcript.find("tick").unwrap();
        let second = transcript
            .wait_after(first.end, "tick", "a tick", Duration::ZERO)
            .unwrap();
        assert_eq!(second.line, "tick 2");
    }
}
