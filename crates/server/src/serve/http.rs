//! HTTP: the same names as TFTP, for iPXE and for firmware that boots from HTTP.
//!
//! GET and HEAD, one byte range, a Content-Length in every answer (EDK2 needs it). The only request body that is read is
//! a boot report's.
//!
//! A client that reads slowly or not at all costs little: the number of connections is limited, in total and per client,
//! and each holds at most two chunks of a file, and hyper's buffers; what waits in the kernel is limited too; whole pages and bodies are charged to a budget; what
//! transfers next to nothing for a minute is closed.

mod activity;
mod byte_range;
mod delivery;
mod direct;
mod ends;
mod pages;
mod reply;
mod requests;
mod site;
mod transfer;
mod unsent;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};

use self::activity::Activity;
use self::direct::DirectStream;
use self::ends::Ends;
pub(crate) use self::pages::Pages;
pub(crate) use self::site::Site;
use self::unsent::Bound;
pub(crate) use self::unsent::Unsent;
use crate::serve::connection_limits::{ConnectionLimits, ConnectionSlot};
use crate::serve::counters::Counters;
use crate::serve::listen::live_interface::LiveInterface;

/// Concurrent connections of all clients: a classroom of machines, each with a few.
const CONNECTIONS: usize = 256;
/// Concurrent connections of one address. EDK2 and iPXE use one or two; a room behind one router has this many in all.
const CONNECTIONS_EACH: usize = 16;
/// How long a request's header may take.
const HEADER_TIME: Duration = Duration::from_secs(10);
/// The longest request header, in bytes: the smallest limit that hyper allows. Firmware sends a few hundred. As many
/// are read ahead of requests that follow one another without waiting.
const HEADER_BYTES: usize = 8192;

/// The limits for all listeners together.
pub(crate) fn limits() -> Arc<ConnectionLimits> {
    ConnectionLimits::new(CONNECTIONS, CONNECTIONS_EACH)
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
    netroot_sys::tcp::bound_unsent(&listener, unsent::BASE_UNSENT)?;
    // What is written is all that there is to write for now: nothing is gained by waiting for more.
    rustix::net::sockopt::set_tcp_nodelay(&listener, true)?;
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
        let over = || Counters::count(&site.counters.http_over_limit);
        let busy = Arc::clone(&activity);
        let slot = ConnectionLimits::admit(&site.limits, ends.peer, busy, over).await;
        let Some(slot) = slot else {
            continue;
        };
        let bound = Bound::new(&site.unsent, ends.peer);
        let stream = DirectStream::new(stream, activity, bound);
        let site = Arc::clone(&site);
        tokio::spawn(async move { serve(stream, slot, &ends, &site).await });
    }
}

/// One connection, from its first byte to its last.
async fn serve(stream: DirectStream, slot: ConnectionSlot, ends: &Ends, site: &Arc<Site>) {
    let (activity, parts, socket) = (stream.activity(), stream.parts(), stream.socket());
    let unacknowledged = || netroot_sys::tcp::unacknowledged(&socket).map_or(0, u64::from);
    let service = service_fn(|request: Request<Incoming>| {
        activity.requested();
        let (site, parts, activity) = (Arc::clone(site), Arc::clone(&parts), &activity);
        async move {
            let response = requests::respond(request, ends, &parts, activity, &site).await;
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(HEADER_BYTES)
        .max_headers(64)
        // GRUB knows the length of a file by this spelling alone (grub-core/net/http.c).
        .title_case_headers(true)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        ended = connection => {
            if ended.is_err() {
                Counters::count(&site.counters.http_broken_connections);
            }
        }
        () = activity.too_slow(unacknowledged) => Counters::count(&site.counters.http_broken_connections),
        () = slot.closing() => {}
    }
}

/// For `tests/fuzz`.
#[cfg(fuzzing)]
pub(crate) fn fuzz(path: &str, range: &str, length: u64) {
    let _ = (
        crate::serve::url_path::name(path),
        byte_range::parse(Some(range), length),
    );
}

#[cfg(test)]
mod tests;
