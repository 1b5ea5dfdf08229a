//! Sending one file to one client.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4, UdpSocket};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use netroot_net::Mac;
use netroot_proto::tftp::packet::ReadRequest;
use netroot_proto::tftp::transfer::{Outcome, Transfer};
use netroot_sys::arrival::Arrival;
use netroot_sys::udp::{self, Binding};

use super::link::Link;
use super::read_ahead::{ReadAhead, Reading};
use super::service::Service;
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
    let mut link = match open(arrival.local, arrival.from).and_then(Link::new) {
        Ok(link) => link,
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
            let refusal = refusal.encode();
            link.send(&refusal, refusal.len()).await;
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
            Some(mac) => {
                let until = script_fetch::deadline();
                script_fetch::begins(timeline, mac, until).await.is_ok()
            }
            None => true,
        }
    };
    let outcome = drive(&mut transfer, &mut link, slot, service, heard).await;
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
    link: &mut Link,
    slot: &Slot,
    service: &Service,
    heard: impl AsyncFnOnce() -> bool,
) -> Outcome {
    let mut heard = Some(heard);
    let mut reading: Option<Reading> = None;
    let mut polling = service.pollers.polling();
    let mut awake = None;
    let mut stopped = pin!(slot.stopped());
    let mut alarm = pin!(tokio::time::sleep(Duration::ZERO));
    loop {
        let is_sent = transmit(transfer, link, service).await;
        if let Some(outcome) = transfer.outcome() {
            return outcome.clone();
        }
        if reading.is_none() {
            reading = transfer.source_mut().start_reading();
        }
        // Every ACK moves the time on, and almost none of these times comes: an alarm that rings too early is set again, which
        // costs less than to set one for each block.
        let due = service.at(transfer.poll_timeout().unwrap_or_default());
        if alarm.is_elapsed() || due < alarm.deadline().into_std() {
            alarm.as_mut().reset(due.into());
        }
        if is_sent {
            // Once for what was sent: whatever else comes makes it no longer. One turn is given back before the next.
            drop(awake.take());
            let until = polling.sent(service.now());
            // A client that lacks a part of its window does not answer before that is read.
            if let Some(until) = until.filter(|_| reading.is_none()) {
                awake = service.pollers.enter(service.at(until));
            }
            if awake.is_some() {
                // While the client is at work.
                let next = transfer.next_window();
                transfer.source_mut().read_ahead(next);
            }
        }
        tokio::select! {
            biased;
            () = &mut stopped => transfer.stop(),
            read = next(&mut reading) => {
                transfer.source_mut().finish_reading(read);
                transfer.source_ready(service.now());
            }
            arrived = link.receive(&mut awake) => match arrived {
                Ok(datagrams) => {
                    let now = service.now();
                    for datagram in datagrams.into_iter().flatten() {
                        transfer.handle(datagram, now);
                    }
                    if transfer.heard() && transfer.progress_at() == now {
                        polling.answered(now);
                        awake = None;
                        if slot.progressed(now).is_err() {
                            transfer.stop();
                        }
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
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
            () = &mut alarm => {
                let repeated = transfer.blocks_retransmitted();
                transfer.handle_timeout(service.now());
                if transfer.blocks_retransmitted() > repeated {
                    link.lost();
                }
            }
        }
    }
}

/// Sends what is to be sent now, a window in as few system calls as it takes; whether there was anything.
async fn transmit(transfer: &mut Transfer<ReadAhead>, link: &mut Link, service: &Service) -> bool {
    let mut is_sent = false;
    loop {
        let unsent = {
            let mut datagrams = service.datagrams();
            let Some(each) = transfer.poll_transmit_run(link.longest_run(), &mut datagrams) else {
                return is_sent;
            };
            is_sent = true;
            match link.send_now(&datagrams, each) {
                Ok(()) => continue,
                Err(from) => {
                    let unsent = datagrams.get(from..).unwrap_or_default();
                    (unsent.to_vec(), each)
                }
            }
        };
        let (unsent, each) = unsent;
        link.send(&unsent, each).await;
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
    Ok(socket)
}
