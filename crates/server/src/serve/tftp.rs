//! TFTP: the sockets around [`netroot_proto::tftp`].
//!
//! One task per transfer, each with a socket of its own, bound to the address that the request came to: firmware
//! drops an answer from another address. [`admission`] decides who may ask and how many transfers run, [`slots`] stops
//! those that make room, the [`ArtifactStore`](super::artifacts::ArtifactStore) knows the names, [`sender`] sends a file, which [`read_ahead`]
//! reads, over its [`link`]; a client whose answers come at once is waited for by [`polling`].

mod admission;
mod link;
mod polling;
mod read_ahead;
mod sender;
mod service;
mod slots;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use netroot_proto::tftp::name;
use netroot_proto::tftp::packet::{ErrorCode, Packet};
use netroot_sys::arrival::{Arrival, ArrivalSocket};
use netroot_sys::readable;

use self::admission::Refusal;
pub(crate) use self::polling::Pollers;
use self::service::REQUEST;
pub(crate) use self::service::{Service, Shared};
use crate::catalog::ArrivedAt;
use crate::serve::artifacts::Found;
use crate::serve::counters::Counters;
use crate::serve::events::{Ignored, Machine};
use crate::serve::listen::arrivals;
use crate::serve::listen::interface::Interface;
use crate::serve::machines::Peer;
use crate::serve::script_fetch;

/// Reads requests until the runtime ends.
///
/// # Errors
/// Only when the socket cannot be waited for at all.
pub(crate) async fn run(socket: ArrivalSocket, service: Arc<Service>) -> io::Result<()> {
    let waiting = readable::udp(socket.try_clone_for_polling()?)?;
    let socket = Arc::new(socket);
    let mut buffer = [0; REQUEST + 1];
    loop {
        let arrival = arrivals::next(&waiting, || socket.receive(&mut buffer)).await;
        service.interface.settled().await;
        let datagram = buffer.get(..arrival.length).unwrap_or_default();
        let taken = arrivals::handle(|| take(datagram, arrival, &socket, &service));
        if let Some(error) = taken.flatten() {
            answer(&socket, arrival, &error);
        }
    }
}

/// Handles one datagram on port 69: a transfer starts, or an ERROR is returned, or nothing happens.
fn take(
    datagram: &[u8],
    arrival: Arrival,
    socket: &Arc<ArrivalSocket>,
    service: &Arc<Service>,
) -> Option<Packet<'static>> {
    let peer = IpAddr::from(*arrival.from.ip());
    let machine = Machine::Address(peer);
    let relayed = || {
        let machines = service.timeline.machines();
        machines.relayed().has(*arrival.from.ip(), Instant::now())
    };
    // Sockets outlive addresses: what is left of one that is gone is not answered.
    let interface = service.interface.served()?;
    let on_link = interface.networks();
    if !admission::may_ask(peer, on_link, &service.allowed.now().load, relayed) {
        Counters::count(&service.counters.tftp_refused);
        let interface = interface.name.clone();
        let refused = Ignored::TftpAddress {
            interface,
            client: peer,
        };
        service.timeline.ignored(machine, refused);
        return None;
    }
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
    let found = look_up(&name, &interface, arrival, service);
    if matches!(found, Found::Nothing) {
        return Some(service.not_found(machine, name));
    }
    let slot = match service
        .slots
        .enter(arrival.from.into(), datagram, service.now())
    {
        Ok(slot) => slot,
        Err(Refusal::Duplicate) => return None,
        Err(Refusal::ClientFull | Refusal::ServerFull) => {
            Counters::count(&service.counters.tftp_refused);
            service.timeline.ignored(machine, Ignored::TftpTooMany);
            return None;
        }
    };
    let (service, socket) = (Arc::clone(service), Arc::clone(socket));
    let asks = asks(&interface, peer);
    tokio::spawn(async move {
        service.artifacts.freshen(&name).await;
        let arrived = ArrivedAt {
            interface: &interface.name,
            server: arrival.local.into(),
        };
        let fetch = script_fetch::Fetch {
            artifacts: &service.artifacts,
            timeline: &service.timeline,
            hook: service.hook.as_deref(),
            peer: &asks,
        };
        let boots = script_fetch::before_ack(fetch, &name, &arrived).await;
        prepare_nic(&name, &interface, arrival, &service).await;
        // What is there now: it may have been exchanged.
        let artifact = match look_up(&name, &interface, arrival, &service) {
            Found::Artifact(artifact) => Some(*artifact),
            Found::InFolder(file) => {
                let opened = service.reads.run(peer, move || file.open()).await;
                opened.ok().flatten()
            }
            Found::Nothing => None,
        };
        match artifact {
            Some(artifact) => {
                let file = sender::File {
                    name,
                    artifact,
                    boots,
                    asks,
                };
                sender::send(&request, file, arrival, &slot, &service).await
            }
            None => answer(&socket, arrival, &service.not_found(machine, name)),
        }
    });
    None
}

/// Who asks. Nothing that was sent has come back yet.
fn asks(interface: &Interface, address: IpAddr) -> Peer {
    Peer {
        address,
        on_link: interface.is_on_link(address),
        answers: false,
    }
}

/// What has this name for who asks.
fn look_up(name: &str, interface: &Interface, arrival: Arrival, service: &Service) -> Found {
    let arrived = ArrivedAt {
        interface: &interface.name,
        server: arrival.local.into(),
    };
    let machines = service.timeline.machines();
    let identify = || machines.asker(&asks(interface, (*arrival.from.ip()).into()));
    service.artifacts.find(name, &arrived, identify)
}

/// Before a script is looked up.
async fn prepare_nic(name: &str, interface: &Interface, arrival: Arrival, service: &Service) {
    let arrived = ArrivedAt {
        interface: &interface.name,
        server: arrival.local.into(),
    };
    let machines = service.timeline.machines();
    let identify = || machines.asker(&asks(interface, (*arrival.from.ip()).into()));
    let artifacts = &service.artifacts;
    artifacts.prepare_nic(name, &arrived, identify).await;
}

/// Sends an ERROR from port 69. The client asks again if it is lost.
fn answer(socket: &ArrivalSocket, arrival: Arrival, error: &Packet<'_>) {
    let Arrival {
        from,
        interface,
        local,
        ..
    } = arrival;
    let _ = socket.send(&error.encode(), from, interface, local);
}

#[cfg(test)]
mod tests;
