//! One table of a file: its values by type, with a mistake for each that is not what is expected.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use netroot_spelling::did_you_mean;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::mistake::Mistake;
use super::source::SourceFile;
use crate::settings::Origin;

/// A file that is being read, and what is wrong in it so far.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    file: &'a SourceFile,
    mistakes: RefCell<Vec<Mistake>>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(file: &'a SourceFile) -> Self {
        Self {
            file,
            mistakes: RefCell::default(),
        }
    }

    /// The whole file as a table. What is not TOML is a mistake, and the rest is read.
    pub(super) fn whole(&'a self) -> Section<'a> {
        let (table, errors) = DeTable::parse_recoverable(&self.file.text);
        for error in &errors {
            let span = error.span().unwrap_or_default();
            self.mistake(
                String::new(),
                &span,
                format!("not TOML: {}", error.message()),
            );
        }
        Section {
            reading: self,
            about: String::new(),
            span: 0..0,
            table: if errors.is_empty() {
                table.into_inner()
            } else {
                DeTable::new()
            },
            known: Vec::new(),
        }
    }

    pub(super) fn mistake(&self, about: String, span: &Range<usize>, text: String) {
        self.mistakes.borrow_mut().push(Mistake {
            path: self.file.path.clone(),
            line: self.file.line(span.start),
            about,
            text,
        });
    }

    pub(super) fn origin(&self, span: &Range<usize>) -> Origin {
        Origin::File {
            path: self.file.path.clone(),
            line: self.file.line(span.start),
        }
    }

    pub(super) fn finish(self) -> Vec<Mistake> {
        let mut mistakes = self.mistakes.into_inner();
        mistakes.sort_by_key(|mistake| mistake.line);
        mistakes
    }
}

/// A table. Every key that is asked for is known; [`Section::finish`] complains of the others.
#[derive(Debug)]
pub(super) struct Section<'a> {
    reading: &'a Reading<'a>,
    about: String,
    span: Range<usize>,
    table: DeTable<'a>,
    known: Vec<&'static str>,
}

/// A value with its place.
#[derive(Debug)]
pub(super) struct Given<'a> {
    about: String,
    span: Range<usize>,
    value: DeValue<'a>,
}

impl<'a> Section<'a> {
    /// Where it begins.
    pub(super) fn origin(&self) -> Origin {
        self.reading.origin(&self.span)
    }

    /// Where a key is, if it is there.
    pub(super) fn place_of(&self, key: &str) -> Option<Origin> {
        let (key, _) = self.table.get_key_value(key)?;
        Some(self.reading.origin(&key.span()))
    }

    /// A mistake of the whole table.
    pub(super) fn mistake(&self, text: impl Into<String>) {
        self.reading
            .mistake(self.about.clone(), &self.span, text.into());
    }

    /// Whether the key is there.
    pub(super) fn has(&mut self, key: &'static str) -> bool {
        self.known.push(key);
        self.table.contains_key(key)
    }

    /// A known key that is not read.
    pub(super) fn pass_over(&mut self, key: &'static str) {
        self.take(key);
    }

