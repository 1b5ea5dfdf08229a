//! Which answer a request gets.

use std::net::IpAddr;
use std::sync::Arc;

use http_body_util::Either;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::activity::Activity;
use super::delivery::deliver;
use super::direct::Parts;
use super::ends::Ends;
use super::reply::{Answer, busy, page};
use super::site::Site;
use crate::catalog::READAHEAD;
use crate::serve::api::{self, ApiBody, Caller, is_api};
use crate::serve::artifacts::Found;
use crate::serve::counters::Counters;
use crate::serve::events::{Ignored, Machine};
use crate::serve::metrics;
use crate::serve::report_tokens;
use crate::serve::script_fetch;
use crate::serve::url_path;

/// The answer to a request of a connection between `ends`, which hands files over to `parts`.
pub(super) async fn respond(
    request: Request<Incoming>,
    ends: &Ends,
    parts: &Arc<Parts>,
    activity: &Activity,
    site: &Site,
) -> Answer {
    if is_report(&request) {
        take_report(request, ends, site).await
    } else if is_api(request.uri().path()) {
        let answer = site.api.answer(request, Caller::Anybody(ends.peer)).await;
        if matches!(answer.body(), ApiBody::Events(_)) {
            activity.streams();
        }
        charged(answer, ends.peer, site)
    } else if wants_page(&request) {
        site.api.page(&request).map(Either::Right)
    } else {
        answer(&request, ends, parts, site).await
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

/// What the next machine that boots an image reads ahead. An image without a list is nothing to log: its next boot makes one.
fn readahead_list(image: &str, peer: IpAddr, site: &Site) -> Answer {
    let nfs = site.nfs.as_ref();
    let list = nfs.and_then(|nfs| site.readahead.list(nfs, &site.artifacts.catalog(), image));
    match list {
        Some(list) => match site.pages.charged(peer, list) {
            Some(list) => page(StatusCode::OK, list),
            None => busy(site),
        },
        None => page(StatusCode::NOT_FOUND, "there is no list yet\n"),
    }
}

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
        path => {
            if let Some(image) = path.strip_prefix(READAHEAD) {
                return readahead_list(image, peer, site);
            }
        }
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
    let asks = ends.peer();
    site.artifacts.freshen(&name).await;
    if !head {
        let fetch = script_fetch::Fetch {
            artifacts: &site.artifacts,
            timeline: &site.timeline,
            hook: site.hook.as_deref(),
            peer: &asks,
        };
        script_fetch::by_http(fetch, &name, request.uri().query(), &ends.arrived()).await;
    }
    let identify = || machines.asker(&asks);
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
    if !head && let Some(kind) = artifact.as_ref().map(|artifact| artifact.kind) {
        script_fetch::fetches(&site.artifacts, &site.timeline, &name, kind, &asks);
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
