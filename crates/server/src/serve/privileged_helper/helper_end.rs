//! A helper's side: what it lives by, and its loop.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use netroot_limits::RateLimiter;
use nix::sys::signal::{SigSet, Signal};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use rustix::process::{Pid, set_parent_process_death_signal};

use super::answer::Answer;
use super::channel::{self, MOST_FILES};
use super::request::{INTRODUCTION, LENGTH, Reply, Request};

/// Ends with `server`, and not before: what stops a server is sent to all processes of its terminal or its unit.
pub(super) fn live_with(server: Pid) -> Result<(), Errno> {
    set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    // Children are started with an empty mask.
    let stopping = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
    stopping
        .thread_block()
        .map_err(|errno| Errno::from_raw_os_error(errno as i32))?;
    // It may be gone already.
    if rustix::process::getppid() != Some(server) {
        return Err(Errno::SRCH);
    }
    Ok(())
}

/// Says that this helper is ready, with the descriptor that the server needs before it is confined.
pub(super) fn introduce(socket: &OwnedFd, file: Option<BorrowedFd<'_>>) {
    let ready = Answer {
        present: u8::from(file.is_some()),
        ..Answer::done(Vec::new())
    };
    // The server sees that nothing comes.
    let _ = send(socket, INTRODUCTION, ready, file.as_slice());
}

/// Says that this helper is ready, with what the server has to know of it, or why it cannot be.
pub(super) fn introduce_as(socket: &OwnedFd, answer: Answer) {
    let _ = send(socket, INTRODUCTION, answer, &[]);
}

fn send(
    socket: &OwnedFd,
    number: u16,
    answer: Answer,
    files: &[BorrowedFd<'_>],
) -> Result<(), Errno> {
    let reply = Reply {
        number,
        outcome: answer.outcome,
        present: answer.present,
        content: answer.content,
    };
    channel::send(socket, &reply.encode(), files, SendFlags::empty())
}

/// Answers requests until the server closes its end.
pub(super) fn answer_until_closed<R: Request>(
    socket: &OwnedFd,
    mut answer: impl FnMut(R) -> Answer,
) {
    let started = Instant::now();
    let mut limits = RateLimiter::new(R::RATE, R::RATE, 1);
    loop {
        let (number, request) = match channel::receive(socket, RecvFlags::empty()) {
            Ok(Some(message)) => read(&message.bytes),
            Ok(None) => return,
            Err(Errno::MSGSIZE) => (0, None),
            Err(Errno::INTR) => continue,
            Err(_) => return,
        };
        let mut answered = match request {
            None => Answer::failed("the helper process does not know this request"),
            Some(_) if !limits.allows((), started.elapsed()) => {
                Answer::failed("the helper process was asked too often; it works again soon")
            }
            Some(request) => catch_unwind(AssertUnwindSafe(|| answer(request)))
                .unwrap_or_else(|_| Answer::failed("the helper process failed; this is a bug")),
        };
        let files = std::mem::take(&mut answered.files);
        let files: Vec<_> = files.iter().map(AsFd::as_fd).collect();
        let files = files.get(..MOST_FILES).unwrap_or(&files);
        if send(socket, number, answered, files).is_err() {
            return;
        }
    }
}

/// The number of a request, and the request.
fn read<R: Request>(bytes: &[u8]) -> (u16, Option<R>) {
    let Some((number, rest)) = bytes.split_first_chunk() else {
        return (0, None);
    };
    let request = <[u8; LENGTH]>::try_from(rest).ok().and_then(R::decode);
    (u16::from_be_bytes(*number), request)
}

#[cfg(test)]
mod tests {
    use super::super::channel::MOST_BYTES;
    use super::super::request::{ImageNumber, Outcome, RootRequest};
    use super::*;
    use crate::settings::CatalogSettings;

    fn ask(socket: &OwnedFd, bytes: &[u8]) -> Reply {
        channel::send(socket, bytes, &[], SendFlags::empty()).unwrap();
        let message = channel::receive(socket, RecvFlags::empty()).unwrap();
        Reply::decode(&message.unwrap().bytes).unwrap()
    }

    #[test]
    fn what_is_no_request_is_refused_and_requests_are_limited() {
        let (here, there) = channel::pair().unwrap();
        let helper = std::thread::spawn(move || {
            let mut asked = 0;
            answer_until_closed(&there, |_: RootRequest| {
                asked += 1;
                Answer::done(Vec::new())
            });
            asked
        });
        for nonsense in [&[1][..], &[0; 22], &[9; 22], &[1; 23], &[0; MOST_BYTES + 1]] {
            let refused = ask(&here, nonsense);
            assert_eq!(refused.outcome, Outcome::Failed);
            let why = String::from_utf8(refused.content).unwrap();
            assert!(why.contains("does not know"), "{why}");
        }
        let image = ImageNumber::of(0, &CatalogSettings::default(), 0);
        let root = [&[0, 7][..], &RootRequest::Root { image }.encode()].concat();
        let first = ask(&here, &root);
        assert_eq!((first.number, first.outcome), (7, Outcome::Done));
        let replies: Vec<_> = (0..200).map(|_| ask(&here, &root)).collect();
        assert_eq!(replies[0].outcome, Outcome::Done);
        let why = String::from_utf8_lossy(&replies[199].content);
        assert!(why.contains("too often"), "{why}");
        drop(here);
        let asked = helper.join().unwrap();
        assert!(asked < 150, "{asked}");
    }
}
