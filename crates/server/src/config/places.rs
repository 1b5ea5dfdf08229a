//! Where each value of a configuration is written.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::mistake::Mistake;
use crate::settings::{ConfigPlace, Origin};

/// The lines of all keys.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    main: PathBuf,
    /// The files, in their order.
    files: Vec<PathBuf>,
    /// By file, the line of the table, and the key.
    lines: HashMap<PathBuf, Lines>,
    /// The `[[network]]` tables, in their order; none where none is written.
    pub(super) networks: Vec<Origin>,
}

/// The lines of a file's keys, by the line of their table.
pub(super) type Lines = HashMap<(usize, String), usize>;

impl Places {
    pub(super) fn new(place: &ConfigPlace) -> Self {
        Self {
            main: place.file.clone(),
            files: Vec::new(),
            lines: HashMap::new(),
            networks: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, file: &Path, lines: Lines) {
        self.files.push(file.to_owned());
        self.lines.insert(file.to_owned(), lines);
    }

    /// Where a key of a table is; where the table is, if it has none.
    pub(crate) fn key(&self, table: &Origin, key: &str) -> Origin {
        let Origin::File { path, line } = table else {
            return table.clone();
        };
        let lines = self.lines.get(path);
        let line_of_key = lines.and_then(|lines| lines.get(&(*line, key.to_owned())));
        Origin::File {
            path: path.clone(),
            line: *line_of_key.unwrap_or(line),
        }
    }

    /// Whether a table has this key.
    pub(super) fn has(&self, table: &Origin, key: &str) -> bool {
        let Origin::File { path, line } = table else {
            return false;
        };
        let lines = self.lines.get(path);
        lines.is_some_and(|lines| lines.contains_key(&(*line, key.to_owned())))
    }

    /// Where a key of the main file is, which is in no table or in one that is there once.
    pub(crate) fn of_main(&self, keys: &[&str]) -> Origin {
        let beginning = Origin::File {
            path: self.main.clone(),
            line: 1,
        };
        keys.iter()
            .fold(beginning, |table, key| self.key(&table, key))
    }

    /// Where a network is configured, by its place among all.
    pub(crate) fn network(&self, number: usize) -> Origin {
        let written = self.networks.get(number).cloned();
        written.unwrap_or_else(|| self.of_main(&[]))
    }

    /// In the order of the files and lines.
    pub(crate) fn sort(&self, mistakes: &mut [Mistake]) {
        let order = |mistake: &Mistake| self.files.iter().position(|file| *file == mistake.path);
        mistakes.sort_by_key(|mistake| (order(mistake), mistake.line));
    }
}
