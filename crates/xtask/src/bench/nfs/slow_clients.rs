//! A client that reads beside others that do not.

use anyhow::Result;

use super::arena::Arena;
use super::load::Target;
use super::options::Options;
use super::rows::Rows;
use crate::bench::serve::table::{self, Better};

/// How many clients do not read.
const STUCK: &str = "10";

/// The rows' names, and what the client calls these numbers.
const ROWS: [(&str, &str); 2] = [
    ("beside stuck clients, 50 of 100 calls within", "p50"),
    ("beside stuck clients, 99 of 100 calls within", "p99"),
];

/// The rows that are wanted.
pub(super) fn rows(options: &Options) -> impl Iterator<Item = (&'static str, &'static str)> {
    ROWS.into_iter().filter(|(name, _)| options.wants(name))
}

/// The times of the calls of the one that does, in microseconds.
#[derive(Default)]
pub(super) struct BesideSlowClients(Rows);

impl BesideSlowClients {
    /// Measures each server once.
    pub(super) fn round(
        &mut self,
        arena: &Arena,
        targets: &[Target],
        options: &Options,
    ) -> Result<()> {
        if rows(options).next().is_none() {
            return Ok(());
        }
        for target in targets {
            let run = target.run(
                &arena.clients,
                &["stuck", STUCK, &options.seconds.to_string()],
            )?;
            for (name, number) in rows(options) {
                self.0.add(name, target.name, run.number(number)?);
            }
        }
        Ok(())
    }

    /// `goal`: the ratio that is to be reached.
    pub(super) fn print(&self, place: &str, goal: f64) {
        let title = format!(
            "NFS {place}, GETATTR and READ 128 KiB by turns beside {STUCK} clients that do not read"
        );
        table::print_beside(&title, "us", Better::Less, goal, &self.0.0);
    }
}
