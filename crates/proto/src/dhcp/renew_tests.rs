use super::*;
use netroot_net::Mac;
use proptest::prelude::*;

const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 7);
const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);

fn header(from_client: bool, transaction: u32, your_ip: Ipv4Addr) -> Header {
    Header {
        from_client,
        hops: 0,
        transaction,
        secs: 0,
        flags: 0,
        client_ip: Ipv4Addr::UNSPECIFIED,
        your_ip,
        next_server: SERVER,
        relay_ip: Ipv4Addr::UNSPECIFIED,
        mac: MAC,
        hardware: None,
    }
}

/// What the init said at boot: with an identity that no common client has.
fn asked() -> Vec<u8> {
    let mut draft = Draft::new(header(true, 1, Ipv4Addr::UNSPECIFIED));
    draft.push(code::MESSAGE_TYPE, &[3]);
    draft.push(code::REQUESTED_ADDRESS, &OWN.octets());
    draft.push(code::SERVER_ID, &SERVER.octets());
    draft.push(code::CLIENT_ID, b"\0firmware's own");
    draft.push(code::PARAMETER_REQUEST_LIST, &[1, 3, 17]);
    draft.emit(SAFE_LENGTH).bytes
}

fn answer(kind: MessageType, transaction: u32, address: Ipv4Addr, seconds: u32) -> Vec<u8> {
    let mut draft = Draft::new(header(false, transaction, address));
    draft.push(code::MESSAGE_TYPE, &[kind.into()]);
    draft.push(code::SERVER_ID, &SERVER.octets());
    draft.push(code::LEASE_TIME, &seconds.to_be_bytes());
    draft.push(code::SUBNET_MASK, &[255, 255, 255, 0]);
    draft.emit(SAFE_LENGTH).bytes
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A lease of `seconds`, obtained 100 s after the kernel started.
fn renewer(seconds: u32) -> Renewer {
    let ack = answer(MessageType::Ack, 1, OWN, seconds);
    Renewer::start(&asked(), &ack, at(100), 7).unwrap()
}

/// The next message, and when it goes out.
fn next(renewer: &mut Renewer) -> (Duration, Outgoing, Message) {
    let now = renewer.poll_at().unwrap();
    assert!(
        renewer
            .poll(now.saturating_sub(Duration::from_millis(1)))
            .is_none(),
        "too early"
    );
    let outgoing = renewer.poll(now).unwrap();
    let message = Message::read(&outgoing.bytes).unwrap();
    (now, outgoing, message)
}

#[test]
fn a_lease_is_renewed_with_its_server_at_half_its_time() {
    let mut renewer = renewer(3600);
    assert!(!renewer.is_asking());
    let (now, outgoing, message) = next(&mut renewer);
    assert!(
        now > at(100 + 1800 - 113) && now <= at(100 + 1800),
        "{now:?}"
    );
    assert_eq!((outgoing.to, outgoing.from), (Some(SERVER), OWN));
    assert_eq!(message.kind(), Some(MessageType::Request));
    assert_eq!(message.header.client_ip, OWN);
    // RFC 2131 §4.3.2: neither of the two in a renewal.
    assert!(message.options.bytes(code::SERVER_ID).is_none());
    assert!(message.options.bytes(code::REQUESTED_ADDRESS).is_none());
    let ack = answer(MessageType::Ack, message.header.transaction, OWN, 3600);
    let heard = renewer.hear(&ack, now + at(1));
    assert!(matches!(heard, Heard::Renewed(lease) if lease.address == OWN));
    assert!(renewer.poll_at().unwrap() > now + at(1650));
}

#[test]
fn the_renewal_carries_the_identity_of_the_boot() {
    let (_, _, message) = next(&mut renewer(3600));
    let identity = message.options.bytes(code::CLIENT_ID);
    assert_eq!(identity, Some(&b"\0firmware's own"[..]));
    let wanted = message.options.bytes(code::PARAMETER_REQUEST_LIST);
    assert_eq!(wanted, Some(&[1, 3, 17][..]));
}

#[test]
fn a_silent_server_is_asked_again_then_any_server_and_the_renewer_never_gives_up() {
    let mut renewer = renewer(60);
    let mut said = Vec::new();
    while said.len() < 14 {
        let (now, outgoing, message) = next(&mut renewer);
        let kind = message.kind().unwrap();
        said.push((now.as_secs() - 100, outgoing.to, kind));
    }
    let renewing: Vec<_> = said.iter().filter(|s| s.1 == Some(SERVER)).collect();
    assert!(
        renewing.len() >= 2 && renewing.iter().all(|s| (28..53).contains(&s.0)),
        "{said:?}"
    );
    assert!(
        said.iter()
            .any(|s| s.1.is_none() && (52..60).contains(&s.0)),
        "everybody before the end: {said:?}"
    );
    let after: Vec<_> = said.iter().filter(|s| s.0 >= 60).map(|s| s.2).collect();
    assert!(after.contains(&MessageType::Request) && after.contains(&MessageType::Discover));
    assert_eq!(renewer.lease().address, OWN, "the root's address stays");
    // At least once a minute, for ever.
    let (now, ..) = next(&mut renewer);
    assert!(renewer.poll_at().unwrap() - now <= at(60));
}

#[test]
fn after_the_lease_expires_a_server_that_returns_grants_it_again() {
    let mut renewer = renewer(60);
    let (now, message) = loop {
        let (now, outgoing, message) = next(&mut renewer);
        if now > at(400) && outgoing.from == OWN {
            break (now, message);
        }
    };
    let ack = answer(MessageType::Ack, message.header.transaction, OWN, 60);
    assert!(matches!(renewer.hear(&ack, now), Heard::Renewed(_)));
    assert!(!renewer.is_asking());
    assert!(renewer.poll_at().unwrap() <= now + at(30));
}

#[test]
fn a_lease_that_another_program_released_is_requested_at_once() {
    let mut renewer = renewer(3600);
    let now = at(200);
    renewer.ask_again(now);
    let outgoing = renewer.poll(now).unwrap();
    assert_eq!((outgoing.to, outgoing.from), (None, OWN));
    let (now, _, message) = next(&mut renewer);
    assert_eq!(message.kind(), Some(MessageType::Discover));
    let ack = answer(MessageType::Ack, message.header.transaction, OWN, 3600);
    assert!(matches!(renewer.hear(&ack, now), Heard::Renewed(_)));
    assert!(!renewer.is_asking());
}

#[test]
fn after_a_refusal_another_offer_is_taken() {
    let mut renewer = renewer(600);
    let (now, _, message) = next(&mut renewer);
    let nak = answer(
        MessageType::Nak,
        message.header.transaction,
        Ipv4Addr::UNSPECIFIED,
        0,
    );
    assert_eq!(renewer.hear(&nak, now), Heard::Refused);
    let (now, outgoing, message) = next(&mut renewer);
    assert_eq!(outgoing.to, None);
    assert_eq!(message.kind(), Some(MessageType::Discover));
    assert_eq!(message.options.address(code::REQUESTED_ADDRESS), Some(OWN));
    let transaction = message.header.transaction;
    let offer = answer(MessageType::Offer, transaction, OTHER, 600);
    assert_eq!(renewer.hear(&offer, now), Heard::Offered);
    let (now, _, message) = next(&mut renewer);
    assert_eq!(message.header.transaction, transaction);
    assert_eq!(
        message.options.address(code::REQUESTED_ADDRESS),
        Some(OTHER)
    );
    assert_eq!(message.options.address(code::SERVER_ID), Some(SERVER));
    let ack = answer(MessageType::Ack, transaction, OTHER, 600);
    assert!(matches!(renewer.hear(&ack, now), Heard::Renewed(lease) if lease.address == OTHER));
    assert_eq!(renewer.lease().address, OTHER);
}

#[test]
fn an_offer_whose_server_stops_answering_is_replaced_by_another() {
    let mut renewer = renewer(600);
    let (now, _, message) = next(&mut renewer);
    let nak = answer(MessageType::Nak, message.header.transaction, OWN, 0);
    renewer.hear(&nak, now);
    let (now, _, message) = next(&mut renewer);
    let offer = answer(MessageType::Offer, message.header.transaction, OTHER, 600);
    renewer.hear(&offer, now);
    let kinds: Vec<_> = (0..3)
        .map(|_| next(&mut renewer).2.kind().unwrap())
        .collect();
    let (request, discover) = (MessageType::Request, MessageType::Discover);
    assert_eq!(kinds, [request, request, discover]);
}

#[test]
fn an_unrequested_message_changes_nothing() {
    let mut renewer = renewer(600);
    let nak = answer(MessageType::Nak, renewer.transaction.number(), OWN, 0);
    assert_eq!(
        renewer.hear(&nak, at(120)),
        Heard::Ignored(Ignored::Unasked)
    );
    let (now, _, message) = next(&mut renewer);
    let transaction = message.header.transaction;
    let strange = answer(MessageType::Nak, transaction ^ 1, OWN, 0);
    assert_eq!(
        renewer.hear(&strange, now),
        Heard::Ignored(Ignored::NotForUs)
    );
    let other = answer(MessageType::Ack, transaction, OTHER, 600);
    assert_eq!(
        renewer.hear(&other, now),
        Heard::Ignored(Ignored::OtherAddress(OTHER))
    );
    assert_eq!(renewer.lease().address, OWN);
}

#[test]
fn an_infinite_lease_is_never_renewed() {
    assert_eq!(renewer(u32::MAX).poll_at(), None);
}

#[test]
fn machines_that_started_together_renew_at_different_times() {
    let ack = answer(MessageType::Ack, 1, OWN, 3600);
    let moments: std::collections::BTreeSet<_> = (1..=20)
        .map(|seed| {
            let renewer = Renewer::start(&asked(), &ack, at(0), seed * 0x1234_5678_9abc).unwrap();
            renewer.poll_at().unwrap()
        })
        .collect();
    assert!(moments.len() > 10, "{moments:?}");
}

proptest! {
    #[test]
    fn no_datagram_and_no_lease_time_makes_it_panic_fall_silent_or_talk_without_pause(
        seconds in any::<u32>(),
        noise in proptest::collection::vec(any::<u8>(), 0..400),
        kinds in proptest::collection::vec(0u8..9, 1..40),
    ) {
        let mut renewer = renewer(seconds);
        let mut last = at(0);
        for kind in kinds {
            let Some(now) = renewer.poll_at() else { break };
            prop_assert!(now >= last);
            if let Some(outgoing) = renewer.poll(now) {
                prop_assert!(outgoing.bytes.len() <= SAFE_LENGTH);
                let again = renewer.poll_at().unwrap();
                prop_assert!(again >= now + at(1) , "{again:?} after {now:?}");
            }
            renewer.hear(&noise, now);
            let bytes = answer(kind.into(), renewer.transaction.number(), OWN, seconds);
            renewer.hear(&bytes, now);
            renewer.hear(bytes.get(..bytes.len() / 2).unwrap(), now);
            last = now;
        }
    }

    #[test]
    fn a_server_that_answers_at_once_cannot_make_it_talk_without_end(
        seconds in 0u32..100,
        kinds in proptest::collection::vec(prop_oneof![Just(2u8), Just(5), Just(6)], 60),
    ) {
        let mut renewer = renewer(seconds);
        let mut now = at(100);
        for kind in kinds {
            now = renewer.poll_at().unwrap().max(now);
            renewer.poll(now);
            let bytes = answer(kind.into(), renewer.transaction.number(), OWN, seconds);
            renewer.hear(&bytes, now);
        }
        prop_assert!(now >= at(100 + 60), "60 messages within {now:?}");
    }
}
