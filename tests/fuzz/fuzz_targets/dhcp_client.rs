//! What servers and strangers send to the init: while it has no lease, when it renews, after `ip=` (INFORM), and to the
//! server's probe for other servers.
#![no_main]

use std::net::Ipv4Addr;
use std::time::Duration;

use netroot_fuzz::{SERVER, pieces};
use netroot_net::Mac;
use netroot_proto::dhcp::client_identity::{ClientIdentity, Protocol};
use netroot_proto::dhcp::exchange::{Action, Exchange};
use netroot_proto::dhcp::frame;
use netroot_proto::dhcp::lease::Lease;
use netroot_proto::dhcp::offers::Score;
use netroot_proto::dhcp::renew::Renewer;
use netroot_proto::mount::NfsTarget;
use netroot_proto::pxe::predict::{BootServer, predict};
use netroot_proto::pxe::probe::{Asker, Probe};

const MAC: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
const SERVER_MAC: Mac = Mac([0x52, 0x54, 0, 1, 1, 1]);

/// The message as a reply to this client's request: most inputs would otherwise stop at the transaction's number.
fn answering(message: &[u8], request: &[u8]) -> Vec<u8> {
    let mut reply = message.to_vec();
    for (at, byte) in [(0, 2), (1, 1), (2, 6)] {
        if let Some(place) = reply.get_mut(at) {
            *place = byte;
        }
    }
    for range in [4..8, 28..34] {
        if let (Some(place), Some(from)) = (reply.get_mut(range.clone()), request.get(range)) {
            place.copy_from_slice(from);
        }
    }
    reply
}

/// A client's frame with the ports the other way round is a server's; its checksums are not looked at.
fn from_server(message: &[u8]) -> Vec<u8> {
    let mut frame = frame::unicast((SERVER_MAC, SERVER), (MAC, Ipv4Addr::BROADCAST), message);
    if let Some(ports) = frame.get_mut(34..38) {
        ports.copy_from_slice(&[0, 67, 0, 68]);
    }
    frame
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let identity = ClientIdentity {
        class: b"netroot".to_vec(),
        client_id: None,
        uuid: None,
        requested: None,
        architecture: None,
        protocol: Protocol::Either,
    };
    let mut exchange = Exchange::new(MAC, identity, 1);
    let mut now = Duration::from_secs(1);
    exchange.carrier(true, now);
    let mut asked = Vec::new();
    let mut renewer: Option<Renewer> = None;
    let score = |lease: &Lease| match lease.root_path.as_deref().map(NfsTarget::from_option_17) {
        Some(Ok(_)) => Score::Root,
        Some(Err(_)) => Score::Guess,
        None => Score::Nothing,
    };
    for piece in pieces(input) {
        let _ = Lease::read(piece);
        for asker in [
            Asker::Plain,
            Asker::Firmware(7),
            Asker::Firmware(16),
            Asker::Ipxe(0),
        ] {
            let probe = Probe {
                mac: MAC,
                transaction: 7,
                asker,
            };
            let answer = answering(piece, &probe.discover());
            let _ = probe.answer(&answer, SERVER, &[]);
            let Some(offer) = probe.offer(&answer, SERVER) else {
                continue;
            };
            let heard = BootServer {
                asked: SERVER,
                item: None,
                answer: Some(offer.clone()),
            };
            let _ = predict(asker, &[offer], &[heard]);
        }
        for _ in 0..64 {
            match exchange.poll(now, &score) {
                Some(Action::Send(sent)) => {
                    asked = frame::from_client(&sent).unwrap_or_default().to_vec()
                }
                Some(Action::Probe(_)) => exchange.probe_failed(),
                Some(_) => {}
                None => break,
            }
        }
        let reply = answering(piece, &asked);
        exchange.receive(&from_server(&reply), now);
        exchange.receive(piece, now);
        if let Some(renewer) = &mut renewer {
            let sent = renewer.poll(now);
            let sent = sent.as_ref().map_or(asked.as_slice(), |sent| &sent.bytes);
            renewer.hear(&answering(piece, sent), now);
        } else {
            renewer = Renewer::start(&asked, &reply, now, 2).ok();
        }
        now += Duration::from_millis(700);
    }
});
