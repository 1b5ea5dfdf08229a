//! A read-only TFTP server without its sockets (RFC 1350, 2347, 2348, 2349, 7440).
//!
//! * [`packet`]: datagrams read and written.
//! * [`name`]: a client's file name made a relative path without `..`.
//! * [`negotiate`]: which options are granted, and never more than was asked.
//! * [`transfer`]: one file on its way to one client, as a state machine.
//! * [`admission`]: how many transfers a client, and all clients, may have.
//!
//! # Driving it
//!
//! One socket listens on port 69. Every read request that [`admission::Admission`] lets in
//! gets a socket of its own, bound to the address that the request came *to* and connected
//! to the client; its port is the transfer's identity. Then, with `now` the time since
//! any fixed start of a clock that never goes back:
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
//! let path = name::normalise(&request.name).ok()?; // else: send Packet::Error
//! let source = lookup(&path)?; // a miss is answered at once: Packet::not_found()
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
//! is counted and not answered.

pub mod admission;
pub mod name;
pub mod negotiate;
mod outcome;
pub mod packet;
mod source;
pub mod transfer;

/// The UDP port that requests go to.
pub const PORT: u16 = 69;
