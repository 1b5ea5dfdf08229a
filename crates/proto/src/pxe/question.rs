//! A request with everything that its answer depends on.

use super::client::Client;
use super::config::{Arrival, BootOptions};
use super::strategy::Strategy;
use crate::dhcp::request::Request;

/// What [`super::decide::decide`] decides about, and what a reply is made from.
pub(super) struct Question<'a> {
    /// The request.
    pub(super) request: &'a Request,
    /// Where it arrived.
    pub(super) arrival: &'a Arrival,
    /// What the machine is to boot.
    pub(super) boots: &'a BootOptions<'a>,
    /// What kind of client asks.
    pub(super) client: Client,
    /// Which of two ways of answering is tried.
    pub(super) strategy: Strategy,
    /// Whether this server gives the addresses.
    pub(super) authoritative: bool,
}
