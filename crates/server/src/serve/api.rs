//! The API: what the server knows and what it can be told, as JSON over HTTP (`crates/server/API.md`).
//!
//! ```text
//! the Unix socket (socket)          everything: root, and who started the server
//! TCP with a token (tcp)            everything
//! the boot server's port (http)     what the page shows, without what machines will boot
//!
//! request → origin::check → route → Resource → answer (body)
//! ```
//!
//! [`page`] is the page, which shows what the API answers; [`events`] what changes, as it changes; [`token`] and [`tls`] are
//! for TCP.

mod body;
mod connection;
mod events;
mod fresh;
mod images;
mod machine_name;
mod machines;
mod orders;
mod origin;
pub(crate) mod page;
mod route;
mod secret_file;
pub(crate) mod socket;
mod sources;
pub(crate) mod tcp;
mod tls;
mod token;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use hyper::body::Body;
use hyper::header::{self, HeaderValue};
use hyper::{Request, StatusCode};
use netroot_net::Mac;
use serde::Serialize;
use serde_json::json;

pub(crate) use self::body::{Answer, ApiBody};
use self::body::{json as answer_with, refused, to_json, whole, with_body};
use self::events::{EventStream, StreamPlace, Streams};
pub(crate) use self::fresh::Fresh;
use self::machine_name::find;
use self::origin::OwnNames;
pub(crate) use self::route::is_api;
use self::route::{Action, Resource, RouteError, route};
pub(crate) use self::sources::Sources;
use crate::serve::bundle::Bundle;
use crate::serve::history::ShownWarning;
use crate::serve::nfs;

/// How long a client waits before it tries again, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("10");

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Somebody who may do everything: through the Unix socket, or with a token.
    Administrator(IpAddr),
    /// Anybody who reaches the boot server.
    Anybody(IpAddr),
}

impl Caller {
    /// Through the Unix socket.
    pub(crate) const LOCAL: Self = Self::Administrator(IpAddr::V4(Ipv4Addr::LOCALHOST));

    fn address(self) -> IpAddr {
        match self {
            Self::Administrator(address) | Self::Anybody(address) => address,
        }
    }

    fn may_order(self) -> bool {
        matches!(self, Self::Administrator(_))
    }
}

/// The API.
#[derive(Debug)]
pub(crate) struct Api {
    sources: Sources,
    names: OwnNames,
    /// Those of whoever may order, and of others: strangers do not lock an administrator out.
    streams: [Arc<Streams>; 2],
    /// `/machines` and `/status`, for those who may order and for others.
    machines: [Fresh; 2],
    statuses: [Fresh; 2],
}

#[derive(Serialize)]
struct ShownStatus {
    version: &'static str,
    host: String,
    uptime_seconds: u64,
    interfaces: Vec<ShownInterface>,
    machines: BTreeMap<&'static str, usize>,
    warnings: Vec<ShownWarning>,
    /// The configuration's file, for who may know; `None` without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    configuration: Option<String>,
    counters: BTreeMap<&'static str, u64>,
    /// Whether who asks may say what machines boot.
    may_order: bool,
}

#[derive(Serialize)]
struct ShownInterface {
    interface: String,
    address: String,
    mode: String,
}

impl Api {
    /// Called by these names beside its own, which browsers are believed to mean this server by.
    pub(crate) fn new(sources: Sources, hosts: &[String]) -> Arc<Self> {
        Arc::new(Self {
            sources,
            names: OwnNames::new(hosts),
            streams: Default::default(),
            machines: Default::default(),
            statuses: Default::default(),
        })
    }

