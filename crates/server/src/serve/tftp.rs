//! TFTP: the sockets around [`netroot_proto::tftp`].
//!
//! One task per transfer, each with a socket of its own, bound to the address that the request came to: firmware
//! drops an answer from another address. [`Admission`] limits their number, the [`ArtifactStore`] knows the names.

mod admission;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use netroot_proto::tftp::name;
use netroot_proto::tftp::negotiate::Limits;
use netroot_proto::tftp::packet::{ErrorCode, Packet, ReadRequest};
use netroot_proto::tftp::transfer::{Outcome, Source, Transfer};
use netroot_sys::arrival::{Arrival, ArrivalSocket};
use netroot_sys::udp::{self, Binding};
use tokio::net::UdpSocket;

use self::admission::{Admission, Refusal};
use crate::catalog::{ArrivedAt, KnownMachine};
use crate::serve::artifacts::{Artifact, ArtifactStore, Content};
use crate::serve::counters::Counters;
use crate::serve::events::{Event, Fetch, Ignored, Machine, StopCause, Timeline, Transport};
use crate::serve::listen::arrivals;

/// Concurrent transfers of one address: firmware has one.
const TRANSFERS_EACH: usize = 8;
/// Concurrent transfers of all: a classroom.
const TRANSFERS: usize = 256;
/// The longest request that is read, in bytes (RFC 2347 §3).
const REQUEST: usize = 512;

/// What every transfer shares.
#[derive(Debug)]
pub(crate) struct Service {
    /// Name → artifact.
    pub(crate) artifacts: Arc<ArtifactStore>,
    /// The interface's name.
    pub(crate) interface: String,
    /// The largest options that are granted, from the interface's MTU.
    pub(crate) limits: Limits,
    /// Where events are logged.
    pub(crate) timeline: Timeline,
    /// What is counted.
    pub(crate) counters: Arc<Counters>,
    /// How many transfers each client has.
    admission: Mutex<Admission>,
    /// When the transfers' clock started.
    pub(crate) started: Instant,
}

