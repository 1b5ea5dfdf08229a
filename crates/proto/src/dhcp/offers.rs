//! Several OFFERs weighed by the root that they lead to, not by their arrival.
//!
//! [`Offers`] stands between a NIC and smoltcp's client, which takes the first OFFER that
//! it hears. It gives the client one OFFER, the best; and it lets the client take what it
//! does not know: an ACK without an OFFER (rapid commit, RFC 4039), a reply of BOOTP, and
//! an offer of a root without an address, by a boot server beside the DHCP server.
//!
//! An OFFER with a usable root goes on at once. Others wait up to [`GRACE`] for a better
//! one.
//!
//! Pure: time (on any clock that does not go back) and Ethernet frames in, frames out.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::lease::{Lease, LeaseError};
use super::options::Message;
use super::{INIT_VENDOR_CLASS, Mac, MessageType, code, restate};

/// How long an OFFER that leads to no root waits for one that does, from the first OFFER
/// on: enough for a second DISCOVER, should the first have been lost on its way to the
/// other server.
pub const GRACE: Duration = Duration::from_secs(2);
/// Offers that are weighed; more are of a flood.
const MOST_OFFERS: usize = 8;
/// Frames that may wait for the client.
const MOST_WAITING: usize = 8;
/// Servers remembered for having gone back on their offer.
const MOST_UNRELIABLE: usize = 4;

/// What an offer is worth to a machine that wants its root. The best comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Score {
    /// It leads to a root.
    Root,
    /// It leads to a guess.
    Guess,
    /// It leads nowhere.
    Nothing,
}

/// What is to become of a frame that the client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outgoing {
    /// It goes out.
    Send,
    /// It does not: what it asks for has been granted already.
    Swallow,
}

/// A frame for the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// As smoltcp takes it.
    pub frame: Vec<u8>,
    /// As it came.
    pub received: Vec<u8>,
}

impl Delivery {
    /// The DHCP message as the server wrote it.
    pub fn message(&self) -> &[u8] {
        restate::server_message(&self.received).map_or(&[], |(message, _)| message)
    }
}

/// The root that a server names without giving an address.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ProxyRoot {
    path: Vec<u8>,
    server: Option<Ipv4Addr>,
    ours: bool,
}

#[derive(Debug, Clone)]
struct Held {
    frame: Vec<u8>,
    lease: Lease,
    source: Ipv4Addr,
    /// It needs no REQUEST: an ACK, or a reply of BOOTP.
    granted: bool,
}

/// Where the client stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It has said nothing yet.
    Silent,
    /// It looks for offers.
    Discovering { transaction: u32 },
    /// It asks for what was offered, or renews it.
    Requesting { transaction: u32 },
}

/// The offers of one NIC. See the [module](self).
#[derive(Debug)]
pub struct Offers {
    mac: Mac,
    phase: Phase,
    /// The client asks by BOOTP alone, so nothing better than its reply comes.
    bootp: bool,
    held: Vec<Held>,
    /// When the first of them came.
    since: Option<Duration>,
    proxy: Option<ProxyRoot>,
    /// The server whose offer the client takes.
    chosen: Option<Ipv4Addr>,
    /// Those that offered and then refused, or fell silent.
    unreliable: VecDeque<Ipv4Addr>,
    /// What the client's REQUEST will be answered with, if it is granted already.
    granted: Option<Vec<u8>>,
    waiting: VecDeque<Delivery>,
    /// The first offer that gives no lease, and its sender, until somebody asks.
    useless: Option<(Ipv4Addr, LeaseError)>,
    /// One of them was asked for.
    complained: bool,
}

impl Offers {
    /// For the client of a NIC with this address.
    pub fn new(mac: Mac) -> Offers {
        Offers {
            mac,
            phase: Phase::Silent,
            bootp: false,
            held: Vec::new(),
            since: None,
            proxy: None,
            chosen: None,
            unreliable: VecDeque::new(),
            granted: None,
            waiting: VecDeque::new(),
            useless: None,
            complained: false,
        }
    }

    /// Notes a frame that the client sends.
    pub fn sent(&mut self, frame: &[u8]) -> Outgoing {
        let message = restate::client_message(frame).and_then(|m| Message::read(m).ok());
        let Some(message) = message else {
            return Outgoing::Send;
        };
        let transaction = message.header.transaction;
        if message.kind() == Some(MessageType::Request) {
            self.phase = Phase::Requesting { transaction };
            if let Some(granted) = self.granted.take() {
                self.deliver(&granted, MessageType::Ack);
                return Outgoing::Swallow;
            }
        } else {
            // It asks anew: the one that it had chosen has not kept its word.
            if let Some(server) = self.chosen.take() {
                self.unreliable.retain(|other| *other != server);
                self.unreliable.push_back(server);
                if self.unreliable.len() > MOST_UNRELIABLE {
                    self.unreliable.pop_front();
                }
            }
            self.phase = Phase::Discovering { transaction };
            self.bootp = message.kind().is_none();
            self.held.clear();
            self.since = None;
            self.granted = None;
            self.waiting.clear();
        }
        Outgoing::Send
    }

