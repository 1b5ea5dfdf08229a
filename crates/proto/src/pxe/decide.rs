//! Decides whether and how a request is answered. See [`super`].
//!
//! `proxy`: beside another DHCP server. `authoritative`: as the only one. Here: on port 4011, which is the same in both roles.
//! `destination`: where the answer goes.

mod authoritative;
mod destination;
mod proxy;

use std::time::Duration;

use netroot_net::Prefix;

use super::client::Client;
use super::context::Context;
use super::inputs::{Arrival, BootOptions, Role};
use super::probe::is_probe;
use super::reply::{self, Boot, NoLoader};
use super::strategy::Strategy;
use crate::dhcp::emit::Emitted;
use crate::dhcp::request::Request;
use crate::dhcp::{BINL_PORT, MessageType, SERVER_PORT};

pub use super::decision::{Answer, BootFile, Decision, Destination, Noted, Reason, Refusal, Reply};

/// Decides how to answer a request.
pub fn decide(
    request: &Request,
    arrival: &Arrival,
    boots: &BootOptions<'_>,
    role: Role<'_>,
    strategy: Strategy,
    now: Duration,
) -> Decision {
    let authoritative = matches!(role, Role::Authoritative { .. });
    let context = Context {
        request,
        arrival,
        boots,
        client: Client::of(request),
        strategy,
        authoritative,
    };
    let answered = match (arrival.port, role) {
        (BINL_PORT, _) => context.boot_server().map(Decision::from),
        (SERVER_PORT, Role::Proxy) => context.proxy().map(Decision::from),
        (SERVER_PORT, Role::Authoritative { options, pool }) => {
            context.authoritative(options, pool, now)
        }
        (port, _) => Err(Reason::Port(port)),
    };
    answered.unwrap_or_else(Decision::Ignore)
}

impl Context<'_> {
    /// What the export would refuse to mount is not offered.
    fn check_allowed(&self) -> Result<(), Reason> {
        let source = *self.arrival.source.ip();
        let (relay, client) = match self.request.relay {
            Some(relay) => (Some(relay.address), relay.link),
            None => (None, source),
        };
        let allowed = |networks: &[Prefix]| networks.iter().any(|one| one.contains(client));
        // Nobody knows yet which address a client on this network will have.
        if client.is_unspecified() || self.boots.allowed.is_none_or(allowed) {
            return Ok(());
        }
        Err(Reason::NotAllowed { relay, client })
    }

    /// Port 4011, the second request. Answered for every architecture (danderson/netboot#132)
    /// and in both roles: a client sends it only because it was directed here.
    fn boot_server(&self) -> Result<Reply, Reason> {
        let kind = match self.request.kind {
            MessageType::Discover => MessageType::Offer,
            MessageType::Request | MessageType::Inform => MessageType::Ack,
            other => return Err(Reason::NoAnswerTo(other)),
        };
        if matches!(self.client, Client::Plain | Client::Init) {
            return Err(if self.names_firmware() {
                Reason::NoArchitecture
            } else {
                Reason::NotNetworkBoot
            });
        }
        self.check_allowed()?;
        // EDK2 sends from port 4011 and listens there: a reply to port 68 causes PXE-E16.
        let destination = if self.arrival.source.ip().is_unspecified() {
            Destination::Broadcast
        } else {
            Destination::Unicast(self.arrival.source)
        };
        self.boot_reply(kind, destination)
    }

    fn boot_reply(&self, kind: MessageType, destination: Destination) -> Result<Reply, Reason> {
        let boot = Boot::of(self).map_err(|NoLoader(platform)| Reason::NoLoader(platform))?;
        let Some(boot) = boot else {
            return Err(Reason::NotNetworkBoot);
        };
        let emitted = reply::proxy(self, kind, &boot);
        let loader = boot.loads();
        let answer = if kind == MessageType::Offer {
            Answer::ProxyOffered { loader }
        } else {
            Answer::ProxyAcknowledged { loader }
        };
        Ok(self.reply(destination, emitted, answer))
    }

    fn names_firmware(&self) -> bool {
        let class = self.request.vendor_class.as_deref().unwrap_or_default();
        class.starts_with(b"PXEClient") || class.starts_with(b"HTTPClient")
    }

    fn reply(&self, destination: Destination, emitted: Emitted, answer: Answer) -> Reply {
        Reply {
            destination,
            source: self.arrival.address,
            packet: emitted.bytes,
            machine: self.request.header.mac,
            to_probe: is_probe(self.request),
            client: self.client,
            answer,
            left_out: emitted.left_out,
        }
    }
}
