//! The two ends of a connection.

use std::net::IpAddr;
use std::sync::Arc;

use crate::catalog::ArrivedAt;
use crate::serve::listen::interface::Interface;

/// Who talks on a connection, and where it arrived.
#[derive(Debug)]
pub(super) struct Ends {
    pub(super) peer: IpAddr,
    pub(super) local: IpAddr,
    pub(super) interface: Arc<Interface>,
}

impl Ends {
    /// For what depends on it.
    pub(super) fn arrived(&self) -> ArrivedAt<'_> {
        ArrivedAt {
            interface: &self.interface.name,
            server: self.local,
        }
    }
}
