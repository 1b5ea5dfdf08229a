//! The exchange of our init by itself: what it sends when, and which replies it accepts.

use std::net::Ipv4Addr;
use std::time::Duration;

use netroot_net::Mac;
use netroot_proto::dhcp::client_identity::{ClientIdentity, Protocol};
use netroot_proto::dhcp::emit::Draft;
use netroot_proto::dhcp::exchange::{Action, Exchange};
use netroot_proto::dhcp::frame::from_client;
use netroot_proto::dhcp::header::Header;
use netroot_proto::dhcp::lease::Lease;
use netroot_proto::dhcp::offers::{GRACE, Score};
use netroot_proto::dhcp::options::Message;
use netroot_proto::dhcp::{MessageType, code};
use proptest::prelude::*;

use super::frames::frame;
use super::lan::{SECOND, ip};

const MAC: Mac = Mac([2, 0, 0, 0, 0, 7]);

/// An exchange that has just sent its DISCOVER, and the transaction ID.
fn asking(protocol: Protocol) -> (Exchange, u32) {
    let identity = ClientIdentity {
        protocol,
        ..ClientIdentity::default()
    };
    let mut exchange = Exchange::new(MAC, identity, 7);
    exchange.carrier(true, Duration::ZERO);
    let sent = sent(&mut exchange, Duration::ZERO);
    (exchange, sent[0].header.transaction)
}

/// What an exchange sends now.
fn sent(exchange: &mut Exchange, now: Duration) -> Vec<Message> {
    let actions = std::iter::from_fn(|| exchange.poll(now, &|_| Score::Nothing));
    let frames = actions.filter_map(|action| match action {
        Action::Send(frame) => Some(frame),
        _ => None,
    });
    frames
        .map(|frame| Message::read(from_client(&frame).unwrap()).unwrap())
        .collect()
}

/// An OFFER of this address.
fn offer(transaction: u32, address: Ipv4Addr) -> Draft {
    let mut offer = Draft::new(Header::of_client(MAC, transaction));
    offer.header.from_client = false;
    offer.header.your_ip = address;
    offer.push(code::MESSAGE_TYPE, &[2]);
    offer
}

#[test]
fn a_flood_of_offers_is_scored_within_bounds() {
    let (mut exchange, transaction) = asking(Protocol::Dhcp);
    for n in 0..5000_u32 {
        let offer = offer(transaction, Ipv4Addr::from_bits(0x0a01_0000 + n));
        let source = Ipv4Addr::from_bits(0x0a02_0000 + n);
        exchange.receive(&frame(67, 68, source, &offer.emit(548).bytes), SECOND);
    }
    let scored = std::cell::Cell::new(0);
    let score = |_: &Lease| {
        scored.set(scored.get() + 1);
        Score::Nothing
    };
    let repeated = exchange.poll(SECOND, &score);
    assert!(matches!(repeated, Some(Action::Send(_))), "the DISCOVER");
    assert!(scored.get() <= 8, "{} offers are kept", scored.get());
    assert_eq!(exchange.poll(SECOND, &score), None);
    assert_eq!(exchange.poll_at(), Some(SECOND + GRACE));
    let taken = exchange.poll(SECOND + GRACE, &score);
    assert!(matches!(taken, Some(Action::Probe(_))), "{taken:?}");
    let requests = sent(&mut exchange, SECOND + GRACE);
    assert_eq!(requests.len(), 1, "one is taken");
    assert_eq!(requests[0].kind(), Some(MessageType::Request));
}