    /// A mistake for each of these keys that is there, although it is for something else.
    pub(super) fn refuse(&mut self, keys: &[&'static str], why: &str) {
        for key in keys {
            if let Some(given) = self.remove(key) {
                self.reading
                    .mistake(given.about, &given.span, why.to_owned());
            }
        }
    }

    fn take(&mut self, key: &'static str) -> Option<Given<'a>> {
        self.known.push(key);
        self.remove(key)
    }

    fn remove(&mut self, key: &str) -> Option<Given<'a>> {
        let (key, value) = self.table.remove_entry(key)?;
        let span = key.span();
        Some(Given {
            about: joined(&self.about, &key.into_inner()),
            span,
            value: value.into_inner(),
        })
    }

    fn wrong(&self, given: &Given<'_>, expected: &str) {
        let found = shown(&given.value);
        let text = format!("expected {expected}, not {found}");
        self.reading.mistake(given.about.clone(), &given.span, text);
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, key: &'static str) -> Option<bool> {
        let given = self.take(key)?;
        let value = given.value.as_bool();
        if value.is_none() {
            self.wrong(&given, "true or false");
        }
        value
    }

    /// A whole number between the limits.
    pub(super) fn number(&mut self, key: &'static str, limits: Range<u64>) -> Option<u64> {
        let given = self.take(key)?;
        let value = integer(&given.value).filter(|value| limits.contains(value));
        if value.is_none() {
            let last = limits.end.saturating_sub(1);
            self.wrong(&given, &format!("a number from {} to {last}", limits.start));
        }
        value
    }

    /// A TCP port.
    pub(super) fn port(&mut self, key: &'static str) -> Option<u16> {
        let number = self.number(key, 1..65536)?;
        u16::try_from(number).ok()
    }

    /// Seconds as a number, or a text such as `10m`.
    pub(super) fn time(&mut self, key: &'static str) -> Option<Duration> {
        let given = self.take(key)?;
        let time = match &given.value {
            DeValue::String(text) => time(text),
            other => integer(other).map(Duration::from_secs),
        };
        // A year, beyond which nobody means it.
        let time = time.filter(|time| *time <= Duration::from_secs(366 * 24 * 3600));
        if time.is_none() {
            let expected =
                "seconds, or a time such as \"300ms\", \"90s\", \"10m\", \"12h\" or \"1d\"";
            self.wrong(&given, expected);
        }
        time
    }

    /// The same, or `"never"`.
    pub(super) fn time_or_never(&mut self, key: &'static str) -> Option<Option<Duration>> {
        let never = self.table.get(key)?.get_ref().as_str() == Some("never");
        if never {
            self.take(key);
            return Some(None);
        }
        self.time(key).map(Some)
    }

    /// A text of one line.
    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        self.parsed(key, "a text", Ok::<_, String>)
    }

    /// An absolute path.
    pub(super) fn path(&mut self, key: &'static str) -> Option<PathBuf> {
        self.parsed(key, "a path", |text| absolute(&text))
    }

    /// A text that means something: `parse` says what is wrong with it.
    pub(super) fn parsed<T, E: ToString>(
        &mut self,
        key: &'static str,
        expected: &str,
        parse: impl Fn(String) -> Result<T, E>,
    ) -> Option<T> {
        let given = self.take(key)?;
        let DeValue::String(text) = &given.value else {
            self.wrong(&given, &format!("{expected} in quotes"));
            return None;
        };
        self.parse(&given, text, &parse)
    }

    /// One such text, or several in a list.
    pub(super) fn list<T, E: ToString>(
        &mut self,
        key: &'static str,
        expected: &str,
        parse: impl Fn(String) -> Result<T, E>,
    ) -> Vec<T> {
        let Some(mut given) = self.take(key) else {
            return Vec::new();
        };
        let values = match std::mem::replace(&mut given.value, DeValue::Boolean(false)) {
            DeValue::Array(values) => values.into_iter().collect(),
            one => vec![Spanned::new(given.span.clone(), one)],
        };
        let mut list = Vec::new();
        for value in values {
            let one = Given {
                about: given.about.clone(),
                span: value.span(),
                value: value.into_inner(),
            };
            match &one.value {
                DeValue::String(text) => list.extend(self.parse(&one, text, &parse)),
                _ => self.wrong(&one, &format!("{expected} in quotes, or a list of them")),
            }
        }
        list
    }

    fn parse<T, E: ToString>(
        &self,
        given: &Given<'_>,
        text: &str,
        parse: &impl Fn(String) -> Result<T, E>,
    ) -> Option<T> {
        if text.chars().any(char::is_control) {
            self.wrong(given, "a text of one line without control characters");
            return None;
        }
        let parsed = parse(text.to_owned()).map_err(|error| error.to_string());
        parsed
            .map_err(|error| {
                let text = format!("{error}; found \"{text}\"");
                self.reading.mistake(given.about.clone(), &given.span, text);
            })
            .ok()
    }

