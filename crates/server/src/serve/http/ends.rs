//! The two ends of a connection.

use std::net::IpAddr;
use std::sync::Arc;

use crate::catalog::ArrivedAt;
use crate::serve::listen::interface::Interface;
use crate::serve::machines::Peer;

/// Who talks on a connection, and where it arrived.
#[derive(Debug)]
pub(super) struct Ends {
    pub(super) peer: IpAddr,
    pub(super) local: IpAddr,
    pub(super) interface: Arc<Interface>,
}

impl Ends {
    /// Who asks. Its handshake has shown that it has the address.
    pub(super) fn peer(&self) -> Peer {
        Peer {
            address: self.peer,
            on_link: self.interface.is_on_link(self.peer),
            answers: true,
        }
    }

    /// For what depends on it.
    pub(super) fn arrived(&self) -> ArrivedAt<'_> {
        ArrivedAt {
            interface: &self.interface.name,
            server: self.local,
        }
    }
}
