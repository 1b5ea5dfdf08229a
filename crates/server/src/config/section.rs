//! One table of a file: its values by type, with a mistake for each that is not what is expected.

mod typed;

use std::cell::{Cell, RefCell};
use std::ops::Range;

use netroot_spelling::{did_you_mean, nearest};
use toml::de::{DeTable, DeValue};

use super::example;
use super::mistake::Mistake;
use super::places::Lines;
use super::source::SourceFile;
use super::syntax::{self, Syntax};
use super::values::shown;
use crate::settings::Origin;

/// What other programs call what a key here is for.
const SYNONYMS: [(&str, &str); 14] = [
    ("image", "boot"),
    ("ip", "address"),
    ("hw-address", "mac"),
    ("hardware-address", "mac"),
    ("gateway", "router"),
    ("nameserver", "dns"),
    ("nameservers", "dns"),
    ("cmdline", "append"),
    ("command-line", "append"),
    ("options", "append"),
    ("path", "root"),
    ("directory", "root"),
    ("initrd", "initrds"),
    ("nic", "interface"),
];

/// A file that is being read, and what is wrong in it so far.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    file: &'a SourceFile,
    mistakes: RefCell<Vec<Mistake>>,
    lines: RefCell<Lines>,
    is_toml: Cell<bool>,
}

/// What there is to say of a file that was read.
#[derive(Debug)]
pub(super) struct Read {
    /// What is wrong in it.
    pub(super) mistakes: Vec<Mistake>,
    /// The lines of its keys.
    pub(super) lines: Lines,
    /// Whether it was read: what is not TOML is not.
    pub(super) is_toml: bool,
}

impl<'a> Reading<'a> {
    pub(super) fn new(file: &'a SourceFile) -> Self {
        Self {
            file,
            mistakes: RefCell::default(),
            lines: RefCell::default(),
            is_toml: Cell::new(true),
        }
    }

    /// The whole file as a table; an empty one, and a mistake, for what is not TOML.
    pub(super) fn whole(&'a self) -> Section<'a> {
        let (table, errors) = DeTable::parse_recoverable(&self.file.text);
        let mistakes = errors.iter().map(|error| Syntax {
            at: error.span().unwrap_or_default(),
            message: error.message(),
        });
        for (span, text) in syntax::mistakes(&self.file.text, mistakes) {
            self.mistake(String::new(), &span, text);
        }
        self.is_toml.set(errors.is_empty());
        let table = match errors.is_empty() {
            true => table.into_inner(),
            false => DeTable::new(),
        };
        self.section(String::new(), 0..0, table)
    }

    fn section(&'a self, about: String, span: Range<usize>, table: DeTable<'a>) -> Section<'a> {
        let own = self.file.line(span.start);
        let mut lines = self.lines.borrow_mut();
        for key in table.keys() {
            let line = self.file.line(key.span().start);
            lines.insert((own, key.get_ref().to_string()), line);
        }
        Section {
            reading: self,
            about,
            span,
            table,
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

    pub(super) fn finish(self) -> Read {
        Read {
            mistakes: self.mistakes.into_inner(),
            lines: self.lines.into_inner(),
            is_toml: self.is_toml.get(),
        }
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

    /// A mistake of the whole table.
    pub(super) fn mistake(&self, text: impl Into<String>) {
        self.reading
            .mistake(self.about.clone(), &self.span, text.into());
    }

    /// A mistake of a key.
    pub(super) fn mistake_of(&self, key: &str, text: impl Into<String>) {
        let lines = self.reading.lines.borrow();
        let own = self.reading.file.line(self.span.start);
        let line = lines.get(&(own, key.to_owned()));
        self.reading.mistakes.borrow_mut().push(Mistake {
            path: self.reading.file.path.clone(),
            line: *line.unwrap_or(&own),
            about: joined(&self.about, key),
            text: text.into(),
        });
    }

    /// Whether the key is there.
    pub(super) fn has(&mut self, key: &'static str) -> bool {
        self.known.push(key);
        self.table.contains_key(key)
    }

    /// Whether the key is there and has a list without any value.
    pub(super) fn is_empty_list(&self, key: &str) -> bool {
        let value = self.table.get(key).map(|value| value.get_ref());
        matches!(value, Some(DeValue::Array(values)) if values.is_empty())
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

    /// A table.
    pub(super) fn table(&mut self, key: &'static str) -> Option<Section<'a>> {
        let given = self.take(key)?;
        self.section(given, &format!("a table, under the line [{key}]"))
    }

    /// The tables of a list (`[[key]]`), in their order.
    pub(super) fn tables(&mut self, key: &'static str) -> Vec<Section<'a>> {
        let Some(mut given) = self.take(key) else {
            return Vec::new();
        };
        match std::mem::replace(&mut given.value, DeValue::Boolean(false)) {
            DeValue::Array(values) => {
                let sections = values.into_iter().filter_map(|value| {
                    let one = Given {
                        about: given.about.clone(),
                        span: value.span(),
                        value: value.into_inner(),
                    };
                    self.section(one, &format!("a table under the line [[{key}]]"))
                });
                sections.collect()
            }
            other => {
                given.value = other;
                let text = match &given.value {
                    DeValue::Table(_) => format!(
                        "there can be several, so each has two brackets: write [[{key}]], not [{key}]"
                    ),
                    other => format!(
                        "expected a table under the line [[{key}]], not {}",
                        shown(other)
                    ),
                };
                self.reading.mistake(given.about, &given.span, text);
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
        let expected = format!("a table with a name, under a line such as [{key}.NAME]");
        let DeValue::Table(table) = given.value else {
            self.wrong(&given, &expected);
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
                let name = name.into_inner().into_owned();
                Some((name, self.section(given, &expected)?))
            })
            .collect();
        all.sort_by_key(|(_, section)| section.span.start);
        all
    }

    fn section(&self, given: Given<'a>, expected: &str) -> Option<Section<'a>> {
        let DeValue::Table(table) = given.value else {
            self.wrong(&given, expected);
            return None;
        };
        Some(self.reading.section(given.about, given.span, table))
    }

    /// Complains of every key that nobody asked for.
    pub(super) fn finish(self) {
        let mut known = self.known;
        known.sort_unstable();
        known.dedup();
        #[cfg(test)]
        example::asked::add(&self.about, &known);
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            let text = format!("unknown; {}", meant(name, &known));
            let about = joined(&self.about, name);
            self.reading.mistake(about, &key.span(), text);
        }
    }
}

/// What an unknown key was meant to be.
fn meant(name: &str, known: &[&'static str]) -> String {
    let lower = name.to_ascii_lowercase().replace('_', "-");
    let mut synonyms = SYNONYMS.iter().filter(|(other, _)| *other == lower);
    if let Some((_, own)) = synonyms.find(|(_, own)| known.contains(own)) {
        return format!("did you mean {own}?");
    }
    let tables = example::tables_with(&lower);
    match tables.is_empty() || nearest(name, known.iter().copied()).is_some() {
        true => did_you_mean(name, known.iter().copied(), "expected one of"),
        false => format!("it belongs to {}", tables.join(" or ")),
    }
}

fn joined(about: &str, key: &str) -> String {
    match about {
        "" => key.to_owned(),
        about => format!("{about}.{key}"),
    }
}
