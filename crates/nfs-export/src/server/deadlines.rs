//! How long clients may take, but for reading replies ([`write_deadline`](super::write_deadline)).

use std::time::Duration;

/// How long clients may be silent.
#[derive(Debug)]
pub(super) struct Deadlines {
    /// A connection without a first call is closed after this time.
    pub(super) first_call: Duration,
    /// A call must have arrived whole this long after its first byte. Clients send a call at once; a lost segment is
    /// repeated within seconds.
    pub(super) record: Duration,
    /// How often connections are looked at, as long as they have something to free or to wait for.
    pub(super) look: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            first_call: Duration::from_secs(30),
            record: Duration::from_secs(60),
            look: Duration::from_secs(5),
        }
    }
}