impl Service {
    /// A service that grants what fits `mtu`.
    pub(crate) fn new(
        artifacts: Arc<ArtifactStore>,
        interface: &str,
        mtu: u16,
        timeline: Timeline,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            artifacts,
            interface: interface.to_owned(),
            limits: Limits::for_mtu(mtu),
            timeline,
            counters,
            admission: Mutex::new(Admission::new(TRANSFERS_EACH, TRANSFERS)),
            started: Instant::now(),
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn admission(&self) -> std::sync::MutexGuard<'_, Admission> {
        self.admission
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads requests until the runtime ends.
///
/// # Errors
/// Only when the socket cannot be waited for at all.
pub(crate) async fn run(socket: ArrivalSocket, service: Arc<Service>) -> io::Result<()> {
    let waiting = UdpSocket::from_std(socket.try_clone_for_polling()?)?;
    let mut buffer = [0; REQUEST + 1];
    loop {
        let arrival = arrivals::next(&waiting, || socket.receive(&mut buffer)).await;
        let datagram = buffer.get(..arrival.length).unwrap_or_default();
        if let Some(error) = take(datagram, arrival, &service) {
            // The client asks again if this one is lost.
            let Arrival {
                from,
                interface,
                local,
                ..
            } = arrival;
            let _ = socket.send(&error.encode(), from, interface, local);
        }
    }
}

/// Handles one datagram on port 69: a transfer starts, or an ERROR is returned, or nothing happens.
fn take(datagram: &[u8], arrival: Arrival, service: &Arc<Service>) -> Option<Packet<'static>> {
    let peer = IpAddr::from(*arrival.from.ip());
    let machine = Machine::Address(peer);
    let request = match Packet::decode(datagram) {
        Ok(Packet::Read(request)) if !arrival.truncated => request,
        Ok(Packet::Write) => {
            Counters::count(&service.counters.tftp_refused);
            service.timeline.ignored(machine, Ignored::TftpWrite);
            return Some(Packet::read_only());
        }
        // RFC 1350 §4: nothing but requests belongs here, and an answer to noise is noise.
        _ => {
            Counters::count(&service.counters.tftp_refused);
            return None;
        }
    };
    let name = match name::normalize(&request.name) {
        Ok(name) => name,
        Err(reason) => {
            Counters::count(&service.counters.tftp_refused);
            service.timeline.ignored(machine, Ignored::TftpName(reason));
            return Some(Packet::error(ErrorCode::AccessViolation, "No such name"));
        }
    };
    let arrived = ArrivedAt {
        interface: &service.interface,
        server: arrival.local.into(),
    };
    let identify = || KnownMachine {
        mac: service.timeline.machines().at(peer),
    };
    let Some(artifact) = service.artifacts.find(&name, &arrived, identify) else {
        Counters::count(&service.counters.tftp_unknown_names);
        service
            .timeline
            .ignored(machine, Ignored::TftpUnknown { name });
        return Some(Packet::not_found());
    };
    let client = SocketAddr::V4(arrival.from);
    match service.admission().enter(client) {
        Ok(()) => {}
        Err(Refusal::Duplicate) => return None,
        Err(Refusal::ClientFull | Refusal::ServerFull) => {
            Counters::count(&service.counters.tftp_refused);
            service.timeline.ignored(machine, Ignored::TftpTooMany);
            return Some(Packet::error(
                ErrorCode::Undefined,
                "Too many transfers at once",
            ));
        }
    }
    let service = Arc::clone(service);
    tokio::spawn(async move {
        send(&request, name, artifact, arrival, &service).await;
        service.admission().leave(client);
    });
    None
}

/// One transfer from its first datagram to its last, and the event at its end.
async fn send(
    request: &ReadRequest,
    name: String,
    artifact: Artifact,
    arrival: Arrival,
    service: &Service,
) {
    let began = Instant::now();
    let peer = IpAddr::from(*arrival.from.ip());
    let machine = Machine::Address(peer);
    let (kind, script_of) = (artifact.kind, artifact.machine);
    let socket = match open(arrival.local, arrival.from) {
        Ok(socket) => socket,
        Err(error) => {
            Counters::count(&service.counters.tftp_refused);
            let error = error.to_string();
            service
                .timeline
                .ignored(machine, Ignored::TftpSocket { name, error });
            return;
        }
    };
    let content = Bytes(artifact.content);
    let mut transfer = match Transfer::start(request, content, &service.limits, service.now()) {
        Ok(transfer) => transfer,
        Err(refusal) => {
            Counters::count(&service.counters.tftp_refused);
            let _ = socket.send(&refusal.encode()).await;
            return;
        }
    };
    let outcome = drive(&mut transfer, &socket, service).await;
    let agreed = transfer.agreement();
    let why = match outcome {
        Outcome::Complete | Outcome::LastAckMissing => {
            Counters::count(&service.counters.tftp_transfers);
            let fetch = Fetch {
                kind,
                name,
                bytes: transfer.size(),
                took: began.elapsed(),
                by: Transport::Tftp {
                    block_size: agreed.block_size,
                    window: agreed.window,
                    repeated: transfer.blocks_retransmitted(),
                },
            };
            service.timeline.fetched(machine, script_of, fetch);
            return;
        }
        // Half of every UEFI transfer; the other half is logged.
        Outcome::SizeLearned => return,
        Outcome::Aborted { code, message } => StopCause::TftpError { code, message },
        Outcome::TimedOut => StopCause::TftpTimeout,
        Outcome::ReadFailed(kind) => StopCause::TftpUnreadable {
            error: kind.to_string(),
        },
    };
    Counters::count(&service.counters.tftp_abandoned);
    let stopped = Event::FetchStopped {
        kind,
        name,
        sent: transfer.bytes_acknowledged(),
        bytes: transfer.size(),
        why,
    };
    service.timeline.machine(machine, stopped);
}

/// Feeds a transfer with datagrams and with time, and sends its datagrams.
async fn drive(transfer: &mut Transfer<Bytes>, socket: &UdpSocket, service: &Service) -> Outcome {
    let mut datagram = Vec::new();
    let mut received = [0; REQUEST + 1];
    loop {
        while transfer.poll_transmit(&mut datagram) {
            // A datagram that cannot be sent (a full queue, an ICMP error for the last one) counts as lost on the
            // network, and is repeated.
            let _ = socket.send(&datagram).await;
        }
        if let Some(outcome) = transfer.outcome() {
            return outcome.clone();
        }
        let wait = transfer
            .poll_timeout()
            .unwrap_or_default()
            .saturating_sub(service.now());
        match tokio::time::timeout(wait, socket.recv(&mut received)).await {
            Ok(Ok(length)) => {
                transfer.handle(received.get(..length).unwrap_or_default(), service.now());
            }
            // The client's port is closed: its timer, not a busy loop, decides when to give up.
            Ok(Err(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(_) => transfer.handle_timeout(service.now()),
        }
    }
}

/// A new port on the address that was asked, connected to this client. Both are IPv4, as is the socket on port 69.
fn open(local: Ipv4Addr, client: SocketAddrV4) -> io::Result<UdpSocket> {
    let address = SocketAddrV4::new(local, 0);
    let socket = udp::open(Binding {
        address,
        interface: None,
    })
    .map_err(|error| io::Error::from(error.io_error().kind()))?;
    socket.connect(client)?;
    UdpSocket::from_std(socket)
}

/// The content that a transfer reads.
struct Bytes(Content);

impl Source for Bytes {
    fn size(&self) -> u64 {
        self.0.length()
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        match self.0.read_at(offset, into)? {
            length if length == into.len() => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

#[cfg(test)]
mod tests;
