//! Rows that are measured together.

use crate::bench::serve::table::Row;
use crate::bench::spread::Spread;

/// In the order in which they are measured first.
#[derive(Default)]
pub(super) struct Rows(pub(super) Vec<Row>);

impl Rows {
    /// Adds a number of a server to the row of this name.
    pub(super) fn add(&mut self, row: &str, server: &'static str, number: f64) {
        let at = match self.0.iter().position(|known| known.name == row) {
            Some(at) => at,
            None => {
                self.0.push(Row {
                    name: row.to_owned(),
                    cells: Vec::new(),
                });
                self.0.len() - 1
            }
        };
        let Some(row) = self.0.get_mut(at) else {
            return;
        };
        match row.cells.iter_mut().find(|(name, _)| *name == server) {
            Some((_, spread)) => spread.add(number),
            None => {
                let mut spread = Spread::default();
                spread.add(number);
                row.cells.push((server, spread));
            }
        }
    }
}
