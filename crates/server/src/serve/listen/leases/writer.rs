//! The thread that writes the leases, and what waits for it.
//!
//! Deciding about a request and offering never wait: they leave a change behind ([`Writer::note`]). An acknowledgement
//! is passed to [`Writer::when_durable`]. The thread takes everything that has come together, writes it as one
//! transaction, and sends the replies.

use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use netroot_net::Mac;
use netroot_proto::dhcp::pool::Binding;

use super::file::{LeaseFile, Opened};
use super::lease::{self, Lease};
use super::pace::Pace;
use super::queue::{Group, Queue, Wait};
use super::store::StoreError;
use crate::serve::clock::{Clock, Moment};
use crate::serve::counters::Counters;
use crate::serve::events::{Event, Timeline, Warning};
use crate::serve::listen::arrivals;

/// How long a change waits that no reply waits for: a released address, for example.
const LAZY: Duration = Duration::from_secs(2);
/// How long a transaction may take before replies no longer wait for the disk, and before a reply is too late for its
/// machine, which has asked again by then (RFC 2131 §4.1: after 4 s).
const SLOW: Duration = Duration::from_secs(5);
/// How often a disk that fails is tried again.
const RETRY: Duration = Duration::from_secs(10);
/// How often an idle server looks whether the wall clock was stepped.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(60);
/// How long the end of the server waits for the last transaction.
const LAST: Duration = Duration::from_secs(5);

/// What sends a reply.
type Send = Box<dyn FnOnce() + std::marker::Send>;

/// What [`Writer::when_durable`] has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    /// The reply is sent, now or once its lease is durable.
    Accepted,
    /// Too many wait: the reply is dropped, and the machine asks again.
    Full,
}

/// The leases on their way to the disk.
#[derive(Debug)]
pub(crate) struct Writer {
    shared: Arc<Shared>,
    /// Until the thread has it.
    file: Mutex<Option<(LeaseFile, bool)>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    file: PathBuf,
}

#[derive(Debug)]
struct State {
    queue: Queue<Waiting>,
    /// When the oldest of the waiting replies came, and the oldest change.
    waiting_since: Option<Instant>,
    changed_since: Option<Instant>,
    writing_since: Option<Instant>,
    /// Replies do not wait: the disk fails, or takes too long.
    failing: bool,
    stopping: bool,
    /// There is no thread any more, or not yet.
    ended: bool,
}

struct Waiting {
    since: Instant,
    send: Send,
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").finish_non_exhaustive()
    }
}

/// Where leases are written; a file, but in tests.
pub(super) trait Disk: std::marker::Send + 'static {
    fn write(&mut self, changes: &[super::store::Change]) -> Result<(), StoreError>;
    fn replace(&mut self, leases: &[(Ipv4Addr, super::lease::Stored)]) -> Result<(), StoreError>;
}

impl Disk for LeaseFile {
    fn write(&mut self, changes: &[super::store::Change]) -> Result<(), StoreError> {
        self.write(changes)
    }

    fn replace(&mut self, leases: &[(Ipv4Addr, super::lease::Stored)]) -> Result<(), StoreError> {
        self.replace(leases)
    }
}

impl Writer {
    /// For a file that was opened; nothing is written before [`Writer::start`].
    pub(crate) fn new(opened: Opened) -> Self {
        let Opened {
            file,
            leases,
            outdated,
            ..
        } = opened;
        let failing = !file.is_open();
        let path = file.path().to_owned();
        Self {
            shared: Arc::new(Shared::new(path, leases, failing)),
            file: Mutex::new(Some((file, outdated))),
        }
    }

    /// Starts the thread, once. Threads inherit what privileges are left, so this is after they were dropped.
    ///
    /// # Errors
    /// The system's, if the thread cannot be started.
    pub(crate) fn start(
        &self,
        clock: Clock,
        timeline: &Timeline,
        counters: &Arc<Counters>,
    ) -> io::Result<()> {
        let file = self
            .file
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some((file, outdated)) = file else {
            return Ok(());
        };
        let thread = Thread::new(&self.shared, file, clock, outdated, timeline, counters);
        thread.spawn()
    }

