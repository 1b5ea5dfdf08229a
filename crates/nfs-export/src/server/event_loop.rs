//! An event loop: one thread that waits for many connections and answers the calls of those that have some. There is one for
//! each processor, and a connection stays with the one that it was given to.
//!
//! A call takes less time than to go from one thread to another. So who runs a loop answers calls itself, and nobody else is
//! asked, as long as nothing has to be waited for. What it may have to wait for is
//!
//! - a disk, for the content of a file: of that the kernel tells before (`RWF_NOWAIT`), and the thread pool waits;
//! - a client that does not read, which shows when its socket takes no more: the loop is given to another thread before;
//! - the file system, for names and attributes, of which nothing is known before, or a call of the server's owner: the loop is
//!   taken from a thread that is still waiting after 2 to 4 ms ([`watchdog`](super::watchdog)).
//!
//! The thread that waited serves that connection alone then, for as long as its client is busy and waited for, as a thread for each
//! connection would.
//!
//! With a thread for each connection, as it was before, the same bench had 136.4 and 139.8 thousand GETATTRs a second on 8 and 64
//! connections, and 110.5 and 106.8 thousand LOOKUPs, where loops had 175.5 and 189.1, and 142.6 and 142.2 (`cargo xtask bench nfs`,
//! without LTO). What loops cost:
//!
//! - While a loop is being taken, the calls of its other connections wait for those 2 to 4 ms, each time that it happens.
//! - Shorter waits are not handed over: names that a disk or another file server tells in less than 2 ms each are looked up one after
//!   the other by each loop, where a thread for each connection looked up as many at a time as there were connections.
//! - Without threads left (`TasksMax=`) a loop whose thread waits for a file system stands still until that answers, which is
//!   reported (`out-of-threads`); instead of waiting for a client it closes a connection.
//! - At a real-time priority nobody is interrupted for those that waited: where one processor served loops and threads under
//!   `chrt -f`, single READs of 1 MiB on 64 connections took up to 0.25 s, and 0.02 s with a thread for each.

mod connections;
mod role;
mod served;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use self::connections::Connections;
pub(super) use self::role::Term;
use self::role::{Over, Role};
use self::served::Served;
use crate::coarse_time;
use crate::server::alarm::Alarm;
use crate::server::calls::{Buffers, Next, Session};
use crate::server::connection::Connection;
use crate::server::polling::{Polling, Turn};
use crate::server::serving::Serving;
use crate::server::thread_pool::STACK_SIZE;

/// The most events that are taken at once.
const MOST_EVENTS: usize = 128;

/// Where there are no more threads, the loop is stopped for so many milliseconds at most until one ends whose connection was
/// closed for that.
const WAIT_FOR_THREAD_MS: u32 = 50;

/// A thread that serves one connection waits for its client for so long, and gives it back to the loop after so many turns that
/// took no longer than this each.
const KEPT_FOR: Duration = Duration::from_millis(20);
const QUICK: Duration = Duration::from_millis(1);
const QUICK_TURNS: u32 = 256;

/// The number of the event by which the loop is woken. Connections count from 0.
const WAKE: u64 = u64::MAX;

pub(super) struct EventLoop {
    serving: Arc<Serving>,
    alarm: Arc<Alarm>,
    epoll: OwnedFd,
    /// Written to when the thread that waits has to look at `role`.
    wake: OwnedFd,
    role: Role<Connections>,
    /// Of its threads, in bytes.
    stack_size: usize,
}

impl EventLoop {
    /// # Errors
    /// There are no descriptors or no threads left.
    pub(super) fn start(serving: &Arc<Serving>, alarm: &Arc<Alarm>) -> io::Result<Arc<Self>> {
        let new = Arc::new(Self::new(serving, alarm)?);
        // The second one has the loop when the first one has to wait.
        for _ in 0..2 {
            let started = new.role.start_thread(|| new.spawn());
            started.inspect_err(|_| new.stop())?;
        }
        Ok(new)
    }

