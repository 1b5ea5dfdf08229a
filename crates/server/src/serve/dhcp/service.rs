//! DHCP: datagram → request → decision → bytes, with the sockets around it.
//!
//! The answer is [`netroot_proto::pxe::decide`]'s; here is where a request came from, where the answer goes, and what is
//! logged. Nothing on this path may block: iPXE waits only two seconds for a proxy's offer.
//!
//! ```text
//! datagram → Request → decision (which network, what it boots) → sending (durable first, frame or datagram)
//! telling: what is logged of those that are not answered, or not as they expect
//! ```

mod decision;
mod sending;
mod telling;

use std::collections::HashMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use netroot_net::Uuid;
use netroot_proto::dhcp::request::Request;
use netroot_proto::dhcp::{MessageType, SERVER_PORT};
use netroot_proto::pxe::client::Client;
use netroot_proto::pxe::decide::{Decision, Noted, Reason, Reply};
use netroot_proto::pxe::probe::is_probe;
use netroot_sys::arrival::{Arrival, ArrivalSocket};
use netroot_sys::packet::PacketSocket;
use netroot_sys::readable;
use tokio::sync::Notify;

use crate::catalog::KnownMachine;
use crate::serve::artifacts::ArtifactStore;
use crate::serve::clock::Clock;
use crate::serve::counters::Counters;
use crate::serve::dhcp::address_probe::AddressProbe;
use crate::serve::dhcp::kept_addresses::KeptFor;
use crate::serve::dhcp::other_networks::OtherNetworks;
use crate::serve::events::{Event, Ignored, Machine, Timeline};
use crate::serve::history::{History, Way};
use crate::serve::listen::allowed::LiveAllowed;
use crate::serve::listen::arrivals;
use crate::serve::listen::interface::Interface;
use crate::serve::listen::live_interface::LiveInterface;
use crate::serve::listen::role::DhcpRole;
use crate::serve::metrics::RangeUse;

/// The longest datagram that is read, in bytes: an Ethernet frame's. Clients send 300 to 600.
const DATAGRAM: usize = 1500;

/// DHCP on one interface: what its two ports share.
#[derive(Debug)]
pub(crate) struct Service {
    /// The interface that is served.
    pub(crate) interface: Arc<LiveInterface>,
    /// Which machine boots what.
    pub(crate) artifacts: Arc<ArtifactStore>,
    /// The HTTP server's port.
    pub(crate) http_port: u16,
    /// The DHCP role on it.
    pub(crate) role: DhcpRole,
    /// Who may mount and load.
    pub(crate) allowed: Arc<LiveAllowed>,
    /// Where events are logged.
    pub(crate) timeline: Timeline,
    /// What happened to each machine.
    pub(crate) history: Arc<History>,
    /// The counters.
    pub(crate) counters: Arc<Counters>,
    /// The clock.
    pub(crate) clock: Clock,
    /// What is remembered of the requests.
    pub(crate) seen: Seen,
}

/// What is remembered of the requests.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Notified after an offer, which may have caused a probe of its address.
    offered: Notify,
    other_networks: OtherNetworks,
    /// When it was told of each network that its addresses are exhausted.
    exhausted: Mutex<HashMap<Ipv4Addr, Duration>>,
    kept_for: Mutex<KeptFor>,
}

impl Seen {
    fn kept_for(&self) -> MutexGuard<'_, KeptFor> {
        self.kept_for.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Probes the addresses that are given out next, until the runtime ends. A proxy gives none.
///
/// # Errors
/// Only when the socket cannot be waited for at all.
pub(crate) async fn probe_addresses(
    socket: Option<PacketSocket>,
    service: Arc<Service>,
) -> io::Result<()> {
    let (DhcpRole::Authoritative(addresses), Some(socket)) = (&service.role, socket) else {
        return std::future::pending().await;
    };
    let probe = AddressProbe {
        interface: &service.interface,
        subnets: &addresses.subnets,
        clock: service.clock,
        timeline: &service.timeline,
        counters: &service.counters,
    };
    probe.run(socket, &service.seen.offered).await
}

/// Answers on one port, 67 or 4011, until the runtime ends. `frames` sends to machines that have no address yet; without
/// it they are sent a broadcast.
///
/// # Errors
/// Only when the socket cannot be waited for at all.
pub(crate) async fn run(
    socket: ArrivalSocket,
    frames: Option<Arc<PacketSocket>>,
    port: u16,
    service: Arc<Service>,
) -> io::Result<()> {
    let waiting = readable::udp(socket.try_clone_for_polling()?)?;
    let socket = Arc::new(socket);
    let mut buffer = [0; DATAGRAM];
    loop {
        let arrival = arrivals::next(&waiting, || socket.receive(&mut buffer)).await;
        service.interface.settled().await;
        let datagram = buffer.get(..arrival.length).unwrap_or_default();
        arrivals::handle(|| {
            if let Some(reply) = service.answer(datagram, arrival, port) {
                let (socket, frames) = (Arc::clone(&socket), frames.clone());
                service.send_when_durable(reply, move |service, reply| {
                    service.send(reply, &socket, frames.as_deref(), arrival)
                });
            }
        });
    }
}

impl Service {
    /// Starts to write leases.
    ///
    /// # Errors
    /// The system's, if the thread for that cannot be started.
    pub(crate) fn start(&self) -> io::Result<()> {
        match &self.role {
            DhcpRole::Proxy => Ok(()),
            DhcpRole::Authoritative(addresses) => {
                let leases = &addresses.leases;
                leases.start(self.clock, &self.timeline, &self.counters)
            }
        }
    }

