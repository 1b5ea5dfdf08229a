//! Properties: random, truncated and damaged bytes on every port, and encoding followed by
//! decoding.

use std::collections::{HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use netroot_net::Mac;
use netroot_proto::dhcp::client_identity::ClientIdentity;
use netroot_proto::dhcp::emit::{Draft, LONGEST};
use netroot_proto::dhcp::exchange::Exchange;
use netroot_proto::dhcp::header::Header;
use netroot_proto::dhcp::lease::Lease;
use netroot_proto::dhcp::offers::Score;
use netroot_proto::dhcp::options::{Message, Options};
use netroot_proto::dhcp::pool::Pool;
use netroot_proto::dhcp::request::Request;
use netroot_proto::dhcp::{BINL_PORT, SERVER_PORT};
use netroot_proto::pxe::client::Client;
use netroot_proto::pxe::decide::{Decision, decide};
use netroot_proto::pxe::inputs::{Role, SubnetOptions};
use netroot_proto::pxe::probe::{Asker, Probe};
use netroot_proto::pxe::strategy::{LoaderChoice, Strategy as BootStrategy, Style};
use netroot_proto::sntp;
use netroot_proto::tftp::name;
use netroot_proto::tftp::negotiate::{Limits, negotiate};
use netroot_proto::tftp::packet::{Mode, Packet, ReadRequest};
use netroot_proto::tftp::transfer::Transfer;
use proptest::collection::vec;
use proptest::prelude::*;

use super::captures;
use super::decisions::{arrival, boots, read};
use super::frames::frame;
use super::lan::ip;

const NOW: Duration = Duration::from_secs(1_000_000);

/// The same cases in every run: failures are reproducible.
fn cases(number: u32) -> ProptestConfig {
    ProptestConfig {
        cases: number,
        rng_algorithm: prop::test_runner::RngAlgorithm::ChaCha,
        rng_seed: prop::test_runner::RngSeed::Fixed(20),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn recorded() -> Vec<Vec<u8>> {
    [
        captures::OVMF_DISCOVER,
        captures::OVMF_REQUEST,
        captures::OVMF_HTTP_DISCOVER,
        captures::IPXE_DISCOVER,
        captures::IPXE_REQUEST,
        captures::BIOS_DISCOVER,
        captures::RASPBERRY_DISCOVER,
        captures::PLAIN_DISCOVER,
    ]
    .iter()
    .map(captures::Capture::bytes)
    .collect()
}

/// A recorded packet, cut somewhere and with some bytes changed.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let changes = vec((0usize..600, any::<u8>()), 0..12);
    (prop::sample::select(recorded()), changes, 200usize..600).prop_map(
        |(mut bytes, changes, length)| {
            for (at, byte) in changes {
                if let Some(place) = bytes.get_mut(at) {
                    *place = byte;
                }
            }
            bytes.truncate(length);
            bytes
        },
    )
}

/// Passes a datagram to every reader, in every role. A reply must be acceptable to any
/// client and answer the request.
fn survive(datagram: &[u8]) {
    let _ = Message::read(datagram);
    let _ = Lease::read(datagram);
    let mut exchange = Exchange::new(Mac([2, 0, 0, 0, 0, 1]), ClientIdentity::default(), 1);
    exchange.receive(datagram, NOW);
    exchange.receive(&frame(67, 68, ip(9), datagram), NOW);
    assert_eq!(exchange.poll(NOW, &|_| Score::Root), None);
    let _ = sntp::answer(*b"a token.", datagram);
    let probe = Probe {
        mac: Mac([2, 0, 0, 0, 0, 1]),
        transaction: 1,
        asker: Asker::Firmware(7),
    };
    assert_eq!(probe.answer(datagram, ip(9), &[]), None);
    let Ok(request) = Request::read(datagram) else {
        return;
    };
    let _ = Client::of(&request).to_string();
    let network = SubnetOptions::new(Duration::from_secs(600));
    for style in [Style::Usual, Style::Other] {
        for port in [SERVER_PORT, BINL_PORT] {
            let mut pool = Pool::new(ip(100), ip(200), vec![ip(1)]).unwrap();
            for role in [
                Role::Proxy,
                Role::Authoritative {
                    options: &network,
                    pool: &mut pool,
                },
            ] {
                let strategy = BootStrategy {
                    style,
                    loader: LoaderChoice::Second,
                };
                match decide(&request, &arrival(port), &boots(), role, strategy, NOW) {
                    Decision::Ignore(reason) => drop(reason.to_string()),
                    Decision::Noted(_) => {}
                    Decision::Reply(reply) => {
                        assert!((300..=LONGEST).contains(&reply.packet.len()));
                        assert!(reply.packet.len() <= request.longest_reply);
                        let answer = read(&reply);
                        assert!(answer.options.defects().is_empty());
                        assert_eq!(answer.header.transaction, request.header.transaction);
                        assert_eq!(reply.packet[1..3], datagram[1..3]);
                        let ethernet = request.header.hardware.is_none();
                        let chaddr = if ethernet { 28..34 } else { 28..44 };
                        assert_eq!(reply.packet[chaddr.clone()], datagram[chaddr]);
                        assert_eq!(answer.options.address(54), Some(ip(1)));
                    }
                }
            }
        }
    }
}

#[test]
fn every_recorded_packet_survives_being_cut_anywhere() {
    for packet in recorded() {
        for length in 0..=packet.len() {
            survive(&packet[..length]);
        }
    }
}

#[test]
fn every_single_byte_of_a_recorded_packet_may_be_wrong() {
    for packet in recorded() {
        for at in 0..packet.len() {
            for byte in [0, 1, 0x7f, 0xff] {
                let mut packet = packet.clone();
                packet[at] = byte;
                survive(&packet);
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn random_bytes_change_nothing(bytes in vec(any::<u8>(), 0..700)) {
        survive(&bytes);
        let _ = Packet::decode(&bytes);
        let _ = name::normalize(&bytes);
        let _ = Options::read(&bytes);
    }

    #[test]
    fn random_options_after_a_good_header_change_nothing(options in vec(any::<u8>(), 0..600)) {
        let mut bytes = captures::OVMF_DISCOVER.bytes();
        bytes.truncate(240);
        bytes.extend_from_slice(&[53, 1, 1]);
        bytes.extend_from_slice(&options);
        survive(&bytes);
        bytes[0] = 2;
        if let Ok(lease) = Lease::read(&bytes) {
            prop_assert!(lease.prefix <= 32);
            prop_assert!(lease.mtu.is_none_or(|mtu| mtu > 576));
            for text in lease.host_name.iter().chain(&lease.domain).chain(&lease.search) {
                prop_assert!(!text.is_empty() && !text.chars().any(char::is_control) && text.len() <= 253);
            }
            for note in &lease.notes {
                prop_assert!(!note.to_string().chars().any(char::is_control));
            }
        }
    }

    #[test]
    fn damaged_packets_change_nothing(bytes in damaged()) {
        survive(&bytes);
    }

    #[test]
    fn options_survive_writing_and_reading(
        options in vec((1u8..255, vec(any::<u8>(), 0..300)), 0..6),
        file in vec(1u8..=255, 0..128),
        flags in prop::sample::select(vec![0u16, 0x8000]),
        transaction in any::<u32>(),
        addresses in any::<[u32; 4]>(),
        relay in prop::option::of(vec(any::<u8>(), 1..40)),
    ) {
        // 52 would turn the names into options; 82 is the relay's.
        let options: HashMap<u8, Vec<u8>> =
            options.into_iter().filter(|(code, _)| ![52, 82].contains(code)).collect();
        let [client_ip, your_ip, next_server, relay_ip] = addresses.map(Ipv4Addr::from_bits);
        let mut draft = Draft::new(Header {
            from_client: false, hops: 1, transaction, secs: 9, flags,
            client_ip, your_ip, next_server, relay_ip, mac: Mac([2, 1, 2, 3, 4, 5]), hardware: None,
        });
        draft.file = file.clone();
        options.iter().for_each(|(code, value)| { draft.push(*code, value); });
        draft.relay_agent(relay.as_deref());
        let emitted = draft.emit(4000);
        prop_assert!(emitted.left_out.is_empty());
        let read = Message::read(&emitted.bytes).unwrap();
        prop_assert_eq!(&read.header, &draft.header);
        prop_assert_eq!(&read.file, if file.len() < 128 { &file } else { &draft.server_name });
        prop_assert!(read.options.defects().is_empty());
        prop_assert_eq!(read.options.iter().count(), options.len() + usize::from(relay.is_some()));
        for (code, value) in &options {
            prop_assert_eq!(read.options.bytes(*code), Some(value.as_slice()));
        }
        // A second round gives the same bytes.
        let mut again = Draft::new(read.header.clone());
        again.file = read.file.clone();
        read.options.iter().filter(|(code, _)| *code != 82).for_each(|(code, value)| { again.push(code, value); });
        again.relay_agent(read.options.bytes(82));
        prop_assert_eq!(again.emit(4000), emitted);
    }

    #[test]
    fn tftp_packets_survive_writing_and_reading(bytes in vec(any::<u8>(), 0..80), kind in 1u8..7) {
        let mut bytes = bytes;
        bytes.splice(0..0, [0, kind]);
        if let Ok(packet) = Packet::decode(&bytes)
            && !matches!(&packet, Packet::Write | Packet::Read(ReadRequest { mode: Mode::Other, .. }))
        {
            let written = packet.encode();
            prop_assert_eq!(Packet::decode(&written), Ok(packet));
        }
    }

    #[test]
    fn a_name_that_is_looked_up_stays_in_its_directory(parts in vec(
        prop::sample::select(vec!["..", ".", "", "a", "b.efi", "...", "..\\", "/", "\\", "\u{202e}"]), 0..8
    ), slash in prop::sample::select(vec!["/", "\\", "//"])) {
        if let Ok(path) = name::normalize(parts.join(slash).as_bytes()) {
            prop_assert!(!path.starts_with('/') && !path.contains('\\') && !path.is_empty());
            prop_assert!(path.split('/').all(|part| !["", ".", ".."].contains(&part)));
        }
    }

    #[test]
    fn no_option_is_granted_beyond_what_was_asked(
        options in vec((
            prop::sample::select(vec!["blksize", "tsize", "timeout", "windowsize", "BLKSIZE", "x"]),
            prop_oneof![(0u64..70_000).prop_map(|n| n.to_string()), "[ -~]{0,9}"],
        ), 0..6),
        mtu in any::<u16>(),
    ) {
        let options: Vec<(String, String)> = options.into_iter().map(|(n, v)| (n.to_owned(), v)).collect();
        let request = ReadRequest { name: b"f".to_vec(), mode: Mode::Octet, options };
        let agreed = negotiate(&request, 12_345, &Limits::for_mtu(mtu));
        for (name, granted) in &agreed.answer {
            let asked: u64 = request.option(name).unwrap().trim().parse().unwrap();
            let granted: u64 = granted.parse().unwrap();
            prop_assert!(granted <= asked || name == "tsize");
        }
        let names: HashSet<String> = agreed.answer.iter().map(|(n, _)| n.to_ascii_lowercase()).collect();
        prop_assert_eq!(names.len(), agreed.answer.len());
        prop_assert!((8..=65464).contains(&agreed.block_size) && (1..=64).contains(&agreed.window));
    }

    #[test]
    fn a_transfer_is_bounded_whatever_the_client_says(
        size in 0usize..40_000,
        window in 1u16..20,
        moves in vec(prop_oneof![
            any::<u16>().prop_map(Some),
            (0u16..80).prop_map(Some),
            Just(None),
        ], 0..60),
    ) {
        let options = vec![("windowsize".to_owned(), window.to_string())];
        let request = ReadRequest { name: b"f".to_vec(), mode: Mode::Octet, options };
        let mut now = Duration::ZERO;
        let mut transfer = Transfer::start(&request, vec![1u8; size], &Limits::for_mtu(1500), now).unwrap();
        let mut datagram = Vec::new();
        for step in moves {
            let mut left = 0;
            while transfer.poll_transmit(&mut datagram) {
                left += 1;
                prop_assert!(datagram.len() <= 516);
            }
            prop_assert!(left <= u32::from(window) + 1, "{left} datagrams for one");
            match step {
                Some(block) => { transfer.handle(&Packet::Ack { block }.encode(), now); }
                None => {
                    now = transfer.poll_timeout().unwrap_or(now).max(now);
                    transfer.handle_timeout(now);
                }
            }
            prop_assert!(transfer.bytes_acknowledged() <= size as u64);
        }
        // Without further packets, it ends.
        for _ in 0..2000 {
            while transfer.poll_transmit(&mut datagram) {}
            let Some(due) = transfer.poll_timeout() else { break };
            transfer.handle_timeout(due);
        }
        prop_assert!(transfer.outcome().is_some());
    }

    #[test]
    fn a_pool_never_gives_one_address_to_two_machines(steps in vec((0u8..5, 0u8..12, 95u8..115, 0u64..400), 0..120)) {
        let mut pool = Pool::new(ip(100), ip(109), vec![ip(103)]).unwrap();
        let mut now = NOW;
        // The address that a machine believes to have, and until when.
        let mut owned: HashMap<Mac, (Ipv4Addr, Duration)> = HashMap::new();
        for (step, machine, last, seconds) in steps {
            let (mac, address) = (Mac([2, 0, 0, 0, 0, machine]), ip(last));
            now += Duration::from_secs(seconds);
            let time = Duration::from_secs(600);
            match step {
                0 => {
                    if let Some(offered) = pool.offer(mac, Some(address), now) {
                        prop_assert!(pool.covers(offered) && offered != ip(103));
                    }
                }
                1 | 2 => {
                    if pool.take(mac, address, time, now).is_ok() {
                        owned.insert(mac, (address, now + time));
                    }
                }
                3 => {
                    if pool.decline(mac, address, now) {
                        owned.remove(&mac);
                    }
                }
                _ => {
                    pool.release(mac, now);
                    owned.remove(&mac);
                }
            }
            let live: Vec<Ipv4Addr> = owned.values().filter(|(_, end)| *end > now).map(|(a, _)| *a).collect();
            prop_assert_eq!(live.iter().collect::<HashSet<_>>().len(), live.len());
            prop_assert!(pool.bindings().count() <= 9);
            for (mac, (address, end)) in &owned {
                if *end > now {
                    prop_assert_eq!(pool.machine_at(*address, now), Some(*mac));
                }
            }
        }
    }
}

#[test]
fn a_probe_finds_the_other_server_and_its_boot_options() {
    let probe = Probe {
        mac: Mac([0x02, 0, 0, 0, 0, 0x77]),
        transaction: 99,
        asker: Asker::Firmware(7),
    };
    let discover = Request::read(&probe.discover()).unwrap();
    assert_eq!(Client::of(&discover).to_string(), "UEFI x64 PXE");
    let network = SubnetOptions::new(NOW);
    let mut pool = Pool::new(ip(100), ip(200), vec![]).unwrap();
    let mut found = Vec::new();
    let source = SocketAddrV4::new(ip(1), 67);
    for role in [
        Role::Proxy,
        Role::Authoritative {
            options: &network,
            pool: &mut pool,
        },
    ] {
        let strategy = BootStrategy::default();
        let Decision::Reply(reply) = decide(
            &discover,
            &arrival(SERVER_PORT),
            &boots(),
            role,
            strategy,
            NOW,
        ) else {
            panic!("no answer to a probe")
        };
        assert_eq!(
            probe.answer(&reply.packet, *source.ip(), &[ip(1)]),
            None,
            "our own"
        );
        found.push(probe.answer(&reply.packet, *source.ip(), &[ip(2)]).unwrap());
        let later = Probe {
            transaction: 100,
            ..probe.clone()
        };
        assert_eq!(later.answer(&reply.packet, *source.ip(), &[]), None);
    }
    let [proxy, dhcp] = &found[..] else {
        panic!("two roles")
    };
    assert_eq!((proxy.is_dhcp_server(), proxy.claims_boot), (false, true));
    assert_eq!((dhcp.is_dhcp_server(), dhcp.claims_boot), (true, false));
    assert_eq!(
        (dhcp.server, dhcp.boot_file.as_deref()),
        (ip(1), Some(&b"snponly.efi"[..]))
    );

    let plain = Probe {
        asker: Asker::Plain,
        ..probe
    };
    let discover = Request::read(&plain.discover()).unwrap();
    assert_eq!(Client::of(&discover), Client::Plain);
}
