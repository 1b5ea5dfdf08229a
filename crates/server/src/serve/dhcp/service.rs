//! DHCP: datagram → request → decision → bytes, with the sockets around it.
//!
//! The answer is [`netroot_proto::pxe::decide`]'s; here is where a request came from, where the answer goes, and what is
//! logged. Nothing on this path may block: iPXE waits only two seconds for a proxy's offer.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use netroot_net::{Mac, Prefix, Uuid};
use netroot_proto::dhcp::request::Request;
use netroot_proto::dhcp::{CLIENT_PORT, MessageType, SERVER_PORT};
use netroot_proto::pxe::client::Client;
use netroot_proto::pxe::decide::{self, Answer, Decision, Destination, Noted, Reason, Reply};
use netroot_proto::pxe::inputs::{self, BootOptions, Role};
use netroot_proto::pxe::probe::is_probe;
use netroot_proto::pxe::strategy::Strategy;
use netroot_proto::pxe::subnet::{self, Subnet};
use netroot_sys::arrival::{Arrival, ArrivalSocket};
use netroot_sys::packet::PacketSocket;
use tokio::net::UdpSocket;
use tokio::sync::Notify;

use crate::catalog::{ArrivedAt, Assigned, Boots, Catalog, Image, KnownMachine, RootLocation};
use crate::serve::artifacts::ArtifactStore;
use crate::serve::clock::Clock;
use crate::serve::counters::Counters;
use crate::serve::dhcp::address_probe::AddressProbe;
use crate::serve::dhcp::frame::{self, End};
use crate::serve::dhcp::kept_addresses::{self, KeptFor};
use crate::serve::dhcp::other_networks::OtherNetworks;
use crate::serve::events::{Decided, Event, Ignored, Machine, Timeline, Warning};
use crate::serve::history::{History, Inputs, Way};
use crate::serve::listen::allowed::{Allowed, LiveAllowed};
use crate::serve::listen::arrivals;
use crate::serve::listen::interface::Interface;
use crate::serve::listen::leases::Put;
use crate::serve::listen::live_interface::LiveInterface;
use crate::serve::listen::role::DhcpRole;
use crate::serve::metrics::RangeUse;

/// The longest datagram that is read, in bytes: an Ethernet frame's. Clients send 300 to 600.
const DATAGRAM: usize = 1500;
/// The name of a machine's script over HTTP and TFTP.
pub(crate) const SCRIPT_PATH: &str = "boot/{mac}.ipxe";
/// The same where the configuration has machines. iPXE expands it (`fetch_next_server_and_filename` in usr/autoboot.c, since
/// 2011); its DHCP requests have the UUID and the NIC. With the longest address and port, 112 bytes of at most 127.
const ASKING_SCRIPT_PATH: &str =
    "boot/{mac}.ipxe?serial=${serial:uristring}&product=${product:uristring}";
