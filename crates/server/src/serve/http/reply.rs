//! What is answered beside files: pages of text, and that there is no room.

use http_body_util::Either;
use hyper::body::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};

use super::site::Site;
use super::transfer::Transfer;
use crate::serve::api::ApiBody;
use crate::serve::counters::Counters;

/// The Retry-After of an answer that there is no room for, in seconds. iPXE obeys it.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("10");

/// What a request is answered.
pub(super) type Answer = Response<Either<Transfer, ApiBody>>;

/// The client holds as much as it may of what it was answered before.
pub(super) fn busy(site: &Site) -> Answer {
    Counters::count(&site.counters.http_refused);
    let text = "too much is being sent to this client already, or to all; try again\n";
    let mut answer = page(StatusCode::SERVICE_UNAVAILABLE, text);
    let headers = answer.headers_mut();
    headers.insert(header::RETRY_AFTER, RETRY_AFTER);
    answer
}

/// A page of plain text.
pub(super) fn page(status: StatusCode, text: impl Into<Bytes>) -> Answer {
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
