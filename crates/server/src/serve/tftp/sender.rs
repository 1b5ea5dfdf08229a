//! Sending one file to one client.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::{Duration, Instant};

use netroot_net::Mac;
use netroot_proto::tftp::packet::ReadRequest;
use netroot_proto::tftp::transfer::{Outcome, Transfer};
use netroot_sys::arrival::Arrival;
use netroot_sys::udp::{self, Binding};
use tokio::net::UdpSocket;

use super::read_ahead::{ReadAhead, Reading};
use super::service::{REQUEST, Service};
use super::slots::Slot;
use crate::serve::artifacts::Artifact;
use crate::serve::counters::Counters;
use crate::serve::events::{Event, Fetch, Ignored, Machine, StopCause, Transport};
use crate::serve::machines::Peer;
use crate::serve::script_fetch;

/// What is sent.
pub(super) struct File {
    pub(super) name: String,
    pub(super) artifact: Artifact,
    /// The machine whose boot begins with it, unless the address is invented from which it was asked for.
    pub(super) boots: Option<Mac>,
    /// Who asks.
    pub(super) asks: Peer,
}

/// One transfer from its first datagram to its last, and the event at its end.
pub(super) async fn send(
    request: &ReadRequest,
    file: File,
    arrival: Arrival,
    slot: &Slot,
    service: &Service,
) {
    let File {
        name,
        artifact,
        boots,
        asks,
    } = file;
    let began = Instant::now();
    let peer = IpAddr::from(*arrival.from.ip());
    let machine = Machine::Address(peer);
    let (kind, script_of, chosen) = (artifact.kind, artifact.machine, artifact.chosen);
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
    let content = ReadAhead::new(artifact.content, Arc::clone(&service.reads), peer);
    let mut transfer = match Transfer::start(request, content, &service.limits(), service.now()) {
        Ok(transfer) => transfer,
        Err(refusal) => {
            Counters::count(&service.counters.tftp_refused);
            let _ = socket.send(&refusal.encode()).await;
            return;
        }
    };
    let mut fetching = None;
    let heard = async || {
        let timeline = &service.timeline;
        fetching = Some(timeline.fetching(machine, script_of, kind));
        let asks = Peer {
            answers: true,
            ..asks
        };
        script_fetch::fetches(&service.artifacts, timeline, &name, kind, &asks);
        match boots {
            Some(mac) => script_fetch::begins(timeline, mac).await.is_ok(),
            None => true,
        }
    };
    let outcome = drive(&mut transfer, &socket, slot, service, heard).await;
    drop(fetching);
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
                chosen,
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

/// Feeds a transfer with datagrams, with what was read and with time, and sends its datagrams. Nothing is sent behind the
/// first ACK before `heard` has ended; and nothing at all if that is false.
async fn drive(
    transfer: &mut Transfer<ReadAhead>,
    socket: &UdpSocket,
    slot: &Slot,
    service: &Service,
    heard: impl AsyncFnOnce() -> bool,
) -> Outcome {
    let mut heard = Some(heard);
    let mut datagram = Vec::new();
    let mut received = [0; REQUEST + 1];
    let mut reading: Option<Reading> = None;
    loop {
        while transfer.poll_transmit(&mut datagram) {
            // A datagram that cannot be sent (a full queue, an ICMP error for the last one) counts as lost on the
            // network, and is repeated.
            let _ = socket.send(&datagram).await;
        }
        if let Some(outcome) = transfer.outcome() {
            return outcome.clone();
        }
        if reading.is_none() {
            reading = transfer.source_mut().start_reading();
        }
        let wait = transfer
            .poll_timeout()
            .unwrap_or_default()
            .saturating_sub(service.now());
        tokio::select! {
            () = slot.stopped() => transfer.stop(),
            read = next(&mut reading) => {
                transfer.source_mut().finish_reading(read);
                transfer.source_ready(service.now());
            }
            arrived = tokio::time::timeout(wait, socket.recv(&mut received)) => match arrived {
                Ok(Ok(length)) => {
                    let now = service.now();
                    transfer.handle(received.get(..length).unwrap_or_default(), now);
                    if transfer.heard() && transfer.progress_at() == now && slot.progressed(now).is_err() {
                        transfer.stop();
                    }
                    if transfer.heard() && let Some(heard) = heard.take() {
                        match heard().await {
                            // The disk may have been waited for.
                            true => transfer.source_ready(service.now()),
                            false => transfer.fail(io::ErrorKind::StorageFull),
                        }
                    }
                }
                // The client's port is closed: its timer, not a busy loop, decides when to give up.
                Ok(Err(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
                Err(_) => transfer.handle_timeout(service.now()),
            },
        }
    }
}

/// Waits for the read, if there is one.
async fn next(reading: &mut Option<Reading>) -> (u64, io::Result<hyper::body::Bytes>) {
    let Some(read) = reading else {
        return std::future::pending().await;
    };
    let done = read.await;
    *reading = None;
    done
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
