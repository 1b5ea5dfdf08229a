//! HTTP: the same names as TFTP, for iPXE and for firmware that boots from HTTP.
//!
//! GET and HEAD, one byte range, a Content-Length in every answer (EDK2 needs it). The number of connections is
//! limited, in total and per client; one that transfers nothing for a minute is closed. The only request body that is
//! read is a boot report's.

mod byte_range;
mod connection_limits;
mod transfer;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http_body_util::Either;
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use netroot_net::Mac;

use self::byte_range::Part;
use self::connection_limits::ConnectionLimits;
use self::transfer::{Transfer, TransferLog};
use crate::catalog::{ArrivedAt, KnownMachine};
use crate::serve::artifacts::script;
use crate::serve::artifacts::{Artifact, ArtifactStore};
use crate::serve::counters::Counters;
use crate::serve::events::{Ignored, Machine, Timeline};
use crate::serve::nfs;
use crate::serve::reports::Reports;
use crate::serve::status::Status;
use crate::serve::url_path;

/// How long a request's header may take.
const HEADER_TIME: Duration = Duration::from_secs(10);
/// How long a connection may transfer nothing. Firmware erases flash or decompresses while a transfer waits.
const IDLE_TIME: Duration = Duration::from_secs(60);
/// The longest request header, in bytes: the smallest limit that hyper allows. Firmware sends a few hundred.
const HEADER_BYTES: usize = 8192;

/// What every connection shares.
#[derive(Debug)]
pub(crate) struct Site {
    /// Name → artifact.
    pub(crate) artifacts: Arc<ArtifactStore>,
    /// What `/` and `/status` show.
    pub(crate) status: Status,
    /// Where events are logged.
    pub(crate) timeline: Timeline,
    /// What is counted.
    pub(crate) counters: Arc<Counters>,
    /// The export, which has counters of its own.
    pub(crate) nfs: Option<Arc<netroot_nfs_export::Server>>,
    /// The machines' boot reports.
    pub(crate) reports: Reports,
    /// The limits on connections, for all listeners together.
    pub(crate) limits: Arc<ConnectionLimits>,
}

impl Site {
    /// The name of the image that a machine boots.
    fn image_of(&self, mac: Mac, ends: &Ends) -> String {
        let machine = KnownMachine { mac: Some(mac) };
        let catalog = self.artifacts.catalog();
        catalog.assign(&machine, &ends.arrived()).name.clone()
    }

    fn counted(&self) -> BTreeMap<&'static str, u64> {
        let nfs = self
            .nfs
            .as_ref()
            .map(|nfs| nfs::counted(&nfs.counts()))
            .unwrap_or_default();
        self.counters
            .snapshot()
            .list()
            .into_iter()
            .chain(nfs)
            .collect()
    }
}

/// Who talks on a connection, and where it arrived.
#[derive(Debug)]
struct Ends {
    peer: IpAddr,
    local: IpAddr,
    interface: Arc<str>,
}

impl Ends {
    fn arrived(&self) -> ArrivedAt<'_> {
        ArrivedAt {
            interface: &self.interface,
            server: self.local,
        }
    }
}

/// Accepts connections on an address of `interface` until the runtime ends.
///
/// # Errors
/// Only when the listener cannot be used at all; a failed accept is tried again.
pub(crate) async fn run(
    listener: TcpListener,
    interface: Arc<str>,
    site: Arc<Site>,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    netroot_sys::tcp::cap_retransmission(&listener)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            // Most likely out of file descriptors, which ending the server would not cure.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let Some(slot) = ConnectionLimits::take(&site.limits, peer.ip()) else {
            Counters::count(&site.counters.http_over_limit);
            continue;
        };
        let Ok(local) = stream.local_addr() else {
            continue;
        };
        let (site, interface) = (Arc::clone(&site), Arc::clone(&interface));
        tokio::spawn(async move {
            let _slot = slot;
            let ends = Ends {
                peer: peer.ip().to_canonical(),
                local: local.ip().to_canonical(),
                interface,
            };
            serve(stream, &ends, &site).await;
        });
    }
}

