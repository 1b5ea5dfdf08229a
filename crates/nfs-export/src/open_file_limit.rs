//! The limit on open files, and how many of them an export may keep open.

use rustix::event::{EventfdFlags, eventfd};
use rustix::process::{Resource, Rlimit};

/// For how many open files the kernel makes room at once: all that exports keep open, and their connections. Its table of them
/// takes 8 bytes for each.
const ROOM: u64 = 16_384;

/// An eighth of the limit: each cached file can have two descriptors, connections and the rest of the process need
/// theirs, and there may be more exports.
pub(crate) fn files_to_keep_open() -> usize {
    let limit = rustix::process::getrlimit(Resource::Nofile).current;
    let limit = usize::try_from(limit.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    (limit / 8).clamp(32, 4096)
}

/// Raises this process's limit on open files to its hard limit, but to no more than 32,768, and makes room for many of them.
/// Call it once before [`Export::open`](crate::Export::open), which sizes its cache by the limit. Returns the new limit.
pub fn raise_open_file_limit() -> u64 {
    let limit = raise();
    make_room(limit);
    limit
}

/// The kernel doubles its table of open files when it is full. Where there are several threads it waits each time until none
/// can be reading the old one (`expand_fdtable` in `fs/file.c`), which takes up to 20 ms: as long as hundreds of LOOKUPs.
fn make_room(limit: u64) {
    let highest = i32::try_from(limit.min(ROOM).saturating_sub(1));
    // Without it everything works as well, if a little later.
    if let (Ok(highest), Ok(any)) = (highest, eventfd(0, EventfdFlags::CLOEXEC)) {
        let _ = rustix::io::fcntl_dupfd_cloexec(&any, highest);
    }
}

fn raise() -> u64 {
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
