//! How much the kernel holds of a file that it has not sent yet.
//!
//! Little is enough for any rate, but it is asked for often then: at 128 KiB every 64, and each time the server's thread
//! wakes up, which is most of what fast transfers cost. A client that takes files fast is given as much as a socket's buffer
//! holds, as long as there is some of a budget left: a part of what the kernel allows TCP in all, so that clients that stop
//! reading cannot use it up. The end of a file is not part of it: that is given to the kernel when little else waits there.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use netroot_limits::{ByteBudget, Charge};
use netroot_sys::tcp::bound_unsent;
use tokio::net::TcpStream;

/// What the kernel holds for any client.
pub(super) const BASE_UNSENT: u32 = 128 << 10;
/// What it holds for one that takes files fast: what `net.ipv4.tcp_wmem` allows by default.
const RAISED_UNSENT: u32 = 4 << 20;
/// The same where the budget has no more for it: a room of machines that begin at once.
const PARTLY_RAISED_UNSENT: u32 = 1 << 20;
/// A client is fast that takes [`SAMPLE`] bytes in this time: 4 MiB/s. It is more than what the kernel takes for a client
/// that takes nothing.
const FAST: Duration = Duration::from_millis(125);
const SAMPLE: usize = 512 << 10;
/// What is left of a file at least, for more to be of use.
const MIN_LEFT: u64 = 2 << 20;

/// The most for all clients together, and for each of them by how many it is divided.
const ALL: u64 = 256 << 20;
const CLIENTS: usize = 4;
/// The part of the memory that it is at most. The kernel economizes when TCP has a sixteenth (`tcp_mem`, tcp(7)).
const OF_MEMORY: u64 = 32;

/// What the kernel may hold for fast clients.
#[derive(Debug)]
pub(crate) struct Unsent(Arc<ByteBudget>);

impl Default for Unsent {
    fn default() -> Self {
        let all = (memory() / OF_MEMORY).min(ALL);
        let all = usize::try_from(all).unwrap_or(0);
        Self(ByteBudget::new(all / CLIENTS, all))
    }
}

/// This machine's, in bytes.
fn memory() -> u64 {
    let system = rustix::system::sysinfo();
    // As wide as the machine's words are.
    #[allow(clippy::useless_conversion)]
    let units = u64::from(system.totalram);
    units.saturating_mul(u64::from(system.mem_unit))
}

/// What the kernel holds of one connection's files.
#[derive(Debug)]
pub(super) struct Bound {
    budget: Arc<ByteBudget>,
    client: IpAddr,
    /// It holds [`RAISED_UNSENT`] or [`PARTLY_RAISED_UNSENT`], or has not sent all of it yet.
    charge: Option<Charge>,
    /// When the sample began, and what was taken since.
    since: Instant,
    taken: usize,
    /// What the last sample said.
    fast: bool,
}

impl Bound {
    /// [`BASE_UNSENT`], as the listener's connections begin with.
    pub(super) fn new(unsent: &Unsent, client: IpAddr) -> Self {
        Self {
            budget: Arc::clone(&unsent.0),
            client,
            charge: None,
            since: Instant::now(),
            taken: 0,
            fast: false,
        }
    }

    /// Whether the kernel may hold more of a file than of any client's.
    pub(super) fn is_raised(&self) -> bool {
        self.charge.is_some()
    }

    /// How much of a file may be given to the kernel now, of which `left` bytes are left.
    pub(super) fn sendable(&mut self, socket: &TcpStream, left: u64) -> u64 {
        if self.charge.is_none() {
            if self.taken == 0 {
                self.since = Instant::now();
            }
            if !self.fast || left < MIN_LEFT || !self.raise(socket) {
                return left;
            }
        }
        let before_end = left.saturating_sub(u64::from(BASE_UNSENT));
        if before_end > 0 {
            return before_end;
        }
        // The kernel takes the end when no more than that waits before it.
        let _ = bound_unsent(socket, BASE_UNSENT);
        left
    }

    /// The kernel has taken `sent` bytes of a file, of which `left` bytes are left now.
    pub(super) fn sent(&mut self, sent: usize, left: u64) {
        if left == 0 {
            (self.charge, self.taken) = (None, 0);
        } else if self.charge.is_none() {
            self.taken = self.taken.saturating_add(sent);
            if self.taken >= SAMPLE {
                self.fast = self.since.elapsed() <= FAST;
                self.taken = 0;
            }
        }
    }

    /// Bytes that are no part of a file are to be written, maybe the end of the answer: the kernel takes them when no more
    /// than anybody's waits before them.
    pub(super) fn before_bytes(&self, socket: &TcpStream) {
        if self.is_raised() {
            let _ = bound_unsent(socket, BASE_UNSENT);
        }
    }

    /// The kernel has taken such bytes. A client that was fast has more again with the next part of its file.
    pub(super) fn sent_bytes(&mut self) {
        if self.charge.take().is_some() {
            self.taken = 0;
        }
    }

