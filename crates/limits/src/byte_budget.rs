//! Memory that is held for clients, in bytes.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many bytes may be held for one client and for all clients together. Cheap to share in an [`Arc`].
#[derive(Debug)]
pub struct ByteBudget {
    per_client: usize,
    total: usize,
    charged: Mutex<Charged>,
}

#[derive(Debug, Default)]
struct Charged {
    total: usize,
    /// Only clients that are charged for something have an entry.
    clients: HashMap<IpAddr, usize>,
}

impl ByteBudget {
    /// A budget of `per_client` bytes for each address and of `total` bytes for all.
    pub fn new(per_client: usize, total: usize) -> Arc<Self> {
        Arc::new(Self {
            per_client,
            total,
            charged: Mutex::default(),
        })
    }

    /// Charges `bytes` to `client`, until the charge is dropped. `None` when that would exceed a limit.
    pub fn charge(self: &Arc<Self>, client: IpAddr, bytes: usize) -> Option<Charge> {
        let mut charge = Charge {
            budget: Arc::clone(self),
            client,
            bytes: 0,
        };
        charge.resize(bytes).then_some(charge)
    }

    /// How many bytes are charged to all clients.
    pub fn charged(&self) -> usize {
        self.lock().total
    }

    fn lock(&self) -> MutexGuard<'_, Charged> {
        self.charged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes that are held for a client; released when dropped, also by a thread that panics.
#[derive(Debug)]
pub struct Charge {
    budget: Arc<ByteBudget>,
    client: IpAddr,
    bytes: usize,
}

impl Charge {
    /// How many bytes are charged.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Charges `bytes` instead. Returns `false`, and changes nothing, when that would exceed a limit.
    pub fn resize(&mut self, bytes: usize) -> bool {
        let mut charged = self.budget.lock();
        let client = charged.clients.get(&self.client).copied().unwrap_or(0);
        let client = (client - self.bytes).saturating_add(bytes);
        let total = (charged.total - self.bytes).saturating_add(bytes);
        let more = bytes > self.bytes;
        if more && (client > self.budget.per_client || total > self.budget.total) {
            return false;
        }
        charged.total = total;
        if client == 0 {
            charged.clients.remove(&self.client);
        } else {
            charged.clients.insert(self.client, client);
        }
        self.bytes = bytes;
        true
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.resize(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    #[test]
    fn one_client_cannot_take_another_ones_share() {
        let budget = ByteBudget::new(100, 150);
        let first = budget.charge(ONE, 60).unwrap();
        assert!(budget.charge(ONE, 41).is_none());
        let second = budget.charge(ONE, 40).unwrap();
        assert!(budget.charge(OTHER, 51).is_none(), "the total");
        let third = budget.charge(OTHER, 50).unwrap();
        assert_eq!(budget.charged(), 150);
        drop((first, third));
        assert_eq!(budget.charged(), 40);
        drop(second);
        assert!(budget.lock().clients.is_empty());
    }

    #[test]
    fn a_charge_grows_within_the_limits_and_always_shrinks() {
        let budget = ByteBudget::new(100, 150);
        let mut charge = budget.charge(ONE, 10).unwrap();
        assert!(charge.resize(100));
        assert!(!charge.resize(101));
        assert!(!charge.resize(usize::MAX));
        assert_eq!((charge.bytes(), budget.charged()), (100, 100));
        assert!(charge.resize(1));
        assert_eq!(budget.charged(), 1);
    }
}
