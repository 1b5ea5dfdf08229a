//! Who answers what: DISCOVERs in the name of every firmware, and the requests to port 4011 that follow.
//!
//! No REQUEST goes to a server that gave an address, so that no lease is taken.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};

use netroot_net::Mac;
use netroot_proto::dhcp::{BINL_PORT, CLIENT_PORT, SERVER_PORT};
use netroot_proto::pxe::offer::Offer;
use netroot_proto::pxe::predict::{BootRequest, BootServer, boot_requests};
use netroot_proto::pxe::probe::{Asker, Probe};
use netroot_sys::packet::{PacketError, PacketSocket};
use netroot_sys::udp;

use crate::serve::dhcp::{frame, probing};
use crate::serve::listen::interface::Interface;

/// In whose name is asked.
pub(super) const ASKERS: [Asker; 10] = [
    Asker::Firmware(0),
    Asker::Firmware(7),
    Asker::Firmware(16),
    Asker::Firmware(11),
    Asker::Firmware(19),
    Asker::Ipxe(0),
    Asker::Ipxe(7),
    Asker::RaspberryPi,
    Asker::Init,
    Asker::Plain,
];

/// When DISCOVERs are sent, in seconds after the start.
const ROUNDS: [u64; 3] = [0, 2, 5];
/// How long offers are awaited: some servers ping an address for three seconds before they offer it.
const TIMEOUT: Duration = Duration::from_secs(8);
/// Further offers are awaited for as long after the last one, if every asker has been offered an address.
const QUIET: Duration = Duration::from_millis(2500);
/// How long an answer on port 4011 is awaited, and how often it is asked for.
const BOOT_TIMEOUT: Duration = Duration::from_millis(1500);
const BOOT_ATTEMPTS: u32 = 2;
/// How many offers to one asker are kept, and how many servers are asked on port 4011 for it.
const MOST_OFFERS: usize = 16;
const MOST_REQUESTS: usize = 8;
/// Of how many addresses it is kept which hardware sent an offer.
const MOST_SENDERS: usize = 64;
/// How often the sockets are polled.
const PAUSE: Duration = Duration::from_millis(10);

