//! Which thread runs an event loop.
//!
//! One thread at a time does: for a [`Term`]. Before it waits for anything but events it gives up the role, and where it waits
//! unexpectedly the [watchdog](crate::server::watchdog) takes the role from it. Another thread has it then: one that has nothing to do, or
//! a new one.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::thread::{Pid, gettid};

/// A thread that has nothing to do ends after this time, if there is another one.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// The time in which a thread runs the loop.
#[derive(Debug)]
pub(in crate::server) struct Term {
    /// No other term of the loop has it.
    pub(in crate::server) number: u64,
    pub(in crate::server) thread: Pid,
    over: AtomicBool,
    /// Odd while a connection has its turn.
    turns: AtomicU64,
    /// The number of the connection that had the last turn; none has the first value.
    serves: AtomicU64,
}

impl Term {
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// The turn of this connection begins.
    pub(super) fn turn_begins(&self, id: u64) {
        self.serves.store(id, Ordering::Relaxed);
        self.turns.fetch_add(1, Ordering::SeqCst);
    }

    /// For its thread, which alone counts turns. Who sees this a moment late ends a term whose thread looks at the role next.
    pub(super) fn turn_ends(&self) {
        let turns = self.turns.load(Ordering::Relaxed);
        self.turns.store(turns.wrapping_add(1), Ordering::Release);
    }

    /// The number of the connection that had the last turn.
    pub(super) fn serves(&self) -> u64 {
        self.serves.load(Ordering::SeqCst)
    }

    /// How many turns began or ended: odd within one.
    pub(in crate::server) fn turns(&self) -> u64 {
        self.turns.load(Ordering::SeqCst)
    }
}

/// The role, and the threads that can have it. `T` is what only the thread that has the role may take.
pub(super) struct Role<T> {
    state: Mutex<State<T>>,
    /// Nobody has the role.
    vacant: Condvar,
    ended: Condvar,
    idle_timeout: Duration,
}

struct State<T> {
    term: Option<Arc<Term>>,
    next: u64,
    threads: usize,
    spare: usize,
    stopping: bool,
    work: T,
}

/// This thread's term is over.
#[derive(Debug)]
pub(super) struct Over;

