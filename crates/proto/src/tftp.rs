//! A read-only TFTP server without its sockets (RFC 1350, 2347, 2348, 2349, 7440).
//!
//! * [`packet`]: decoding and encoding datagrams.
//! * [`name`]: turns a client's file name into a relative path without `..`.
//! * [`negotiate`]: which options are granted; never more than was requested.
//! * [`transfer`]: sending one file to one client, as a state machine.
//!
//! # Driving it
//!
//! One socket listens on port 69. Every read request that is admitted gets its own socket,
//! bound to the address that the request was sent *to* and connected to the client; its port
//! identifies the transfer. Then, with `now` taken from a monotonic clock with any fixed start:
//!
//! ```no_run
//! # use std::time::Duration;
//! # use netroot_proto::tftp::{packet::{Packet, ReadRequest}, name, negotiate::Limits, transfer::{Outcome, Transfer}};
//! # fn clock() -> Duration { Duration::ZERO }
//! # fn send(_: &[u8]) {}
//! # fn receive_until(_: Option<Duration>) -> Option<Vec<u8>> { None }
//! # fn lookup(_: &str) -> Option<Vec<u8>> { None }
//! # fn serve(datagram: &[u8]) -> Option<Outcome> {
//! let Ok(Packet::Read(request)) = Packet::decode(datagram) else { return None };
//! let path = name::normalize(&request.name).ok()?; // else: send Packet::Error
//! let source = lookup(&path)?; // if missing, answer at once: Packet::not_found()
//! let mut transfer = match Transfer::start(&request, source, &Limits::for_mtu(1500), clock()) {
//!     Ok(transfer) => transfer,
//!     Err(refusal) => { send(&refusal.encode()); return None }
//! };
//! let mut datagram = Vec::new();
//! loop {
//!     while transfer.poll_transmit(&mut datagram) {
//!         send(&datagram);
//!     }
//!     if let Some(outcome) = transfer.outcome() {
//!         return Some(outcome.clone());
//!     }
//!     match receive_until(transfer.poll_timeout()) {
//!         Some(received) => { transfer.handle(&received, clock()); }
//!         None => transfer.handle_timeout(clock()),
//!     }
//! }
//! # }
//! ```
//!
//! A write request is answered with [`packet::Packet::read_only`]; anything else on port 69
//! is counted but not answered.

pub mod name;
pub mod negotiate;
mod outcome;
pub mod packet;
mod source;
pub mod transfer;

/// The UDP port for requests.
pub const PORT: u16 = 69;
