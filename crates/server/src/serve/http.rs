//! HTTP: the same names as TFTP, for iPXE and for firmware that boots from HTTP.
//!
//! GET and HEAD, one byte range, a Content-Length in every answer (EDK2 needs it). The only request body that is read is
//! a boot report's.
//!
//! A client that reads slowly or not at all costs little: the number of connections is limited, in total and per client,
//! and each holds at most two chunks of a file, and hyper's buffers; whole pages and bodies are charged to a budget; what
//! transfers next to nothing for a minute is closed.

mod activity;
mod byte_range;
mod connection_limits;
mod direct;
mod pages;
mod transfer;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use http_body_util::Either;
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use netroot_net::Mac;

use self::activity::{Activity, Recorded};
use self::byte_range::Part;
use self::connection_limits::{Admission, ConnectionLimits, ConnectionSlot};
use self::direct::{DirectStream, Parts};
pub(crate) use self::pages::Pages;
use self::transfer::{Transfer, TransferLog};
use crate::catalog::{ArrivedAt, ImageFile, file_of_image};
use crate::serve::api::{self, Api, ApiBody, Caller, is_api};
use crate::serve::artifacts::{Artifact, ArtifactStore, FileReads, Found};
use crate::serve::counters::Counters;
use crate::serve::dhcp::service as dhcp;
use crate::serve::events::{Ignored, Machine, Timeline};
use crate::serve::history::History;
use crate::serve::hook::Hook;
use crate::serve::listen::interface::Interface;
use crate::serve::listen::live_interface::LiveInterface;
use crate::serve::metrics::{self, Counter, Metrics};
use crate::serve::nfs;
use crate::serve::report_tokens;
use crate::serve::reports::Reports;
use crate::serve::script_fetch;
use crate::serve::status::Status;
use crate::serve::url_path;

/// How far the beginning of a disk goes, in bytes: the boot sector, or a CD's first descriptor.
const DISK_START: u64 = 16 * 2048;
/// How long a request's header may take.
const HEADER_TIME: Duration = Duration::from_secs(10);
/// The longest request header, in bytes: the smallest limit that hyper allows. Firmware sends a few hundred. As many
/// are read ahead of requests that follow one another without waiting.
const HEADER_BYTES: usize = 8192;
/// What the kernel holds for a client besides, of what it has not sent yet: four chunks of a file.
const UNSENT_BYTES: u32 = 128 << 10;
/// How often a client without a connection looks for room, where nobody makes any.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The Retry-After of an answer that there is no room for, in seconds. iPXE obeys it.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("10");

/// What every connection shares.
#[derive(Debug)]
pub(crate) struct Site {
    /// Name → artifact.
    pub(crate) artifacts: Arc<ArtifactStore>,
    /// Reads their files.
    pub(crate) reads: Arc<FileReads>,
    /// What `/` and `/status` show.
    pub(crate) status: Status,
    /// Where events are logged.
    pub(crate) timeline: Timeline,
    /// What is counted.
    pub(crate) counters: Arc<Counters>,
    /// The export, which has counters of its own.
    pub(crate) nfs: Option<Arc<netroot_nfs_export::Server>>,
    /// What programs and the page ask for.
    pub(crate) api: Arc<Api>,
    /// Who says what a machine boots, before the configuration.
    pub(crate) hook: Option<Arc<Hook>>,
    /// What happened to each machine.
    pub(crate) history: Arc<History>,
    /// DHCP on each interface.
    pub(crate) dhcp: Mutex<Vec<Weak<dhcp::Service>>>,
    /// The machines' boot reports.
    pub(crate) reports: Reports,
    /// `/` and `/status` as they were last made, and what is held of them.
    pub(crate) pages: Pages,
    /// The limits on connections, for all listeners together.
    pub(crate) limits: Arc<ConnectionLimits>,
}

impl Site {
    /// The name of the image that a machine boots.
    fn image_of(&self, mac: Mac, ends: &Ends) -> String {
        let machine = self.timeline.machines().known(Some(mac));
        let catalog = self.artifacts.catalog();
        let assigned = self.artifacts.assign(&catalog, &machine, &ends.arrived());
        let image = assigned.image();
        image.map(|image| image.name.clone()).unwrap_or_default()
    }

