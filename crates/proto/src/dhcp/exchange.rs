//! How a NIC gets its lease: DISCOVER, OFFERs, REQUEST, ACK, and the question whether the
//! address is free (RFC 2131 §3.1, §4.4.1).
//!
//! Pure: time (on any clock that does not go back) and Ethernet frames in;
//! [`Action`]s and deadlines out. The program that owns the NIC calls [`Exchange::receive`]
//! for each frame, then [`Exchange::poll`] until it returns `None`, and again at
//! [`Exchange::poll_at`].
//!
//! Real networks are tolerated as far as they can be: servers that do not name themselves,
//! that send no netmask or keep options in `file` ([`super::lease`] reads what can be read),
//! that grant without an offer (rapid commit, RFC 4039) or by BOOTP, and boot servers that
//! name a root and give no address ([`super::offers`]).
//!
//! # Why not smoltcp's `dhcpv4` socket
//!
//! It was used until five adapters stood around it: one that repeated its frames (it takes a
//! new transaction number for each DISCOVER, so that a slow server's answer is lost), a
//! device that held back and replayed them, one that rewrote them to carry the client's
//! identity, one that rewrote every server's message to the only form that it accepts, and
//! one that made up OFFERs so that it took an ACK or a BOOTP reply. With the renewer's and
//! INFORM's own code these were 2082 lines before tests; they are 1793 now, and `init` is
//! 24 KiB smaller (725,328 bytes before, 701,104 after). More of it is true as well:
//!
//! * Messages are built once, instead of being written, parsed and written again; INFORM and
//!   renewal build and match theirs by the same code.
//! * The simulator drives the retransmission, the address probe and the DECLINE that the init
//!   uses, and renews by the renewer. The init's DISCOVER is compared byte by byte with the recorded one.
//! * A REQUEST has the `secs` of its DISCOVER, as RFC 2131 §3.1 demands.
//! * An ACK that gives another address than the OFFER is probed for that address.
//!
//! smoltcp's wire formats are still used.

mod action;
mod question;

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::time::Duration;

use netroot_net::Mac;

pub use action::{Action, Bound};

use super::client_identity::{ClientIdentity, Protocol};
use super::client_message::Offered;
use super::frame;
use super::lease::{Lease, LeaseError};
use super::offers::{Offer, Offers, Score};
use super::options::Message;
use super::retransmission::Retransmission;
use super::transaction::Transaction;
use super::{MessageType, code};

/// How long a REQUEST may stay unanswered before other offers are looked for: the server
/// that made the offer is gone.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// How long after the probe an address counts as free. RFC 5227 waits for seconds; a
/// neighbour that is awake answers within a millisecond, and the REQUEST takes some of this
/// time anyway.
const PROBE_TIMEOUT: Duration = Duration::from_millis(50);
/// The pause after a DECLINE. RFC 2131 §3.1 says ten seconds, meant for servers that would
/// give the same address again and again; a boot is short.
const AFTER_DECLINE: Duration = Duration::from_secs(1);
/// Most addresses that are declined: a switch or router that answers ARP for every address
/// must not keep a machine from booting.
const MOST_DECLINED: u32 = 2;

/// One NIC's exchange. See the [module](self).
#[derive(Debug)]
pub struct Exchange {
    mac: Mac,
    identity: ClientIdentity,
    transaction: Transaction,
    /// Frames are sent only then: without a carrier they would be dropped.
    carrier: bool,
    state: State,
    message: Retransmission,
    /// When the first DISCOVER of this transaction was sent.
    first_sent: Option<Duration>,
    /// `secs` of the DISCOVER sent last, and of the REQUEST that follows it.
    secs: u16,
    offers: Offers,
    probe: Option<Probe>,
    declined: u32,
    /// The REQUEST sent last.
    asked: Vec<u8>,
    has_reported_offer: bool,
    actions: VecDeque<Action>,
}

#[derive(Debug)]
enum State {
    /// DISCOVERs are sent and OFFERs collected.
    Selecting,
    /// An offer was taken; its REQUEST is sent until `until`.
    Requesting { offered: Offered, until: Duration },
    /// The lease is granted; the neighbours may still object.
    Granted(Box<Offer>),
    /// The lease is won. The offer can still be declined, unless its address is used although
    /// a neighbour claims it.
    Bound(Option<Offered>),
}

/// The question who has an address.
#[derive(Debug)]
struct Probe {
    address: Ipv4Addr,
    until: Duration,
    owner: Option<Mac>,
}