#[test]
fn one_question_keeps_its_transaction_and_counts_its_seconds() {
    let (mut exchange, transaction) = asking(Protocol::Dhcp);
    for at in [1, 3, 7, 11] {
        let message = sent(&mut exchange, SECOND * at).remove(0);
        assert_eq!(message.header.transaction, transaction);
        assert_eq!(u32::from(message.header.secs), at);
        assert_eq!(message.header.flags, 0, "no broadcast flag");
    }
    let offer = offer(transaction, ip(100)).emit(548).bytes;
    exchange.receive(&frame(67, 68, ip(1), &offer), 11 * SECOND);
    let request = sent(&mut exchange, 14 * SECOND).remove(0);
    assert_eq!(request.kind(), Some(MessageType::Request));
    // RFC 2131 §3.1: as in the DISCOVER, so that relays treat it alike.
    let header = &request.header;
    assert_eq!((header.transaction, header.secs), (transaction, 11));
    let address = |code| request.options.address(code);
    assert_eq!(address(code::SERVER_ID), Some(ip(1)));
    assert_eq!(address(code::REQUESTED_ADDRESS), Some(ip(100)));
    assert_eq!(request.options.bytes(code::RAPID_COMMIT), None);
    // Without an ACK, another DISCOVER follows.
    let discover = sent(&mut exchange, 34 * SECOND).remove(0);
    assert_eq!(discover.kind(), Some(MessageType::Discover));
    assert_ne!(discover.header.transaction, transaction);
    assert_eq!(discover.header.secs, 0);
}

#[test]
fn only_an_ack_that_answers_the_request_ends_it() {
    let (mut exchange, transaction) = asking(Protocol::Dhcp);
    let take = offer(transaction, ip(100)).emit(548).bytes;
    exchange.receive(&frame(67, 68, ip(1), &take), Duration::ZERO);
    let request = sent(&mut exchange, GRACE).remove(0);
    assert_eq!(request.kind(), Some(MessageType::Request));
    let acknowledged = |address, rapid: bool| {
        let mut ack = Draft::new(Header {
            your_ip: address,
            from_client: false,
            ..Header::of_client(MAC, transaction)
        });
        ack.push(code::MESSAGE_TYPE, &[5]);
        if rapid {
            ack.push(code::RAPID_COMMIT, &[]);
        }
        ack.emit(548).bytes
    };
    // A boot server without addresses, and a server that grants without an offer.
    let boot_server = acknowledged(Ipv4Addr::UNSPECIFIED, false);
    exchange.receive(&frame(67, 68, ip(2), &boot_server), GRACE);
    let another = acknowledged(ip(200), true);
    exchange.receive(&frame(67, 68, ip(3), &another), GRACE);
    assert!(
        sent(&mut exchange, GRACE).is_empty(),
        "nothing is to be said"
    );
    let repeated = sent(&mut exchange, GRACE + SECOND).remove(0);
    assert_eq!(repeated.kind(), Some(MessageType::Request));
    let granted = acknowledged(ip(100), false);
    exchange.receive(&frame(67, 68, ip(1), &granted), GRACE + SECOND);
    let bound = exchange.poll(GRACE + SECOND, &|_| Score::Nothing);
    let Some(Action::Bound(bound)) = bound else {
        panic!("{bound:?}")
    };
    assert_eq!(bound.lease.address, ip(100));
}

#[test]
fn nothing_is_sent_without_a_carrier_and_a_carrier_repeats_the_question_at_once() {
    let mut exchange = Exchange::new(MAC, ClientIdentity::default(), 7);
    assert!(sent(&mut exchange, SECOND).is_empty());
    assert_eq!(exchange.poll_at(), None);
    exchange.carrier(true, 2 * SECOND);
    let first = sent(&mut exchange, 2 * SECOND).remove(0);
    exchange.carrier(false, 2 * SECOND);
    assert!(sent(&mut exchange, 60 * SECOND).is_empty());
    exchange.carrier(true, 61 * SECOND);
    let again = sent(&mut exchange, 61 * SECOND).remove(0);
    assert_eq!(again.header.transaction, first.header.transaction);
    assert_eq!(again.header.secs, 59, "the same question");
}

