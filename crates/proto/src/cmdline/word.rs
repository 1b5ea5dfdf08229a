//! A parameter being interpreted, and the complaints collected on the way.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use super::ignored::Ignored;
use crate::reading::{Complaint, Reading, Setting};

/// A parameter being interpreted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word<'a> {
    /// Its name, with every `-` as `_`: the kernel treats them as the same.
    pub(super) name: &'a str,
    /// Its value; `None` without `=`.
    pub(super) value: Option<&'a str>,
    /// The whole parameter as written.
    pub(super) text: &'a str,
}

/// What is noted while the command line is read.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) complaints: Vec<Complaint>,
    pub(super) ignored: Vec<Ignored>,
}

impl Notes {
    /// Begins to read the value of `word`.
    pub(super) fn reading<'a>(&'a mut self, word: &Word<'a>) -> Reading<'a> {
        Reading::new(word.name, word.value, &mut self.complaints)
    }

    /// Notes that the whole value makes no sense.
    pub(super) fn complain(
        &mut self,
        word: &Word<'_>,
        expected: impl Into<Cow<'static, str>>,
        outcome: &'static str,
    ) {
        let found = word.value.unwrap_or_default();
        self.reading(word).complain(0, expected, found, outcome);
    }

    /// Notes that a parameter, written as `text`, refers to a `BOOTIF=` that is not there.
    pub(super) fn without_boot_link(
        &mut self,
        text: &dyn fmt::Display,
        found: &str,
        outcome: &'static str,
    ) {
        let text = text.to_string();
        let (name, value) = text.split_once('=').unwrap_or((&text, ""));
        // `bootif`, as anaconda's users write it, too.
        let is_found = |at: &usize| {
            let there = value.get(*at..at + found.len());
            !found.is_empty() && there.is_some_and(|there| there.eq_ignore_ascii_case(found))
        };
        let position = (0..value.len()).find(is_found).unwrap_or(value.len());
        let found = value.get(position..position + found.len()).unwrap_or(found);
        let expected = "a BOOTIF= with the Ethernet address to go with it";
        Reading::new(name, Some(value), &mut self.complaints)
            .complain(position, expected, found, outcome);
    }

    /// Notes that a parameter changes nothing.
    pub(super) fn ignore(&mut self, parameter: &dyn fmt::Display, why: &'static str) {
        self.ignored.push(Ignored::new(parameter.to_string(), why));
    }

    /// A value in seconds. `outcome` is the consequence of an invalid value.
    pub(super) fn seconds(
        &mut self,
        word: &Word<'_>,
        outcome: &'static str,
    ) -> Option<Setting<Duration>> {
        // Ten digits of seconds are a century; more would overflow a deadline.
        match word.value.unwrap_or_default().parse::<u32>() {
            Ok(seconds) => {
                let limit = Duration::from_secs(seconds.into());
                Some(Setting::parameter(limit, word.text))
            }
            Err(_) => {
                self.complain(word, "a number of seconds", outcome);
                None
            }
        }
    }

    /// A switch, as dracut reads them: on by its bare name.
    pub(super) fn boolean(&mut self, word: &Word<'_>, outcome: &'static str) -> Option<bool> {
        match word.value {
            None | Some("1" | "yes" | "on" | "true") => Some(true),
            Some("" | "0" | "no" | "off" | "false") => Some(false),
            Some(_) => {
                self.complain(word, "1 or 0", outcome);
                None
            }
        }
    }
}
