//! What is found in a configuration as a whole.

use super::mistake::Mistake;
use super::places::Places;
use crate::settings::Origin;

/// What was found so far.
#[derive(Debug)]
pub(super) struct Findings<'a> {
    pub(super) places: &'a Places,
    /// What cannot be served.
    pub(super) mistakes: Vec<Mistake>,
    /// What can be served, and does nothing.
    pub(super) doubts: Vec<Mistake>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(places: &'a Places) -> Self {
        Self {
            places,
            mistakes: Vec::new(),
            doubts: Vec::new(),
        }
    }

    pub(super) fn mistake(&mut self, origin: &Origin, about: String, text: impl Into<String>) {
        self.mistakes.extend(Mistake::at(origin, about, text));
    }

    /// A mistake of a key of a table.
    pub(super) fn of_key(
        &mut self,
        table: &Origin,
        about: &str,
        key: &str,
        text: impl Into<String>,
    ) {
        let place = self.places.key(table, key);
        self.mistake(&place, format!("{about}.{key}"), text);
    }

    pub(super) fn doubt(&mut self, origin: &Origin, about: String, text: impl Into<String>) {
        self.doubts.extend(Mistake::at(origin, about, text));
    }
}
