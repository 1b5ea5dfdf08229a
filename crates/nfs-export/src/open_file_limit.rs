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

/// What the limit on open files is raised to: eight for each file that an export may keep open.
const WANTED: u64 = 32_768;

/// Raises this process's limit on open files to 32,768, or as far as it may, and makes room for many of them. Call it once before
/// [`Export::open`](crate::Export::open), which sizes its cache by the limit: a client that uses more files than that, again and
/// again, has each opened anew. Returns the new limit.
///
/// A hard limit that is lower is raised, too, which takes `CAP_SYS_RESOURCE`: it is 4096 for whoever is started by an init that
/// sets none (the kernel's `INR_OPEN_MAX`).
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
    let [current, maximum] = [limit.current, limit.maximum].map(|it| it.unwrap_or(u64::MAX));
    for wanted in [WANTED, maximum.min(WANTED)] {
        let raised = Rlimit {
            current: Some(wanted),
            maximum: limit.maximum.map(|maximum| maximum.max(wanted)),
        };
        if wanted > current && rustix::process::setrlimit(Resource::Nofile, raised).is_ok() {
            return wanted;
        }
    }
    current
}