/// One connection, from its first byte to its last.
async fn serve(stream: tokio::net::TcpStream, ends: &Ends, site: &Arc<Site>) {
    let moved = Arc::new(AtomicU64::new(0));
    let service = service_fn(|request: Request<Incoming>| {
        moved.fetch_add(1, Ordering::Relaxed);
        let (site, moved) = (Arc::clone(site), Arc::clone(&moved));
        async move {
            let response = if is_report(&request) {
                let image = |mac| site.image_of(mac, ends);
                let taken = site.reports.take(request, ends.peer, image, &site.timeline);
                let (status, text) = taken.await;
                page(status, text)
            } else {
                answer(&request, ends, &site, &moved)
            };
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(HEADER_BYTES)
        .max_headers(64)
        .serve_connection(TokioIo::new(stream), service);
    let stalled = async {
        let mut seen = None;
        loop {
            let now = moved.load(Ordering::Relaxed);
            if seen == Some(now) {
                return;
            }
            seen = Some(now);
            tokio::time::sleep(IDLE_TIME).await;
        }
    };
    tokio::select! {
        ended = connection => {
            if ended.is_err() {
                Counters::count(&site.counters.http_broken_connections);
            }
        }
        () = stalled => Counters::count(&site.counters.http_broken_connections),
    }
}

fn is_report<B>(request: &Request<B>) -> bool {
    request.method() == Method::POST && request.uri().path().starts_with(script::REPORT)
}

type Answer = Response<Either<Transfer, http_body_util::Full<Bytes>>>;

fn answer(
    request: &Request<Incoming>,
    ends: &Ends,
    site: &Arc<Site>,
    moved: &Arc<AtomicU64>,
) -> Answer {
    let head = match *request.method() {
        Method::GET => false,
        Method::HEAD => true,
        _ => {
            Counters::count(&site.counters.http_refused);
            let mut refusal = page(
                StatusCode::METHOD_NOT_ALLOWED,
                "only GET and HEAD\n".to_owned(),
            );
            refusal
                .headers_mut()
                .insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refusal;
        }
    };
    let peer = ends.peer;
    match request.uri().path() {
        "/" => {
            return page(
                StatusCode::OK,
                site.status
                    .text(&site.artifacts, site.counted(), &site.reports),
            );
        }
        "/status" => {
            let mut json = page(
                StatusCode::OK,
                site.status.json(site.counted(), &site.reports),
            );
            json.headers_mut().insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            );
            return json;
        }
        _ => {}
    }
    let name = match url_path::name(request.uri().path()) {
        Ok(name) => name,
        Err(reason) => {
            Counters::count(&site.counters.http_refused);
            let answer = page(StatusCode::BAD_REQUEST, format!("{reason}\n"));
            site.timeline
                .ignored(Machine::Address(peer), Ignored::HttpPath(reason));
            return answer;
        }
    };
    let identify = || KnownMachine {
        mac: site.timeline.machines().at(peer),
    };
    let Some(artifact) = site.artifacts.find(&name, &ends.arrived(), identify) else {
        Counters::count(&site.counters.http_unknown_names);
        let answer = page(StatusCode::NOT_FOUND, format!("{name}: no such file\n"));
        site.timeline
            .ignored(Machine::Address(peer), Ignored::HttpUnknown { name });
        return answer;
    };
    let wanted = request
        .headers()
        .get(header::RANGE)
        .and_then(|value| value.to_str().ok());
    deliver(artifact, name, wanted, head, peer, site, moved)
}

/// The answer with the file, or with the part of it that was asked for.
fn deliver(
    artifact: Artifact,
    name: String,
    wanted: Option<&str>,
    head: bool,
    peer: IpAddr,
    site: &Arc<Site>,
    moved: &Arc<AtomicU64>,
) -> Answer {
    let length = artifact.content.length();
    let (status, start, end) = match byte_range::parse(wanted, length) {
        Part::Whole => (StatusCode::OK, 0, length),
        Part::Slice { first, last } => (StatusCode::PARTIAL_CONTENT, first, last + 1),
        Part::Unsatisfiable => {
            Counters::count(&site.counters.http_refused);
            let mut refusal = page(
                StatusCode::RANGE_NOT_SATISFIABLE,
                format!("{name} has {length} bytes\n"),
            );
            insert(
                &mut refusal,
                header::CONTENT_RANGE,
                &format!("bytes */{length}"),
            );
            return refusal;
        }
    };
    Counters::count(&site.counters.http_answered);
    let body = if head {
        // hyper sends only the headers for HEAD; the length below is that of the GET.
        Either::Right(http_body_util::Full::default())
    } else {
        Either::Left(Transfer {
            position: start,
            end,
            content: artifact.content,
            moved: Arc::clone(moved),
            log: Some(TransferLog {
                machine: Machine::Address(peer),
                script_of: artifact.machine,
                kind: artifact.kind,
                name,
                length: end - start,
                began: Instant::now(),
                timeline: site.timeline.clone(),
            }),
        })
    };
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(artifact.content_type),
    );
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(end - start));
    if status == StatusCode::PARTIAL_CONTENT {
        let slice = format!("bytes {start}-{}/{length}", end.saturating_sub(1));
        insert(&mut answer, header::CONTENT_RANGE, &slice);
    }
    answer
}

fn insert(answer: &mut Answer, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}

fn page(status: StatusCode, text: String) -> Answer {
    let mut answer = Response::new(Either::Right(http_body_util::Full::new(Bytes::from(text))));
    *answer.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    answer.headers_mut().insert(header::CONTENT_TYPE, plain);
    answer
}

/// For `tests/fuzz`.
#[cfg(fuzzing)]
pub(crate) fn fuzz(path: &str, range: &str, length: u64) {
    let _ = (url_path::name(path), byte_range::parse(Some(range), length));
}

#[cfg(test)]
mod tests;
