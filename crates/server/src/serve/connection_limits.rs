//! Limits on the number of connections, per client and in total.
//!
//! A machine that boots must get in, whoever holds the others: when all connections are taken, the address with the
//! most of them loses one, that which has been idle longest. Nothing is refused that a machine could need: a client
//! without any connection waits in the listener's queue until one is free, and its TCP repeats what it must.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use netroot_limits::{OpenConnection, busiest};
use tokio::sync::Notify;

/// How long a connection has to be idle to make room for one that would not get any otherwise. A machine that was reset
/// leaves such ones behind, and a transfer that moves is never stopped for another of the same client.
pub(super) const STALE: Duration = Duration::from_secs(10);

/// How long a client without a connection waits until it looks for room again, where nobody makes any.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What a connection does.
pub(crate) trait Busy: std::fmt::Debug + Send + Sync {
    /// How long nothing has happened on it.
    fn idle(&self, now: Instant) -> Duration;

    /// It makes room for another: what waits for its client is of no use any more.
    fn abort(&self) {}
}

/// The open connections.
#[derive(Debug)]
pub(crate) struct ConnectionLimits {
    /// How many there may be, and how many of one address.
    most: usize,
    most_each: usize,
    open: Mutex<Open>,
    /// Told when there is room again.
    room: Notify,
}

#[derive(Debug, Default)]
struct Open {
    connections: HashMap<u64, Connection>,
    next: u64,
}

#[derive(Debug)]
struct Connection {
    peer: IpAddr,
    activity: Arc<dyn Busy>,
    close: Arc<Notify>,
}

/// Whether one more connection is served.
enum Admission {
    /// It is; another one may have been told to close for it.
    Admitted {
        /// Its slot.
        slot: ConnectionSlot,
        /// Whether another one was told to close.
        instead: bool,
    },
    /// The client has as many as it may have, or has one and all are taken.
    Refused,
    /// All are taken, and the client has none: it waits for [`ConnectionLimits::room`].
    Full,
}

/// The slot of one connection, released when dropped.
#[derive(Debug)]
pub(crate) struct ConnectionSlot {
    limits: Arc<ConnectionLimits>,
    id: u64,
    close: Arc<Notify>,
}

impl ConnectionLimits {
    /// No connection is open. There may be `most` of them, and `each` of one address.
    pub(crate) fn new(most: usize, each: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            most_each: each,
            open: Mutex::default(),
            room: Notify::new(),
        })
    }

    /// A slot for a connection of `peer`, if it may have one. Where all are taken, a client without any waits here, and
    /// those behind it in the listener's queue: an error would end a boot, and their TCP asks again. `over` is called for
    /// each connection that is refused, or closed for this one.
    pub(crate) async fn admit(
        limits: &Arc<Self>,
        peer: IpAddr,
        activity: Arc<dyn Busy>,
        over: impl Fn(),
    ) -> Option<ConnectionSlot> {
        loop {
            match Self::take(limits, peer, &activity, Instant::now()) {
                Admission::Admitted { slot, instead } => {
                    if instead {
                        over();
                    }
                    return Some(slot);
                }
                Admission::Refused => {
                    over();
                    return None;
                }
                Admission::Full => {
                    let _ = tokio::time::timeout(LOOK_AGAIN, limits.room()).await;
                }
            }
        }
    }

    /// A slot for one more connection of `peer`, if there is one or one can be made.
    fn take(limits: &Arc<Self>, peer: IpAddr, activity: &Arc<dyn Busy>, now: Instant) -> Admission {
        let mut open = limits.open();
        let own = open.connections.values().filter(|one| one.peer == peer);
        let own = own.count();
        let mut instead = None;
        if own >= limits.most_each {
            instead = open.idlest(now, |of| of == peer);
            if instead.is_none() {
                return Admission::Refused;
            }
        } else if open.connections.len() >= limits.most {
            instead = busiest(open.idle(now), peer);
            if instead.is_none() && own == 0 {
                instead = open.idlest(now, |_| true);
                if instead.is_none() {
                    return Admission::Full;
                }
            }
            if instead.is_none() {
                return Admission::Refused;
            }
        }
        if let Some(closed) = instead.and_then(|id| open.connections.remove(&id)) {
            closed.activity.abort();
            closed.close.notify_one();
        }
        let id = open.next;
        open.next += 1;
        let close = Arc::new(Notify::new());
        let connection = Connection {
            peer,
            activity: Arc::clone(activity),
            close: Arc::clone(&close),
        };
        open.connections.insert(id, connection);
        let slot = ConnectionSlot {
            limits: Arc::clone(limits),
            id,
            close,
        };
        Admission::Admitted {
            slot,
            instead: instead.is_some(),
        }
    }

    /// Waits until a connection has ended since the last call.
    async fn room(&self) {
        self.room.notified().await;
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn idle(&self, now: Instant) -> impl Iterator<Item = OpenConnection<u64>> {
        let open = self.connections.iter();
        open.map(move |(id, connection)| OpenConnection {
            id: *id,
            client: connection.peer,
            idle: connection.activity.idle(now),
        })
    }

    /// The stale connection of these clients that has been idle longest.
    fn idlest(&self, now: Instant, of: impl Fn(IpAddr) -> bool) -> Option<u64> {
        let stale = self
            .idle(now)
            .filter(|one| of(one.client) && one.idle >= STALE);
        stale.max_by_key(|one| one.idle).map(|one| one.id)
    }
}

