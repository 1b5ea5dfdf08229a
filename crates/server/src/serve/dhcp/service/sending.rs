//! Answers on their way: to the disk first, where a lease has to be there, and then to the network.

use std::io;
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::Instant;

use netroot_proto::dhcp::{CLIENT_PORT, SERVER_PORT};
use netroot_proto::pxe::client::Client;
use netroot_proto::pxe::decide::{Answer, Destination, Reply};
use netroot_proto::pxe::offer::without_query;
use netroot_sys::arrival::{Arrival, ArrivalSocket};
use netroot_sys::packet::PacketSocket;

use super::Service;
use crate::serve::counters::Counters;
use crate::serve::dhcp::frame::{self, End};
use crate::serve::events::{Event, Ignored, Machine};
use crate::serve::history::Way;
use crate::serve::listen::leases::Put;
use crate::serve::listen::role::DhcpRole;

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// It has left.
    Yes,
    /// Too many left for other networks.
    OverRate,
}

impl Service {
    /// Sends an answer: at once, unless it acknowledges a lease, which has to be on the disk first.
    pub(super) fn send_when_durable(
        self: &Arc<Self>,
        reply: Box<Reply>,
        send: impl FnOnce(&Self, &Reply) -> io::Result<Sent> + Send + 'static,
    ) {
        let service = Arc::clone(self);
        let machine = reply.machine;
        let lease = match (&self.role, &reply.answer) {
            (DhcpRole::Authoritative(addresses), Answer::Acknowledged { address, .. }) => {
                Some((addresses, *address))
            }
            _ => None,
        };
        let send = move || {
            service.learn(&reply);
            match send(&service, &reply) {
                Ok(Sent::Yes) => service.log_answer(&reply),
                Ok(Sent::OverRate) => Counters::count(&service.counters.dhcp_over_rate),
                Err(error) => {
                    Counters::count(&service.counters.dhcp_send_failures);
                    let error = error.to_string();
                    let machine = Machine::Mac(reply.machine);
                    service
                        .timeline
                        .ignored(machine, Ignored::DhcpSend { error });
                }
            }
        };
        let Some((addresses, address)) = lease else {
            return send();
        };
        let leases = &addresses.leases;
        if leases.when_durable(address, machine, &self.timeline, send) == Put::Full {
            Counters::count(&self.counters.dhcp_over_limit);
        }
    }

    /// What the machine's next questions are judged by. It is known before the answer leaves: they may come, and be answered
    /// by another thread, before this one goes on. An answer that cannot be sent does no harm: the lease is the machine's.
    fn learn(&self, reply: &Reply) {
        let (mac, client) = (reply.machine, reply.client);
        let machines = self.timeline.machines();
        if matches!(client, Client::Ipxe(_)) {
            machines.script_offered(mac, Instant::now());
        }
        if let (Answer::Acknowledged { address, .. }, DhcpRole::Authoritative(role)) =
            (&reply.answer, &self.role)
        {
            machines.learn((*address).into(), mac, role.lease_time);
            machines.orders().asks_dhcp(mac, client);
        }
    }

    fn log_answer(&self, reply: &Reply) {
        Counters::count(&self.counters.dhcp_answered);
        let (mac, client) = (reply.machine, reply.client);
        // A probe takes no lease.
        if !reply.to_probe || matches!(reply.answer, Answer::Acknowledged { .. }) {
            let way = Way::Out {
                from: reply.source,
                to: reply.destination.socket_address(),
            };
            self.history.datagram(mac, false, way, &reply.packet);
            let mut answer = reply.answer.clone();
            if let Some(file) = answer.file_mut() {
                *file = without_query(file).to_owned();
            }
            let answered = Event::DhcpAnswer { client, answer };
            self.timeline.machine(Machine::Mac(mac), answered);
        }
    }

    /// Sends an answer, if the server still has the address that it comes from.
    pub(super) fn send(
        &self,
        reply: &Reply,
        socket: &ArrivalSocket,
        frames: Option<&PacketSocket>,
        arrival: Arrival,
    ) -> io::Result<Sent> {
        let (index, local) = (arrival.interface, reply.source);
        let interface = self.interface.served();
        let interface = interface.filter(|it| it.has(local));
        let interface = interface.ok_or(io::ErrorKind::AddrNotAvailable)?;
        let to = *reply.destination.socket_address().ip();
        let is_here = to.is_broadcast() || interface.network_of(&[to]).is_some();
        if !is_here && !self.seen.other_networks.allow(to, self.clock.now()) {
            return Ok(Sent::OverRate);
        }
        match reply.destination {
            Destination::Ethernet { mac, address } => {
                let from = End {
                    mac: interface.mac,
                    address: local,
                    port: SERVER_PORT,
                };
                let to = End {
                    mac,
                    address,
                    port: CLIENT_PORT,
                };
                let sent = frame::encode(from, to, &reply.packet)
                    .zip(frames.filter(|_| interface.has_frames))
                    .ok_or(io::ErrorKind::Unsupported.into())
                    .and_then(|(frame, frames)| frames.send(&frame));
                // RFC 2131 §4.1 allows a broadcast where the unicast is impossible.
                sent.or_else(|_| {
                    let to = reply.destination.socket_address();
                    socket.send(&reply.packet, to, index, local)
                })?;
            }
            other => {
                let to: SocketAddrV4 = other.socket_address();
                // A relay may be behind another interface; other clients are on this one.
                let index = if matches!(other, Destination::Relay(_)) {
                    0
                } else {
                    index
                };
                socket.send(&reply.packet, to, index, local)?;
            }
        }
        Ok(Sent::Yes)
    }
}
