//! A connection to the API, over whatever socket.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::body::{Answer, refused};
use super::token::Refusal;
use super::{Api, Caller, page};

/// How long the header of a request may take.
const HEADER_TIME: Duration = Duration::from_secs(10);
/// How long a connection lasts on which nobody was admitted.
const STRANGER: Duration = Duration::from_secs(20);
/// The longest header, in bytes: the smallest limit that hyper allows.
const HEADER_BYTES: usize = 8192;

/// Answers the requests on a connection. `admit` says who asks, or what is answered instead. The page itself has nothing
/// to hide: anybody may load it.
pub(crate) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    api: &Arc<Api>,
    admit: impl Fn(&HeaderMap) -> Result<Caller, Refusal>,
) {
    let admitted = AtomicBool::new(false);
    let service = service_fn(|request: Request<Incoming>| {
        let is_page = request.uri().path() == "/"
            && matches!(*request.method(), Method::GET | Method::HEAD)
            && page::is_wanted(request.headers());
        let caller = if is_page {
            None
        } else {
            Some(admit(request.headers()))
        };
        let admitted = &admitted;
        async move {
            let answer = match caller {
                None => api.page(&request),
                Some(Err(refusal)) => not_admitted(refusal),
                Some(Ok(caller)) => {
                    admitted.store(true, Ordering::Relaxed);
                    api.answer(request, caller).await
                }
            };
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(HEADER_BYTES)
        .max_headers(64)
        .serve_connection(TokioIo::new(stream), service);
    let stranger = async {
        tokio::time::sleep(STRANGER).await;
        if admitted.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    };
    // The client has gone, which is its own affair.
    tokio::select! {
        _ = connection => {}
        () = stranger => {}
    }
}

fn not_admitted(refusal: Refusal) -> Answer {
    let (status, name, value) = match refusal {
        Refusal::Token => (
            StatusCode::UNAUTHORIZED,
            header::WWW_AUTHENTICATE,
            "Bearer realm=\"netroot\"",
        ),
        Refusal::TooOften => (StatusCode::TOO_MANY_REQUESTS, header::RETRY_AFTER, "15"),
    };
    let mut answer = refused(status, &refusal.to_string());
    let headers = answer.headers_mut();
    headers.insert(name, HeaderValue::from_static(value));
    answer
}
