//! The limit on open files, and how many of them an export may keep open.

use rustix::process::{Resource, Rlimit};

/// An eighth of the limit: each cached file can have two descriptors, connections and the rest of the process need
/// theirs, and there may be more exports.
pub(crate) fn files_to_keep_open() -> usize {
    let limit = rustix::process::getrlimit(Resource::Nofile).current;
    let limit = usize::try_from(limit.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    (limit / 8).clamp(32, 4096)
}

/// Raises this process's limit on open files to its hard limit, but to no more than 32,768. Call it once before
/// [`Export::open`](crate::Export::open), which sizes its cache by it. Returns the new limit.
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
