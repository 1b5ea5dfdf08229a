//! How much a process may take that reads what strangers wrote, and that what another one holds stays in its memory.

use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Memory that can be written, in bytes. The build takes some 400 MB with four threads at zstd's level 19.
const MEMORY: u64 = 2 << 30;
/// Of all threads together, in seconds: a debug build on a slow machine takes a minute and a half.
const CPU_TIME: u64 = 15 * 60;
/// The length of a file, in bytes. The largest initrds, with firmware for everything, have some 300 MB.
const FILE_SIZE: u64 = 1 << 30;
/// Open files.
const FILES: u64 = 256;

/// Limits this process for good.
///
/// # Errors
/// The kernel's.
pub(crate) fn set() -> Result<(), Errno> {
    for (resource, most) in [
        (Resource::Data, MEMORY),
        (Resource::Cpu, CPU_TIME),
        (Resource::Fsize, FILE_SIZE),
        (Resource::Nofile, FILES),
        (Resource::Core, 0),
    ] {
        limit(resource, most)?;
    }
    Ok(())
}

/// Keeps the memory of this process out of core dumps, for good, and from processes of its user.
///
/// # Errors
/// The kernel's.
pub(crate) fn keep_memory_private() -> Result<(), Errno> {
    // A change of user makes it dumpable again where `fs.suid_dumpable` says so, but raises no limit.
    limit(Resource::Core, 0)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
}

fn limit(resource: Resource, most: u64) -> Result<(), Errno> {
    // A limit that is lower already stays.
    let before = rustix::process::getrlimit(resource);
    let most = before.maximum.map_or(most, |maximum| maximum.min(most));
    let limit = Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    setrlimit(resource, limit)
}
