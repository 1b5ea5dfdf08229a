//! The values of a table, by type.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::super::values::{absolute, integer, some_text};
use super::{Given, Section};
use crate::option_value::{self, ValueError, written};
use crate::settings::{self, Generations};

impl Section<'_> {
    /// `true` or `false`.
    pub(in super::super) fn boolean(&mut self, key: &'static str) -> Option<bool> {
        let given = self.take(key)?;
        let value = given.value.as_bool();
        if value.is_none() {
            self.wrong(&given, "true or false");
        }
        value
    }

    /// How many generations are images: a number, `true` for the usual one, or `false`.
    pub(in super::super) fn generations(&mut self, key: &'static str) -> Generations {
        let Some(given) = self.take(key) else {
            return Generations::Current;
        };
        let number = integer(&given.value).and_then(|number| u16::try_from(number).ok());
        match (given.value.as_bool(), number) {
            (Some(true), _) => Generations::Newest(settings::GENERATIONS),
            (Some(false), _) => Generations::Current,
            (None, Some(number @ 1..=settings::MOST_GENERATIONS)) => Generations::Newest(number),
            (None, _) => {
                let most = settings::MOST_GENERATIONS;
                self.wrong(&given, &format!("true, false or a number from 1 to {most}"));
                Generations::Current
            }
        }
    }

    /// A whole number between the limits.
    fn number(&mut self, key: &'static str, limits: Range<u64>) -> Option<u64> {
        let given = self.take(key)?;
        let value = integer(&given.value).filter(|value| limits.contains(value));
        if value.is_none() {
            let last = limits.end.saturating_sub(1);
            self.wrong(&given, &format!("a number from {} to {last}", limits.start));
        }
        value
    }

    /// A TCP port.
    pub(in super::super) fn port(&mut self, key: &'static str) -> Option<u16> {
        let number = self.number(key, 1..65536)?;
        u16::try_from(number).ok()
    }

    /// Seconds as a number, or a text such as `10m`; `example` is one that is usual.
    pub(in super::super) fn time(
        &mut self,
        key: &'static str,
        limits: (Duration, Duration),
        example: &str,
    ) -> Option<Duration> {
        let given = self.take(key)?;
        let time = match &given.value {
            DeValue::String(text) => option_value::time(text, limits),
            other => match integer(other) {
                Some(seconds) => option_value::time(&seconds.to_string(), limits),
                None => Err(ValueError::NotATime),
            },
        };
        if time.is_err() {
            let (shortest, longest) = (written(limits.0), written(limits.1));
            let expected =
                format!("a time from \"{shortest}\" to \"{longest}\", such as {example}");
            self.wrong(&given, &expected);
        }
        time.ok()
    }

    /// The same, or `"never"`.
    pub(in super::super) fn time_or_never(
        &mut self,
        key: &'static str,
        limits: (Duration, Duration),
        example: &str,
    ) -> Option<Option<Duration>> {
        let never = self.table.get(key)?.get_ref().as_str() == Some("never");
        if never {
            self.take(key);
            return Some(None);
        }
        let example = format!("{example}, or \"never\"");
        self.time(key, limits, &example).map(Some)
    }

    /// A text of one line, not an empty one.
    pub(in super::super) fn text(&mut self, key: &'static str) -> Option<String> {
        self.parsed(key, "a text", some_text)
    }

    /// An absolute path.
    pub(in super::super) fn path(&mut self, key: &'static str) -> Option<PathBuf> {
        self.parsed(key, "a path", |text| absolute(&text))
    }

    /// A text that means something: `parse` says what is wrong with it.
    pub(in super::super) fn parsed<T, E: ToString>(
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
    pub(in super::super) fn list<T, E: ToString>(
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
        if let Some(control) = text.chars().find(|c| c.is_control()) {
            let what = match control {
                '\t' => "a tab".to_owned(),
                '\n' | '\r' => "a line break".to_owned(),
                other => format!("the control character U+{:04X}", u32::from(other)),
            };
            let text = format!("expected a text of one line, and there is {what} in it");
            self.reading.mistake(given.about.clone(), &given.span, text);
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
}
