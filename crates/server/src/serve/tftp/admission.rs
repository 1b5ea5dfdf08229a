//! Which read requests start a transfer: limits per client and in total, which bound memory and sockets.
//!
//! A source address proves nothing until its first ACK. Transfers without one have a small pool of their own, in which
//! the oldest makes room: requests with forged addresses never shut out a client that answers. A request that does not
//! start a transfer is answered with silence: firmware asks again, and an ERROR would end its boot.
//!
//! A repeated request is recognised by its bytes, not by its port: some ROMs use one port for everything.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use netroot_limits::{OpenConnection, busiest};
use netroot_net::Prefix;

/// How long a request is taken for a repetition of the one before: its transfer answers by its own timer. After that
/// without any progress, its client has been restarted, or heard nothing.
const REPETITION: Duration = Duration::from_secs(2);
/// A transfer without progress for so long makes room for another one of the same client.
const STALLED: Duration = Duration::from_secs(5);

/// The limits on transfers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TransferLimits {
    /// Of one address: firmware has one.
    pub(super) per_client: usize,
    /// Of all addresses.
    pub(super) total: usize,
    /// Of one address, without an ACK.
    pub(super) unheard_per_client: usize,
    /// Of all addresses, without an ACK.
    pub(super) unheard: usize,
}

/// A running transfer; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct TransferId(u64);

/// Why a read request does not start a transfer, or a transfer cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The client repeated the request while its transfer is running. The transfer retransmits by its own timer; send
    /// nothing, or the client gets two transfers.
    Duplicate,
    /// The client has reached the limit for one client.
    ClientFull,
    /// The limit for all clients has been reached, and none has more transfers than this one would have.
    ServerFull,
}

/// A request that starts a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Admitted {
    /// The transfer.
    pub(super) id: TransferId,
    /// The transfers to stop for it, without another datagram. They have left already.
    pub(super) stopped: Vec<TransferId>,
}

#[derive(Debug)]
struct Running {
    client: SocketAddr,
    request: Vec<u8>,
    /// The transfer of the same port, which goes on until the client has acknowledged something of this one: anybody
    /// can send a request in its name.
    replaces: Option<TransferId>,
    heard: bool,
    progress_at: Duration,
}

/// The running transfers.
#[derive(Debug)]
pub(super) struct Admission {
    limits: TransferLimits,
    next: u64,
    running: HashMap<TransferId, Running>,
    by_client: HashMap<SocketAddr, TransferId>,
}

impl Admission {
    /// No transfer is running.
    pub(super) fn new(limits: TransferLimits) -> Admission {
        Admission {
            limits,
            next: 0,
            running: HashMap::new(),
            by_client: HashMap::new(),
        }
    }

    /// Admits the read request `datagram` from `client`, until [`Admission::leave`].
    pub(super) fn enter(
        &mut self,
        client: SocketAddr,
        datagram: &[u8],
        now: Duration,
    ) -> Result<Admitted, Refusal> {
        let same_port = self.by_client.get(&client).copied();
        if let Some(earlier) = same_port.and_then(|id| self.running.get(&id))
            && earlier.request == datagram
            && now.saturating_sub(earlier.progress_at) < REPETITION
        {
            return Err(Refusal::Duplicate);
        }
        let (mut stopped, mut replaces) = (Vec::new(), None);
        if let Some((id, earlier)) = same_port.and_then(|id| Some((id, self.running.get(&id)?))) {
            if earlier.heard {
                replaces = Some(id);
            } else {
                replaces = earlier.replaces;
                self.leave(id);
                stopped.push(id);
            }
        }
        let stays = |(id, _): &(TransferId, &Running)| Some(*id) != replaces;
        let address = client.ip();
        if self.heard_of(address).filter(stays).count() >= self.limits.per_client {
            let idlest = self.idlest_of(address);
            let stalled = idlest.filter(|(_, since)| now.saturating_sub(*since) >= STALLED);
            let (id, _) = stalled.ok_or(Refusal::ClientFull)?;
            self.leave(id);
            stopped.push(id);
        }
        // Who makes room is decided once the client has answered.
        if self.heard().filter(stays).count() >= self.limits.total
            && self.busiest(address, now).is_none()
        {
            return Err(Refusal::ServerFull);
        }
        let own = |(_, running): &(TransferId, &Running)| running.client.ip() == address;
        let oldest = if self.unheard().filter(own).count() >= self.limits.unheard_per_client {
            self.unheard().filter(own).map(|(id, _)| id).min()
        } else if self.unheard().count() >= self.limits.unheard {
            self.unheard().map(|(id, _)| id).min()
        } else {
            None
        };
        if let Some(id) = oldest {
            self.leave(id);
            stopped.push(id);
        }
        let id = TransferId(self.next);
        self.next += 1;
        let running = Running {
            client,
            request: datagram.to_vec(),
            replaces,
            heard: false,
            progress_at: now,
        };
        self.running.insert(id, running);
        self.by_client.insert(client, id);
        Ok(Admitted { id, stopped })
    }

