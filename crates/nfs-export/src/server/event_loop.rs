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

mod role;
mod served;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

pub(super) use self::role::Term;
use self::role::{Over, Role};
use self::served::Served;
use crate::event::Event;
use crate::server::alarm::Alarm;
use crate::server::calls::{Next, Session};
use crate::server::connection::Connection;
use crate::server::polling::{Polling, Turn};
use crate::server::serving::Serving;
use crate::server::thread_pool::STACK_SIZE;

/// The most events that are taken at once.
const MOST_EVENTS: usize = 128;

/// How often connections whose clients are silent are looked at, as long as they have something to free or to wait for.
const TICK: Duration = Duration::from_secs(5);

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
}

/// The connections of a loop.
#[derive(Default)]
struct Connections {
    all: HashMap<u64, Arc<Served>>,
    /// Those that have events, or more to do.
    ready: VecDeque<Arc<Served>>,
    /// When they are looked at, if any has something to free or to wait for.
    look: Option<Instant>,
}

impl Connections {
    /// Each event is told of once only, so whoever was told notes it. Returns how many connections are ready.
    fn note(&mut self, events: &[epoll::Event]) -> usize {
        let ending = EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
        for event in events {
            let ended = { event.flags }.intersects(ending);
            if let Some(served) = self.all.get(&event.data.u64())
                && served.event(ended)
            {
                self.ready.push_back(Arc::clone(served));
            }
        }
        if !self.ready.is_empty() {
            self.look.get_or_insert_with(|| Instant::now() + TICK);
        }
        self.ready.len()
    }
}

impl EventLoop {
    /// # Errors
    /// There are no descriptors or no threads left.
    pub(super) fn start(serving: &Arc<Serving>, alarm: &Arc<Alarm>) -> io::Result<Arc<Self>> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &wake, EventData::new_u64(WAKE), EventFlags::IN)?;
        let new = Arc::new(Self {
            serving: Arc::clone(serving),
            alarm: Arc::clone(alarm),
            epoll,
            wake,
            role: Role::new(Connections::default()),
        });
        new.role.start_thread(|| new.spawn())?;
        Ok(new)
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
        let served = Arc::new(Served::new(id, Arc::clone(connection), session));
        self.role.with(|connections| {
            connections.all.insert(id, Arc::clone(&served));
            connections
                .look
                .get_or_insert_with(|| Instant::now() + TICK);
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

    /// Gives the loop to another thread than the one that has this term, which waits; if there is one.
    pub(super) fn take_over(self: &Arc<Self>, term: &Arc<Term>) {
        let _ = self.role.end(term, || self.spawn());
    }

    fn wake(&self) {
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    fn spawn(self: &Arc<Self>) -> io::Result<()> {
        let new = Arc::clone(self);
        thread::Builder::new()
            .name("nfs-loop".to_owned())
            .stack_size(STACK_SIZE)
            .spawn(move || new.work())
            .map(drop)
    }

    /// What each thread of a loop does.
    fn work(self: &Arc<Self>) {
        let mut thread = Thread {
            of: self,
            term: None,
        };
        while let Some(term) = self.role.begin() {
            thread.term = Some(Arc::clone(&term));
            let Over = self.run(&term);
        }
    }

    fn run(self: &Arc<Self>, term: &Arc<Term>) -> Over {
        let (mut polling, mut events) = (Polling::default(), Vec::with_capacity(MOST_EVENTS));
        let mut served_last = Instant::now();
        loop {
            let mut ready = match self.collect(term, &mut events, (&mut polling, served_last)) {
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
                    Ok(Some(served)) => self.serve(term, &served),
                    Ok(None) => break,
                    Err(over) => return over,
                }
            }
            served_last = Instant::now();
        }
    }

    /// Waits until a connection is ready, or the time to look at all has come; returns how many are ready.
    fn collect(
        self: &Arc<Self>,
        term: &Arc<Term>,
        events: &mut Vec<epoll::Event>,
        (polling, served_last): (&mut Polling, Instant),
    ) -> Result<usize, Over> {
        let (ready, look) = self.role.as_runner(term, |connections| {
            (connections.ready.len(), connections.look)
        })?;
        self.wait_for_events(events, Some(Duration::ZERO));
        if events.is_empty() && ready == 0 {
            if !self.wait_awake(events, polling) {
                let timeout = look.map(|look| look.saturating_duration_since(Instant::now()));
                self.wait_for_events(events, timeout);
            }
            if !events.is_empty() {
                polling.called(served_last.elapsed());
            }
        }
        if events.iter().any(|event| event.data.u64() == WAKE) {
            let _ = rustix::io::read(&self.wake, &mut [0; 8]);
        }
        let due = look.is_some_and(|look| events.is_empty() && look <= Instant::now());
        if due {
            self.look_after_all();
        }
        let ready = self.role.with(|connections| connections.note(events));
        if term.is_over() {
            // The loop was taken from this thread when it had just ended the turn for which that was done.
            self.wake();
            return Err(Over);
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
    fn serve(self: &Arc<Self>, term: &Arc<Term>, served: &Arc<Served>) {
        let leave = || self.leave(term, served);
        term.turn();
        self.alarm.note();
        let next = served.turn(&self.serving, &leave);
        term.turn();
        if term.is_over() {
            return self.keep(served, next);
        }
        match next {
            Next::Wait if served.let_go() => {}
            Next::Wait | Next::More => self.queue(served),
            Next::Close => self.close(served),
        }
    }

    /// This thread is going to wait. If no other one can be had, the connection is closed: there are others to be served.
    fn leave(self: &Arc<Self>, term: &Arc<Term>, served: &Arc<Served>) {
        if self.role.end(term, || self.spawn()).is_err() {
            served.connection().close();
            let client = served.connection().peer();
            if let Some(client) = client {
                self.serving.state.report(Event::OutOfThreads { client });
            }
        }
    }

    fn queue(&self, served: &Arc<Served>) {
        self.role
            .with(|connections| connections.ready.push_back(Arc::clone(served)));
    }

    /// Serves a connection that had to be waited for, without the loop.
    fn keep(&self, served: &Arc<Served>, mut next: Next) {
        let mut quick = 0;
        loop {
            match next {
                Next::Close => return self.close(served),
                Next::More if quick < QUICK_TURNS => {}
                Next::More => {
                    self.queue(served);
                    return self.wake();
                }
                Next::Wait => {
                    let gives_back = quick >= QUICK_TURNS || !is_calling(served);
                    if gives_back && served.let_go() {
                        return;
                    }
                }
            }
            let began = Instant::now();
            next = served.turn(&self.serving, &|| ());
            quick = match began.elapsed() < QUICK {
                true => quick + 1,
                false => 0,
            };
        }
    }

    /// Looks after the connections that nobody serves now.
    fn look_after_all(&self) {
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
            match served.look_after() {
                Next::Close => {
                    self.close(served);
                    continue;
                }
                Next::More => again = true,
                Next::Wait => {}
            }
            if !served.let_go() {
                self.queue(served);
            }
        }
        let look = again.then(|| Instant::now() + TICK);
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
    of: &'a Arc<EventLoop>,
    term: Option<Arc<Term>>,
}

impl Drop for Thread<'_> {
    fn drop(&mut self) {
        // Its term is over, unless it panics.
        if let Some(term) = &self.term {
            self.of.take_over(term);
        }
        self.of.role.thread_ends();
    }
}