    /// What Prometheus reads.
    fn metrics(&self) -> Metrics {
        let mut metrics = Metrics {
            uptime: self.status.started.elapsed(),
            boots: self.history.boots(),
            ..Metrics::default()
        };
        let own = self.counters.snapshot().explained().into_iter();
        let own = own.map(|(name, help, count)| Counter {
            name: name.to_owned(),
            help,
            count,
        });
        metrics.counters.extend(own);
        if let Some(nfs) = &self.nfs {
            for (name, help, count) in nfs.counts().explained() {
                match name {
                    "connections_open" => metrics.nfs_connections = Some(count),
                    _ => metrics.counters.push(Counter {
                        name: format!("nfs_{name}"),
                        help,
                        count,
                    }),
                }
            }
        }
        let catalog = self.artifacts.catalog();
        let images = catalog.images();
        metrics.images = images
            .map(|image| {
                (
                    image.name.clone(),
                    image.linux().unwrap_or_default().to_owned(),
                )
            })
            .collect();
        let services = self.dhcp.lock().unwrap_or_else(PoisonError::into_inner);
        let services = services.iter().filter_map(Weak::upgrade);
        metrics.ranges = services.flat_map(|service| service.used()).collect();
        metrics
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
    interface: Arc<Interface>,
}

impl Ends {
    fn arrived(&self) -> ArrivedAt<'_> {
        ArrivedAt {
            interface: &self.interface.name,
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
    interface: Arc<LiveInterface>,
    site: Arc<Site>,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    netroot_sys::tcp::cap_retransmission(&listener)?;
    netroot_sys::tcp::bound_unsent(&listener, UNSENT_BYTES)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            // Most likely out of file descriptors, which ending the server would not cure.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let Ok(local) = stream.local_addr() else {
            continue;
        };
        let ends = Ends {
            peer: peer.ip().to_canonical(),
            local: local.ip().to_canonical(),
            interface: interface.last(),
        };
        let activity = Arc::new(Activity::new(Instant::now()));
        let Some(slot) = admit(&site, ends.peer, &activity).await else {
            continue;
        };
        let stream = Recorded::new(DirectStream::new(stream), activity);
        let site = Arc::clone(&site);
        tokio::spawn(async move { serve(stream, slot, &ends, &site).await });
    }
}

/// A slot for a connection of `peer`. Where all are taken, a client without any waits here, and those behind it in the
/// listener's queue: an error would end a boot, and their TCP asks again.
async fn admit(site: &Site, peer: IpAddr, activity: &Arc<Activity>) -> Option<ConnectionSlot> {
    loop {
        match ConnectionLimits::take(&site.limits, peer, activity, Instant::now()) {
            Admission::Admitted { slot, instead } => {
                if instead {
                    Counters::count(&site.counters.http_over_limit);
                }
                return Some(slot);
            }
            Admission::Refused => {
                Counters::count(&site.counters.http_over_limit);
                return None;
            }
            Admission::Full => {
                let _ = tokio::time::timeout(LOOK_AGAIN, site.limits.room()).await;
            }
        }
    }
}

