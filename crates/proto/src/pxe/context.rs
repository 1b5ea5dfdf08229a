//! A request with everything on which its answer depends.

use std::net::Ipv4Addr;

use super::client::Client;
use super::inputs::{Arrival, BootOptions};
use super::strategy::Strategy;
use crate::dhcp::request::Request;

/// The input of [`super::decide::decide`], from which a reply is built.
pub(super) struct Context<'a> {
    /// The request.
    pub(super) request: &'a Request,
    /// Where it arrived.
    pub(super) arrival: &'a Arrival,
    /// What the machine boots.
    pub(super) boots: &'a BootOptions<'a>,
    /// The kind of client.
    pub(super) client: Client,
    /// The way of answering to try.
    pub(super) strategy: Strategy,
    /// Whether this server assigns addresses.
    pub(super) authoritative: bool,
}

impl Context<'_> {
    /// The server's identity for this client: its address, or what the relay has in its place (RFC 5107).
    pub(super) fn server_id(&self) -> Ipv4Addr {
        let by_relay = self.request.relay.and_then(|relay| relay.server_id);
        by_relay.unwrap_or(self.arrival.address)
    }

    /// Whether a client that chose this server chose us.
    pub(super) fn is_own_id(&self, server: Ipv4Addr) -> bool {
        server == self.arrival.address || server == self.server_id()
    }
}