impl ConnectionSlot {
    /// Waits until the connection has to make room for another.
    pub(crate) async fn closing(&self) {
        self.close.notified().await;
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        // One that made room is gone already.
        if self.limits.open().connections.remove(&self.id).is_some() {
            self.limits.room.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const CONNECTIONS: usize = 256;
    const CONNECTIONS_EACH: usize = 16;

    #[derive(Debug)]
    struct Silent(Instant);

    impl Busy for Silent {
        fn idle(&self, now: Instant) -> Duration {
            now.duration_since(self.0)
        }
    }

    fn peer(host: u32) -> IpAddr {
        Ipv4Addr::from_bits(0x0a00_0000 + host).into()
    }

    struct Clients {
        limits: Arc<ConnectionLimits>,
        start: Instant,
    }

    impl Clients {
        fn new() -> Self {
            let start = Instant::now();
            Self {
                limits: ConnectionLimits::new(CONNECTIONS, CONNECTIONS_EACH),
                start,
            }
        }

        /// One more connection, opened `after` seconds and idle from then on.
        fn open(&self, host: u32, after: u64) -> Admission {
            let now = self.start + Duration::from_secs(after);
            let activity: Arc<dyn Busy> = Arc::new(Silent(now));
            ConnectionLimits::take(&self.limits, peer(host), &activity, now)
        }

        fn hold(&self, host: u32, after: u64) -> ConnectionSlot {
            match self.open(host, after) {
                Admission::Admitted { slot, .. } => slot,
                _ => panic!("no slot for {host}"),
            }
        }

        fn count(&self, host: u32) -> usize {
            let open = self.limits.open();
            let all = open.connections.values();
            all.filter(|one| one.peer == peer(host)).count()
        }
    }

    #[test]
    fn a_client_without_a_connection_gets_one_from_the_client_with_the_most() {
        let clients = Clients::new();
        let mut held = Vec::new();
        for host in 1..=16 {
            for number in 0..CONNECTIONS_EACH {
                held.push(clients.hold(host, u64::try_from(number).unwrap()));
            }
        }
        assert_eq!(clients.limits.open().connections.len(), CONNECTIONS);
        for honest in 100..120 {
            held.push(clients.hold(honest, 16));
        }
        assert_eq!(clients.limits.open().connections.len(), CONNECTIONS);
        assert_eq!(clients.count(100), 1);
        assert!((1..=16).all(|host| clients.count(host) >= 14));
        drop(held);
        assert!(clients.limits.open().connections.is_empty());
    }

    #[test]
    fn a_client_with_all_of_its_own_loses_only_what_it_left_behind() {
        let clients = Clients::new();
        let mut held: Vec<_> = (0..CONNECTIONS_EACH)
            .map(|number| clients.hold(1, u64::try_from(number).unwrap() / 8))
            .collect();
        assert!(matches!(clients.open(1, 9), Admission::Refused));
        // It was reset, and starts again.
        held.push(clients.hold(1, 10));
        assert_eq!(clients.count(1), CONNECTIONS_EACH);
    }

    #[test]
    fn where_everybody_has_one_a_newcomer_waits_until_one_is_idle_or_closed() {
        let clients = Clients::new();
        let total = u32::try_from(CONNECTIONS).unwrap();
        let mut held: Vec<_> = (0..total).map(|host| clients.hold(host, 0)).collect();
        assert!(matches!(clients.open(1000, 9), Admission::Full));
        assert!(matches!(clients.open(3, 9), Admission::Refused));
        held.pop();
        held.push(clients.hold(1000, 9));
        held.push(clients.hold(1001, 10));
        assert_eq!(clients.limits.open().connections.len(), CONNECTIONS);
    }

    #[test]
    fn a_task_that_panics_frees_its_slot() {
        let clients = Clients::new();
        let slot = clients.hold(1, 0);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let task = runtime.spawn(async move {
            let _slot = slot;
            panic!("as a bug would");
        });
        assert!(runtime.block_on(task).unwrap_err().is_panic());
        assert!(clients.limits.open().connections.is_empty());
    }
}
