//! `GET /events`: what changes, as server-sent events (the HTML standard, "Server-sent events").
//!
//! A stream holds no queue: it keeps which machines have changed, and sends how they are once its client takes it. So a slow client gets
//! fewer events and costs no memory, and one that misses some is told to ask anew.

use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame};
use netroot_net::Mac;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::Instant;

/// Streams in all, and of one client: browsers, and their pages.
const STREAMS: usize = 32;
const STREAMS_EACH: usize = 6;
/// How long changes are collected before they are sent.
const COLLECT: Duration = Duration::from_millis(200);
/// How often a comment is sent when nothing happens: proxies and switches forget connections, and a page knows that it is live.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a stream lasts; its client begins another one.
const LASTS: Duration = Duration::from_secs(60 * 60);

/// The first bytes: how long a browser waits before it begins a new stream.
const BEGINNING: &str = "retry: 2000\n\n";
const RESYNC: &str = "event: resync\ndata: {}\n\n";
const COMMENT: &str = ":\n\n";

/// The streams that there are.
#[derive(Debug, Default)]
pub(crate) struct Streams(Mutex<HashMap<IpAddr, usize>>);

/// A place among them, until it is dropped.
#[derive(Debug)]
pub(crate) struct StreamPlace {
    streams: Arc<Streams>,
    client: IpAddr,
}

impl Streams {
    /// `None` if there are too many.
    pub(crate) fn place(streams: &Arc<Self>, client: IpAddr) -> Option<StreamPlace> {
        let mut open = streams.open();
        let all: usize = open.values().sum();
        let own = open.get(&client).copied().unwrap_or_default();
        if all >= STREAMS || own >= STREAMS_EACH {
            return None;
        }
        open.insert(client, own + 1);
        Some(StreamPlace {
            streams: Arc::clone(streams),
            client,
        })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        let mut open = self.streams.open();
        if let Some(own) = open.get_mut(&self.client) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.client);
            }
        }
    }
}

/// An event of a stream. `data` has no line break.
pub(crate) fn event(name: &str, data: &str) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

/// The body of an answer to `GET /events`.
pub(crate) struct EventStream {
    next: Pin<Box<dyn Future<Output = Next> + Send>>,
    _place: StreamPlace,
}

/// The next bytes, and what the ones after them are made from; `None` at the end.
type Next = Option<(Bytes, Machines)>;

/// What a stream is made from.
struct Machines {
    changes: broadcast::Receiver<Mac>,
    show: Box<dyn Fn(Mac) -> Option<String> + Send>,
    ends: Instant,
}

impl EventStream {
    /// The machines that change, as `show` shows them.
    pub(crate) fn new(
        place: StreamPlace,
        changes: broadcast::Receiver<Mac>,
        show: impl Fn(Mac) -> Option<String> + Send + 'static,
    ) -> Self {
        let machines = Machines {
            changes,
            show: Box::new(show),
            ends: Instant::now() + LASTS,
        };
        let beginning = Bytes::from_static(BEGINNING.as_bytes());
        Self {
            next: Box::pin(std::future::ready(Some((beginning, machines)))),
            _place: place,
        }
    }
}

impl std::fmt::Debug for EventStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EventStream")
    }
}

async fn next(mut machines: Machines) -> Next {
    let mut changed = BTreeSet::new();
    let mut until = (Instant::now() + HEARTBEAT).min(machines.ends);
    loop {
        match tokio::time::timeout_at(until, machines.changes.recv()).await {
            Ok(Ok(mac)) => {
                if changed.is_empty() {
                    until = until.min(Instant::now() + COLLECT);
                }
                changed.insert(mac);
            }
            Ok(Err(RecvError::Lagged(_))) => {
                machines.changes = machines.changes.resubscribe();
                return Some((Bytes::from_static(RESYNC.as_bytes()), machines));
            }
            Ok(Err(RecvError::Closed)) => return None,
            Err(_) if !changed.is_empty() => {
                let shown = changed.iter().filter_map(|mac| {
                    let machine = (machines.show)(*mac)?;
                    Some(event("machine", &machine))
                });
                let text: String = shown.collect();
                return Some((Bytes::from(text), machines));
            }
            Err(_) if Instant::now() >= machines.ends => return None,
            Err(_) => return Some((Bytes::from_static(COMMENT.as_bytes()), machines)),
        }
    }
}

impl Body for EventStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.next.as_mut().poll(context).map(|ready| {
            let (bytes, machines) = ready?;
            self.next = Box::pin(next(machines));
            Some(Ok(Frame::data(bytes)))
        })
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn stream(capacity: usize) -> (EventStream, broadcast::Sender<Mac>) {
        let (told, changes) = broadcast::channel(capacity);
        let place = Streams::place(&Arc::default(), CLIENT).unwrap();
        let shown = |mac: Mac| (mac.0[5] != 9).then(|| format!("{{\"mac\":\"{mac}\"}}"));
        (EventStream::new(place, changes, shown), told)
    }

    async fn frame(stream: &mut EventStream) -> String {
        let frame = stream.frame().await.unwrap().unwrap();
        String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
    }

    fn mac(last: u8) -> Mac {
        Mac([2, 0, 0, 0, 0, last])
    }

    #[tokio::test(start_paused = true)]
    async fn changes_are_collected_and_sent_once_and_silence_has_a_heartbeat() {
        let (mut stream, told) = stream(16);
        assert_eq!(frame(&mut stream).await, BEGINNING);
        assert_eq!(frame(&mut stream).await, COMMENT);
        for last in [1, 2, 1, 9, 1] {
            told.send(mac(last)).unwrap();
        }
        let expected = "event: machine\ndata: {\"mac\":\"02:00:00:00:00:01\"}\n\n\
             event: machine\ndata: {\"mac\":\"02:00:00:00:00:02\"}\n\n";
        assert_eq!(frame(&mut stream).await, expected);
        assert_eq!(frame(&mut stream).await, COMMENT);
        drop(told);
        assert!(stream.frame().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_client_is_told_to_ask_anew_and_every_stream_ends() {
        let (mut stream, told) = stream(4);
        assert_eq!(frame(&mut stream).await, BEGINNING);
        for last in 0..8 {
            told.send(mac(last)).unwrap();
        }
        assert_eq!(frame(&mut stream).await, RESYNC);
        let mut comments = 0;
        while let Some(frame) = stream.frame().await {
            assert_eq!(frame.unwrap().into_data().unwrap(), COMMENT);
            comments += 1;
        }
        assert_eq!(comments, LASTS.as_secs() / HEARTBEAT.as_secs() - 1);
    }

    #[test]
    fn the_streams_of_a_client_and_of_all_are_limited() {
        let streams = Arc::<Streams>::default();
        let own: Vec<_> = (0..STREAMS_EACH)
            .map(|_| Streams::place(&streams, CLIENT).unwrap())
            .collect();
        assert!(Streams::place(&streams, CLIENT).is_none());
        let other = |last| IpAddr::from([10, 0, 0, last]);
        let others: Vec<_> = (0_u8..)
            .map_while(|last| Streams::place(&streams, other(last)))
            .collect();
        assert_eq!(own.len() + others.len(), STREAMS);
        drop((own, others));
        assert!(streams.open().is_empty());
    }
}
