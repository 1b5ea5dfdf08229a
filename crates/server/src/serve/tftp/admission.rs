//! Limits on the number of transfers, per client and in total: they bound memory and sockets.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

/// Why a read request does not start a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The client repeated the request while its transfer is running. The transfer
    /// retransmits by its own timer; send nothing, or the client gets two transfers.
    Duplicate,
    /// The client has reached the limit for one client.
    ClientFull,
    /// The limit for all clients has been reached.
    ServerFull,
}

/// The running transfers, by client.
#[derive(Debug)]
pub(super) struct Admission {
    per_client: usize,
    total: usize,
    running: HashMap<IpAddr, Vec<u16>>,
    count: usize,
}

impl Admission {
    /// Allows `per_client` transfers for one address and `total` in all.
    pub(super) fn new(per_client: usize, total: usize) -> Admission {
        Admission {
            per_client,
            total,
            running: HashMap::new(),
            count: 0,
        }
    }

    /// Admits a read request from `client`, until [`Admission::leave`].
    pub(super) fn enter(&mut self, client: SocketAddr) -> Result<(), Refusal> {
        let ports = self
            .running
            .get(&client.ip())
            .map_or(&[][..], Vec::as_slice);
        if ports.contains(&client.port()) {
            return Err(Refusal::Duplicate);
        }
        if ports.len() >= self.per_client {
            return Err(Refusal::ClientFull);
        }
        if self.count >= self.total {
            return Err(Refusal::ServerFull);
        }
        self.running
            .entry(client.ip())
            .or_default()
            .push(client.port());
        self.count += 1;
        Ok(())
    }

    /// Removes a transfer of `client` that has ended.
    pub(super) fn leave(&mut self, client: SocketAddr) {
        let Some(ports) = self.running.get_mut(&client.ip()) else {
            return;
        };
        let before = ports.len();
        ports.retain(|port| *port != client.port());
        self.count -= before - ports.len();
        if ports.is_empty() {
            self.running.remove(&client.ip());
        }
    }

    /// The number of running transfers.
    #[cfg(test)]
    fn running(&self) -> usize {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_request_starts_one_transfer_and_the_limits_hold() {
        let mut admission = Admission::new(2, 3);
        let peer = |host: u8, port| SocketAddr::from(([10, 0, 0, host], port));
        assert_eq!(admission.enter(peer(1, 2000)), Ok(()));
        assert_eq!(admission.enter(peer(1, 2000)), Err(Refusal::Duplicate));
        assert_eq!(admission.enter(peer(1, 2001)), Ok(()));
        assert_eq!(admission.enter(peer(1, 2002)), Err(Refusal::ClientFull));
        assert_eq!(admission.enter(peer(2, 2000)), Ok(()));
        assert_eq!(admission.enter(peer(3, 2000)), Err(Refusal::ServerFull));
        admission.leave(peer(1, 2000));
        admission.leave(peer(1, 2000));
        admission.leave(peer(9, 9));
        assert_eq!(admission.running(), 2);
        assert_eq!(admission.enter(peer(3, 2000)), Ok(()));
    }
}