/// How long it is not repeated that the range is exhausted.
const EXHAUSTION_TOLD_FOR: Duration = Duration::from_secs(3600);

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
    let waiting = UdpSocket::from_std(socket.try_clone_for_polling()?)?;
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
        // Of a probe nothing is remembered or logged: there is no machine.
        let is_probe = is_probe(&request);
        if !is_probe {
            self.remember(&interface, &request, client, (arrival, port), datagram);
        }
        let machines = self.timeline.machines();
        let relayed = machines.relayed();
        relayed.learn(&request, *arrival.from.ip(), Instant::now());
        let machine = machines.hear(&request, client, &interface.name);
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

    fn ignore(&self, mac: Mac, client: Client, reason: Reason, is_probe: bool) {
        Counters::count(&self.counters.dhcp_ignored);
        match reason {
            _ if is_probe => {}
            // Every laptop on an office's network: counted, not logged.
            Reason::NotNetworkBoot => {}
            Reason::ForAnotherServer(_) => {
                let took = Event::Ignored(Ignored::Dhcp { client, reason });
                self.timeline.unlogged(Machine::Mac(mac), &took);
            }
            _ => self
                .timeline
                .ignored(Machine::Mac(mac), Ignored::Dhcp { client, reason }),
        }
    }

    /// Which of the networks in which this server gives addresses a request is for; `None` for a proxy's.
    fn select(
        &self,
        interface: &Interface,
        request: &Request,
        machine: &KnownMachine,
        arrival: Arrival,
        port: u16,
    ) -> Result<Option<usize>, Reason> {
        match &self.role {
            DhcpRole::Authoritative(addresses) if port == SERVER_PORT => {
                if request.relay.is_none()
                    && let Some((first, last)) = addresses.without_network()
                {
                    return Err(Reason::RangeElsewhere { first, last });
                }
                let catalog = self.artifacts.catalog();
                self.seen.kept_for().follow(&catalog, addresses);
                let mut subnets = addresses.subnets();
                kept_addresses::claim(&mut subnets, &catalog, request.header.mac, machine);
                if is_for_another_server(interface, &subnets, request) {
                    return Err(Reason::ForAnotherServer(request.server_id));
                }
                let source = *arrival.from.ip();
                match subnet::select(request, source, &mut subnets, self.clock.now()) {
                    // Another server gives addresses there, or else nobody would have allowed it.
                    Err(Reason::RelayElsewhere { link, .. }) if self.allowed.now().mounts(link) => {
                        Ok(None)
                    }
                    other => other,
                }
            }
            // A boot server's answer is the same in both roles.
            DhcpRole::Authoritative(_) => Ok(Some(0)),
            DhcpRole::Proxy => Ok(None),
        }
    }

    /// Logs that no address of a network is left, and what can be done.
    fn tell_exhaustion(&self, subnet: Option<usize>) {
        let DhcpRole::Authoritative(addresses) = &self.role else {
            return;
        };
        let now = self.clock.now();
        let subnets = addresses.subnets();
        let Some(pool) = subnet
            .and_then(|number| subnets.get(number))
            .map(|it| &it.pool)
        else {
            return;
        };
        let mut rows = pool.ranges();
        let Some((first, mut last)) = rows.next() else {
            return;
        };
        if let Some((_, highest)) = rows.last() {
            last = highest;
        }
        // A lease that ended may still be used: a probe has to end first, and a moment later there is an address.
        let (leased, set_aside) = (pool.leased(now), pool.set_aside());
        drop(subnets);
        let told = self.seen.exhausted.lock();
        let mut told = told.unwrap_or_else(PoisonError::into_inner);
        if told
            .get(&first)
            .is_some_and(|told| now < *told + EXHAUSTION_TOLD_FOR)
        {
            return;
        }
        told.insert(first, now);
        self.timeline
            .server(Event::Warning(Warning::RangeExhausted {
                first: first.into(),
                last: last.into(),
                leased,
                set_aside,
            }));
    }

    /// Sends an answer: at once, unless it acknowledges a lease, which has to be on the disk first.
    fn send_when_durable(
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
        let send = move || match send(&service, &reply) {
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
        };
        let Some((addresses, address)) = lease else {
            return send();
        };
        let leases = &addresses.leases;
        if leases.when_durable(address, machine, &self.timeline, send) == Put::Full {
            Counters::count(&self.counters.dhcp_over_limit);
        }
    }

    fn log_answer(&self, reply: &Reply) {
        Counters::count(&self.counters.dhcp_answered);
        let (mac, client) = (reply.machine, reply.client);
        if !reply.to_probe {
            let way = Way::Out {
                from: reply.source,
                to: reply.destination.socket_address(),
            };
            self.history.datagram(mac, false, way, &reply.packet);
            let answered = Event::DhcpAnswer {
                client,
                answer: reply.answer.clone(),
            };
            self.timeline.machine(Machine::Mac(mac), answered);
        }
        if matches!(client, Client::Ipxe(_)) {
            let machines = self.timeline.machines();
            machines.script_offered(mac, Instant::now());
        }
        if let (Answer::Acknowledged { address, .. }, DhcpRole::Authoritative(role)) =
            (&reply.answer, &self.role)
        {
            let machines = self.timeline.machines();
            machines.learn((*address).into(), mac, role.lease_time);
            machines.orders().asks_dhcp(mac, client);
        }
    }

    fn decide(&self, interface: &Interface, asked: &Asked<'_>, subnet: Option<usize>) -> Decision {
        let Asked {
            request,
            machine,
            client,
            arrival,
            port,
        } = asked;
        let (client, arrival, port) = (*client, *arrival, *port);
        let now = self.clock.now();
        // iPXE asks within the boot of the firmware that loaded it: not a new attempt.
        let strategy = match client {
            Client::Pxe(_) | Client::Http(_) if port == SERVER_PORT => {
                let header = &request.header;
                self.timeline
                    .machines()
                    .strategy(header.mac, header.transaction, now)
            }
            _ => Strategy::default(),
        };
        let reached = reached(interface, request, arrival);
        let mut subnets = match &self.role {
            DhcpRole::Authoritative(addresses) => Some(addresses.subnets()),
            DhcpRole::Proxy => None,
        };
        let subnets = subnets.as_deref_mut().map(Vec::as_mut_slice);
        let subnet = subnet
            .zip(subnets)
            .and_then(|(number, subnets)| subnets.get_mut(number));
        let (address, network) = match &subnet {
            Some(subnet) if port == SERVER_PORT && !subnet.behind_relays => {
                (subnet.server, subnet.network)
            }
            Some(subnet) if port == SERVER_PORT => (reached.0, subnet.network),
            _ => reached,
        };
        let here = inputs::Arrival {
            interface: interface.name.clone(),
            address,
            network,
            behind_relays: subnet.as_ref().is_some_and(|it| it.behind_relays),
            port,
            source: arrival.from,
        };
        let arrived = ArrivedAt {
            interface: &interface.name,
            server: address.into(),
        };
        let catalog = self.artifacts.catalog();
        let artifacts = &self.artifacts;
        let assigned = artifacts.assign_by_dhcp(&catalog, machine, &arrived, client);
        self.tell_unknown(asked, &catalog, &assigned);
        self.tell_refused(asked, &assigned);
        let image = assigned.image();
        let root_path = image.and_then(|image| image.nfsroot(address.into()));
        let allowed = self.allowed.now();
        let boots = BootOptions {
            http_port: self.http_port,
            script_path: match catalog.machines() {
                [] => SCRIPT_PATH,
                _ => ASKING_SCRIPT_PATH,
            },
            loaders: catalog.loaders(&assigned),
            root_path: root_path.as_deref().map(str::as_bytes),
            allowed: allowed_for(&allowed, request, arrival, image),
            host_name: assigned.host_name(),
            refused: matches!(assigned.boots, Boots::Refuse),
        };
        let loader = boots.loaders.iter();
        let mut loader = loader.filter(|loader| Some(loader.platform) == client.platform());
        let loader = loader.next();
        let inputs = |gives| Inputs {
            server: address,
            network,
            behind_relays: here.behind_relays,
            http_port: self.http_port,
            root_path: root_path.clone(),
            loader: loader.cloned(),
            strategy,
            host_name: assigned.host_name().map(str::to_owned),
            refused: boots.refused,
            gives,
        };
        let (Some(subnet), DhcpRole::Authoritative(addresses)) = (subnet, &self.role) else {
            self.history.decided(request.header.mac, inputs(None));
            return decide::decide(request, &here, &boots, Role::Proxy, strategy, now);
        };
        let options = match subnet.options_for(request) {
            Ok(options) => options,
            Err(reason) => return Decision::Ignore(reason),
        };
        let ranges = subnet.pool.ranges().collect();
        let gives = Some((options.clone(), ranges));
        self.history.decided(request.header.mac, inputs(gives));
        let role = Role::Authoritative {
            options: &options,
            pool: &mut subnet.pool,
        };
        let decision = decide::decide(request, &here, &boots, role, strategy, now);
        addresses.leases.note(subnet.pool.take_changes(), now);
        self.tell_kept(asked, &decision, subnet.pool.kept_for(request.header.mac));
        self.seen.offered.notify_one();
        decision
    }

    /// Tells that a machine asks to boot that boots nothing from here.
    fn tell_refused(&self, asked: &Asked<'_>, assigned: &Assigned<'_>) {
        let is_firmware = asked.client.platform().is_some() && !is_probe(asked.request);
        if is_firmware && matches!(assigned.boots, Boots::Refuse) {
            let decided = Decided::Refused {
                client: asked.client,
                why: assigned.why.to_string(),
            };
            let machine = Machine::Mac(asked.request.header.mac);
            self.timeline.seldom(machine, Event::Decided(decided));
        }
    }

    /// Remembers whether a machine is in the configuration, and logs one that is not and asks to boot: once, and only where
    /// that makes a difference to somebody.
    fn tell_unknown(&self, asked: &Asked<'_>, catalog: &Catalog, assigned: &Assigned<'_>) {
        if asked.client.platform().is_none() || is_probe(asked.request) {
            return;
        }
        let (machines, mac) = (self.timeline.machines(), asked.request.header.mac);
        machines.is_configured(mac, assigned.machine.is_some());
        let boots_as_all = assigned.image().is_some() && catalog.machines().is_empty();
        if assigned.machine.is_some() || boots_as_all {
            return;
        }
        if let Some(adopt) = machines.tell_unknown(mac) {
            let given = assigned.boots.to_string();
            let decided = Decided::Unknown { given, adopt };
            self.timeline
                .machine(Machine::Mac(mac), Event::Decided(decided));
        }
    }

    /// Logs that a machine is offered another address than the one that is kept for it.
    fn tell_kept(&self, asked: &Asked<'_>, decision: &Decision, kept: Option<Ipv4Addr>) {
        let (Some(kept), Decision::Reply(reply)) = (kept, decision) else {
            return;
        };
        if matches!(reply.answer, Answer::Offered { address, .. } if address != kept) {
            let machine = Machine::Mac(asked.request.header.mac);
            let decided = Decided::KeptAddressInUse {
                address: kept.into(),
            };
            self.timeline.machine(machine, Event::Decided(decided));
        }
    }

    /// Sends an answer, if the server still has the address that it comes from.
    fn send(
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

/// A request, and who sent it.
struct Asked<'a> {
    request: &'a Request,
    /// All that is known of the machine.
    machine: KnownMachine,
    client: Client,
    arrival: Arrival,
    port: u16,
}

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// It has left.
    Yes,
    /// Too many left for other networks.
    OverRate,
}

