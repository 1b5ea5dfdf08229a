//! Keeping a lease while the machine runs (RFC 2131 §4.4.5), for a machine whose root
//! depends on its address.
//!
//! It differs from a common client in one thing: when the lease ends, it does not give up
//! the address but keeps asking. It is started with a lease that an
//! [exchange](super::exchange) won in another process.
//!
//! Pure: time (since the kernel started) and datagrams in, datagrams out.

use std::net::Ipv4Addr;
use std::time::Duration;

use netroot_net::Mac;

use super::client_message::seconds;
use super::emit::{Draft, SAFE_LENGTH};
use super::header::{Header, HeaderError};
use super::lease::{Lease, LeaseError};
use super::options::Message;
use super::transaction::Transaction;
use super::{MessageType, code, frame};

/// The shortest pause between two REQUESTs that RFC 2131 §4.4.5 asks for.
const PAUSE: Duration = Duration::from_secs(60);
/// The pauses between requests for a lease that expired or was refused; then [`PAUSE`].
const SELECTING: [Duration; 4] = [
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
    Duration::from_secs(32),
];
/// The shortest time from an answer to the next question: a lease may have no duration at all.
const SHORTEST_PAUSE: Duration = Duration::from_secs(10);
/// How often a REQUEST that takes an OFFER is sent before other offers are sought.
const TRIES: u32 = 2;

/// A client that has a lease.
#[derive(Debug, Clone)]
pub struct Renewer {
    /// The REQUEST that won the lease: its options are repeated, so that the server
    /// recognises this client.
    asked: Message,
    lease: Lease,
    bound_at: Duration,
    state: State,
    at: Option<Duration>,
    /// When the present question was first asked.
    since: Duration,
    tries: u32,
    transaction: Transaction,
}

/// What is being asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing, until T1.
    Bound,
    /// Unicast to the server that gave the lease.
    Renewing,
    /// Broadcast to any server.
    Rebinding,
    /// The lease expired, or may have: REQUESTs and DISCOVERs in turn, since a server may have
    /// forgotten the lease, or may find the address in use, by this machine.
    Ended,
    /// The lease was refused: asking for offers.
    Selecting,
    /// An offer was taken.
    Requesting { address: Ipv4Addr, server: Ipv4Addr },
}

/// A message to be sent from port 68 to port 67.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Where to; `None` is everybody (255.255.255.255, and the Ethernet broadcast address).
    pub to: Option<Ipv4Addr>,
    /// Where from: the machine's address, or 0.0.0.0 when it asks for one anew.
    pub from: Ipv4Addr,
    /// The UDP payload.
    pub bytes: Vec<u8>,
}

impl Outgoing {
    /// The message as a frame from `mac`. Unicast goes to `server`, the NIC that the server's
    /// last message came from: its own, or that of the router in between.
    pub fn frame(&self, mac: Mac, server: Mac) -> Vec<u8> {
        match self.to {
            Some(to) => frame::unicast((mac, self.from), (server, to), &self.bytes),
            None => frame::broadcast((mac, self.from), &self.bytes),
        }
    }
}

/// What a datagram meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// The lease continues, possibly with different values.
    Renewed(Box<Lease>),
    /// The server refuses the address; another lease is asked for.
    Refused,
    /// An offer was taken; its REQUEST is due.
    Offered,
    /// It changed nothing.
    Ignored(Ignored),
}

/// Why a datagram changed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ignored {
    /// It is no DHCP message.
    NotDhcp(HeaderError),
    /// It is a client's message, or it answers another machine or another question.
    NotForUs,
    /// Nothing was asked that this could answer.
    Unasked,
    /// It grants an unusable lease.
    Unusable(LeaseError),
    /// It grants another address than was asked for.
    OtherAddress(Ipv4Addr),
}

