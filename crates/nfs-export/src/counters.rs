//! Counters of what is too frequent, or too hostile, for an event.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[doc = $doc:expr])* $name:ident),+ $(,)?) => {
        /// The counters since the server started.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Counts { $($(#[doc = $doc])* pub $name: u64),+ }

        impl Counts {
            /// Every counter: its name, what it counts, and how many. `connections_open` alone can become less.
            #[must_use]
            pub fn explained(&self) -> Vec<(&'static str, &'static str, u64)> {
                vec![$((stringify!($name), concat!($($doc),*).trim_ascii(), self.$name)),+]
            }
        }

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
    /// TCP connections refused because there were too many.
    connections_refused,
    /// TCP connections closed because their clients did not read, and others needed the memory of their replies.
    connections_stalled,
    /// TCP connections that are open now.
    connections_open,
    /// RPC calls answered.
    calls,
    /// Bytes of file content sent in READ replies.
    bytes_read,
    /// READs answered without a copy of the content.
    spliced_reads,
    /// Long READs answered with a copy, because too many others, of the same client or in total, had not been read yet.
    pipes_refused,
    /// READs that had to wait for a disk. Of a READ of 32 KiB or more, the first and the last byte and one each 128 KiB are looked
    /// at: a hole between them may have been waited for without being counted.
    slow_reads,
    /// Records longer than any call, or in too many fragments; the connection was closed.
    bad_records,
    /// Records and datagrams shorter than the header of a call, which were dropped.
    truncated,
    /// Records and datagrams that are not RPC calls, which were dropped.
    not_calls,
    /// Calls answered with GARBAGE_ARGS.
    garbage,
    /// Calls for unknown programs, versions or procedures.
    unavailable,
    /// Calls denied for their credential or the client's address.
    denied,
    /// File handles that are not from this server, forged or truncated.
    bad_handles,
    /// File handles of deleted files.
    stale_handles,
    /// Invalid names: `/`, `.`, `..`, NUL, empty, too long.
    bad_names,
    /// Refused modifications.
    writes_refused,
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
