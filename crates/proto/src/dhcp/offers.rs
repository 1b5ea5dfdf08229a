//! The OFFERs that came to one question, weighed by the root that they lead to and not by
//! their arrival.
//!
//! An offer with a usable root is taken at once. Others wait up to [`GRACE`] for a better
//! one. A server that went back on its offer comes last the next time.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::lease::Lease;
use super::options::Message;
use super::{INIT_VENDOR_CLASS, code};

/// How long an OFFER that leads to no root waits for one that does, from the first OFFER
/// on: enough for a second DISCOVER, should the first have been lost on its way to the
/// other server.
pub const GRACE: Duration = Duration::from_secs(2);
/// Offers that are weighed; more than these are a flood.
const MOST_OFFERS: usize = 8;
/// Servers remembered for having gone back on their offer.
const MOST_UNRELIABLE: usize = 4;

/// How much an offer helps a machine to its root. The best comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Score {
    /// It leads to a root.
    Root,
    /// It leads to a guess.
    Guess,
    /// It leads nowhere.
    Nothing,
}

/// A lease that a server offers.
#[derive(Debug, Clone)]
pub(super) struct Offer {
    /// The whole Ethernet frame.
    pub(super) frame: Vec<u8>,
    pub(super) lease: Lease,
    /// Option 54, else where the offer came from.
    pub(super) server: Ipv4Addr,
    /// It needs no REQUEST: an ACK by rapid commit, or a BOOTP reply.
    pub(super) granted: bool,
}

/// The root that a server names without giving an address.
#[derive(Debug)]
struct ProxyRoot {
    path: Vec<u8>,
    server: Option<Ipv4Addr>,
    ours: bool,
}

/// The offers of one NIC. See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Offers {
    held: Vec<Offer>,
    /// When the first of them came.
    since: Option<Duration>,
    proxy: Option<ProxyRoot>,
    unreliable: VecDeque<Ipv4Addr>,
}

impl Offers {
    /// Keeps an offer.
    pub(super) fn hold(&mut self, offer: Offer, now: Duration) {
        // Each copy of a DISCOVER is answered with a copy of the OFFER.
        let same = |other: &&mut Offer| {
            other.lease.address == offer.lease.address && other.server == offer.server
        };
        if let Some(earlier) = self.held.iter_mut().find(same) {
            *earlier = offer;
        } else if self.held.len() < MOST_OFFERS {
            self.held.push(offer);
        }
        self.since.get_or_insert(now);
    }

    /// Takes the root of an offer without an address, by a boot server beside the DHCP
    /// server. The paired boot server's holds over others.
    pub(super) fn note_root(&mut self, message: &Message) {
        let ours = message.options.text(code::VENDOR_CLASS) == Some(INIT_VENDOR_CLASS);
        let Some(path) = message.options.text(code::ROOT_PATH) else {
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

    /// Forgets the offers: another question is asked, because `server` went back on its offer.
    pub(super) fn distrust(&mut self, server: Ipv4Addr) {
        self.unreliable.retain(|other| *other != server);
        self.unreliable.push_back(server);
        if self.unreliable.len() > MOST_UNRELIABLE {
            self.unreliable.pop_front();
        }
        self.held.clear();
        self.since = None;
    }

    /// The best offer, once it is time to take one; the others are forgotten. `any_protocol`
    /// says that a BOOTP reply is as good as DHCP's.
    pub(super) fn take_best(
        &mut self,
        now: Duration,
        any_protocol: bool,
        score: &dyn Fn(&Lease) -> Score,
    ) -> Option<Offer> {
        let over = now >= self.since?.saturating_add(GRACE);
        let rank = |offer: &Offer| {
            (
                self.unreliable.contains(&offer.server),
                score(&self.completed(offer.lease.clone(), score)),
                // BOOTP knows no end of a lease, and no better address.
                offer.lease.message.is_none() && !any_protocol,
            )
        };
        let ranked = self.held.iter().map(rank).enumerate();
        let (index, best) = ranked.min_by_key(|(_, rank)| *rank)?;
        if !over && best > (false, Score::Root, false) {
            return None;
        }
        let chosen = self.held.swap_remove(index);
        self.held.clear();
        self.since = None;
        Some(chosen)
    }

    /// When [`Offers::take_best`] takes an offer at the latest.
    pub(super) fn due_at(&self) -> Option<Duration> {
        self.since.map(|since| since.saturating_add(GRACE))
    }

    /// The lease with the root of the boot server beside the DHCP server, if that leads to a
    /// better root than the lease alone.
    pub(super) fn completed(&self, lease: Lease, score: &dyn Fn(&Lease) -> Score) -> Lease {
        let Some(proxy) = &self.proxy else {
            return lease;
        };
        let mut with = lease.clone();
        with.root_path = Some(proxy.path.clone());
        // The DHCP server's next server is not the one that the path belongs to.
        with.next_server = proxy.server;
        if score(&with) < score(&lease) {
            with
        } else {
            lease
        }
    }
}
