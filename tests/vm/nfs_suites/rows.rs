//! The tests of the suites, in the words of their descriptions, and what stands for each here.

mod connectathon;
mod libnfs;
mod netbsd;
mod nfstest;
pub(super) mod row;

use row::{By, Row};

/// Suites of which nothing applies.
const OTHERS: &[Row] = &[
    (
        "pjdfstest",
        "chmod to utimensat",
        By::NotHere(
            "each test makes the files that it changes; that each change is refused: nothing_is_created and its neighbours",
        ),
    ),
    ("pynfs", "nfs4.0, nfs4.1", By::NotHere("NFSv4 alone")),
];

pub(super) fn all() -> impl Iterator<Item = &'static Row> {
    [
        connectathon::ROWS,
        nfstest::ROWS,
        libnfs::ROWS,
        netbsd::ROWS,
        OTHERS,
    ]
    .into_iter()
    .flatten()
}
