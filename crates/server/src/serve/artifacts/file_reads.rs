//! Reading files without holding up the network's thread.
//!
//! DHCP, TFTP and HTTP share one thread, and iPXE waits two seconds for an offer. What is in memory already is read
//! there, at once ([`Content::read_now`]); everything that may wait for a disk is done by a few other threads. A client
//! has at most [`READS_EACH`] of them, so that its slow file does not stop another client's.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::body::Bytes;
use netroot_limits::{ByteBudget, Charge};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::content::Content;
use super::recently_cached::RecentlyCached;

/// Buffers of [`CHUNK`] bytes that are kept for the next reads, at most.
const SPARE: usize = 8;
/// Concurrent reads of all clients.
const READS: usize = 32;
/// Concurrent reads of one client. The others wait for them.
const READS_EACH: usize = 2;
/// The most that is read at a time, in bytes.
pub(crate) const CHUNK: usize = 64 * 1024;
/// What is read at a time when the budget is used up, in bytes. It is not charged: connections and transfers are
/// limited too.
const SMALL_CHUNK: usize = 4096;
/// Bytes that were read for one client and wait to be sent.
const BUFFERED_EACH: usize = 1024 * 1024;
/// Bytes that were read for all clients.
const BUFFERED: usize = 16 * 1024 * 1024;

/// The threads that read files, and the memory that they read into.
#[derive(Debug)]
pub(crate) struct FileReads {
    all: Arc<Semaphore>,
    clients: Mutex<HashMap<IpAddr, Turns>>,
    budget: Arc<ByteBudget>,
    spare: Arc<SpareBuffers>,
    recently: RecentlyCached,
}

/// Buffers that have been read into and sent. A new one has to be cleared first, and comes from the allocator, which is a
/// twentieth of what a TFTP transfer costs.
#[derive(Debug, Default)]
struct SpareBuffers(Mutex<Vec<Vec<u8>>>);

/// Whose turn it is among the reads of one client.
#[derive(Debug)]
struct Turns {
    turn: Arc<Semaphore>,
    /// How many reads wait for a turn or have one.
    reads: usize,
}

/// A read of a client, until it is dropped.
struct Read {
    reads: Arc<FileReads>,
    client: IpAddr,
}

