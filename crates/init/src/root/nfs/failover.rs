//! Queries several servers of the same root at once.

use std::sync::Arc;
use std::time::Duration;

use crate::channel::{RecvTimeoutError, channel};
use crate::clock::{Moment, Wait};
use crate::threads;

/// How long a usable server waits for those listed before it: long enough to retransmit a lost first packet.
const HEAD_START: Duration = Duration::from_millis(1500);
/// The stack of one asking thread, in bytes.
const STACK: usize = 256 << 10;

/// Queries all of `hosts` at once. Returns the usable ones in the order in which they are listed, as soon as no better
/// one can come; if none is usable, why the first one is not.
///
/// `ask` must return on its own (it needs a timeout).
pub(crate) fn ask_all<H, T, E>(
    hosts: &[H],
    what: &str,
    ask: impl Fn(&H) -> Result<T, E> + Send + Sync + 'static,
) -> Result<Vec<T>, Option<E>>
where
    H: Clone + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    let ask = Arc::new(ask);
    let (sender, receiver) = channel();
    for (place, host) in hosts.iter().enumerate() {
        let (task, task_sender, task_host) = (ask.clone(), sender.clone(), host.clone());
        let work = move || {
            task_sender.send((place, task(&task_host)));
        };
        if threads::start(STACK, work).is_err() {
            sender.send((place, ask(host)));
        }
    }
    drop(sender);
    let mut answers: Vec<Option<Result<T, E>>> = hosts.iter().map(|_| None).collect();
    let mut wait = Wait::start();
    let mut deadline: Option<Moment> = None;
    while !is_decided(&answers) {
        let next_log = wait.log_if_due(|| what.to_owned());
        let until = deadline.map_or(next_log, |deadline| deadline.min(next_log));
        match receiver.recv_timeout(until.remaining()) {
            Ok((place, answer)) => {
                if answer.is_ok() {
                    deadline.get_or_insert(Moment::now().after(HEAD_START));
                }
                if let Some(empty) = answers.get_mut(place) {
                    *empty = Some(answer);
                }
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) if deadline.is_some_and(|d| d.remaining().is_zero()) => {
                break;
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
    let mut usable = Vec::new();
    let mut first_error = None;
    for answer in answers.into_iter().flatten() {
        match answer {
            Ok(answer) => usable.push(answer),
            Err(error) => {
                first_error.get_or_insert(error);
            }
        }
    }
    if usable.is_empty() {
        Err(first_error)
    } else {
        Ok(usable)
    }
}

/// Whether the best answer is known: a usable one comes before every missing one.
fn is_decided<T, E>(answers: &[Option<Result<T, E>>]) -> bool {
    let best = answers
        .iter()
        .find(|answer| !matches!(answer, Some(Err(_))));
    matches!(best, None | Some(Some(_)))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// Each host: after how many milliseconds it answers, and whether it is usable.
    fn asked(hosts: &[(u64, bool)]) -> Result<Vec<u64>, Option<u64>> {
        ask_all(hosts, "the servers", |(after, usable)| {
            thread::sleep(Duration::from_millis(*after));
            if *usable { Ok(*after) } else { Err(*after) }
        })
    }

    #[test]
    fn the_first_listed_is_used_even_if_another_answers_earlier() {
        let answers = asked(&[(200, true), (10, true), (60_000, true)]);
        assert_eq!(answers, Ok(vec![200, 10]));
    }

    #[test]
    fn a_failed_first_server_does_not_delay_the_next() {
        // Whoever waited for the head start would have the last answer, too.
        let before_its_end = u64::try_from(HEAD_START.as_millis()).unwrap() - 100;
        let answers = asked(&[(100, false), (10, true), (before_its_end, true)]);
        assert_eq!(answers, Ok(vec![10]));
    }

    #[test]
    fn a_silent_first_server_costs_only_its_head_start() {
        let answers = asked(&[(60_000, true), (10, true)]);
        assert_eq!(answers, Ok(vec![10]));
    }

    #[test]
    fn if_none_is_usable_the_first_error_is_returned() {
        assert_eq!(asked(&[(100, false), (10, false)]), Err(Some(100)));
        assert_eq!(asked(&[(10, false)]), Err(Some(10)));
    }
}