    /// Whether there is something left of the budget. If not, it is asked again after another sample.
    fn raise(&mut self, socket: &TcpStream) -> bool {
        self.charge = [RAISED_UNSENT, PARTLY_RAISED_UNSENT]
            .into_iter()
            .find_map(|unsent| {
                let bytes = usize::try_from(unsent).ok()?;
                let charge = self.budget.charge(self.client, bytes)?;
                bound_unsent(socket, unsent).ok()?;
                Some(charge)
            });
        self.fast = self.charge.is_some();
        self.fast
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    /// A connection's end, and the other, which is not to be closed.
    async fn connection() -> (TcpStream, TcpStream) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await;
        (listener.accept().await.unwrap().0, client.unwrap())
    }

    /// With enough for a client.
    pub(in crate::serve::http) fn enough() -> Unsent {
        Unsent(ByteBudget::new(8 << 20, 64 << 20))
    }

    /// Of which a client has taken a sample of a file of 64 MiB, fast, however slow this machine is.
    pub(in crate::serve::http) fn sampled(unsent: &Unsent, socket: &TcpStream, host: u8) -> Bound {
        let mut bound = Bound::new(unsent, Ipv4Addr::new(10, 0, 0, host).into());
        assert_eq!(bound.sendable(socket, 64 << 20), 64 << 20);
        bound.since = Instant::now() + Duration::from_secs(3600);
        bound.sent(SAMPLE - 1, 63 << 20);
        assert!(!bound.fast);
        bound.sent(1, 63 << 20);
        bound
    }

    #[tokio::test]
    async fn a_fast_client_has_more_until_the_end_of_its_file_is_with_the_kernel() {
        let (socket, _client) = connection().await;
        let unsent = enough();
        let mut bound = sampled(&unsent, &socket, 1);
        let base = u64::from(BASE_UNSENT);
        // And what it fetches next, from its beginning.
        for left in [63 << 20, 9 << 20] {
            assert!(!bound.is_raised());
            assert_eq!(bound.sendable(&socket, left), left - base);
            assert!(bound.is_raised());
            assert_eq!(unsent.0.charged(), 4 << 20);
            bound.sent(SAMPLE, base);
            // The end, which waits until the rest is sent.
            assert_eq!(bound.sendable(&socket, base), base);
            bound.sent(1000, base - 1000);
            assert_eq!(bound.sendable(&socket, base - 1000), base - 1000);
            assert!(bound.is_raised());
            bound.sent(SAMPLE, 0);
            assert_eq!(unsent.0.charged(), 0);
        }
    }

    #[tokio::test]
    async fn what_is_read_from_a_disk_ends_it_as_well_until_the_next_part() {
        let (socket, _client) = connection().await;
        let unsent = enough();
        let mut bound = sampled(&unsent, &socket, 1);
        for left in [63 << 20, 62 << 20] {
            bound.sendable(&socket, left);
            bound.sent(SAMPLE, left - 1);
            bound.before_bytes(&socket);
            // They wait until the rest is sent, which is charged until then.
            assert!(bound.is_raised());
            bound.sent_bytes();
            assert!(!bound.is_raised());
            assert_eq!(unsent.0.charged(), 0);
        }
    }

    #[tokio::test]
    async fn slow_clients_short_files_and_those_beyond_the_budget_have_little() {
        let (socket, _client) = connection().await;
        let unsent = Unsent(ByteBudget::new(4 << 20, 8 << 20));
        let mut slow = sampled(&unsent, &socket, 1);
        slow.sendable(&socket, MIN_LEFT - 1);
        assert!(!slow.is_raised());
        slow.since = Instant::now().checked_sub(2 * FAST).unwrap();
        slow.sent(SAMPLE, 62 << 20);
        slow.sendable(&socket, 62 << 20);
        assert!(!slow.is_raised());
        // Two of one client, and then others.
        let raised = [1, 1, 2, 3].map(|host| {
            let mut bound = sampled(&unsent, &socket, host);
            bound.sendable(&socket, 63 << 20);
            bound
        });
        assert_eq!(
            raised.each_ref().map(Bound::is_raised),
            [true, false, true, false]
        );
    }

    #[tokio::test]
    async fn who_comes_when_the_budget_is_nearly_used_up_has_some() {
        let (socket, _client) = connection().await;
        let unsent = Unsent(ByteBudget::new(5 << 20, 64 << 20));
        let mut held = Vec::new();
        for charged in [4, 5, 5] {
            let mut bound = sampled(&unsent, &socket, 1);
            bound.sendable(&socket, 63 << 20);
            assert_eq!(unsent.0.charged(), charged << 20);
            held.push(bound);
        }
    }

    #[test]
    fn a_machine_with_little_memory_gives_little_of_it() {
        let Unsent(budget) = Unsent::default();
        let one: IpAddr = Ipv4Addr::LOCALHOST.into();
        let all = usize::try_from(memory() / OF_MEMORY).unwrap();
        assert!(budget.charge(one, all).is_none());
    }
}