impl<T> Role<T> {
    pub(super) fn new(work: T) -> Self {
        Self {
            state: Mutex::new(State {
                term: None,
                next: 0,
                threads: 0,
                spare: 0,
                stopping: false,
                work,
            }),
            vacant: Condvar::new(),
            ended: Condvar::new(),
            idle_timeout: IDLE_TIMEOUT,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the work, whoever has the role.
    pub(super) fn with<R>(&self, look: impl FnOnce(&mut T) -> R) -> R {
        look(&mut self.lock().work)
    }

    /// The same for the thread that has the role.
    pub(super) fn as_runner<R>(
        &self,
        term: &Term,
        look: impl FnOnce(&mut T) -> R,
    ) -> Result<R, Over> {
        let mut state = self.lock();
        match term.is_over() || state.stopping {
            true => Err(Over),
            false => Ok(look(&mut state.work)),
        }
    }

    /// The present term.
    pub(in crate::server) fn term(&self) -> Option<Arc<Term>> {
        self.lock().term.clone()
    }

    /// Has `start` start a thread that calls [`Role::begin`].
    pub(super) fn start_thread<E>(&self, start: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        self.lock().threads += 1;
        start().inspect_err(|_| self.thread_ends())
    }

    /// Waits until nobody has the role, and begins a term. `None` if the thread is to end.
    pub(super) fn begin(&self) -> Option<Arc<Term>> {
        let mut state = self.lock();
        loop {
            if state.stopping {
                return None;
            }
            if state.term.is_none() {
                break;
            }
            state.spare += 1;
            let (woken, timeout) = self
                .vacant
                .wait_timeout(state, self.idle_timeout)
                .unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.spare -= 1;
            // The last one stays: when the role is to be given up there may be no thread to be had.
            if timeout.timed_out() && state.term.is_some() && state.spare > 0 {
                return None;
            }
        }
        let term = Arc::new(Term {
            number: state.next,
            thread: gettid(),
            over: AtomicBool::new(false),
            turns: AtomicU64::new(0),
            serves: AtomicU64::new(u64::MAX),
        });
        state.next += 1;
        state.term = Some(Arc::clone(&term));
        Some(term)
    }

    /// Whether no thread waits for the role.
    pub(super) fn lacks_spare(&self) -> bool {
        let state = self.lock();
        state.spare == 0 && !state.stopping
    }

    /// Ends a term, if it is not over. `start` starts a thread, and is called if none has nothing to do.
    ///
    /// # Errors
    /// That of `start`; the term goes on then.
    pub(super) fn end<E>(
        &self,
        term: &Arc<Term>,
        start: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        self.end_if(term, |_| true, start)
    }

    /// The same, but only within the turn in which the thread was seen ([`Term::turns`]). Once that is over it looks at the
    /// role before it waits for events, so it never waits for them in a term that is over.
    pub(super) fn end_within<E>(
        &self,
        term: &Arc<Term>,
        turns: u64,
        start: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        self.end_if(term, |term| term.turns() == turns, start)
    }

    fn end_if<E>(
        &self,
        term: &Arc<Term>,
        ends: impl Fn(&Term) -> bool,
        start: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        let mut state = self.lock();
        let present = state.term.as_ref();
        if !present.is_some_and(|present| Arc::ptr_eq(present, term) && ends(present)) {
            return Ok(());
        }
        if state.spare == 0 && !state.stopping {
            // It waits for the lock.
            start()?;
            state.threads += 1;
        }
        state.term = None;
        term.over.store(true, Ordering::SeqCst);
        drop(state);
        self.vacant.notify_one();
        Ok(())
    }

    pub(super) fn thread_ends(&self) {
        self.lock().threads -= 1;
        self.ended.notify_all();
    }

    /// Ends all terms.
    pub(super) fn stop(&self) {
        self.lock().stopping = true;
        self.vacant.notify_all();
    }

    /// Waits until all threads have ended.
    pub(super) fn join(&self) {
        let mut state = self.lock();
        while state.threads > 0 {
            state = self
                .ended
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STARTED: Result<(), ()> = Ok(());

    #[test]
    fn who_gave_up_the_role_takes_no_more_work() {
        let role = Role::new(vec![1, 2]);
        role.start_thread(|| STARTED).unwrap();
        let term = role.begin().unwrap();
        assert_eq!(role.as_runner(&term, Vec::pop).unwrap(), Some(2));
        role.end(&term, || STARTED).unwrap();
        assert!(term.is_over());
        assert!(role.as_runner(&term, Vec::pop).is_err());
        let next = role.begin().unwrap();
        assert_eq!(role.as_runner(&next, Vec::pop).unwrap(), Some(1));
        // The first one's end is past.
        role.end(&term, || Err(())).unwrap();
        assert!(!next.is_over());
        role.thread_ends();
        role.thread_ends();
        role.join();
    }

    #[test]
    fn without_another_thread_the_term_goes_on() {
        let role = Role::new(vec![1]);
        role.start_thread(|| STARTED).unwrap();
        assert!(role.start_thread(|| Err(())).is_err());
        let term = role.begin().unwrap();
        assert!(role.end(&term, || Err(())).is_err());
        assert_eq!(role.as_runner(&term, Vec::pop).unwrap(), Some(1));
        role.stop();
        assert!(role.as_runner(&term, Vec::pop).is_err());
        assert!(role.begin().is_none());
        role.thread_ends();
        role.join();
    }

    #[test]
    fn a_turn_that_is_over_does_not_end_the_term() {
        let role = Role::new(vec![1]);
        role.start_thread(|| STARTED).unwrap();
        let term = role.begin().unwrap();
        term.turn_begins(7);
        let seen = term.turns();
        term.turn_ends();
        term.turn_begins(8);
        role.end_within(&term, seen, || Err(())).unwrap();
        assert!(!term.is_over());
        assert_eq!(term.serves(), 8);
        role.end_within(&term, term.turns(), || STARTED).unwrap();
        assert!(term.is_over());
        role.thread_ends();
        role.thread_ends();
        role.join();
    }

    #[test]
    fn the_last_thread_that_has_nothing_to_do_stays() {
        let mut role = Role::new(());
        role.idle_timeout = Duration::ZERO;
        let role = role;
        for _ in 0..3 {
            role.start_thread(|| STARTED).unwrap();
        }
        let term = role.begin().unwrap();
        assert!(role.lacks_spare());
        std::thread::scope(|scope| {
            let spare = [(); 2].map(|()| scope.spawn(|| role.begin()));
            // One of them ends, once there are two. The test fails only by never ending.
            while !spare.iter().any(std::thread::ScopedJoinHandle::is_finished) {
                std::thread::yield_now();
            }
            role.end(&term, || Err(())).unwrap();
            while role.term().is_none() {
                std::thread::yield_now();
            }
            role.stop();
            let begun = spare.map(|spare| spare.join().unwrap().is_some());
            assert_eq!(begun.iter().filter(|begun| **begun).count(), 1);
        });
    }

    #[test]
    fn a_thread_that_has_nothing_to_do_has_the_role_next() {
        let mut role = Role::new(Vec::<u8>::new());
        // However long this machine lets one of them wait.
        role.idle_timeout = Duration::MAX;
        let role = role;
        role.start_thread(|| STARTED).unwrap();
        role.start_thread(|| STARTED).unwrap();
        let term = role.begin().unwrap();
        std::thread::scope(|scope| {
            let spare = scope.spawn(|| role.begin());
            // The test fails only by never ending.
            while role.lock().spare == 0 {
                std::thread::yield_now();
            }
            role.end(&term, || Err(())).unwrap();
            assert_ne!(spare.join().unwrap().unwrap().thread, term.thread);
        });
    }
}