impl Exchange {
    /// An exchange of the NIC with this address, without a carrier yet. Different seeds keep
    /// machines that started together apart.
    pub fn new(mac: Mac, identity: ClientIdentity, seed: u64) -> Exchange {
        Exchange {
            mac,
            identity,
            transaction: Transaction::new(seed),
            carrier: false,
            state: State::Selecting,
            message: Retransmission::starting(Duration::ZERO),
            first_sent: None,
            secs: 0,
            offers: Offers::default(),
            probe: None,
            declined: 0,
            asked: Vec::new(),
            has_reported_offer: false,
            actions: VecDeque::new(),
        }
    }

    /// The carrier came up or went away. When it comes up, an open question is repeated at
    /// once.
    pub fn carrier(&mut self, carrier: bool, now: Duration) {
        self.carrier = carrier;
        if carrier {
            self.message.restart(now);
        }
    }

    /// Takes an Ethernet frame that arrived.
    pub fn receive(&mut self, received: &[u8], now: Duration) {
        let Some(reply) = frame::from_server(received) else {
            return;
        };
        let Ok(message) = Message::read(reply.message) else {
            return;
        };
        if !message.header.answers(self.mac, self.transaction.number()) {
            return;
        }
        let kind = message.kind();
        let has_address = !message.header.your_ip.is_unspecified();
        let rapid = message.options.bytes(code::RAPID_COMMIT).is_some();
        match (&self.state, kind) {
            // The boot server may be slower than the DHCP server.
            (State::Selecting | State::Requesting { .. }, Some(MessageType::Offer))
                if !has_address =>
            {
                self.offers.note_root(&message);
            }
            (State::Selecting, Some(MessageType::Offer)) => {
                self.offered(received, reply, false, now);
            }
            (State::Selecting, Some(MessageType::Ack)) if rapid && has_address => {
                self.offered(received, reply, true, now);
            }
            (State::Selecting, None) if has_address => self.offered(received, reply, true, now),
            // Some boot servers acknowledge every REQUEST, without an address; and a rapid commit
            // of another server answers the DISCOVER, too late.
            (State::Requesting { offered, .. }, Some(MessageType::Ack))
                if has_address && (!rapid || message.header.your_ip == offered.address) =>
            {
                let offered = *offered;
                self.acknowledged(received, reply, offered, now);
            }
            (State::Requesting { offered, .. }, Some(MessageType::Nak)) => {
                let server = offered.server;
                self.select_again(server, now);
            }
            _ => {}
        }
    }

    /// A neighbour uses the address that is probed.
    pub fn claimed(&mut self, owner: Mac) {
        if let Some(probe) = &mut self.probe {
            probe.owner.get_or_insert(owner);
        }
    }

    /// The address that is probed.
    pub fn probing(&self) -> Option<Ipv4Addr> {
        self.probe.as_ref().map(|probe| probe.address)
    }

    /// The probe could not be sent: the address counts as free.
    pub fn probe_failed(&mut self) {
        if let Some(probe) = &mut self.probe {
            probe.until = Duration::ZERO;
        }
    }

    /// The address that was granted, and that nobody has claimed.
    pub fn bound(&self) -> Option<Ipv4Addr> {
        match &self.state {
            State::Bound(offered) => offered.map(|offered| offered.address),
            _ => None,
        }
    }

    /// A neighbour uses the address that was granted, and said so later than a boot waits: gives
    /// the address back. Returns the DECLINE to send.
    pub fn claimed_late(&mut self) -> Option<Vec<u8>> {
        let State::Bound(offered) = &mut self.state else {
            return None;
        };
        let offered = offered.take()?;
        Some(self.wrap(&self.client_message().decline(offered)))
    }

    /// What is to be done next; `None` is nothing by now. `score` says how far a lease leads
    /// to a root.
    pub fn poll(&mut self, now: Duration, score: &dyn Fn(&Lease) -> Score) -> Option<Action> {
        if self.actions.is_empty() {
            self.advance(now, score);
            self.transmit(now);
        }
        self.actions.pop_front()
    }

    /// When to call [`Exchange::poll`] again, if no frame comes before.
    pub fn poll_at(&self) -> Option<Duration> {
        if !self.actions.is_empty() {
            return Some(Duration::ZERO);
        }
        let deadline = match &self.state {
            State::Selecting => self.offers.due_at(),
            State::Requesting { until, .. } => Some(*until),
            State::Granted(_) => Some(self.probe.as_ref().map_or(Duration::ZERO, |p| p.until)),
            State::Bound(_) => None,
        };
        let send = self.message.at().filter(|_| self.carrier);
        deadline.into_iter().chain(send).min()
    }

