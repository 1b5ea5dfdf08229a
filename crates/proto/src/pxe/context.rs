//! A request with everything on which its answer depends.

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