    /// Writes the last leases.
    pub(crate) fn stop(&self) {
        if let DhcpRole::Authoritative(addresses) = &self.role {
            addresses.leases.stop();
        }
    }

    /// Reads one datagram and decides about it. The answer is logged when it is sent.
    fn answer(&self, datagram: &[u8], arrival: Arrival, port: u16) -> Option<Box<Reply>> {
        let interface = self.interface.served()?;
        let request = match Request::read(datagram) {
            Ok(request) => request,
            Err(error) => {
                Counters::count(&self.counters.dhcp_ignored);
                if let Some((mac, why)) = Ignored::unread(&error) {
                    let address = Machine::Address((*arrival.from.ip()).into());
                    let machine = mac.map_or(address, Machine::Mac);
                    self.timeline.ignored(machine, why);
                }
                return None;
            }
        };
        let mac = request.header.mac;
        let client = Client::of(&request);
        // Of a probe nothing is remembered or logged: there is no machine. None asks for an address.
        let is_probe =
            is_probe(&request) && (request.kind == MessageType::Discover || port != SERVER_PORT);
        if !is_probe {
            self.remember(&interface, &request, client, (arrival, port), datagram);
        }
        let machines = self.timeline.machines();
        let relayed = machines.relayed();
        relayed.learn(&request, *arrival.from.ip(), Instant::now());
        let (machine, claim) = machines.hear(&request, client, &interface.name);
        let subnet = match self.select(&interface, &request, &machine, arrival, port) {
            Ok(subnet) => subnet,
            Err(reason) => {
                self.ignore(mac, client, reason, is_probe);
                return None;
            }
        };
        // Where this server gives the address, its acknowledgement says so.
        if request.kind == MessageType::Discover && subnet.is_none() {
            machines.orders().asks_dhcp(mac, client);
        }
        let asked = Asked {
            machine,
            claim,
            request: &request,
            client,
            arrival,
            port,
        };
        match self.decide(&interface, &asked, subnet) {
            Decision::Reply(reply) => {
                if request.kind == MessageType::Discover && !is_probe {
                    let asked = Event::DhcpDiscover { client };
                    self.timeline.machine(Machine::Mac(mac), asked);
                }
                Some(reply)
            }
            Decision::Noted(noted) => {
                Counters::count(&self.counters.dhcp_ignored);
                let machines = self.timeline.machines();
                let (Noted::Released(address) | Noted::Declined(address)) = &noted;
                machines.released((*address).into(), mac);
                let event = match noted {
                    Noted::Released(address) => Event::DhcpRelease {
                        address: address.into(),
                    },
                    Noted::Declined(address) => Event::DhcpDecline {
                        address: address.into(),
                    },
                };
                self.timeline.machine(Machine::Mac(mac), event);
                None
            }
            // Of whoever asks: told once.
            Decision::Ignore(Reason::RangeFull) => {
                Counters::count(&self.counters.dhcp_ignored);
                self.tell_exhaustion(subnet);
                None
            }
            Decision::Ignore(reason) => {
                self.ignore(mac, client, reason, is_probe);
                None
            }
        }
    }

    /// How many addresses of each network are used.
    pub(crate) fn used(&self) -> Vec<RangeUse> {
        self.role.used(self.clock.now())
    }

    /// What a machine sent is in its history.
    fn remember(
        &self,
        interface: &Interface,
        request: &Request,
        client: Client,
        (arrival, port): (Arrival, u16),
        datagram: &[u8],
    ) {
        let mac = request.header.mac;
        let boots = client != Client::Plain;
        if boots && let Some(uuid) = uuid(request) {
            self.history.identified(mac, uuid);
        }
        let way = Way::In {
            interface: interface.name.clone(),
            from: arrival.from,
            port,
            inputs: None,
        };
        self.history.datagram(mac, boots, way, datagram);
    }
}

/// A request, and who sent it.
struct Asked<'a> {
    request: &'a Request,
    /// All that is known of the machine.
    machine: KnownMachine,
    /// The number of what it says, if it is iPXE's.
    claim: Option<u32>,
    client: Client,
    arrival: Arrival,
    port: u16,
}

/// The machine's UUID, as option 97 has it (RFC 4578 §2.3): a zero byte, and 16 more.
fn uuid(request: &Request) -> Option<Uuid> {
    match request.uuid.as_deref()?.split_first()? {
        (0, sent) => Uuid::from_firmware(sent.try_into().ok()?),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