    /// Without threads.
    fn new(serving: &Arc<Serving>, alarm: &Arc<Alarm>) -> io::Result<Self> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &wake, EventData::new_u64(WAKE), EventFlags::IN)?;
        Ok(Self {
            serving: Arc::clone(serving),
            alarm: Arc::clone(alarm),
            epoll,
            wake,
            role: Role::new(Connections::default()),
            stack_size: STACK_SIZE,
        })
    }

    /// How many connections it has.
    pub(super) fn len(&self) -> usize {
        self.role.with(|connections| connections.all.len())
    }

    /// Serves a connection from now on, until it is closed.
    pub(super) fn add(&self, id: u64, connection: &Arc<Connection>, client: SocketAddr) {
        let session = Session::new(&self.serving.state, connection, client);
        let Some(session) = session else {
            return self.serving.closed(id);
        };
        let served = Arc::new(Served::new(id, client, Arc::clone(connection), session));
        let tick = self.serving.deadlines.look;
        self.role.with(|connections| {
            connections.all.insert(id, Arc::clone(&served));
            connections
                .look
                .get_or_insert_with(|| coarse_time::now() + tick);
        });
        let events = EventFlags::IN | EventFlags::RDHUP | EventFlags::ET;
        if epoll::add(&self.epoll, served.fd(), EventData::new_u64(id), events).is_err() {
            self.close(&served);
        }
        // It may have to look earlier than it thought.
        self.wake();
    }

    /// Ends the threads, those too that wait for what has been closed. [`EventLoop::join`] waits for them.
    pub(super) fn stop(&self) {
        self.role.stop();
        self.wake();
    }

    pub(super) fn join(&self) {
        self.role.join();
    }

    /// The present term of a thread.
    pub(super) fn term(&self) -> Option<Arc<Term>> {
        self.role.term()
    }

    /// Gives the loop to another thread than the one that has this term, which waits within the turn in which it was seen. If
    /// there is none, all connections of the loop wait, too, which is reported.
    pub(super) fn take_over(self: &Arc<Self>, term: &Arc<Term>, turns: u64) {
        if self.role.end_within(term, turns, || self.spawn()).is_ok() {
            return;
        }
        let served = |connections: &mut Connections| connections.all.get(&term.serves()).cloned();
        if let Some(served) = self.role.with(served) {
            self.serving.out_of_threads(served.client);
        }
    }

    fn wake(&self) {
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    fn spawn(self: &Arc<Self>) -> io::Result<()> {
        let new = Arc::clone(self);
        thread::Builder::new()
            .name("nfs-loop".to_owned())
            .stack_size(self.stack_size)
            .spawn(move || new.work())
            .map(drop)
    }

    /// What each thread of a loop does.
    fn work(self: &Arc<Self>) {
        let _thread = Thread { of: &self.role };
        while let Some(term) = self.role.begin() {
            // For the next time. If there is none now, one is started then, or that is reported.
            if self.role.lacks_spare() {
                let _ = self.role.start_thread(|| self.spawn());
            }
            // The loop has no other thread: one that panics goes on.
            while catch_unwind(AssertUnwindSafe(|| self.run(&term))).is_err() {}
        }
    }

    fn run(self: &Arc<Self>, term: &Arc<Term>) -> Over {
        let (mut polling, mut events) = (Polling::default(), Vec::with_capacity(MOST_EVENTS));
        let mut buffers = Buffers::default();
        loop {
            let mut ready = match self.collect(term, &mut events, &mut polling) {
                Ok(ready) => ready,
                Err(over) => return over,
            };
            if ready == 0 {
                continue;
            }
            // Those that have more to do have their next turn after the others.
            while ready > 0 {
                ready -= 1;
                let next = |connections: &mut Connections| connections.ready.pop_front();
                match self.role.as_runner(term, next) {
                    Ok(Some(served)) => self.serve(term, &served, &mut buffers),
                    Ok(None) => break,
                    Err(over) => return over,
                }
            }
        }
    }

    /// Waits until a connection is ready, or the time to look at all has come; returns how many are ready.
    fn collect(
        self: &Arc<Self>,
        term: &Arc<Term>,
        events: &mut Vec<epoll::Event>,
        polling: &mut Polling,
    ) -> Result<usize, Over> {
        let (ready, look) = self.role.as_runner(term, |connections| {
            (connections.ready.len(), connections.look)
        })?;
        self.wait_for_events(events, Some(Duration::ZERO));
        let waits = (events.is_empty() && ready == 0).then(Instant::now);
        if waits.is_some() && !self.wait_awake(events, polling) {
            let timeout = look.map(|look| look.saturating_sub(coarse_time::now()));
            self.wait_for_events(events, timeout);
        }
        if events.iter().any(|event| event.data.u64() == WAKE) {
            let _ = rustix::io::read(&self.wake, &mut [0; 8]);
        }
        let tick = self.serving.deadlines.look;
        let ready = self.role.with(|connections| connections.note(events, tick));
        if let Some(since) = waits.filter(|_| ready > 0) {
            polling.called(since.elapsed());
        }
        // However much there is to do: those that are ready are left out.
        if look.is_some_and(|look| look <= coarse_time::now()) {
            self.look_after_all(term);
        }
        Ok(ready)
    }

    fn wait_for_events(&self, events: &mut Vec<epoll::Event>, timeout: Option<Duration>) {
        events.clear();
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        // An interrupted wait has no events.
        let _ = epoll::wait(
            &self.epoll,
            rustix::buffer::spare_capacity(events),
            timeout.as_ref(),
        );
    }

    /// Whether events have come while they were waited for awake.
    fn wait_awake(&self, events: &mut Vec<epoll::Event>, polling: &mut Polling) -> bool {
        let Some(mut awake) = self.serving.pollers.enter(polling.longest()) else {
            return false;
        };
        loop {
            match awake.turn() {
                Turn::Look => {}
                Turn::Sleep => return false,
                Turn::Displaced => {
                    polling.displaced();
                    return false;
                }
            }
            self.wait_for_events(events, Some(Duration::ZERO));
            if !events.is_empty() {
                return true;
            }
        }
    }

    /// Gives a connection its turn.
    fn serve(self: &Arc<Self>, term: &Arc<Term>, served: &Arc<Served>, buffers: &mut Buffers) {
        let leave = || self.leave(term, served);
        term.turn_begins(served.id);
        self.alarm.note();
        let next = served.turn(&self.serving, buffers, &leave);
        term.turn_ends();
        if term.is_over() {
            return self.keep(term, (served, next), buffers);
        }
        match next {
            Next::Wait if served.let_go() => {}
            Next::Wait | Next::More => self.queue(term, served),
            Next::Close => self.close(served),
        }
    }

    /// This thread is going to wait, and gives up the loop.
    ///
    /// # Errors
    /// No other one can be had: the connection is closed, since there are others to be served.
    fn leave(self: &Arc<Self>, term: &Arc<Term>, served: &Arc<Served>) -> io::Result<()> {
        let end = || self.role.end(term, || self.spawn());
        let Err(error) = end() else {
            return Ok(());
        };
        self.serving.out_of_threads(served.client);
        // Whoever has more connections than this client loses one. If a thread waited for it, that one is free at once.
        let closed = self
            .serving
            .connections()
            .close_of_busiest(served.client.ip());
        let is_free = |_| {
            thread::sleep(Duration::from_millis(1));
            end().is_ok()
        };
        if closed && (0..WAIT_FOR_THREAD_MS).any(is_free) {
            return Ok(());
        }
        served.connection().close();
        Err(error)
    }

    /// Has a connection served by the thread that runs the loop.
    fn queue(&self, term: &Term, served: &Arc<Served>) {
        self.role
            .with(|connections| connections.ready.push_back(Arc::clone(served)));
        if term.is_over() {
            // Another thread has the loop, and may wait for events.
            self.wake();
        }
    }

    /// Serves a connection that had to be waited for, without the loop.
    fn keep(&self, term: &Term, (served, mut next): (&Arc<Served>, Next), buffers: &mut Buffers) {
        let mut quick = 0;
        loop {
            match next {
                Next::Close => return self.close(served),
                Next::More if quick < QUICK_TURNS => {}
                Next::More => return self.queue(term, served),
                Next::Wait => {
                    let gives_back = quick >= QUICK_TURNS || !is_calling(served);
                    if gives_back && served.let_go() {
                        return;
                    }
                }
            }
            let began = Instant::now();
            next = served.turn(&self.serving, buffers, &|| Ok(()));
            quick = match began.elapsed() < QUICK {
                true => quick + 1,
                false => 0,
            };
        }
    }

    /// Looks after the connections that nobody serves now.
    fn look_after_all(&self, term: &Term) {
        self.serving.state.listings.drop_old();
        let all: Vec<Arc<Served>> = self
            .role
            .with(|connections| connections.all.values().cloned().collect());
        let mut again = false;
        for served in &all {
            if !served.take() {
                again = true;
                continue;
            }
            match served.look_after(&self.serving.deadlines) {
                Next::Close => {
                    self.close(served);
                    continue;
                }
                Next::More => again = true,
                Next::Wait => {}
            }
            if !served.let_go() {
                self.queue(term, served);
            }
        }
        let look = again.then(|| coarse_time::now() + self.serving.deadlines.look);
        self.role.with(|connections| connections.look = look);
    }

    fn close(&self, served: &Served) {
        served.connection().close();
        // Replies that still wait for a disk keep the socket open.
        let _ = epoll::delete(&self.epoll, served.fd());
        let closed = self
            .role
            .with(|connections| connections.all.remove(&served.id));
        if closed.is_some() {
            self.serving.closed(served.id);
        }
    }
}

/// Whether the client of a connection sends something soon.
fn is_calling(served: &Served) -> bool {
    let timeout = Timespec::try_from(KEPT_FOR).ok();
    let mut ready = [PollFd::from_borrowed_fd(served.fd(), PollFlags::IN)];
    poll(&mut ready, timeout.as_ref()).is_ok_and(|ready| ready > 0)
}

/// A thread of a loop, until it ends.
struct Thread<'a> {
    of: &'a Role<Connections>,
}

impl Drop for Thread<'_> {
    fn drop(&mut self) {
        self.of.thread_ends();
    }
}