/// Why a lease cannot be renewed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The REQUEST cannot be read.
    #[error("the REQUEST that was sent cannot be read")]
    Asked(#[from] HeaderError),
    /// The ACK cannot be read.
    #[error("the ACK that came cannot be read")]
    Answered(#[from] LeaseError),
}

impl Renewer {
    /// A client that sent `asked` and got `answered` at `bound_at`. Different seeds let
    /// machines that started together renew apart.
    ///
    /// # Errors
    /// If either message is invalid.
    pub fn start(
        asked: &[u8],
        answered: &[u8],
        bound_at: Duration,
        seed: u64,
    ) -> Result<Self, StartError> {
        let asked = Message::read(asked)?;
        let lease = Lease::read(answered)?;
        let mut renewer = Renewer {
            asked,
            lease,
            bound_at,
            state: State::Bound,
            at: None,
            since: bound_at,
            tries: 0,
            transaction: Transaction::new(seed),
        };
        renewer.bind(bound_at);
        Ok(renewer)
    }

    /// The lease as it is now. It stays so after it has expired.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// When [`Renewer::poll`] has something to send; `None` is never.
    pub fn poll_at(&self) -> Option<Duration> {
        self.at
    }

    /// Whether an answer is expected: only then is there a need to listen.
    pub fn is_asking(&self) -> bool {
        self.state != State::Bound
    }

    /// Asks any server for the lease at once, as if it had expired: another program may have
    /// released it.
    pub fn ask_again(&mut self, now: Duration) {
        self.enter(State::Ended, now);
    }

    /// The message that is due, if one is.
    pub fn poll(&mut self, now: Duration) -> Option<Outgoing> {
        if self.at? > now {
            return None;
        }
        self.advance(now);
        self.tries = self.tries.saturating_add(1);
        self.at = Some(now.saturating_add(self.pause(now)));
        let own = self.lease.address;
        let any = Ipv4Addr::UNSPECIFIED;
        Some(match self.state {
            State::Bound | State::Renewing => {
                let bytes = self.message(MessageType::Request, own, now, &[]);
                Outgoing {
                    to: self.lease.server_id,
                    from: own,
                    bytes,
                }
            }
            State::Ended if self.tries.is_multiple_of(2) => self.discover(now),
            State::Rebinding | State::Ended => {
                let bytes = self.message(MessageType::Request, own, now, &[]);
                Outgoing {
                    to: None,
                    from: own,
                    bytes,
                }
            }
            State::Selecting => self.discover(now),
            State::Requesting { address, server } => {
                let more = [
                    (code::REQUESTED_ADDRESS, address),
                    (code::SERVER_ID, server),
                ];
                let bytes = self.message(MessageType::Request, any, now, &more);
                Outgoing {
                    to: None,
                    from: any,
                    bytes,
                }
            }
        })
    }

    /// Takes a datagram that came to port 68.
    pub fn hear(&mut self, datagram: &[u8], now: Duration) -> Heard {
        let message = match Message::read(datagram) {
            Ok(message) => message,
            Err(e) => return Heard::Ignored(Ignored::NotDhcp(e)),
        };
        let header = &message.header;
        if !header.answers(self.asked.header.mac, self.transaction.number()) {
            return Heard::Ignored(Ignored::NotForUs);
        }
        match (message.kind(), self.state) {
            (_, State::Bound) => Heard::Ignored(Ignored::Unasked),
            (Some(MessageType::Nak), State::Selecting) => Heard::Ignored(Ignored::Unasked),
            (Some(MessageType::Nak), state) => {
                self.enter(State::Selecting, now);
                // A server that offers and refuses in turn does not deserve an immediate retry.
                if matches!(state, State::Requesting { .. }) {
                    self.at = Some(now.saturating_add(SHORTEST_PAUSE));
                }
                Heard::Refused
            }
            (Some(MessageType::Offer), State::Selecting | State::Ended) => {
                self.offered(datagram, now)
            }
            (Some(MessageType::Ack), State::Selecting) => Heard::Ignored(Ignored::Unasked),
            (Some(MessageType::Ack), state) => self.granted(datagram, state, now),
            _ => Heard::Ignored(Ignored::Unasked),
        }
    }

    fn offered(&mut self, datagram: &[u8], now: Duration) -> Heard {
        let lease = match Lease::read(datagram) {
            Ok(lease) => lease,
            Err(e) => return Heard::Ignored(Ignored::Unusable(e)),
        };
        let Some(server) = lease.server_id else {
            return Heard::Ignored(Ignored::Unasked);
        };
        let address = lease.address;
        self.enter(State::Requesting { address, server }, now);
        Heard::Offered
    }

    fn granted(&mut self, datagram: &[u8], state: State, now: Duration) -> Heard {
        let lease = match Lease::read(datagram) {
            Ok(lease) => lease,
            Err(e) => return Heard::Ignored(Ignored::Unusable(e)),
        };
        let asked = match state {
            State::Requesting { address, .. } => address,
            _ => self.lease.address,
        };
        if lease.address != asked {
            return Heard::Ignored(Ignored::OtherAddress(lease.address));
        }
        // RFC 2131 §4.4.5 counts from when the REQUEST was sent: the server did not later.
        self.lease = lease.clone();
        self.bind(now);
        Heard::Renewed(Box::new(lease))
    }

    /// Silence until T1.
    fn bind(&mut self, now: Duration) {
        self.state = State::Bound;
        self.bound_at = now;
        self.tries = 0;
        self.transaction.advance();
        // Up to a sixteenth earlier: a thousand machines that got power at once.
        self.at = self.lease.renew_after.map(|t1| {
            let early = t1 / 16 * (self.transaction.number() >> 8 & 0xff) / 256;
            now.saturating_add(t1.saturating_sub(early).max(SHORTEST_PAUSE))
        });
    }

    fn enter(&mut self, state: State, now: Duration) {
        // The answer to a REQUEST has the number of the OFFER (RFC 2131 §4.4.1).
        if !matches!(state, State::Requesting { .. }) {
            self.transaction.advance();
        }
        self.state = state;
        self.since = now;
        self.tries = 0;
        self.at = Some(now);
    }

    /// Enters the state that is due.
    fn advance(&mut self, now: Duration) {
        let state = match self.state {
            State::Requesting { .. } if self.tries >= TRIES => State::Selecting,
            State::Requesting { .. } | State::Selecting | State::Ended => return,
            _ if self.has_passed(self.lease.lease_time, now) => State::Ended,
            _ if self.has_passed(self.lease.rebind_after, now) => State::Rebinding,
            _ => State::Renewing,
        };
        if state != self.state {
            self.enter(state, now);
        }
    }

    fn has_passed(&self, after: Option<Duration>, now: Duration) -> bool {
        after.is_some_and(|time| now >= self.bound_at.saturating_add(time))
    }

    /// How long to wait for an answer to the message sent now.
    fn pause(&self, now: Duration) -> Duration {
        let until = |end: Option<Duration>| {
            let left = end.map(|end| self.bound_at.saturating_add(end).saturating_sub(now));
            let left = left.unwrap_or(PAUSE);
            // Half of what is left, but a minute at least; a lease of a few minutes would
            // then have one try for each of the two, so an eighth of it is enough as well.
            let least = self
                .lease
                .lease_time
                .map_or(PAUSE, |lease| (lease / 8).min(PAUSE));
            // The next state begins when its time comes, not a pause later.
            (left / 2).max(least).min(left.max(Duration::from_secs(1)))
        };
        match self.state {
            State::Bound | State::Renewing => until(self.lease.rebind_after),
            State::Rebinding => until(self.lease.lease_time),
            State::Ended | State::Selecting | State::Requesting { .. } => {
                let tries = usize::try_from(self.tries.saturating_sub(1)).unwrap_or(usize::MAX);
                SELECTING.get(tries).copied().unwrap_or(PAUSE)
            }
        }
    }

    fn discover(&self, now: Duration) -> Outgoing {
        let own = [(code::REQUESTED_ADDRESS, self.lease.address)];
        let any = Ipv4Addr::UNSPECIFIED;
        Outgoing {
            to: None,
            from: any,
            bytes: self.message(MessageType::Discover, any, now, &own),
        }
    }

    fn message(
        &self,
        kind: MessageType,
        client_ip: Ipv4Addr,
        now: Duration,
        more: &[(u8, Ipv4Addr)],
    ) -> Vec<u8> {
        let mut draft = Draft::new(Header {
            secs: seconds(now.saturating_sub(self.since)),
            flags: self.asked.header.flags,
            client_ip,
            ..Header::of_client(self.asked.header.mac, self.transaction.number())
        });
        draft.push(code::MESSAGE_TYPE, &[kind.into()]);
        for (code, address) in more {
            draft.push(*code, &address.octets());
        }
        const OF_THE_MOMENT: [u8; 5] = [
            code::MESSAGE_TYPE,
            code::REQUESTED_ADDRESS,
            code::SERVER_ID,
            code::OVERLOAD,
            // Rapid commit (RFC 4039) would skip the REQUEST that the state machine expects.
            code::RAPID_COMMIT,
        ];
        for (code, value) in self.asked.options.iter() {
            if !OF_THE_MOMENT.contains(&code) {
                draft.push(code, value);
            }
        }
        draft.emit(SAFE_LENGTH).bytes
    }
}

#[cfg(test)]
#[path = "renew_tests.rs"]
mod tests;
