//! How many answers leave for other networks.
//!
//! Requests come from there through relays, and to port 4011 from the machines behind them. The source of such a
//! datagram may be invented, and the answer then goes to somebody who did not ask, so that a sender gets what a
//! classroom behind a relay needs, and nobody much more.

use std::net::Ipv4Addr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use netroot_limits::{Rate, RateLimiter};

/// For each address: a relay stands for all of its machines, each of which asks some six times for a boot.
const EACH: Rate = Rate {
    burst: 256,
    every: Duration::from_millis(50),
};
/// For all together.
const TOTAL: Rate = Rate {
    burst: 512,
    every: Duration::from_millis(20),
};
/// How many addresses are remembered.
const ADDRESSES: usize = 256;

/// The answers that were sent lately.
#[derive(Debug)]
pub(super) struct OtherNetworks(Mutex<RateLimiter<Ipv4Addr>>);

impl Default for OtherNetworks {
    fn default() -> Self {
        Self(Mutex::new(RateLimiter::new(EACH, TOTAL, ADDRESSES)))
    }
}

impl OtherNetworks {
    /// Whether one more may be sent to this address.
    pub(super) fn allow(&self, address: Ipv4Addr, now: Duration) -> bool {
        let mut sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sent.allows(address, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_classroom_behind_a_relay_is_answered_and_a_flood_is_not() {
        let (sent, relay) = (OtherNetworks::default(), Ipv4Addr::new(10, 88, 0, 1));
        // Forty machines boot within ten seconds.
        let allowed = (0..240).filter(|n| sent.allow(relay, Duration::from_millis(40 * n)));
        assert_eq!(allowed.count(), 240);
        let sent = OtherNetworks::default();
        let allowed = (0..10_000).filter(|_| sent.allow(relay, Duration::ZERO));
        assert_eq!(allowed.count(), 256);
        let addresses = (0..10_000_u32).map(Ipv4Addr::from_bits);
        let allowed = addresses.filter(|address| sent.allow(*address, Duration::ZERO));
        assert_eq!(allowed.count(), 256);
    }
}