impl FileReads {
    /// Nothing is read yet. The threads are the runtime's for blocking work.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            all: Arc::new(Semaphore::new(READS)),
            clients: Mutex::default(),
            budget: ByteBudget::new(BUFFERED_EACH, BUFFERED),
            spare: Arc::default(),
            recently: RecentlyCached::new(),
        })
    }

    /// Does something for `client` that may wait for a disk.
    ///
    /// # Errors
    /// When the runtime ends.
    pub(crate) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        client: IpAddr,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        let (turn, read) = self.enter(client);
        let own = turn.acquire_owned().await.map_err(io::Error::other)?;
        let all = Arc::clone(&self.all);
        let one = all.acquire_owned().await.map_err(io::Error::other)?;
        // A thread cannot be stopped: it counts until it is done, whoever still waits for it.
        let held: (OwnedSemaphorePermit, OwnedSemaphorePermit, Read) = (own, one, read);
        let done = tokio::task::spawn_blocking(move || {
            let _held = held;
            work()
        });
        done.await.map_err(io::Error::other)
    }

    /// Reads at most `most` bytes of `content` from `offset` for `client`, and waits for a disk if it has to. Fewer, but
    /// `least`, if the client or the server holds too much already; none at the end.
    ///
    /// # Errors
    /// Those of [`Content::read_at`].
    pub(crate) async fn read(
        self: Arc<Self>,
        client: IpAddr,
        content: Content,
        offset: u64,
        least: usize,
        most: usize,
    ) -> io::Result<Bytes> {
        let mut buffer = self.buffer(client, least, most);
        let read = move || {
            let length = content.read_at(offset, &mut buffer.bytes)?;
            Ok(buffer.shared(length))
        };
        self.run(client, read).await?
    }

    /// The same for bytes that are in memory. `None` if they are not.
    pub(crate) fn read_now(
        &self,
        client: IpAddr,
        content: &Content,
        offset: u64,
        least: usize,
        most: usize,
    ) -> Option<io::Result<Bytes>> {
        // Before there is memory for it: in a file system that cannot tell, nothing ever is.
        if !content.begins_in_memory(offset) {
            return None;
        }
        let mut buffer = self.buffer(client, least, most);
        let read = content.read_now(offset, &mut buffer.bytes)?;
        Some(read.map(|length| buffer.shared(length)))
    }

    /// The file of `content` with the part of it from `offset` on that is in memory, as [`Content::in_memory`].
    pub(crate) fn in_memory<'a>(
        &self,
        content: &'a Content,
        offset: u64,
        most: usize,
    ) -> Option<(&'a Arc<File>, u64, usize)> {
        content.in_memory(&self.recently, offset, most)
    }

    /// A buffer of `most` bytes or fewer, with anything in it.
    fn buffer(&self, client: IpAddr, least: usize, most: usize) -> Buffer {
        let length = most.min(CHUNK).max(least);
        let charge = self.budget.charge(client, length);
        let length = match charge {
            Some(_) => length,
            None => length.min(SMALL_CHUNK.max(least)),
        };
        Buffer {
            bytes: self.spare.take(length),
            charge,
            spare: Arc::clone(&self.spare),
        }
    }

    fn enter(self: &Arc<Self>, client: IpAddr) -> (Arc<Semaphore>, Read) {
        let mut clients = self.clients();
        let turns = clients.entry(client).or_insert_with(|| Turns {
            turn: Arc::new(Semaphore::new(READS_EACH)),
            reads: 0,
        });
        turns.reads += 1;
        let reads = Arc::clone(self);
        (Arc::clone(&turns.turn), Read { reads, client })
    }

    fn clients(&self) -> MutexGuard<'_, HashMap<IpAddr, Turns>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Read {
    fn drop(&mut self) {
        if let Entry::Occupied(mut turns) = self.reads.clients().entry(self.client) {
            turns.get_mut().reads -= 1;
            if turns.get().reads == 0 {
                turns.remove();
            }
        }
    }
}

impl SpareBuffers {
    /// One of this length, with anything in it.
    fn take(&self, length: usize) -> Vec<u8> {
        // Small reads need no large buffer.
        if length <= CHUNK / 2 {
            return vec![0; length];
        }
        let spare = self.all().pop();
        let mut buffer = spare.unwrap_or_else(|| Vec::with_capacity(CHUNK));
        buffer.resize(length, 0);
        buffer
    }

    fn give_back(&self, buffer: Vec<u8>) {
        let mut all = self.all();
        if buffer.capacity() == CHUNK && all.len() < SPARE {
            all.push(buffer);
        }
    }