    /// Answers a request.
    pub(crate) async fn answer<B>(self: &Arc<Self>, request: Request<B>, caller: Caller) -> Answer
    where
        B: Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if let Err(foreign) = self.names.check(request.headers()) {
            return refused(StatusCode::FORBIDDEN, &foreign.to_string());
        }
        let (resource, action) = match route(request.method(), request.uri().path()) {
            Ok(routed) => routed,
            Err(error) => return not_routed(&error),
        };
        if !caller.may_order() && !resource.is_public() {
            let why = "only through the server's socket (as the subcommands of netroot do), or with a token at the \
                       API's own address ([api] listen)";
            return refused(StatusCode::FORBIDDEN, why);
        }
        let summary = request.uri().query() == Some("summary");
        match (resource, action) {
            (Resource::Status, _) => self.status(caller),
            (Resource::Images, _) => answer_with(&images::all(&self.sources, caller.may_order())),
            (Resource::Machines, _) => self.all_machines(caller),
            (Resource::Machine(name), _) => self.machine(&name, summary, caller),
            (Resource::Events, _) => self.events(request.method() == hyper::Method::HEAD, caller),
            (Resource::Reload, _) => self.reload(),
            (Resource::Bundle(name), _) => self.bundle(&name).await,
            (Resource::SecureBoot(name), _) => self.forget_secure_boot(&name),
            (Resource::BootOnce(name), action) => {
                let kind = orders::Kind::Once;
                self.order(&name, kind, action, request.into_body()).await
            }
            (Resource::OrderedImage(name), action) => {
                let kind = orders::Kind::UntilAnother;
                self.order(&name, kind, action, request.into_body()).await
            }
        }
    }

    /// The page, to who names this server by a name of its own.
    pub(crate) fn page<B>(&self, request: &Request<B>) -> Answer {
        let host = request.headers().get(header::HOST).cloned();
        let mut only_host = hyper::HeaderMap::new();
        if let Some(host) = host {
            only_host.insert(header::HOST, host);
        }
        // A link on another site may lead here; nothing but the page's own script can read what it shows.
        if let Err(foreign) = self.names.check(&only_host) {
            return refused(StatusCode::FORBIDDEN, &foreign.to_string());
        }
        let mut answer = whole(StatusCode::OK, "text/html", page::bytes());
        page::headers(answer.headers_mut());
        answer
    }

    fn status(&self, caller: Caller) -> Answer {
        let [anybody, administrator] = &self.statuses;
        let may_order = caller.may_order();
        let fresh = if may_order { administrator } else { anybody };
        let made = fresh.get(Instant::now(), || to_json(&self.shown_status(may_order)));
        whole(StatusCode::OK, "application/json", made)
    }

    fn shown_status(&self, may_order: bool) -> ShownStatus {
        let Sources {
            artifacts,
            status,
            history,
            counters,
            nfs,
            ..
        } = &self.sources;
        let nfs = nfs.as_ref().map(|nfs| nfs::counted(&nfs.counts()));
        let counters = counters.snapshot().list().into_iter();
        let interfaces = status.listeners().into_iter().map(|one| ShownInterface {
            address: format!("{}/{}", one.address, one.prefix),
            mode: one.mode(),
            interface: one.interface,
        });
        let mut machines = BTreeMap::new();
        for machine in history.summaries() {
            *machines.entry(machine.state).or_default() += 1;
        }
        let host = rustix::system::uname();
        ShownStatus {
            version: env!("CARGO_PKG_VERSION"),
            host: host.nodename().to_string_lossy().into_owned(),
            uptime_seconds: status.started.elapsed().as_secs(),
            interfaces: interfaces.collect(),
            machines,
            // They may have words of the configuration in them, which are nobody else's affair.
            warnings: match may_order {
                true => history.warnings(),
                false => Vec::new(),
            },
            configuration: match artifacts.place() {
                Some(place) if may_order => Some(place.file.display().to_string()),
                _ => None,
            },
            counters: counters.chain(nfs.unwrap_or_default()).collect(),
            may_order,
        }
    }

    fn all_machines(&self, caller: Caller) -> Answer {
        let [anybody, administrator] = &self.machines;
        let may_order = caller.may_order();
        let fresh = if may_order { administrator } else { anybody };
        let made = fresh.get(Instant::now(), || machines::all(&self.sources, may_order));
        whole(StatusCode::OK, "application/json", made)
    }

    fn machine(&self, name: &str, summary: bool, caller: Caller) -> Answer {
        let mac = match find(name, &self.sources) {
            Ok(mac) => mac,
            Err(unknown) => return refused(StatusCode::NOT_FOUND, &unknown.to_string()),
        };
        let may_order = caller.may_order();
        let shown = match summary {
            true => machines::summary(&self.sources, mac, may_order),
            false => machines::one(&self.sources, mac, may_order),
        };
        match shown {
            Some(shown) => whole(StatusCode::OK, "application/json", shown),
            None => refused(StatusCode::NOT_FOUND, &not_heard_of(mac)),
        }
    }

    fn events(self: &Arc<Self>, head: bool, caller: Caller) -> Answer {
        const KIND: &str = "text/event-stream";
        if head {
            return whole(StatusCode::OK, KIND, "");
        }
        let [anybody, administrators] = &self.streams;
        let streams = if caller.may_order() {
            administrators
        } else {
            anybody
        };
        let place: Option<StreamPlace> = Streams::place(streams, caller.address());
        let Some(place) = place else {
            let why = "too many follow the machines already; close a page, or ask for /machines now and then";
            return try_again(why);
        };
        let (api, may_order) = (Arc::clone(self), caller.may_order());
        let stream = EventStream::new(place, self.sources.history.subscribe(), move |mac| {
            let machine = machines::summary(&api.sources, mac, may_order)?;
            Some(machine.trim_end().to_owned())
        });
        with_body(StatusCode::OK, KIND, ApiBody::Events(Box::new(stream)))
    }

    fn reload(&self) -> Answer {
        match self.sources.looks.reload() {
            Some(told) => with_body(
                StatusCode::OK,
                "application/x-ndjson",
                ApiBody::Reload(told),
            ),
            None => try_again("too many ask already"),
        }
    }

    async fn bundle(&self, name: &str) -> Answer {
        let mac = match find(name, &self.sources) {
            Ok(mac) => mac,
            Err(unknown) => return refused(StatusCode::NOT_FOUND, &unknown.to_string()),
        };
        let Sources {
            history,
            status,
            artifacts,
            ..
        } = &self.sources;
        let Some(bundle) = Bundle::of(mac, history, status, artifacts) else {
            return refused(StatusCode::NOT_FOUND, &not_heard_of(mac));
        };
        // What the machine loaded is read for its checksums.
        match tokio::task::spawn_blocking(move || bundle.into_text()).await {
            Ok(text) => whole(StatusCode::OK, "application/x-ndjson", text),
            Err(_) => try_again("the bundle could not be made"),
        }
    }

    fn forget_secure_boot(&self, name: &str) -> Answer {
        let mac = match find(name, &self.sources) {
            Ok(mac) => mac,
            Err(unknown) => return refused(StatusCode::NOT_FOUND, &unknown.to_string()),
        };
        let was_known = self.sources.timeline.machines().forget_secure_boot(mac);
        self.sources.history.touch(mac);
        let name = machines::name_of(&self.sources, mac);
        answer_with(&json!({ "mac": mac.to_string(), "name": name, "was_known": was_known }))
    }

    async fn order<B>(&self, name: &str, kind: orders::Kind, action: Action, body: B) -> Answer
    where
        B: Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mac = match orders::take(&self.sources, name, kind, action, body).await {
            Ok(mac) => mac,
            Err((status, why)) => return refused(status, &why),
        };
        // What a machine boots has changed: those who follow it are told.
        for fresh in self.machines.iter().chain(&self.statuses) {
            fresh.forget();
        }
        self.sources.history.touch(mac);
        let name = machines::name_of(&self.sources, mac);
        let order = orders::shown(&self.sources, mac);
        answer_with(&json!({ "mac": mac.to_string(), "name": name, "order": order }))
    }
}

fn not_heard_of(mac: Mac) -> String {
    format!("nothing has been heard of the machine {mac} since the server started")
}

fn try_again(why: &str) -> Answer {
    let mut answer = refused(StatusCode::SERVICE_UNAVAILABLE, why);
    answer
        .headers_mut()
        .insert(header::RETRY_AFTER, RETRY_AFTER);
    answer
}

fn not_routed(error: &RouteError) -> Answer {
    match error {
        RouteError::Path(_) => refused(StatusCode::NOT_FOUND, &error.to_string()),
        RouteError::Method { allow, .. } => {
            let mut answer = refused(StatusCode::METHOD_NOT_ALLOWED, &error.to_string());
            let headers = answer.headers_mut();
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
            answer
        }
    }
}

#[cfg(test)]
mod tests;
