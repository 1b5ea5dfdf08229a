//! What is not in memory yet.

use anyhow::Result;

use super::arena::Arena;
use super::load::Target;
use super::options::Options;
use super::rows::Rows;
use crate::bench::serve::table::{self, Better};

/// What is read for the first time: its name, what the client calls it, on how many connections, and whether each server is asked
/// more than once in a round.
type ColdRow = (&'static str, &'static str, u32, bool);
const ROWS: [ColdRow; 4] = [
    ("LOOKUP, cold, 1,000 names", "lookup", 1, false),
    ("READDIRPLUS, cold, 1,000 names", "readdirplus", 1, false),
    (
        "READ 128 KiB, cold, a file of 128 MiB",
        "read:131072",
        1,
        true,
    ),
    (
        "READ 1 MiB, cold, the same on 8 connections",
        "read:1048576",
        8,
        true,
    ),
];

/// The rows that are wanted.
pub(super) fn rows(options: &Options) -> impl Iterator<Item = ColdRow> {
    ROWS.into_iter().filter(|(name, ..)| options.wants(name))
}

/// Times of whole passes, in milliseconds.
#[derive(Default)]
pub(super) struct Cold(Rows);

impl Cold {
    /// Has each server asked once, or `passes` times, for each row. `forget` has one forget what is in memory before each time.
    ///
    /// An even number of passes, since the servers take turns at being the first one.
    pub(super) fn round(
        &mut self,
        arena: &Arena,
        targets: &[Target],
        (options, passes): (&Options, usize),
        mut forget: impl FnMut(&Target) -> Result<()>,
    ) -> Result<()> {
        for (name, what, connections, again) in rows(options) {
            for pass in 0..if again { passes } else { 1 } {
                let mut both: Vec<&Target> = targets.iter().collect();
                if pass % 2 == 1 {
                    both.reverse();
                }
                for target in both {
                    forget(target)?;
                    let words = ["pass", what, &connections.to_string()];
                    let run = target.run(&arena.clients, &words)?;
                    self.0
                        .add(name, target.name, run.number("seconds")? * 1000.0);
                }
            }
        }
        Ok(())
    }

    /// `goal`: the ratio that is to be reached.
    pub(super) fn print(&self, place: &str, goal: f64) {
        let title = format!("NFS {place}, not in memory yet");
        table::print_beside(&title, "ms for all of it", Better::Less, goal, &self.0.0);
    }
}