    /// Notes what addresses have from now on.
    pub(crate) fn note(
        &self,
        changes: impl IntoIterator<Item = (Ipv4Addr, Option<Binding>)>,
        now: Duration,
    ) {
        let mut state = self.shared.lock();
        for (address, binding) in changes {
            state.queue.change(address, binding.as_ref(), now);
        }
        if state.queue.has_changes() && state.changed_since.is_none() {
            state.changed_since = Some(Instant::now());
            self.shared.changed.notify_all();
        }
    }

    /// Calls `send` once what `address` has is durable, on this thread if it is so already, else on the writer's. Where
    /// the disk fails nobody waits for it.
    pub(crate) fn when_durable(
        &self,
        address: Ipv4Addr,
        mac: Mac,
        timeline: &Timeline,
        send: impl FnOnce() + std::marker::Send + 'static,
    ) -> Put {
        let now = Instant::now();
        let mut state = self.shared.lock();
        let slow = state
            .writing_since
            .is_some_and(|since| now.duration_since(since) > SLOW);
        if slow && !state.failing {
            state.failing = true;
            let error = format!("nothing was written for {} s", SLOW.as_secs());
            timeline.server(self.shared.unwritable(error));
        }
        if state.failing || state.ended {
            drop(state);
            send();
            return Put::Accepted;
        }
        let waiting = Waiting {
            since: now,
            send: Box::new(send),
        };
        match state.queue.wait(address, mac, waiting) {
            Wait::Durable(reply) => {
                drop(state);
                (reply.send)();
                Put::Accepted
            }
            Wait::Queued => {
                if state.waiting_since.is_none() {
                    state.waiting_since = Some(now);
                    self.shared.changed.notify_all();
                }
                Put::Accepted
            }
            Wait::Full => Put::Full,
        }
    }

    /// Writes what is left, for five seconds at most.
    pub(crate) fn stop(&self) {
        let mut state = self.shared.lock();
        state.stopping = true;
        self.shared.changed.notify_all();
        let ended = |state: &mut State| !state.ended;
        let waited = self.shared.changed.wait_timeout_while(state, LAST, ended);
        drop(waited);
    }
}

#[cfg(test)]
impl Writer {
    /// As if the thread had been started and never got to anything.
    pub(crate) fn pretend_to_write(&self) {
        self.shared.lock().ended = false;
    }
}

