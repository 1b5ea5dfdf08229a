//! What is wrong with a parameter, in enough detail to correct it.

use std::borrow::Cow;
use std::fmt;

use netroot_printable::Printable;

/// One error in a parameter, or in a DHCP option with the same grammar.
///
/// Displayed as one line:
/// `ip=10.0.0.300: at position 0: expected an IPv4 address, found "10.0.0.300"; the field is taken as empty`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The name of the parameter: `ip`, `nfsroot`, or `DHCP option 17`.
    pub parameter: Cow<'static, str>,
    /// The value as written; `None` for a word without `=`.
    pub value: Option<String>,
    /// Byte offset of the error in the value: at most the value's length.
    pub position: usize,
    /// What was expected there: "an IPv4 address".
    pub expected: Cow<'static, str>,
    /// What was found there; empty at the end of the value.
    pub found: String,
    /// The consequence: "the field is taken as empty".
    pub outcome: Cow<'static, str>,
}

#[cfg(any(test, fuzzing))]
impl Complaint {
    /// Whether what was found stands where the position says, and whether it is one line.
    pub fn is_consistent(&self) -> bool {
        let value = self.value.as_deref().unwrap_or_default();
        let there = value.get(self.position..);
        there.is_some_and(|text| text.starts_with(&self.found))
            && !self.to_string().chars().any(char::is_control)
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value.as_deref();
        match value.map(|value| excerpt(value, self.position)) {
            // "DHCP option 17" is not a parameter that could be written with `=`.
            Some(value) if self.parameter.contains(' ') => {
                write!(f, "{} \"{}\"", self.parameter, Printable(&value))?;
            }
            Some(value) => write!(f, "{}={}", self.parameter, Printable(&value))?,
            None => f.write_str(&self.parameter)?,
        }
        // What was expected and what was done may quote a part of the value.
        let expected = Printable(&self.expected);
        write!(
            f,
            ": at position {}: expected {expected}, found ",
            self.position
        )?;
        if self.found.is_empty() {
            f.write_str("nothing")?;
        } else {
            write!(f, "\"{}\"", Printable(&self.found))?;
        }
        write!(f, "; {}", Printable(&self.outcome))
    }
}

/// The longest value that is shown in full, in characters.
const MAX_FULL: usize = 64;
/// How many characters of a longer value are shown.
const EXCERPT: usize = 44;
/// How many of these precede the error.
const CONTEXT_BEFORE: usize = 20;

/// The part of a long value around the error: a console line has 80 characters, and one `nfsroot=` may contain
/// several errors.
fn excerpt(value: &str, position: usize) -> Cow<'_, str> {
    if value.chars().count() <= MAX_FULL {
        return Cow::Borrowed(value);
    }
    let wrong = value
        .char_indices()
        .take_while(|(at, _)| *at < position)
        .count();
    let first = wrong.saturating_sub(CONTEXT_BEFORE);
    let mut rest = value.chars().skip(first);
    let start = if first > 0 { "…" } else { "" };
    let shown: String = rest.by_ref().take(EXCERPT).collect();
    let end = if rest.next().is_some() { "…" } else { "" };
    Cow::Owned(format!("{start}{shown}{end}"))
}

/// A value that is being parsed, and the list that receives its complaints.
pub(crate) struct Reading<'a> {
    parameter: &'a str,
    value: Option<&'a str>,
    complaints: &'a mut Vec<Complaint>,
}

impl<'a> Reading<'a> {
    /// Starts parsing `parameter`, whose value is `value`.
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

    /// Records that `found` was written at byte `position` of the value instead of `expected`,
    /// and the consequence.
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
            assert!(shown(position).chars().count() <= MAX_FULL, "{position}");
        }
        assert_eq!(excerpt("10.0.0.300", 0), "10.0.0.300");
    }
}
