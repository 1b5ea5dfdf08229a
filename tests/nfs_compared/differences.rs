//! What our export answers otherwise than another server, and why.

mod changes;
mod faults;
mod file_system;
mod files;
mod services;

use super::difference::{Difference, fits};

const TABLES: [&[Difference]; 5] = [
    files::TABLE,
    file_system::TABLE,
    changes::TABLE,
    services::TABLE,
    faults::TABLE,
];

/// The differences that a server has.
pub(crate) fn of(server: &str) -> impl Iterator<Item = &'static Difference> {
    TABLES
        .iter()
        .copied()
        .flatten()
        .filter(move |known| fits(known.server, server))
}

/// Calls to which a server says nothing, however long it is waited for: server, call, and why.
const UNANSWERED: &[(&str, &str, &str)] = &[(
    "Ganesha",
    "READLINK h:damaged-link",
    "it already says nothing to the LOOKUP of a link whose target cannot be read",
)];

/// The calls that a server never answers.
pub(crate) fn unanswered(server: &str) -> impl Iterator<Item = &'static str> {
    let of = UNANSWERED
        .iter()
        .filter(move |(known, ..)| *known == server);
    of.map(|(_, call, _)| *call)
}
