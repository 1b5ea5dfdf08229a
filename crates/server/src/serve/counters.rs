//! Counters, shown when the server stops and at `/status`. Hostile or malformed packets change nothing else.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

macro_rules! counters {
    ($($(#[doc = $doc:expr])* $name:ident,)*) => {
        /// Counters that only grow, shared by every part of the server.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $($(#[doc = $doc])* pub(crate) $name: AtomicU64,)*
        }

        /// The counters at one moment in time.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
        pub(crate) struct Snapshot {
            $($(#[doc = $doc])* pub(crate) $name: u64,)*
        }

        impl Counters {
            /// Reads every counter.
            pub(crate) fn snapshot(&self) -> Snapshot {
                Snapshot { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }

        impl Snapshot {
            /// Every counter with its name.
            pub(crate) fn list(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)*]
            }

            /// Every counter with its name and what it counts.
            pub(crate) fn explained(&self) -> Vec<(&'static str, &'static str, u64)> {
                vec![$((stringify!($name), concat!($($doc),*).trim_ascii(), self.$name),)*]
            }
        }
    };
}

counters! {
    /// DHCP datagrams that were answered.
    dhcp_answered,
    /// DHCP datagrams that were for another server, or malformed.
    dhcp_ignored,
    /// DHCP acknowledgements that were not sent since too many waited for the disk.
    dhcp_over_limit,
    /// Transactions by which leases were written to the disk.
    lease_transactions,
    /// DHCP datagrams from other networks that were not answered since too many came.
    dhcp_over_rate,
    /// Addresses of the range that other machines were found to use.
    dhcp_addresses_in_use,
    /// DHCP answers that could not be sent.
    dhcp_send_failures,
    /// TFTP transfers that were completed.
    tftp_transfers,
    /// TFTP requests for names that are not served.
    tftp_unknown_names,
    /// TFTP requests refused: malformed, a write, or over a limit.
    tftp_refused,
    /// TFTP transfers that their client abandoned.
    tftp_abandoned,
    /// HTTP answers with the file that was asked for.
    http_answered,
    /// HTTP requests for names that are not served.
    http_unknown_names,
    /// HTTP requests that were refused: method, name, range, too much held for the client.
    http_refused,
    /// HTTP connections that ended with a protocol error or a timeout.
    http_broken_connections,
    /// HTTP connections closed because too many were open.
    http_over_limit,
    /// Timeline lines left out because their clients caused too many.
    lines_left_out,
    /// Timeline lines dropped because the terminal was too slow.
    lines_dropped,
}

/// Every counter that is not zero: `dhcp answered 3, tftp transfers 1`.
pub(crate) fn text(counters: impl IntoIterator<Item = (&'static str, u64)>) -> String {
    let counted: Vec<String> = counters
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{} {count}", name.replace('_', " ")))
        .collect();
    if counted.is_empty() {
        "no requests".to_owned()
    } else {
        counted.join(", ")
    }
}

impl Counters {
    /// Adds one.
    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_counters_that_are_not_zero_are_listed() {
        let counters = Counters::default();
        assert_eq!(text(counters.snapshot().list()), "no requests");
        Counters::count(&counters.dhcp_ignored);
        Counters::count(&counters.dhcp_ignored);
        assert_eq!(text(counters.snapshot().list()), "dhcp ignored 2");
    }
}
