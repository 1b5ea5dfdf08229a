//! The bodies of the API's answers.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc;

use super::events::EventStream;
use crate::serve::look_requests::Told;

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum ApiBody {
    /// What is there.
    Whole(Bytes),
    /// What a reload does, a line each, until it is done.
    Reload(mpsc::UnboundedReceiver<Told>),
    /// What changes.
    Events(Box<EventStream>),
}

/// An answer.
pub(crate) type Answer = Response<ApiBody>;

impl Body for ApiBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Events(stream) => Pin::new(stream.as_mut()).poll_frame(context),
            Self::Reload(told) => told.poll_recv(context).map(|told| {
                let line = match told? {
                    Told::Line { text, is_warning } => {
                        json!({ "text": text, "warning": is_warning })
                    }
                    Told::Done { changes } => json!({ "done": true, "changes": changes }),
                };
                Some(Ok(Frame::data(Bytes::from(line.to_string() + "\n"))))
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Events(_) | Self::Reload(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => {
                SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
            }
            Self::Events(_) | Self::Reload(_) => SizeHint::default(),
        }
    }
}

/// An answer with these bytes.
pub(crate) fn whole(status: StatusCode, kind: &'static str, bytes: impl Into<Bytes>) -> Answer {
    with_body(status, kind, ApiBody::Whole(bytes.into()))
}

/// An answer with this body. No browser takes what machines say for a page, or keeps it.
pub(crate) fn with_body(status: StatusCode, kind: &'static str, body: ApiBody) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    let fixed = HeaderValue::from_static;
    headers.insert(header::CONTENT_TYPE, fixed(kind));
    headers.insert(header::CACHE_CONTROL, fixed("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
    answer
}

/// A value as JSON, with a line break behind it.
pub(crate) fn to_json(value: &impl Serialize) -> String {
    crate::json::to_string(value).unwrap_or_else(|_| "{}".to_owned()) + "\n"
}

/// An answer with a value.
pub(crate) fn json(value: &impl Serialize) -> Answer {
    whole(StatusCode::OK, "application/json", to_json(value))
}

/// Why not: one sentence.
pub(crate) fn refused(status: StatusCode, why: &str) -> Answer {
    whole(
        status,
        "application/json",
        to_json(&json!({ "error": why })),
    )
}
