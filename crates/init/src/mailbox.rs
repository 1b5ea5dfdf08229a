//! Answers from threads that may be late, or never come.
//!
//! What `std::sync::mpsc` does, for the little that is asked of it here; that one brings three kinds of channel and
//! their queues, some 10 KiB, for each kind of answer.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Moment;

/// Where answers are put. Dropped without one, it tells that none comes.
pub(crate) struct Sender<T>(Arc<Shared<T>>);

/// Where answers are taken from.
pub(crate) struct Receiver<T>(Arc<Shared<T>>);

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// Not in time.
    Late,
    /// Every sender is gone.
    Never,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    answers: VecDeque<T>,
    senders: usize,
}

/// A mailbox with one sender, to be cloned.
pub(crate) fn mailbox<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            answers: VecDeque::new(),
            senders: 1,
        }),
        changed: Condvar::new(),
    });
    (Sender(shared.clone()), Receiver(shared))
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing below leaves the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Sender<T> {
    /// Puts an answer in. It is lost when nobody waits any more.
    pub(crate) fn send(&self, answer: T) {
        self.0.lock().answers.push_back(answer);
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
    /// The oldest answer, waited for no longer than `patience`.
    pub(crate) fn receive(&self, patience: Duration) -> Result<T, NoAnswer> {
        let deadline = Moment::now().after(patience);
        let mut state = self.0.lock();
        loop {
            if let Some(answer) = state.answers.pop_front() {
                return Ok(answer);
            }
            if state.senders == 0 {
                return Err(NoAnswer::Never);
            }
            let left = deadline.remaining();
            if left.is_zero() {
                return Err(NoAnswer::Late);
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
    fn answers_come_in_the_order_in_which_they_were_put_in() {
        let (sender, receiver) = mailbox();
        let other = sender.clone();
        sender.send(1);
        other.send(2);
        assert_eq!(receiver.receive(LONG), Ok(1));
        assert_eq!(receiver.receive(LONG), Ok(2));
    }

    #[test]
    fn an_answer_ends_the_waiting() {
        let (sender, receiver) = mailbox();
        let thread = std::thread::spawn(move || {
            std::thread::sleep(SOON);
            sender.send("here");
        });
        assert_eq!(receiver.receive(LONG), Ok("here"));
        thread.join().unwrap();
    }

    #[test]
    fn patience_ends_while_a_sender_is_silent() {
        let (_sender, receiver) = mailbox::<()>();
        assert_eq!(receiver.receive(SOON), Err(NoAnswer::Late));
    }

    #[test]
    fn nobody_is_waited_for_once_every_sender_is_gone() {
        let (sender, receiver) = mailbox();
        let other = sender.clone();
        other.send(7);
        drop(other);
        drop(sender);
        assert_eq!(receiver.receive(LONG), Ok(7));
        assert_eq!(receiver.receive(LONG), Err(NoAnswer::Never));
    }
}