    /// Notes a frame that arrived.
    pub fn arrived(&mut self, frame: &[u8], now: Duration) {
        let Some((datagram, source)) = restate::server_message(frame) else {
            return;
        };
        let Ok(message) = Message::read(datagram) else {
            return;
        };
        let header = &message.header;
        if header.from_client || header.mac != self.mac {
            return;
        }
        let kind = message.kind();
        let has_address = !header.your_ip.is_unspecified();
        match (self.phase, kind) {
            (Phase::Discovering { transaction }, _) if transaction == header.transaction => {
                let rapid = message.options.bytes(code::RAPID_COMMIT).is_some();
                match kind {
                    Some(MessageType::Offer) if has_address => {
                        self.hold(frame, datagram, source, false, now);
                    }
                    Some(MessageType::Ack) if rapid && has_address => {
                        self.hold(frame, datagram, source, true, now);
                    }
                    None if has_address => self.hold(frame, datagram, source, true, now),
                    Some(MessageType::Offer) => self.heed(&message),
                    _ => {}
                }
            }
            (
                Phase::Requesting { transaction },
                Some(kind @ (MessageType::Ack | MessageType::Nak)),
            ) if transaction == header.transaction => {
                self.deliver(frame, kind);
            }
            // The boot server may be slower than the DHCP server.
            (Phase::Requesting { transaction }, Some(MessageType::Offer))
                if transaction == header.transaction && !has_address =>
            {
                self.heed(&message);
            }
            _ => {}
        }
    }

    fn hold(
        &mut self,
        frame: &[u8],
        datagram: &[u8],
        source: Ipv4Addr,
        granted: bool,
        now: Duration,
    ) {
        let lease = match Lease::read(datagram) {
            Ok(lease) => lease,
            Err(error) => {
                self.useless.get_or_insert((source, error));
                return;
            }
        };
        let held = Held {
            frame: frame.to_vec(),
            lease,
            source,
            granted,
        };
        // Copies of a DISCOVER are answered with copies of an OFFER.
        let same = |other: &&mut Held| {
            other.lease.address == held.lease.address && other.source == held.source
        };
        if let Some(earlier) = self.held.iter_mut().find(same) {
            *earlier = held;
        } else if self.held.len() < MOST_OFFERS {
            self.held.push(held);
        }
        self.since.get_or_insert(now);
    }

    /// An offer that was passed over because it gives no lease, with its sender. Told once,
    /// however many come.
    pub fn useless(&mut self) -> Option<(Ipv4Addr, LeaseError)> {
        let useless = self.useless.take().filter(|_| !self.complained);
        self.complained |= useless.is_some();
        useless
    }

    /// An offer without an address: does it name a root?
    fn heed(&mut self, message: &Message) {
        let ours = message.options.text(code::VENDOR_CLASS) == Some(INIT_VENDOR_CLASS);
        let path = message.options.text(code::ROOT_PATH);
        let Some(path) = path.filter(|path| !path.is_empty()) else {
            return;
        };
        if self.proxy.as_ref().is_some_and(|known| known.ours && !ours) {
            return;
        }
        let next = Some(message.header.next_server).filter(|next| !next.is_unspecified());
        self.proxy = Some(ProxyRoot {
            path: path.to_vec(),
            server: next.or_else(|| message.options.address(code::SERVER_ID)),
            ours,
        });
    }

    fn deliver(&mut self, frame: &[u8], kind: MessageType) {
        if self.waiting.len() < MOST_WAITING {
            self.waiting.push_back(Delivery {
                frame: restate::frame_as(frame, kind).unwrap_or_else(|| frame.to_vec()),
                received: frame.to_vec(),
            });
        }
    }

    /// The next frame for the client, if there is one by now. `judge` says what a lease is
    /// worth.
    pub fn next(&mut self, now: Duration, judge: &dyn Fn(&Lease) -> Score) -> Option<Delivery> {
        if let Some(delivery) = self.waiting.pop_front() {
            return Some(delivery);
        }
        let over = now >= self.since?.saturating_add(GRACE);
        let rank = |held: &Held| {
            let lease = self.completed(held.lease.clone(), judge);
            let server = held.lease.server_id.unwrap_or(held.source);
            (
                self.unreliable.contains(&server),
                judge(&lease),
                // BOOTP knows no end of a lease, and no better address.
                held.lease.message.is_none() && !self.bootp,
            )
        };
        let (index, best) = self
            .held
            .iter()
            .map(rank)
            .enumerate()
            .min_by_key(|(_, rank)| *rank)?;
        if !over && best > (false, Score::Root, false) {
            return None;
        }
        let chosen = self.held.swap_remove(index);
        self.held.clear();
        self.since = None;
        self.chosen = Some(chosen.lease.server_id.unwrap_or(chosen.source));
        self.deliver(&chosen.frame, MessageType::Offer);
        self.granted = chosen.granted.then_some(chosen.frame);
        self.waiting.pop_front()
    }

    /// When to look for the [`next`](Offers::next) frame, if no frame comes before.
    pub fn next_at(&self) -> Option<Duration> {
        if self.waiting.is_empty() {
            self.since.map(|since| since.saturating_add(GRACE))
        } else {
            Some(Duration::ZERO)
        }
    }

    /// The lease with the root of the boot server beside the DHCP server, where the lease
    /// leads to none by itself and so leads to one.
    pub fn completed(&self, lease: Lease, judge: &dyn Fn(&Lease) -> Score) -> Lease {
        let Some(proxy) = &self.proxy else {
            return lease;
        };
        let mut with = lease.clone();
        with.root_path = Some(proxy.path.clone());
        // The DHCP server's next server is not the one that the path belongs to.
        with.next_server = proxy.server;
        if judge(&with) < judge(&lease) {
            with
        } else {
            lease
        }
    }
}
