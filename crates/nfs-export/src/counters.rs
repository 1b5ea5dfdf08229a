//! Numbers of everything that is too common, or too hostile, for an event of its own.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// What a server counted since it started.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Counts { $($(#[$doc])* pub $name: u64),+ }

        #[derive(Debug, Default)]
        pub(crate) struct Counters { $(pub(crate) $name: AtomicU64),+ }

        impl Counters {
            pub(crate) fn read(&self) -> Counts {
                Counts { $($name: self.$name.load(Ordering::Relaxed)),+ }
            }
        }
    };
}

counters! {
    /// TCP connections accepted.
    connections,
    /// TCP connections closed at once, or in favour of a newer one, because there were too many.
    connections_refused,
    /// TCP connections that are open now.
    connections_open,
    /// RPC calls answered.
    calls,
    /// Bytes of file content sent in READ replies.
    bytes_read,
    /// READs whose data was not in memory and that were therefore answered beside the others.
    slow_reads,
    /// Records longer than any call, or in too many fragments; the connection was closed.
    bad_records,
    /// Records and datagrams that end before a call's head does and were dropped.
    truncated,
    /// Records and datagrams that are RPC replies, or nothing, and were dropped.
    not_calls,
    /// Calls answered with GARBAGE_ARGS.
    garbage,
    /// Calls for programs, versions or procedures that do not exist here.
    unavailable,
    /// Calls denied for their credential, or because the client is on no address list.
    denied,
    /// File handles that were not ours, forged or cut.
    bad_handles,
    /// File handles of files that are gone.
    stale_handles,
    /// Names that were refused for their spelling: `/`, `.`, `..`, NUL, empty, too long.
    bad_names,
    /// Attempts to change something.
    writes_refused,
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