    /// The client of a transfer has acknowledged something. Its first ACK can make other transfers stop, which are
    /// returned and have left already.
    ///
    /// # Errors
    /// [`Refusal::ServerFull`] where there is no room for a transfer with an ACK: it has to stop itself.
    pub(super) fn progressed(
        &mut self,
        id: TransferId,
        now: Duration,
    ) -> Result<Vec<TransferId>, Refusal> {
        let mut stopped = Vec::new();
        let Some(running) = self.running.get_mut(&id) else {
            return Ok(stopped);
        };
        running.progress_at = now;
        if running.heard {
            return Ok(stopped);
        }
        let (address, replaced) = (running.client.ip(), running.replaces.take());
        if let Some(replaced) = replaced.filter(|id| self.running.contains_key(id)) {
            self.leave(replaced);
            stopped.push(replaced);
        }
        let other = if self.heard_of(address).count() >= self.limits.per_client {
            self.idlest_of(address).map(|(id, _)| id)
        } else if self.heard().count() >= self.limits.total {
            Some(self.busiest(address, now).ok_or(Refusal::ServerFull)?)
        } else {
            None
        };
        if let Some(other) = other {
            self.leave(other);
            stopped.push(other);
        }
        if let Some(running) = self.running.get_mut(&id) {
            running.heard = true;
        }
        Ok(stopped)
    }

    /// Removes a transfer that has ended.
    pub(super) fn leave(&mut self, id: TransferId) {
        let Some(gone) = self.running.remove(&id) else {
            return;
        };
        if self.by_client.get(&gone.client) == Some(&id) {
            self.by_client.remove(&gone.client);
        }
    }

    /// The number of running transfers.
    #[cfg(test)]
    fn running(&self) -> usize {
        self.running.len()
    }

    fn heard(&self) -> impl Iterator<Item = (TransferId, &Running)> {
        let all = self.running.iter().map(|(id, running)| (*id, running));
        all.filter(|(_, running)| running.heard)
    }

    fn unheard(&self) -> impl Iterator<Item = (TransferId, &Running)> {
        let all = self.running.iter().map(|(id, running)| (*id, running));
        all.filter(|(_, running)| !running.heard)
    }

    fn heard_of(&self, address: IpAddr) -> impl Iterator<Item = (TransferId, &Running)> {
        self.heard()
            .filter(move |(_, running)| running.client.ip() == address)
    }

    /// The transfer of a client that has made no progress for longest, and since when.
    fn idlest_of(&self, address: IpAddr) -> Option<(TransferId, Duration)> {
        let all = self.heard_of(address);
        all.map(|(id, running)| (id, running.progress_at))
            .min_by_key(|(id, since)| (*since, *id))
    }

    fn busiest(&self, newcomer: IpAddr, now: Duration) -> Option<TransferId> {
        let open = self.heard().map(|(id, running)| OpenConnection {
            id,
            client: running.client.ip(),
            idle: now.saturating_sub(running.progress_at),
        });
        busiest(open, newcomer)
    }
}

