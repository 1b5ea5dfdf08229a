//! The statuses of NFSv3 (RFC 1813 §2.6): which of them the calls raise, and why no call raises the others.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

use super::script::{Call, NFS};

/// Whether a call raises a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Raised {
    ByCalls,
    /// Why not.
    Never(&'static str),
}
use Raised::{ByCalls, Never};

/// The names are those of the RFC, without `NFS3ERR_`.
const STATUSES: &[(u32, &str, Raised)] = &[
    (0, "OK", ByCalls),
    (
        1,
        "PERM",
        Never("it is for changes that only the owner may make: the file system is read-only first"),
    ),
    (2, "NOENT", ByCalls),
    (5, "IO", ByCalls),
    (
        6,
        "NXIO",
        Never("it is for devices that are not there, and a server opens none"),
    ),
    (13, "ACCES", ByCalls),
    (17, "EXIST", ByCalls),
    (
        18,
        "XDEV",
        Never("it is for LINK and RENAME from one file system to another: this tree is one"),
    ),
    (
        19,
        "NODEV",
        Never("it is for what a device cannot do, and a server opens none"),
    ),
    (20, "NOTDIR", ByCalls),
    (21, "ISDIR", ByCalls),
    (22, "INVAL", ByCalls),
    (27, "FBIG", ByCalls),
    (28, "NOSPC", Never("nothing is written")),
    (30, "ROFS", ByCalls),
    (
        31,
        "MLINK",
        Never("no link is made: the file system is read-only first"),
    ),
    (63, "NAMETOOLONG", ByCalls),
    (
        66,
        "NOTEMPTY",
        Never("no directory is removed: the file system is read-only first"),
    ),
    (69, "DQUOT", Never("nothing is written")),
    (70, "STALE", ByCalls),
    (
        71,
        "REMOTE",
        Never("none of these servers leads to another one"),
    ),
    (10_001, "BADHANDLE", ByCalls),
    (
        10_002,
        "NOT_SYNC",
        Never("it is for the guard of SETATTR: the file system is read-only first"),
    ),
    (10_003, "BAD_COOKIE", ByCalls),
    (
        10_004,
        "NOTSUPP",
        Never("every procedure is there, and what would change something is refused as ROFS"),
    ),
    (10_005, "TOOSMALL", ByCalls),
    (
        10_006,
        "SERVERFAULT",
        Never("it is for faults of the server itself"),
    ),
    (10_007, "BADTYPE", ByCalls),
    (10_008, "JUKEBOX", ByCalls),
];

/// The name of a status, or its number if it has none.
pub(crate) fn name(status: u32) -> String {
    let mut known = STATUSES.iter();
    let known = known.find(|(number, ..)| *number == status);
    known.map_or_else(|| status.to_string(), |(_, name, _)| (*name).to_owned())
}

/// The calls of NFS have raised every status that the table says, and no other one. `statuses` are those of calls.
pub(crate) fn assert_all_are_raised<'a>(
    statuses: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<()> {
    let mut raised = BTreeSet::new();
    for (call, status) in statuses {
        // MOUNT's have the same names.
        if Call::parse(call)?.procedure[0] == NFS {
            raised.insert(status);
        }
    }
    let by_calls = STATUSES.iter().filter(|(.., raised)| *raised == ByCalls);
    let expected: BTreeSet<&str> = by_calls.map(|(_, name, _)| *name).collect();
    ensure!(
        raised == expected,
        "the calls raise {raised:?}, and the table has {expected:?}"
    );
    Ok(())
}