#[test]
fn bootp_is_tried_as_well_after_a_time_without_answers() {
    let (mut exchange, _) = asking(Protocol::Either);
    let mut both = |from: u64, to: u64| -> Vec<u64> {
        let mut asks = |t: &u64| {
            let sent = sent(&mut exchange, Duration::from_millis(*t));
            sent.iter().any(|message| message.kind().is_none())
        };
        (from..to).step_by(100).filter(&mut asks).collect()
    };
    assert_eq!(both(0, 25_000), [7_000, 11_000, 15_000, 19_000, 23_000]);
    exchange.carrier(true, 25 * SECOND);
    for (at, messages) in [(25, 1), (26, 1), (28, 1), (32, 2)] {
        let sent = sent(&mut exchange, SECOND * at);
        assert_eq!(sent.len(), messages, "{at} s");
    }
}

#[test]
fn bootp_is_asked_alone_or_not_at_all_as_configured() {
    for (protocol, kind) in [
        (Protocol::Dhcp, Some(MessageType::Discover)),
        (Protocol::Bootp, None),
    ] {
        let (mut exchange, transaction) = asking(protocol);
        let later = [1, 3, 7, 11, 15, 19].map(|at| sent(&mut exchange, SECOND * at));
        let kinds: Vec<_> = later.iter().flatten().map(Message::kind).collect();
        assert_eq!(kinds, [kind; 6]);
        // What takes a DHCP server's offer is DHCP.
        let offer = offer(transaction, ip(100)).emit(548).bytes;
        exchange.receive(&frame(67, 68, ip(1), &offer), 20 * SECOND);
        let asked = sent(&mut exchange, 22 * SECOND).remove(0);
        assert_eq!(asked.kind(), Some(MessageType::Request));
    }
}

proptest! {
    #[test]
    fn no_frame_breaks_the_exchange(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 0..20),
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 0..20),
    ) {
        let (mut exchange, transaction) = asking(Protocol::Dhcp);
        let beginning = offer(transaction, ip(100)).emit(548).bytes;
        for bytes in &frames {
            exchange.receive(bytes, SECOND);
        }
        for bytes in &payloads {
            exchange.receive(&frame(67, 68, ip(1), bytes), SECOND);
            let answer = [&beginning[..243], bytes].concat();
            exchange.receive(&frame(67, 68, ip(1), &answer), SECOND);
        }
        let actions = std::iter::from_fn(|| exchange.poll(SECOND, &|_| Score::Root));
        prop_assert!(actions.take(100).count() < 100);
    }
}

#[test]
fn an_address_that_is_claimed_late_is_declined() {
    let (mut exchange, transaction) = asking(Protocol::Dhcp);
    let take = offer(transaction, ip(100)).emit(548).bytes;
    exchange.receive(&frame(67, 68, ip(1), &take), Duration::ZERO);
    sent(&mut exchange, GRACE);
    assert_eq!((exchange.bound(), exchange.claimed_late()), (None, None));
    let mut ack = Draft::new(Header {
        your_ip: ip(100),
        from_client: false,
        ..Header::of_client(MAC, transaction)
    });
    ack.push(code::MESSAGE_TYPE, &[5]);
    exchange.receive(&frame(67, 68, ip(1), &ack.emit(548).bytes), GRACE);
    let bound = exchange.poll(GRACE + SECOND, &|_| Score::Nothing);
    assert!(matches!(bound, Some(Action::Bound(_))), "{bound:?}");
    assert_eq!(exchange.bound(), Some(ip(100)));
    let decline = exchange.claimed_late().expect("a DECLINE");
    let decline = from_client(&decline).expect("a client's frame");
    let decline = Message::read(decline).expect("a message");
    assert_eq!(decline.kind(), Some(MessageType::Decline));
    let address = |code| decline.options.address(code);
    assert_eq!(address(code::REQUESTED_ADDRESS), Some(ip(100)));
    assert_eq!(address(code::SERVER_ID), Some(ip(1)));
    assert_eq!((exchange.bound(), exchange.claimed_late()), (None, None));
}