/// Why nothing could be asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum SurveyError {
    /// The packet socket: no `CAP_NET_RAW`, or the interface is gone.
    #[error("cannot ask on the network")]
    Socket(#[from] PacketError),
    /// Sending.
    #[error("cannot send on the interface")]
    Send(#[source] io::Error),
    /// Receiving.
    #[error("cannot receive on the interface")]
    Receive(#[source] io::Error),
}

/// What one asker was answered.
#[derive(Debug, Clone)]
pub(super) struct Answers {
    /// Who asked.
    pub(super) asker: Asker,
    /// The offers, in the order in which they came; one of each server.
    pub(super) offers: Vec<Offer>,
    /// What port 4011 of boot servers answered.
    pub(super) boot_servers: Vec<BootServer>,
}

/// Everything that was heard.
#[derive(Debug, Clone)]
pub(super) struct Survey {
    /// By asker, as in [`ASKERS`].
    pub(super) answers: Vec<Answers>,
    /// The hardware addresses from which answers came, by the addresses; each once.
    pub(super) senders: Vec<(Ipv4Addr, Mac)>,
    /// The machine that does not exist, in whose name was asked.
    pub(super) mac: Mac,
    /// Why servers on this host were not heard, if it has any.
    pub(super) deaf: Option<String>,
}

impl Survey {
    /// Of a network that is still to be made, where nobody is.
    pub(super) fn of_nobody(interface: &Interface) -> Self {
        let answers = ASKERS.map(|asker| Answers {
            asker,
            offers: Vec::new(),
            boot_servers: Vec::new(),
        });
        Self {
            answers: answers.to_vec(),
            senders: Vec::new(),
            mac: probing::machine(interface),
            deaf: None,
        }
    }
}

/// A probe, and who asks by it.
struct Asked {
    probe: Probe,
    answers: Answers,
}

/// Asks in every name, and waits for the answers. `server_here` tells whether a program of this host has port 67;
/// `progress` is told what is waited for.
pub(super) fn survey(
    interface: &Interface,
    server_here: bool,
    progress: impl Fn(&str),
) -> Result<Survey, SurveyError> {
    let frames = PacketSocket::for_dhcp_client(interface.index)?;
    let mut asked: Vec<Asked> = ASKERS
        .into_iter()
        .map(|asker| Asked {
            probe: probing::probe(interface, asker),
            answers: Answers {
                asker,
                offers: Vec::new(),
                boot_servers: Vec::new(),
            },
        })
        .collect();
    // What a packet socket sends, no socket of this host receives: a server here is asked by a broadcast of the kernel's.
    let (own, deaf) = match server_here.then(|| own_client(interface)) {
        None => (None, None),
        Some(Ok(socket)) => (Some(socket), None),
        Some(Err(error)) => (None, Some(error.to_string())),
    };
    progress(&format!(
        "asking on {} as {} kinds of machines (up to {} s)",
        interface.name,
        ASKERS.len(),
        TIMEOUT.as_secs()
    ));
    let senders = discover(interface, &frames, own.as_ref(), &mut asked)?;
    progress("asking boot servers on port 4011");
    ask_boot_servers(interface, &mut asked);
    Ok(Survey {
        answers: asked.into_iter().map(|one| one.answers).collect(),
        senders,
        mac: probing::machine(interface),
        deaf,
    })
}

/// Sends the DISCOVERs, and keeps the offers. Returns who sent these.
fn discover(
    interface: &Interface,
    frames: &PacketSocket,
    own: Option<&UdpSocket>,
    asked: &mut [Asked],
) -> Result<Vec<(Ipv4Addr, Mac)>, SurveyError> {
    let mut senders: Vec<(Ipv4Addr, Mac)> = Vec::new();
    let began = Instant::now();
    let mut last = began;
    let mut rounds = ROUNDS.iter().map(|second| Duration::from_secs(*second));
    let mut next = rounds.next();
    let mut buffer = [0; 2048];
    while began.elapsed() < TIMEOUT {
        if next.is_some_and(|at| began.elapsed() >= at) {
            for one in asked.iter().filter(|one| !has_address(one)) {
                send(interface, frames, own, &one.probe)?;
            }
            next = rounds.next();
        }
        let mut any = false;
        while let Some(length) = frames.receive(&mut buffer).map_err(SurveyError::Receive)? {
            any = true;
            let frame = buffer.get(..length).and_then(frame::decode);
            if let Some((from, CLIENT_PORT, payload)) = frame
                && heard(asked, payload, from.address, &mut last)
                && senders.len() < MOST_SENDERS
                && !senders.iter().any(|(address, _)| *address == from.address)
            {
                senders.push((from.address, from.mac));
            }
        }
        while let Some(socket) = own
            && let Ok((length, std::net::SocketAddr::V4(from))) = socket.recv_from(&mut buffer)
        {
            any = true;
            heard(
                asked,
                buffer.get(..length).unwrap_or_default(),
                *from.ip(),
                &mut last,
            );
        }
        if asked.iter().all(has_address) && last.elapsed() > QUIET {
            break;
        }
        if !any {
            std::thread::sleep(PAUSE);
        }
    }
    Ok(senders)
}

fn has_address(asked: &Asked) -> bool {
    let mut offers = asked.answers.offers.iter();
    offers.any(|offer| offer.address.is_some())
}

/// Keeps an offer, unless that server's is known. Whether it is one.
fn heard(asked: &mut [Asked], payload: &[u8], from: Ipv4Addr, last: &mut Instant) -> bool {
    for one in asked {
        let Some(offer) = one.probe.offer(payload, from) else {
            continue;
        };
        let offers = &mut one.answers.offers;
        // One server may have two voices: the DHCP server's, and a proxy's.
        let known = |other: &Offer| {
            other.server == offer.server && other.address.is_some() == offer.address.is_some()
        };
        if offers.len() < MOST_OFFERS && !offers.iter().any(known) {
            offers.push(offer);
            *last = Instant::now();
        }
        return true;
    }
    false
}

fn send(
    interface: &Interface,
    frames: &PacketSocket,
    own: Option<&UdpSocket>,
    probe: &Probe,
) -> Result<(), SurveyError> {
    let sent = match own {
        // Servers elsewhere receive this one, too.
        Some(socket) => socket
            .send_to(&probe.discover(), (Ipv4Addr::BROADCAST, SERVER_PORT))
            .map(drop),
        None => probing::send(interface, frames, probe),
    };
    sent.map_err(SurveyError::Send)
}

/// Port 68 of this host beside its DHCP client, for the answers of servers of its own.
fn own_client(interface: &Interface) -> Result<UdpSocket, udp::BindError> {
    udp::open_shared(udp::Binding {
        address: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, CLIENT_PORT),
        interface: Some(&interface.name),
    })
}

/// A request to port 4011 that is waited for.
struct Pending {
    /// Whose it is.
    asker: usize,
    request: BootRequest,
    socket: UdpSocket,
    datagram: Vec<u8>,
}

/// Asks the boot servers that offered, as firmware would; not those of this host, which do not hear what does not come
/// by their interface.
fn ask_boot_servers(interface: &Interface, asked: &mut [Asked]) {
    let mut waiting = Vec::new();
    for (asker, one) in asked.iter_mut().enumerate() {
        let requests = boot_requests(&one.answers.offers);
        let elsewhere = requests.into_iter().filter(|it| !interface.has(it.server));
        for request in elsewhere.take(MOST_REQUESTS) {
            one.answers.boot_servers.push(BootServer {
                asked: request.server,
                item: request.item,
                answer: None,
            });
            let (own, _) = interface.address_for([request.server]);
            // The answer comes from port 4011, to the port that it was asked from.
            let socket = UdpSocket::bind((own, 0)).and_then(|socket| {
                socket.connect((request.server, BINL_PORT))?;
                socket.set_nonblocking(true)?;
                Ok(socket)
            });
            waiting.extend(socket.ok().map(|socket| Pending {
                asker,
                request,
                socket,
                datagram: one.probe.boot_request(own, request.item),
            }));
        }
    }
    let mut buffer = [0; 2048];
    for _ in 0..BOOT_ATTEMPTS {
        waiting.retain(|one| one.socket.send(&one.datagram).is_ok());
        let end = Instant::now() + BOOT_TIMEOUT;
        while !waiting.is_empty() && Instant::now() < end {
            waiting.retain(|one| match one.socket.recv(&mut buffer) {
                Ok(length) => {
                    let payload = buffer.get(..length).unwrap_or_default();
                    !answered(asked, one, payload)
                }
                // Refused: nobody has the port there.
                Err(error) => error.kind() == io::ErrorKind::WouldBlock,
            });
            std::thread::sleep(PAUSE);
        }
    }
}

/// Keeps an answer; whether it was one.
fn answered(asked: &mut [Asked], pending: &Pending, payload: &[u8]) -> bool {
    let Some(asked) = asked.get_mut(pending.asker) else {
        return true;
    };
    let Some(offer) = asked.probe.offer(payload, pending.request.server) else {
        return false;
    };
    let mut known = asked.answers.boot_servers.iter_mut();
    let BootRequest { server, item } = pending.request;
    if let Some(known) = known.find(|one| one.asked == server && one.item == item) {
        known.answer = Some(offer);
    }
    true
}

#[cfg(test)]
mod tests {
    use netroot_proto::dhcp::header::Header;
    use netroot_proto::dhcp::{code, emit};

    use super::*;

    fn asked(asker: Asker, transaction: u32) -> Asked {
        Asked {
            probe: Probe {
                mac: Mac([2, 0, 0, 0, 0, 9]),
                transaction,
                asker,
            },
            answers: Answers {
                asker,
                offers: Vec::new(),
                boot_servers: Vec::new(),
            },
        }
    }

    #[test]
    fn an_answer_belongs_to_the_asker_of_its_transaction_and_counts_once() {
        let mut all = [asked(Asker::Plain, 1), asked(Asker::Firmware(7), 2)];
        let mut draft = emit::Draft::new(Header {
            from_client: false,
            your_ip: Ipv4Addr::new(10, 0, 0, 77),
            ..Header::of_client(Mac([2, 0, 0, 0, 0, 9]), 2)
        });
        draft.push(code::MESSAGE_TYPE, &[2]);
        let offer = draft.emit(emit::LONGEST).bytes;
        let mut last = Instant::now();
        for _ in 0..2 {
            assert!(heard(
                &mut all,
                &offer,
                Ipv4Addr::new(10, 0, 0, 254),
                &mut last
            ));
        }
        // The same server as a proxy is another voice.
        draft.header.your_ip = Ipv4Addr::UNSPECIFIED;
        let proxy = draft.emit(emit::LONGEST).bytes;
        assert!(heard(
            &mut all,
            &proxy,
            Ipv4Addr::new(10, 0, 0, 254),
            &mut last
        ));
        assert!(!heard(
            &mut all,
            b"",
            Ipv4Addr::new(10, 0, 0, 254),
            &mut last
        ));
        assert!(all[0].answers.offers.is_empty() && !has_address(&all[0]));
        assert_eq!(all[1].answers.offers.len(), 2);
        assert!(has_address(&all[1]));
    }
}
