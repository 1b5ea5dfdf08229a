//! What is wrong with a parameter, in terms that help a person to correct it.

use std::borrow::Cow;
use std::fmt;

/// One thing that a parameter (or a DHCP option with the same grammar) says and that
/// makes no sense here.
///
/// Its text is one line:
/// `ip=10.0.0.300: at position 0: expected an IPv4 address, found "10.0.0.300"; the field is taken as empty`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The parameter's name: `ip`, `nfsroot`, or `DHCP option 17`.
    pub parameter: Cow<'static, str>,
    /// Its value as written; `None` for a word without `=`.
    pub value: Option<String>,
    /// Byte offset within the value of what is wrong: at most the value's length.
    pub position: usize,
    /// What belongs there: "an IPv4 address".
    pub expected: Cow<'static, str>,
    /// What is there instead; may be empty.
    pub found: String,
    /// What happens now: "the field is taken as empty".
    pub outcome: Cow<'static, str>,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value.as_deref();
        match value.map(|value| excerpt(value, self.position)) {
            // "DHCP option 17" is no parameter that anyone could write with a `=`.
            Some(value) if self.parameter.contains(' ') => {
                write!(f, "{} \"{}\"", self.parameter, printable(&value))?;
            }
            Some(value) => write!(f, "{}={}", self.parameter, printable(&value))?,
            None => f.write_str(&self.parameter)?,
        }
        write!(
            f,
            ": at position {}: expected {}, found ",
            self.position, self.expected
        )?;
        if self.found.is_empty() {
            f.write_str("nothing")?;
        } else {
            write!(f, "\"{}\"", printable(&self.found))?;
        }
        write!(f, "; {}", self.outcome)
    }
}

/// The longest value that is shown in full, in characters.
const IN_FULL: usize = 64;
/// Of a longer one, so many are shown.
const SHOWN: usize = 44;
/// And so many of these stand before what is wrong.
const BEFORE: usize = 20;

/// The part of a long value around what is wrong: one line of a console is 80 characters, and several options of one
/// `nfsroot=` may be wrong.
fn excerpt(value: &str, position: usize) -> Cow<'_, str> {
    if value.chars().count() <= IN_FULL {
        return Cow::Borrowed(value);
    }
    let wrong = value
        .char_indices()
        .take_while(|(at, _)| *at < position)
        .count();
    let first = wrong.saturating_sub(BEFORE);
    let mut rest = value.chars().skip(first);
    let start = if first > 0 { "…" } else { "" };
    let shown: String = rest.by_ref().take(SHOWN).collect();
    let end = if rest.next().is_some() { "…" } else { "" };
    Cow::Owned(format!("{start}{shown}{end}"))
}

/// `text` with its control characters escaped: it goes to a terminal.
fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().any(char::is_control) {
        Cow::Owned(text.chars().flat_map(escape_control).collect())
    } else {
        Cow::Borrowed(text)
    }
}

fn escape_control(c: char) -> impl Iterator<Item = char> {
    let escaped = c.is_control().then(|| c.escape_default());
    let plain = escaped.is_none().then_some(c);
    escaped.into_iter().flatten().chain(plain)
}

/// A value that is being read, and where its complaints go.
pub(crate) struct Reading<'a> {
    parameter: &'a str,
    value: Option<&'a str>,
    complaints: &'a mut Vec<Complaint>,
}

impl<'a> Reading<'a> {
    /// Begins to read `parameter`, whose value is `value`.
    pub(crate) fn new(
        parameter: &'a str,
        value: Option<&'a str>,
        complaints: &'a mut Vec<Complaint>,
    ) -> Self {
        Self {
            parameter,
            value,
            complaints,
        }
    }

    /// Notes that at byte `position` of the value `found` stands where `expected` belongs,
    /// and what happens now.
    pub(crate) fn complain(
        &mut self,
        position: usize,
        expected: impl Into<Cow<'static, str>>,
        found: &str,
        outcome: impl Into<Cow<'static, str>>,
    ) {
        let end = self.value.map_or(0, str::len);
        self.complaints.push(Complaint {
            parameter: Cow::Owned(self.parameter.to_owned()),
            value: self.value.map(str::to_owned),
            position: position.min(end),
            expected: expected.into(),
            found: found.to_owned(),
            outcome: outcome.into(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_shortened_around_the_mistake() {
        let value = format!(
            "10.0.0.1:/srv/root,{}bogus=é,{}",
            "vers=3,".repeat(9),
            "ro,".repeat(30)
        );
        let shown = |position| excerpt(&value, position).into_owned();
        let at = value.find("bogus").unwrap();
        let middle = shown(at);
        assert!(middle.starts_with("…") && middle.ends_with("…"), "{middle}");
        assert!(middle.contains("vers=3,bogus=é,ro,"), "{middle}");
        assert!(shown(0).starts_with("10.0.0.1:/srv/root,vers=3,"));
        let end = shown(value.len());
        assert!(end.starts_with("…") && end.ends_with("ro,ro,"), "{end}");
        for position in 0..=value.len() + 1 {
            assert!(shown(position).chars().count() <= IN_FULL, "{position}");
        }
        assert_eq!(excerpt("10.0.0.300", 0), "10.0.0.300");
    }
}