    fn offered(
        &mut self,
        received: &[u8],
        reply: frame::FromServer<'_>,
        granted: bool,
        now: Duration,
    ) {
        match read(received, reply, granted) {
            Ok(offer) => self.offers.hold(offer, now),
            Err(error) if !self.has_reported_offer => {
                self.has_reported_offer = true;
                self.unusable(reply.address, false, error);
            }
            Err(_) => {}
        }
    }

    fn acknowledged(
        &mut self,
        received: &[u8],
        reply: frame::FromServer<'_>,
        offered: Offered,
        now: Duration,
    ) {
        match read(received, reply, true) {
            Ok(mut offer) => {
                // Whoever made the offer answers for it, whatever name the ACK gives.
                offer.server = offered.server;
                self.grant(offer, now);
            }
            Err(error) => {
                self.unusable(reply.address, true, error);
                // Perhaps another server has a better one.
                self.select_again(offered.server, now);
            }
        }
    }

    fn unusable(&mut self, server: Ipv4Addr, granted: bool, error: LeaseError) {
        self.actions.push_back(Action::Unusable {
            server,
            granted,
            error,
        });
    }

    /// Goes to where time and offers lead.
    fn advance(&mut self, now: Duration, score: &dyn Fn(&Lease) -> Score) {
        match &self.state {
            State::Selecting => {
                let any_protocol = self.identity.protocol == Protocol::Bootp;
                if let Some(offer) = self.offers.take_best(now, any_protocol, score) {
                    self.choose(offer, now);
                }
            }
            State::Requesting { offered, until } if now >= *until => {
                let server = offered.server;
                self.select_again(server, now);
            }
            State::Granted(_) if self.probe.as_ref().is_none_or(|p| now >= p.until) => {
                self.settle(now, score);
            }
            State::Requesting { .. } | State::Granted(_) | State::Bound(_) => {}
        }
    }

    fn choose(&mut self, offer: Offer, now: Duration) {
        let offered = Offered {
            server: offer.server,
            address: offer.lease.address,
        };
        if offer.granted {
            self.asked = self.wrap(&self.client_message().request(offered));
            self.grant(offer, now);
        } else {
            self.probe(offered.address, now);
            self.message = Retransmission::starting(now);
            self.state = State::Requesting {
                offered,
                until: now.saturating_add(REQUEST_TIMEOUT),
            };
        }
    }

    fn grant(&mut self, offer: Offer, now: Duration) {
        self.message.stop();
        // Asked already, unless nothing was offered or something else is granted.
        if self.probing() != Some(offer.lease.address) {
            self.probe(offer.lease.address, now);
        }
        self.state = State::Granted(Box::new(offer));
    }

    fn probe(&mut self, address: Ipv4Addr, now: Duration) {
        self.probe = Some(Probe {
            address,
            until: now.saturating_add(PROBE_TIMEOUT),
            owner: None,
        });
        self.actions.push_back(Action::Probe(address));
    }

    /// The neighbours had time to object.
    fn settle(&mut self, now: Duration, score: &dyn Fn(&Lease) -> Score) {
        let State::Granted(offer) = std::mem::replace(&mut self.state, State::Bound(None)) else {
            return;
        };
        let Offer { server, .. } = *offer;
        let address = offer.lease.address;
        let owner = self.probe.take().and_then(|probe| probe.owner);
        if owner.is_none() {
            self.state = State::Bound(Some(Offered { server, address }));
        }
        if let Some(owner) = owner {
            let declined = self.declined < MOST_DECLINED;
            self.actions.push_back(Action::InUse {
                address,
                owner,
                declined,
            });
            if declined {
                self.declined += 1;
                let decline = self.client_message().decline(Offered { server, address });
                self.actions.push_back(Action::Send(self.wrap(&decline)));
                self.select_again(server, now.saturating_add(AFTER_DECLINE));
                return;
            }
        }
        self.actions.push_back(Action::Bound(Box::new(Bound {
            lease: self.offers.completed(offer.lease, score),
            asked: std::mem::take(&mut self.asked),
            answered: offer.frame,
        })));
    }

    /// Asks for offers anew, from `at` on: `server` has gone back on its offer.
    fn select_again(&mut self, server: Ipv4Addr, at: Duration) {
        self.offers.distrust(server);
        self.transaction.advance();
        self.first_sent = None;
        self.probe = None;
        self.message = Retransmission::starting(at);
        self.state = State::Selecting;
    }
}

/// Reads a server's offer or grant.
fn read(received: &[u8], reply: frame::FromServer<'_>, granted: bool) -> Result<Offer, LeaseError> {
    let lease = Lease::read(reply.message)?;
    Ok(Offer {
        frame: received.to_vec(),
        // A server that does not give its name is reached where it sent from.
        server: lease.server_id.unwrap_or(reply.address),
        lease,
        granted,
    })
}
