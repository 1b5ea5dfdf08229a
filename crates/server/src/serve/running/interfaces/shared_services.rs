//! What the services of all interfaces share.

use std::sync::Arc;

use crate::serve::clock::Clock;
use crate::serve::http;
use crate::serve::listen::allowed::LiveAllowed;
use crate::serve::status::Status;
use crate::serve::tftp::Pollers;

/// What the services of all interfaces share.
#[derive(Debug, Clone)]
pub(in crate::serve::running) struct SharedServices {
    pub(in crate::serve::running) site: Arc<http::Site>,
    pub(in crate::serve::running) http_port: u16,
    pub(in crate::serve::running) allowed: Arc<LiveAllowed>,
    pub(in crate::serve::running) clock: Clock,
    pub(in crate::serve::running) pollers: Arc<Pollers>,
    pub(in crate::serve::running) status: Status,
}
