//! How many files this process may hold open, and how many of them an export keeps.

use rustix::process::{Resource, Rlimit};

/// An eighth of what this process may open: each file in the cache can have two descriptors, connections and the rest of
/// the process need theirs, and there may be another export.
pub(crate) fn files_to_keep_open() -> usize {
    let limit = rustix::process::getrlimit(Resource::Nofile).current;
    let limit = usize::try_from(limit.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    (limit / 8).clamp(32, 4096)
}

/// Raises this process's limit of open files as far as it may go, to 32,768 at most. Call it once before
/// [`Export::open`](crate::Export::open): what an export keeps open depends on the limit. Returns the limit that holds now.
pub fn raise_open_file_limit() -> u64 {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let current = limit.current.unwrap_or(u64::MAX);
    let wanted = limit.maximum.unwrap_or(u64::MAX).min(32_768);
    if wanted <= current {
        return current;
    }
    let raised = Rlimit {
        current: Some(wanted),
        maximum: limit.maximum,
    };
    match rustix::process::setrlimit(Resource::Nofile, raised) {
        Ok(()) => wanted,
        Err(_) => current,
    }
}
