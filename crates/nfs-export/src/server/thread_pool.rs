//! A few threads for calls that wait for a disk, so that other calls of the connection do not.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// The most threads. When all are busy, a call waits on the thread that serves its connection, which gives up its event loop first.
const MAX_THREADS: usize = 8;

/// An idle thread ends after this time.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// The stack size of the server's threads, in bytes: they keep no large buffers on it.
pub(super) const STACK_SIZE: usize = 256 * 1024;

type Job = Box<dyn FnOnce() + Send>;

/// Threads that are started on demand and end when idle.
#[derive(Clone, Default)]
pub(super) struct ThreadPool {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    stopping: bool,
}

impl ThreadPool {
    /// Runs `job` on another thread; returns it when none is free.
    pub(super) fn run(&self, job: Job) -> Result<(), Job> {
        let mut state = self.shared.lock();
        if state.stopping {
            return Err(job);
        }
        if state.idle > state.jobs.len() {
            state.jobs.push_back(job);
            self.shared.changed.notify_one();
            return Ok(());
        }
        if state.threads >= MAX_THREADS {
            return Err(job);
        }
        state.threads += 1;
        state.jobs.push_back(job);
        drop(state);
        let shared = Arc::clone(&self.shared);
        let spawned = thread::Builder::new()
            .name("nfs-disk".to_owned())
            .stack_size(STACK_SIZE)
            .spawn(move || shared.work());
        if spawned.is_ok() {
            return Ok(());
        }
        let mut state = self.shared.lock();
        state.threads -= 1;
        // Another thread may have taken it in the meantime, which is fine.
        state.jobs.pop_back().map_or(Ok(()), Err)
    }

    /// Accepts no more jobs and waits for the running ones.
    pub(super) fn stop(&self) {
        let mut state = self.shared.lock();
        state.stopping = true;
        self.shared.changed.notify_all();
        while state.threads > 0 {
            state = self
                .shared
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                // A job that panics has been reported, and what it held is dropped: the thread goes on.
                let _ = catch_unwind(AssertUnwindSafe(job));
                state = self.lock();
                continue;
            }
            if state.stopping {
                break;
            }
            state.idle += 1;
            let (woken, timeout) = self
                .changed
                .wait_timeout(state, IDLE_TIMEOUT)
                .unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if timeout.timed_out() && state.jobs.is_empty() {
                break;
            }
        }
        state.threads -= 1;
        drop(state);
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_full_pool_returns_the_job_and_accepts_it_later() {
        let pool = ThreadPool::default();
        let (release, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        for _ in 0..MAX_THREADS {
            let gate = Arc::clone(&gate);
            assert!(
                pool.run(Box::new(move || gate.lock().unwrap().recv().unwrap()))
                    .is_ok()
            );
        }
        let job = pool.run(Box::new(|| ())).expect_err("a full pool refuses");
        for _ in 0..MAX_THREADS {
            release.send(()).unwrap();
        }
        let mut job = Some(job);
        while let Some(refused) = job.take() {
            job = pool.run(refused).err();
            thread::yield_now();
        }
        pool.stop();
        assert!(pool.run(Box::new(|| ())).is_err());
    }

    #[test]
    fn a_job_that_panics_takes_no_thread_with_it() {
        let pool = ThreadPool::default();
        let (sender, receiver) = mpsc::channel::<()>();
        for _ in 0..10 * MAX_THREADS {
            let held = sender.clone();
            let mut job: Option<Job> = Some(Box::new(move || {
                let _held = held;
                panic!("injected");
            }));
            while let Some(refused) = job.take() {
                job = pool.run(refused).err();
                thread::yield_now();
            }
        }
        drop(sender);
        // What the jobs held is gone.
        assert!(receiver.recv().is_err());
        let (sender, receiver) = mpsc::channel();
        let mut job: Option<Job> = Some(Box::new(move || sender.send(7).unwrap()));
        while let Some(refused) = job.take() {
            job = pool.run(refused).err();
        }
        assert_eq!(receiver.recv(), Ok(7));
        pool.stop();
    }

    #[test]
    fn stopping_waits_for_running_jobs() {
        let pool = ThreadPool::default();
        let (sender, receiver) = mpsc::channel();
        pool.run(Box::new(move || {
            thread::sleep(Duration::from_millis(50));
            sender.send(()).unwrap();
        }))
        .ok()
        .unwrap();
        pool.stop();
        assert!(receiver.try_recv().is_ok());
    }
}
