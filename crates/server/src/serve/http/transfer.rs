//! The body of an HTTP answer, and the event at its end.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use hyper::body::{Body, Bytes, Frame, SizeHint};
use netroot_net::Mac;

use crate::serve::artifacts::{Content, FileKind};
use crate::serve::events::{Event, Fetch, Machine, StopCause, Timeline, Transport};

/// How many bytes are read from a file at a time. hyper takes the next chunk when less than its buffer is left of the
/// last one, so a client that reads nothing holds two: 16 MiB for all of the connections that there may be.
const CHUNK: usize = 32 * 1024;

/// A body that reads its file in chunks, as fast as the client takes them.
pub(super) struct Transfer {
    /// The content.
    pub(super) content: Content,
    /// The position of the next byte.
    pub(super) position: u64,
    /// The position after the last byte.
    pub(super) end: u64,
    /// What is logged at the end.
    pub(super) log: Option<TransferLog>,
}

/// What is logged when a transfer ends, well or early.
pub(super) struct TransferLog {
    /// Who fetches it.
    pub(super) machine: Machine,
    /// The machine whose script it is.
    pub(super) script_of: Option<Mac>,
    /// What the file is to a boot.
    pub(super) kind: FileKind,
    /// Its name.
    pub(super) name: String,
    /// How many bytes were asked for.
    pub(super) length: u64,
    /// When the answer began.
    pub(super) began: Instant,
    /// Where it is logged.
    pub(super) timeline: Timeline,
}

impl TransferLog {
    fn done(self) {
        let fetch = Fetch {
            kind: self.kind,
            name: self.name,
            bytes: self.length,
            took: self.began.elapsed(),
            by: Transport::Http,
        };
        self.timeline.fetched(self.machine, self.script_of, fetch);
    }

    fn stopped(self, sent: u64) {
        let stopped = Event::FetchStopped {
            kind: self.kind,
            name: self.name,
            sent,
            bytes: self.length,
            why: StopCause::HttpClosed,
        };
        self.timeline.machine(self.machine, stopped);
    }
}

impl Body for Transfer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let left = self.end.saturating_sub(self.position);
        if left == 0 {
            if let Some(log) = self.log.take() {
                log.done();
            }
            return Poll::Ready(None);
        }
        // What machines boot from is in the page cache; a cold disk delays one chunk.
        let mut chunk = vec![0; usize::try_from(left).unwrap_or(CHUNK).min(CHUNK)];
        let read = match self.content.read_at(self.position, &mut chunk) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            other => other,
        };
        match read {
            Ok(length) => {
                chunk.truncate(length);
                self.position = self
                    .position
                    .saturating_add(u64::try_from(length).unwrap_or(left));
                // hyper does not ask again once the announced length is reached.
                if self.position >= self.end
                    && let Some(log) = self.log.take()
                {
                    log.done();
                }
                Poll::Ready(Some(Ok(Frame::data(Bytes::from(chunk)))))
            }
            Err(error) => Poll::Ready(Some(Err(error))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.position >= self.end
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.end.saturating_sub(self.position))
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        if let Some(log) = self.log.take() {
            let sent = log
                .length
                .saturating_sub(self.end.saturating_sub(self.position));
            if self.position >= self.end {
                log.done()
            } else {
                log.stopped(sent)
            }
        }
    }
}