/// Whether a client may ask at all: one on a network of the interface, on a network that is allowed, or a machine that
/// came by a relay. Anybody else's address may be that of a victim, to whom the answers would go.
pub(super) fn may_ask(
    client: IpAddr,
    on_link: impl IntoIterator<Item = Prefix>,
    allowed: &[Prefix],
    came_by_a_relay: impl FnOnce() -> bool,
) -> bool {
    let has = |network: &Prefix| network.contains(client);
    on_link.into_iter().any(|network| has(&network)) || allowed.iter().any(has) || came_by_a_relay()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: TransferLimits = TransferLimits {
        per_client: 2,
        total: 4,
        unheard_per_client: 2,
        unheard: 3,
    };
    const START: Duration = Duration::from_secs(100);
    const SECOND: Duration = Duration::from_secs(1);

    fn peer(host: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, host], port))
    }

    fn enter(admission: &mut Admission, host: u8, port: u16) -> Result<Admitted, Refusal> {
        admission.enter(peer(host, port), b"file", START)
    }

    /// A transfer whose client has answered.
    fn heard(admission: &mut Admission, host: u8, port: u16, now: Duration) -> TransferId {
        let admitted = admission.enter(peer(host, port), b"file", now).unwrap();
        assert_eq!(admission.progressed(admitted.id, now), Ok(vec![]));
        admitted.id
    }

    #[test]
    fn a_repeated_request_starts_one_transfer_until_it_makes_no_progress() {
        let mut admission = Admission::new(LIMITS);
        let first = enter(&mut admission, 1, 2070).unwrap().id;
        assert_eq!(enter(&mut admission, 1, 2070), Err(Refusal::Duplicate));
        admission.progressed(first, START + SECOND).unwrap();
        let mut again = |after| admission.enter(peer(1, 2070), b"file", START + after);
        assert_eq!(again(2 * SECOND), Err(Refusal::Duplicate));
        // The machine was reset, and its ROM uses one port.
        let second = again(3 * SECOND).unwrap();
        let stopped = admission.progressed(second.id, START + 3 * SECOND);
        assert_eq!(stopped, Ok(vec![first]));
        assert_eq!(admission.running(), 1);
    }

    #[test]
    fn a_request_for_another_file_from_the_same_port_replaces_the_transfer_once_it_is_answered() {
        let mut admission = Admission::new(LIMITS);
        let first = heard(&mut admission, 1, 6970, START);
        let second = admission.enter(peer(1, 6970), b"another", START).unwrap();
        // Whoever sends it in the client's name ends nothing; before, it ended the transfer.
        assert_eq!(second.stopped, []);
        let third = admission.enter(peer(1, 6970), b"third", START).unwrap();
        assert_eq!(third.stopped, [second.id]);
        assert!(admission.running.contains_key(&first));
        assert_eq!(admission.progressed(third.id, START), Ok(vec![first]));
        // The one that was replaced ends later.
        admission.leave(first);
        let repeated = admission.enter(peer(1, 6970), b"third", START);
        assert_eq!(repeated, Err(Refusal::Duplicate));
        assert_eq!(admission.running(), 1);
    }

    #[test]
    fn without_an_ack_the_oldest_makes_room() {
        let mut admission = Admission::new(LIMITS);
        let first = enter(&mut admission, 1, 1).unwrap().id;
        let second = enter(&mut admission, 1, 2).unwrap().id;
        let third = enter(&mut admission, 1, 3).unwrap();
        assert_eq!(third.stopped, [first], "of the same client");
        let other = enter(&mut admission, 2, 1).unwrap();
        assert!(other.stopped.is_empty());
        assert_eq!(enter(&mut admission, 3, 1).unwrap().stopped, [second]);
        // Any number of forged addresses leaves the transfers alone that were answered.
        assert_eq!(admission.progressed(other.id, START), Ok(vec![]));
        for host in 10..=250 {
            let admitted = enter(&mut admission, host, 1).unwrap();
            assert!(!admitted.stopped.contains(&other.id));
        }
        assert_eq!(admission.running(), LIMITS.unheard + 1);
    }

    #[test]
    fn a_client_at_its_limit_loses_a_transfer_that_stalls_and_no_other() {
        let mut admission = Admission::new(LIMITS);
        let stalled = heard(&mut admission, 1, 1, START);
        let busy = heard(&mut admission, 1, 2, START + SECOND);
        let mut another = |after| admission.enter(peer(1, 3), b"file", START + after);
        assert_eq!(another(4 * SECOND), Err(Refusal::ClientFull));
        assert_eq!(another(5 * SECOND).unwrap().stopped, [stalled]);
        assert!(admission.running.contains_key(&busy));
        // Those that began together are limited when they are answered.
        let mut admission = Admission::new(LIMITS);
        let (one, two) = (
            enter(&mut admission, 1, 1).unwrap().id,
            enter(&mut admission, 1, 2).unwrap().id,
        );
        let third = heard(&mut admission, 1, 3, START + SECOND);
        assert_eq!(admission.progressed(one, START), Ok(vec![]), "it has left");
        assert_eq!(admission.progressed(two, START + SECOND), Ok(vec![]));
        let fourth = enter(&mut admission, 1, 4);
        assert_eq!(fourth, Err(Refusal::ClientFull));
        assert!(admission.running.contains_key(&third));
    }

    #[test]
    fn when_all_are_taken_the_address_with_the_most_transfers_loses_its_idlest() {
        let mut admission = Admission::new(LIMITS);
        let first = heard(&mut admission, 1, 1, START);
        let idlest = heard(&mut admission, 1, 2, START);
        admission.progressed(first, START + SECOND).unwrap();
        heard(&mut admission, 2, 1, START);
        heard(&mut admission, 3, 1, START);
        let newcomer = enter(&mut admission, 4, 1).unwrap();
        assert!(newcomer.stopped.is_empty(), "it has not answered yet");
        let stopped = admission.progressed(newcomer.id, START + SECOND);
        assert_eq!(stopped, Ok(vec![idlest]));
        // Now everybody has one.
        assert_eq!(enter(&mut admission, 5, 1), Err(Refusal::ServerFull));
        assert_eq!(enter(&mut admission, 1, 9), Err(Refusal::ServerFull));
        admission.leave(first);
        admission.leave(first);
        assert!(enter(&mut admission, 5, 1).is_ok());
    }

    #[test]
    fn a_client_asks_from_a_network_of_the_interface_or_one_that_is_allowed() {
        let networks = ["10.0.0.1/24", "192.168.7.1/16", "172.16.0.1/32"];
        let on_link = networks.map(|network| network.parse().unwrap());
        let allowed = ["10.9.0.0/16".parse().unwrap()];
        let asks = |client: &str| may_ask(client.parse().unwrap(), on_link, &allowed, || false);
        for client in ["10.0.0.200", "192.168.99.3", "172.16.0.1", "10.9.3.4"] {
            assert!(asks(client), "{client}");
        }
        for client in ["10.0.1.1", "172.16.0.2", "198.51.100.7", "0.0.0.0"] {
            assert!(!asks(client), "{client}");
        }
        let relayed = "198.51.100.7".parse().unwrap();
        assert!(may_ask(relayed, on_link, &allowed, || true));
    }
}