    /// A table.
    pub(super) fn table(&mut self, key: &'static str) -> Option<Section<'a>> {
        let given = self.take(key)?;
        self.section(given)
    }

    /// The tables of a list (`[[key]]`), in their order.
    pub(super) fn tables(&mut self, key: &'static str) -> Vec<Section<'a>> {
        let Some(mut given) = self.take(key) else {
            return Vec::new();
        };
        match std::mem::replace(&mut given.value, DeValue::Boolean(false)) {
            DeValue::Array(values) => {
                let sections = values.into_iter().filter_map(|value| {
                    self.section(Given {
                        about: given.about.clone(),
                        span: value.span(),
                        value: value.into_inner(),
                    })
                });
                sections.collect()
            }
            other => {
                given.value = other;
                let expected = format!("tables with two brackets each, [[{key}]]");
                self.wrong(&given, &expected);
                Vec::new()
            }
        }
    }

    /// The tables below a name (`[key.NAME]`), each with its name, in the order of the file.
    pub(super) fn named(&mut self, key: &'static str) -> Vec<(String, Section<'a>)> {
        let Some(given) = self.take(key) else {
            return Vec::new();
        };
        let about = given.about.clone();
        let DeValue::Table(table) = given.value else {
            self.wrong(&given, &format!("tables with a name each, [{key}.NAME]"));
            return Vec::new();
        };
        let mut all: Vec<_> = table
            .into_iter()
            .filter_map(|(name, value)| {
                let given = Given {
                    about: joined(&about, name.get_ref()),
                    span: name.span(),
                    value: value.into_inner(),
                };
                Some((name.into_inner().into_owned(), self.section(given)?))
            })
            .collect();
        all.sort_by_key(|(_, section)| section.span.start);
        all
    }

    fn section(&self, given: Given<'a>) -> Option<Section<'a>> {
        let DeValue::Table(table) = given.value else {
            self.wrong(&given, "a table");
            return None;
        };
        Some(Section {
            reading: self.reading,
            about: given.about,
            span: given.span,
            table,
            known: Vec::new(),
        })
    }

    /// Complains of every key that nobody asked for.
    pub(super) fn finish(self) {
        let mut known = self.known;
        known.sort_unstable();
        known.dedup();
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            let meant = did_you_mean(name, known.iter().copied(), "expected one of");
            let text = format!("unknown; {meant}");
            let about = joined(&self.about, name);
            self.reading.mistake(about, &key.span(), text);
        }
    }
}

fn joined(about: &str, key: &str) -> String {
    match about {
        "" => key.to_owned(),
        about => format!("{about}.{key}"),
    }
}

fn integer(value: &DeValue<'_>) -> Option<u64> {
    let integer = value.as_integer()?;
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// `90`, `300ms`, `90s`, `10m`, `12h` or `1d`.
fn time(text: &str) -> Option<Duration> {
    // The unit with the longest name first.
    let units = [
        ("ms", 1),
        ("s", 1000),
        ("m", 60_000),
        ("h", 3_600_000),
        ("d", 86_400_000),
    ];
    let with_unit = units
        .iter()
        .find_map(|(unit, length)| Some((text.strip_suffix(unit)?, *length)));
    let (number, unit) = with_unit.unwrap_or((text, 1000));
    let milliseconds = number.trim().parse::<u64>().ok()?.checked_mul(unit)?;
    Some(Duration::from_millis(milliseconds))
}

/// A path from the root directory on.
pub(super) fn absolute(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.is_absolute() {
        true => Ok(path),
        false => Err("expected a path from the root directory on, such as /srv/debian".to_owned()),
    }
}

/// A value as it may be shown in a sentence.
fn shown(value: &DeValue<'_>) -> Cow<'static, str> {
    match value {
        DeValue::String(text) => format!("\"{text}\"").into(),
        DeValue::Integer(number) => number.as_str().to_owned().into(),
        DeValue::Float(number) => number.as_str().to_owned().into(),
        DeValue::Boolean(true) => "true".into(),
        DeValue::Boolean(false) => "false".into(),
        DeValue::Datetime(_) => "a date".into(),
        DeValue::Array(_) => "a list".into(),
        DeValue::Table(_) => "a table".into(),
    }
}