/// One connection, from its first byte to its last.
async fn serve(stream: Recorded, slot: ConnectionSlot, ends: &Ends, site: &Arc<Site>) {
    let (activity, parts) = (stream.activity(), stream.parts());
    let service = service_fn(|request: Request<Incoming>| {
        activity.requested();
        let (site, parts, activity) = (Arc::clone(site), Arc::clone(&parts), &activity);
        async move {
            let response = if is_report(&request) {
                take_report(request, ends, &site).await
            } else if is_api(request.uri().path()) {
                let answer = site.api.answer(request, Caller::Anybody(ends.peer)).await;
                if matches!(answer.body(), ApiBody::Events(_)) {
                    activity.streams();
                }
                charged(answer, ends.peer, &site)
            } else if wants_page(&request) {
                site.api.page(&request).map(Either::Right)
            } else {
                answer(&request, ends, &parts, &site).await
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
    tokio::select! {
        ended = connection => {
            if ended.is_err() {
                Counters::count(&site.counters.http_broken_connections);
            }
        }
        () = activity.too_slow() => Counters::count(&site.counters.http_broken_connections),
        () = slot.closing() => {}
    }
}

fn is_report<B>(request: &Request<B>) -> bool {
    request.method() == Method::POST && request.uri().path().starts_with(report_tokens::PATH)
}

async fn take_report(request: Request<Incoming>, ends: &Ends, site: &Site) -> Answer {
    let Some(_charge) = site.pages.body(ends.peer) else {
        return busy(site);
    };
    let image = |mac| site.image_of(mac, ends);
    let taken = site.reports.take(request, ends.peer, image, &site.timeline);
    let (status, text) = taken.await;
    page(status, text)
}

/// Whether a browser asks for the page.
fn wants_page<B>(request: &Request<B>) -> bool {
    request.uri().path() == "/"
        && matches!(*request.method(), Method::GET | Method::HEAD)
        && api::page::is_wanted(request.headers())
}

/// The API's answer, whose bytes are charged to the client until it has them.
fn charged(answer: api::Answer, client: IpAddr, site: &Site) -> Answer {
    let (head, body) = answer.into_parts();
    let body = match body {
        ApiBody::Whole(bytes) => match site.pages.charged(client, bytes) {
            Some(bytes) => ApiBody::Whole(bytes),
            None => return busy(site),
        },
        other => other,
    };
    Response::from_parts(head, Either::Right(body))
}

type Answer = Response<Either<Transfer, ApiBody>>;

async fn answer(
    request: &Request<Incoming>,
    ends: &Ends,
    parts: &Arc<Parts>,
    site: &Site,
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
            let text = site.pages.text(peer, || {
                site.status
                    .text(&site.artifacts, site.counted(), &site.reports)
            });
            return text.map_or_else(|| busy(site), |text| page(StatusCode::OK, text));
        }
        "/status" => {
            let json = site.pages.json(peer, || {
                site.status
                    .json(&site.artifacts, site.counted(), &site.reports)
            });
            let Some(json) = json else {
                return busy(site);
            };
            let mut json = page(StatusCode::OK, json);
            json.headers_mut().insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            );
            return json;
        }
        "/metrics" => {
            let page_of = || site.metrics().page();
            let Some(text) = site.pages.metrics(peer, page_of) else {
                return busy(site);
            };
            let mut answer = page(StatusCode::OK, text);
            let kind = HeaderValue::from_static(metrics::CONTENT_TYPE);
            answer.headers_mut().insert(header::CONTENT_TYPE, kind);
            return answer;
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
    let machines = site.timeline.machines();
    site.artifacts.freshen(&name).await;
    if !head {
        let query = request.uri().query();
        let arrived = ends.arrived();
        script_fetch::begins(
            &site.artifacts,
            &site.timeline,
            site.hook.as_deref(),
            &name,
            query,
            &arrived,
            peer,
        )
        .await;
    }
    let identify = || machines.known_at(peer);
    let arrived = ends.arrived();
    site.artifacts.prepare_nic(&name, &arrived, identify).await;
    let artifact = match site.artifacts.find(&name, &ends.arrived(), identify) {
        Found::Artifact(artifact) => Some(*artifact),
        Found::InFolder(file) => {
            let opened = site.reads.run(peer, move || file.open()).await;
            opened.ok().flatten()
        }
        Found::Nothing => None,
    };
    if !head {
        script_fetch::fetches(&site.artifacts, &site.timeline, &name, peer);
    }
    let Some(artifact) = artifact else {
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
    deliver(artifact, name, wanted, head, peer, parts, site)
}

/// The answer with the file, or with the part of it that was asked for.
fn deliver(
    artifact: Artifact,
    name: String,
    wanted: Option<&str>,
    head: bool,
    peer: IpAddr,
    parts: &Arc<Parts>,
    site: &Site,
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
    let machine = Machine::Address(peer);
    let fetching = site
        .timeline
        .fetching(machine, artifact.machine, artifact.kind);
    let logged = !is_later_read(&name, start);
    let body = if head {
        // hyper sends only the headers for HEAD; the length below is that of the GET.
        Either::Right(ApiBody::Whole(Bytes::new()))
    } else {
        Either::Left(Transfer {
            position: start,
            end,
            content: artifact.content,
            reads: Arc::clone(&site.reads),
            client: peer,
            reading: None,
            parts: Arc::clone(parts),
            log: logged.then(|| TransferLog {
                machine,
                script_of: artifact.machine,
                kind: artifact.kind,
                name,
                length: end - start,
                chosen: artifact.chosen,
                began: Instant::now(),
                timeline: site.timeline.clone(),
                _fetching: fetching,
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

/// Whether it is a read of a disk behind what tells firmware where it boots from: a system makes thousands, a block each,
/// and the first have been logged.
fn is_later_read(name: &str, start: u64) -> bool {
    let file = file_of_image(name).map(|named| named.file);
    matches!(file, Some(ImageFile::Disk | ImageFile::Iso)) && start > DISK_START
}

fn insert(answer: &mut Answer, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}

/// The client holds as much as it may of what it was answered before.
fn busy(site: &Site) -> Answer {
    Counters::count(&site.counters.http_refused);
    let text = "too much is being sent to this client already, or to all; try again\n";
    let mut answer = page(StatusCode::SERVICE_UNAVAILABLE, text);
    let headers = answer.headers_mut();
    headers.insert(header::RETRY_AFTER, RETRY_AFTER);
    answer
}

fn page(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Either::Right(ApiBody::Whole(text.into())));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, plain);
    // Names and failures are what machines say they are: no browser may take them for a page.
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    answer
}

/// For `tests/fuzz`.
#[cfg(fuzzing)]
pub(crate) fn fuzz(path: &str, range: &str, length: u64) {
    let _ = (url_path::name(path), byte_range::parse(Some(range), length));
}

#[cfg(test)]
mod tests;
