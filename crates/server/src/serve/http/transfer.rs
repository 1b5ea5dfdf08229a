//! The body of an HTTP answer, and the event at its end.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use hyper::body::{Body, Bytes, Frame, SizeHint};
use netroot_net::Mac;

use super::direct::{PART, Parts};
use crate::serve::artifacts::{Chosen, Content, FileKind, FileReads};
use crate::serve::events::{Event, Fetch, Fetching, Machine, StopCause, Timeline, Transport};

/// What is as many bytes at most is copied into the packet that has the answer's header.
const SMALL: u64 = 8 << 10;

/// A read that waits for a disk.
type Reading = Pin<Box<dyn Future<Output = io::Result<Bytes>> + Send>>;

/// A body that reads its file in chunks, as fast as the client takes them.
pub(super) struct Transfer {
    /// The content.
    pub(super) content: Content,
    /// Who reads it.
    pub(super) reads: Arc<FileReads>,
    /// For whom.
    pub(super) client: IpAddr,
    /// The read that it waits for.
    pub(super) reading: Option<Reading>,
    /// Where parts of the file are handed over that the kernel sends.
    pub(super) parts: Arc<Parts>,
    /// The position of the next byte.
    pub(super) position: u64,
    /// The position after the last byte.
    pub(super) end: u64,
    /// How many bytes it has.
    pub(super) length: u64,
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
    /// What it boots, if it is a script.
    pub(super) chosen: Option<Arc<Chosen>>,
    /// When the answer began.
    pub(super) began: Instant,
    /// Where it is logged.
    pub(super) timeline: Timeline,
    /// That it goes on.
    pub(super) _fetching: Fetching,
}

impl TransferLog {
    fn done(self) {
        let fetch = Fetch {
            kind: self.kind,
            name: self.name,
            bytes: self.length,
            took: self.began.elapsed(),
            by: Transport::Http,
            chosen: self.chosen,
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
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let left = self.end.saturating_sub(self.position);
        if left == 0 {
            if let Some(log) = self.log.take() {
                log.done();
            }
            return Poll::Ready(None);
        }
        let read = match self.poll_read(left, context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(chunk)) if chunk.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
            Poll::Ready(other) => other,
        };
        match read {
            Ok(chunk) => {
                let length = u64::try_from(chunk.len()).unwrap_or(left);
                self.position = self.position.saturating_add(length);
                // hyper does not ask again once the announced length is reached.
                if self.position >= self.end
                    && let Some(log) = self.log.take()
                {
                    log.done();
                }
                Poll::Ready(Some(Ok(Frame::data(chunk))))
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

impl Transfer {
    /// The next chunk: at once if it is in memory, which is what machines boot from as a rule.
    fn poll_read(&mut self, left: u64, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        // hyper takes the next chunk when less than its buffer is left of the last one, so a client that reads nothing
        // holds two: charged to the budget of `reads`, which makes them smaller when it is used up.
        let most = usize::try_from(left).unwrap_or(usize::MAX);
        let mut reading = match self.reading.take() {
            Some(reading) => reading,
            None => {
                let part = most.min(PART);
                if self.length > SMALL
                    && let Some((file, position, length)) =
                        self.reads.in_memory(&self.content, self.position, part)
                {
                    return Poll::Ready(self.parts.put(file, position, length, left));
                }
                let now = self
                    .reads
                    .read_now(self.client, &self.content, self.position, 0, most);
                if let Some(chunk) = now {
                    return Poll::Ready(chunk);
                }
                let reads = Arc::clone(&self.reads);
                Box::pin(reads.read(self.client, self.content.clone(), self.position, 0, most))
            }
        };
        let read = reading.as_mut().poll(context);
        if read.is_pending() {
            self.reading = Some(reading);
        }
        read
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