    fn all(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes that are charged until they have been sent.
struct Buffer {
    bytes: Vec<u8>,
    charge: Option<Charge>,
    spare: Arc<SpareBuffers>,
}

impl Buffer {
    /// The first bytes of it, which were read: what a spare one has behind them is another file's.
    fn shared(mut self, length: usize) -> Bytes {
        self.bytes.truncate(length);
        if let Some(charge) = &mut self.charge {
            charge.resize(self.bytes.len());
        }
        Bytes::from_owner(self)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.spare.give_back(std::mem::take(&mut self.bytes));
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::mpsc;

    use super::*;

    fn client(host: u8) -> IpAddr {
        Ipv4Addr::new(10, 0, 0, host).into()
    }

    fn runtime() -> tokio::runtime::Runtime {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.build().unwrap()
    }

    #[test]
    fn a_clients_slow_reads_do_not_stop_another_ones() {
        let reads = FileReads::new();
        runtime().block_on(async {
            let (started, starts) = mpsc::channel();
            let mut slow = Vec::new();
            let mut gates = Vec::new();
            for _ in 0..5 {
                let (gate, released) = mpsc::channel::<()>();
                gates.push(gate);
                let (reads, started) = (Arc::clone(&reads), started.clone());
                let read = async move {
                    let wait = move || {
                        started.send(()).unwrap();
                        released.recv().unwrap_err();
                    };
                    reads.run(client(1), wait).await.unwrap();
                };
                slow.push(tokio::spawn(read));
            }
            tokio::task::yield_now().await;
            // While they are held, any number of others is done.
            for host in 2..=200 {
                assert_eq!(reads.run(client(host), move || host).await.unwrap(), host);
            }
            for _ in 0..READS_EACH {
                starts.recv().unwrap();
            }
            assert!(starts.try_recv().is_err(), "more than its share");
            assert_eq!(reads.clients().len(), 1);
            // One whose client has gone keeps its place until it is done, and those that wait leave.
            slow.pop().unwrap().abort();
            drop(gates);
            for read in slow {
                read.await.unwrap();
            }
            reads.run(client(1), || ()).await.unwrap();
            assert!(reads.clients().is_empty());
        });
    }

    #[test]
    fn a_buffer_is_used_again_and_shows_nothing_of_what_was_in_it() {
        let reads = FileReads::new();
        let content = |byte: u8, length| Content::Memory(Bytes::from(vec![byte; length]));
        let now = |content: &Content| {
            let read = reads.read_now(client(1), content, 0, 0, usize::MAX);
            read.unwrap().unwrap()
        };
        let first = now(&content(1, 2 * CHUNK));
        let place = first.as_ptr();
        // It is not another's as long as it is held.
        assert_ne!(now(&content(2, CHUNK)).as_ptr(), place);
        drop(first);
        let again = now(&content(3, 10));
        assert_eq!((again.as_ptr(), &*again), (place, &[3; 10][..]));
        drop(again);
        let longer = now(&content(4, CHUNK));
        assert_eq!((longer.as_ptr(), &*longer), (place, &[4; CHUNK][..]));
        drop(longer);
        // What TFTP reads at a time is whole windows: of one block of 1468 bytes, so many.
        let reads = FileReads::new();
        let windows = reads.read_now(client(1), &content(6, CHUNK), 0, 0, 64_592);
        let place = windows.unwrap().unwrap().as_ptr();
        let windows = reads.read_now(client(1), &content(7, CHUNK), 0, 0, 64_592);
        assert_eq!(windows.unwrap().unwrap().as_ptr(), place);
        // However many are read at once, few are kept.
        let whole = content(5, CHUNK);
        let read = || reads.read_now(client(1), &whole, 0, 0, usize::MAX);
        let held: Vec<_> = (0..2 * SPARE).map(|_| read()).collect();
        drop(held);
        assert_eq!(reads.spare.all().len(), SPARE);
    }

    #[test]
    fn bytes_are_charged_until_they_are_dropped_and_a_full_budget_makes_reads_small() {
        let reads = FileReads::new();
        let content = Content::Memory(Bytes::from(vec![7; 3 * CHUNK]));
        let now = |host| {
            let read = reads.read_now(client(host), &content, 0, 0, usize::MAX);
            read.unwrap().unwrap()
        };
        let held: Vec<Bytes> = (0..BUFFERED_EACH / CHUNK).map(|_| now(1)).collect();
        assert!(held.iter().all(|bytes| bytes.len() == CHUNK));
        assert_eq!(now(1).len(), SMALL_CHUNK);
        assert_eq!(now(2).len(), CHUNK);
        assert_eq!(reads.budget.charged(), BUFFERED_EACH);
        drop(held);
        assert_eq!(reads.budget.charged(), 0);
        runtime().block_on(async {
            let end = Arc::clone(&reads).read(client(1), content, 3 * 65536 - 5, 0, 100);
            assert_eq!(end.await.unwrap().len(), 5);
        });
        assert_eq!(reads.budget.charged(), 0);
    }
}