impl Shared {
    fn new(
        file: PathBuf,
        leases: impl IntoIterator<Item = (Ipv4Addr, Lease)>,
        failing: bool,
    ) -> Self {
        Self {
            state: Mutex::new(State {
                queue: Queue::new(leases),
                waiting_since: None,
                changed_since: None,
                writing_since: None,
                failing,
                stopping: false,
                ended: true,
            }),
            changed: Condvar::new(),
            file,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unwritable(&self, error: String) -> Event {
        Event::Warning(Warning::LeasesUnwritable {
            file: self.file.clone(),
            error,
        })
    }
}

impl State {
    /// When the next transaction is due. `None`: when something changes.
    fn due(&self, now: Instant, pace: &Pace, broken: Option<Instant>) -> Option<Instant> {
        if self.stopping {
            return Some(now);
        }
        if let Some(tried) = broken {
            return Some(tried + RETRY);
        }
        let changed = self.changed_since.map(|since| since + LAZY);
        let first = self.waiting_since.into_iter().chain(changed).min()?;
        Some(pace.next().map_or(first, |next| first.max(next)))
    }
}

/// What the thread has to itself.
pub(super) struct Thread<D> {
    shared: Arc<Shared>,
    disk: D,
    clock: Clock,
    timeline: Timeline,
    counters: Arc<Counters>,
    /// When the times on the disk were written.
    written_at: Moment,
    /// The times on the disk are another clock's.
    outdated: bool,
    /// The file cannot be written to: it has to be replaced. When that was tried last.
    broken: Option<Instant>,
    pace: Pace,
}

impl<D: Disk> Thread<D> {
    fn new(
        shared: &Arc<Shared>,
        disk: D,
        clock: Clock,
        outdated: bool,
        timeline: &Timeline,
        counters: &Arc<Counters>,
    ) -> Self {
        let mut state = shared.lock();
        state.ended = false;
        let broken = state.failing;
        drop(state);
        Self {
            shared: Arc::clone(shared),
            disk,
            written_at: clock.moment(),
            clock,
            timeline: timeline.clone(),
            counters: Arc::clone(counters),
            outdated,
            broken: broken.then(Instant::now),
            pace: Pace::default(),
        }
    }

    fn spawn(mut self) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let spawned = std::thread::Builder::new()
            .name("leases".to_owned())
            .spawn(move || {
                let ended = Ended(Arc::clone(&self.shared));
                while self.wait() {
                    self.write();
                }
                // The file is closed before the end is told.
                drop(self);
                drop(ended);
            });
        if spawned.is_err() {
            shared.lock().ended = true;
        }
        spawned.map(drop)
    }

    /// Waits until there is something to write. False at the end.
    fn wait(&mut self) -> bool {
        let mut state = self.shared.lock();
        loop {
            let moment = self.clock.moment();
            self.outdated |= lease::stepped(self.written_at, moment) && !state.queue.is_empty();
            if self.outdated && self.broken.is_none() {
                state.changed_since.get_or_insert_with(Instant::now);
            }
            let now = Instant::now();
            let pause = match state.due(now, &self.pace, self.broken) {
                Some(due) if due <= now => {
                    return !state.stopping
                        || self.outdated
                        || state.queue.has_changes()
                        || state.queue.has_waiting();
                }
                Some(due) => (due - now).min(LOOK_AT_CLOCK),
                None => LOOK_AT_CLOCK,
            };
            let waited = self.shared.changed.wait_timeout(state, pause);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn write(&mut self) {
        let moment = self.clock.moment();
        let all = self.outdated || self.broken.is_some();
        let mut state = self.shared.lock();
        let group = state.queue.take(all);
        (state.waiting_since, state.changed_since) = (None, None);
        let stopping = state.stopping;
        let began = Instant::now();
        state.writing_since = Some(began);
        drop(state);
        let written = self.write_group(&group, moment);
        self.pace.done(began, began.elapsed());

        let mut state = self.shared.lock();
        state.writing_since = None;
        state.queue.done(written.is_ok());
        if state.queue.has_changes() {
            state.changed_since.get_or_insert_with(Instant::now);
        }
        let was_failing = std::mem::replace(&mut state.failing, written.is_err());
        if stopping && written.is_err() {
            // Once is enough: the server ends.
            state.queue = Queue::new([]);
        }
        drop(state);
        self.broken = written.is_err().then_some(began);
        match written {
            Ok(()) if was_failing => {
                let file = self.shared.file.clone();
                self.timeline.server(Event::LeasesRecovered { file });
            }
            Err(error) if !was_failing => {
                self.timeline
                    .server(self.shared.unwritable(error.to_string()));
            }
            _ => {}
        }
        if self.broken.is_some() && stopping {
            self.outdated = false;
        } else if self.broken.is_none() && all {
            (self.written_at, self.outdated) = (moment, false);
        }
        for waiting in group.waiting {
            if waiting.since.elapsed() < SLOW {
                // A panic costs the reply that caused it, not the thread and the leases that come later.
                arrivals::handle(waiting.send);
            }
        }
    }

    fn write_group(&mut self, group: &Group<Waiting>, moment: Moment) -> Result<(), StoreError> {
        let stored = |lease: &Option<Lease>| lease.map(|lease| lease.stored(moment));
        let changes = group.changes.iter();
        let changes = changes.map(|(address, lease)| (*address, stored(lease)));
        if self.broken.is_some() {
            let leases = changes.filter_map(|(address, lease)| Some((address, lease?)));
            self.disk.replace(&leases.collect::<Vec<_>>())?;
        } else if group.changes.is_empty() {
            return Ok(());
        } else {
            self.disk.write(&changes.collect::<Vec<_>>())?;
        }
        Counters::count(&self.counters.lease_transactions);
        Ok(())
    }
}

/// Tells that the thread has ended, even by a panic.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests;