/// Where a machine has to be for what it boots. Nobody knows who may mount another server's export; its files come
/// from here, by TFTP, which knows the machines of a relay that asks for them itself.
fn allowed_for<'a>(
    allowed: &'a Allowed,
    request: &Request,
    arrival: Arrival,
    image: Option<&Image>,
) -> Option<&'a [Prefix]> {
    match image.and_then(Image::root).map(|root| &root.location) {
        Some(RootLocation::Own { .. }) => Some(&allowed.mount),
        Some(RootLocation::Elsewhere(_)) | None => {
            let by_itself = request.header.relay_ip == *arrival.from.ip();
            let learnt = request.relay.is_some() && by_itself;
            (!learnt).then_some(&allowed.load)
        }
    }
}

/// Whether a client on the link renews an address, or boots with one, that another server gave it: it is in a network
/// of the interface in which this server gives none. A refusal would take it away.
fn is_for_another_server(interface: &Interface, subnets: &[Subnet], request: &Request) -> bool {
    let own = Some(request.header.client_ip).filter(|own| !own.is_unspecified());
    let renews = request.kind == MessageType::Request && request.server_id.is_none();
    let own = own.or(request.requested_address);
    let own = own.filter(|_| renews && request.relay.is_none());
    own.is_some_and(|own| {
        let here = interface.network_of(&[own]).is_some();
        here && !subnets.iter().any(|subnet| subnet.network.contains(own))
    })
}

/// The machine's UUID, as option 97 has it (RFC 4578 §2.3): a zero byte, and 16 more.
fn uuid(request: &Request) -> Option<Uuid> {
    match request.uuid.as_deref()?.split_first()? {
        (0, sent) => Uuid::from_firmware(sent.try_into().ok()?),
        _ => None,
    }
}

/// The address by which the client reaches the server, with its network.
fn reached(interface: &Interface, request: &Request, arrival: Arrival) -> (Ipv4Addr, Prefix) {
    let header = &request.header;
    // The server identifier of an earlier offer, which the client repeats.
    let own = request.server_id.filter(|server| interface.has(*server));
    let own = own.or(Some(arrival.destination).filter(|to| interface.has(*to)));
    let clues = [header.relay_ip, header.client_ip, *arrival.from.ip()];
    let clues = own
        .into_iter()
        .chain(clues)
        .chain(request.requested_address);
    interface.address_for(clues)
}

#[cfg(test)]
mod tests;
