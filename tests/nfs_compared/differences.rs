//! What our export answers otherwise than another server, and why.

mod changes;
mod file_system;
mod files;
mod services;

use super::difference::{Difference, fits};

const TABLES: [&[Difference]; 4] = [
    files::TABLE,
    file_system::TABLE,
    changes::TABLE,
    services::TABLE,
];

/// The differences that a server has.
pub(crate) fn of(server: &str) -> impl Iterator<Item = &'static Difference> {
    TABLES
        .iter()
        .copied()
        .flatten()
        .filter(move |known| fits(known.server, server))
}
