//! A channel for the answers of threads that may be slow or never answer.
//!
//! A small subset of `std::sync::mpsc`, which instantiates three kinds of channel with their queues, some 10 KiB of
//! code, for each type that is sent.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Moment;

/// The sending half. When the last one is dropped, the receiver learns that nothing more will come.
pub(crate) struct Sender<T>(Arc<Shared<T>>);

/// The receiving half.
pub(crate) struct Receiver<T>(Arc<Shared<T>>);

/// Why nothing was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecvTimeoutError {
    /// None arrived in time.
    Timeout,
    /// Every sender has been dropped.
    Disconnected,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    queue: VecDeque<T>,
    senders: usize,
}

/// A channel with one sender, which may be cloned.
pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            queue: VecDeque::new(),
            senders: 1,
        }),
        changed: Condvar::new(),
    });
    (Sender(shared.clone()), Receiver(shared))
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // A panic cannot leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Sender<T> {
    /// Sends a value. It is lost if the receiver is gone.
    pub(crate) fn send(&self, value: T) {
        self.0.lock().queue.push_back(value);
        self.0.changed.notify_one();
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.lock().senders += 1;
        Self(self.0.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.lock().senders -= 1;
        self.0.changed.notify_one();
    }
}

impl<T> Receiver<T> {
    /// Takes the oldest value, waiting for at most `timeout`.
    pub(crate) fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        let deadline = Moment::now().after(timeout);
        let mut state = self.0.lock();
        loop {
            if let Some(value) = state.queue.pop_front() {
                return Ok(value);
            }
            if state.senders == 0 {
                return Err(RecvTimeoutError::Disconnected);
            }
            let left = deadline.remaining();
            if left.is_zero() {
                return Err(RecvTimeoutError::Timeout);
            }
            let waited = self.0.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn values_arrive_in_the_order_they_were_sent() {
        let (sender, receiver) = channel();
        let other = sender.clone();
        sender.send(1);
        other.send(2);
        assert_eq!(receiver.recv_timeout(LONG), Ok(1));
        assert_eq!(receiver.recv_timeout(LONG), Ok(2));
    }

    #[test]
    fn a_value_ends_the_wait() {
        let (sender, receiver) = channel();
        let thread = std::thread::spawn(move || {
            std::thread::sleep(SOON);
            sender.send("here");
        });
        assert_eq!(receiver.recv_timeout(LONG), Ok("here"));
        thread.join().unwrap();
    }

    #[test]
    fn a_silent_sender_times_out() {
        let (_sender, receiver) = channel::<()>();
        assert_eq!(receiver.recv_timeout(SOON), Err(RecvTimeoutError::Timeout));
    }

    #[test]
    fn the_wait_ends_when_every_sender_is_dropped() {
        let (sender, receiver) = channel();
        let other = sender.clone();
        other.send(7);
        drop(other);
        drop(sender);
        assert_eq!(receiver.recv_timeout(LONG), Ok(7));
        assert_eq!(
            receiver.recv_timeout(LONG),
            Err(RecvTimeoutError::Disconnected)
        );
    }
}
