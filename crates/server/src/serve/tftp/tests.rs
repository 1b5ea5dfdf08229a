//! The service over loopback, driven by a client of a few lines.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket as Client};

use netroot_proto::tftp::packet::ReadRequest;
use netroot_sys::udp::{self, Binding};

use std::time::Duration;

use super::*;
use crate::serve::artifacts::store;
use crate::serve::artifacts::{Content, FileKind, FileReads};
use crate::serve::events::{Format, Timeline};
use crate::serve::listen::interface::tests::with_addresses;
use crate::serve::listen::live_interface::LiveInterface;
use crate::serve::machines::Machines;

const WAIT: Duration = Duration::from_secs(60);

struct Rig {
    port: u16,
    counters: Arc<Counters>,
    pollers: Arc<Pollers>,
}

fn rig(things: &[(&str, Vec<u8>)]) -> Rig {
    rig_on("127.0.0.1", &Arc::default(), things)
}

/// A service on a free port, in a thread that ends with the test's process. `own` is its interface's address.
fn rig_on(own: &str, counters: &Arc<Counters>, things: &[(&str, Vec<u8>)]) -> Rig {
    let counters = Arc::clone(counters);
    let artifacts = store();
    for (name, bytes) in things {
        artifacts.put(
            name,
            Content::Memory(hyper::body::Bytes::from(bytes.clone())),
            FileKind::Other,
        );
    }
    let timeline = Timeline::new(
        Format::Text,
        Arc::clone(&counters),
        Arc::new(Machines::new()),
    );
    let any = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);
    let socket = udp::open(Binding {
        address: any,
        interface: None,
    })
    .unwrap();
    let port = socket.local_addr().unwrap().port();
    // Every answer is quick, however busy this machine is.
    let pollers = Arc::new(Pollers::of_at_most(4, WAIT));
    let shared = Shared {
        artifacts: Arc::new(artifacts),
        reads: FileReads::new(),
        allowed: Arc::default(),
        timeline,
        hook: None,
        counters: Arc::clone(&counters),
        pollers: Arc::clone(&pollers),
    };
    let service = Service::new(shared, Arc::new(LiveInterface::new(with_addresses(&[own]))));
    // Before the first request: a datagram that is already queued has no packet information.
    let socket = ArrivalSocket::new(socket).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(run(socket, Arc::new(service))).unwrap();
    });
    Rig {
        port,
        counters,
        pollers,
    }
}

fn client() -> Client {
    let client = Client::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(WAIT)).unwrap();
    client
}

fn request(name: &str, options: &[(&str, &str)]) -> Vec<u8> {
    let options = options
        .iter()
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
        .collect();
    let mode = netroot_proto::tftp::packet::Mode::Octet;
    Packet::Read(ReadRequest {
        name: name.as_bytes().to_vec(),
        mode,
        options,
    })
    .encode()
}

fn receive(client: &Client) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 2000];
    let (length, from) = client.recv_from(&mut buffer).unwrap();
    (buffer[..length].to_vec(), from)
}

/// Fetches a thing as firmware does: every window acknowledged.
fn fetch(rig: &Rig, host: Ipv4Addr, name: &str, options: &[(&str, &str)]) -> Vec<u8> {
    let client = client();
    client
        .send_to(&request(name, options), (host, rig.port))
        .unwrap();
    let mut content = Vec::new();
    let mut block_size = 512;
    let mut expected: u16 = 1;
    loop {
        let (datagram, from) = receive(&client);
        assert_eq!(
            from.ip(),
            host,
            "the answer comes from the address that was asked"
        );
        assert_ne!(from.port(), rig.port);
        let block = match Packet::decode(&datagram).unwrap() {
            Packet::OptionAck(granted) => {
                for (name, value) in granted {
                    if name == "blksize" {
                        block_size = value.parse().unwrap();
                    }
                }
                0
            }
            // A client that was kept waiting is sent a block once more.
            Packet::Data { block, .. } if block != expected => continue,
            Packet::Data { block, payload } => {
                expected = expected.wrapping_add(1);
                content.extend_from_slice(payload);
                if payload.len() < block_size {
                    client
                        .send_to(&Packet::Ack { block }.encode(), from)
                        .unwrap();
                    return content;
                }
                block
            }
            other => panic!("{other:?}"),
        };
        client
            .send_to(&Packet::Ack { block }.encode(), from)
            .unwrap();
    }
}

fn wait_for(counter: &std::sync::atomic::AtomicU64, value: u64) {
    let end = Instant::now() + WAIT;
    while counter.load(std::sync::atomic::Ordering::Relaxed) < value {
        assert!(Instant::now() < end, "the counter never reached {value}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn error_code(datagram: &[u8]) -> u16 {
    match Packet::decode(datagram).unwrap() {
        Packet::Error { code, .. } => code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_arrives_complete_from_the_address_that_was_asked() {
    let loader: Vec<u8> = (0..100_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let rig = rig(&[("snponly.efi", loader.clone()), ("even", vec![7; 1024])]);
    let host = Ipv4Addr::new(127, 0, 0, 5);
    assert_eq!(fetch(&rig, host, "snponly.efi", &[]), loader);
    let options = [("tsize", "0"), ("blksize", "1468")];
    assert_eq!(fetch(&rig, host, "\\snponly.efi", &options), loader);
    // A multiple of the block size ends with an empty block.
    assert_eq!(fetch(&rig, host, "/even", &[]), vec![7; 1024]);
    wait_for(&rig.counters.tftp_transfers, 3);
}

#[test]
fn a_window_arrives_whole_and_in_order() {
    let loader: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    let rig = rig(&[("ipxe.efi", loader.clone())]);
    let client = client();
    // 44 blocks of 1468 bytes are as much as one call sends; the second time there is more than that.
    for window in [16, 64] {
        let options = [("blksize", "1468"), ("windowsize", &window.to_string())];
        let request = request("ipxe.efi", &options);
        client.send_to(&request, ("127.0.0.1", rig.port)).unwrap();
        let from = receive(&client).1;
        let (mut content, mut block) = (Vec::new(), 0);
        loop {
            let ack = Packet::Ack { block }.encode();
            client.send_to(&ack, from).unwrap();
            let left = (loader.len() - content.len()) / 1468 + 1;
            for _ in 0..left.min(window) {
                let (datagram, _) = receive(&client);
                block += 1;
                match Packet::decode(&datagram).unwrap() {
                    Packet::Data { block: it, payload } if it == block => {
                        content.extend_from_slice(payload);
                    }
                    other => panic!("{other:?}"),
                }
            }
            if content.len() == loader.len() {
                break;
            }
        }
        assert_eq!(content, loader);
        let ack = Packet::Ack { block }.encode();
        client.send_to(&ack, from).unwrap();
    }
    wait_for(&rig.counters.tftp_transfers, 2);
}

#[test]
fn what_is_no_answer_keeps_nobody_awake() {
    let rig = rig(&[("file", vec![7; 512 * 100])]);
    let turns = || rig.pollers.turns.load(std::sync::atomic::Ordering::Relaxed);
    let client = client();
    let asked = request("file", &[]);
    client.send_to(&asked, ("127.0.0.1", rig.port)).unwrap();
    let ack = |block| {
        let (_, from) = receive(&client);
        let ack = Packet::Ack { block }.encode();
        client.send_to(&ack, from).unwrap();
        from
    };
    let mut from = ack(1);
    for block in 2..=20 {
        from = ack(block);
    }
    for _ in 0..50 {
        client.send_to(b"noise", from).unwrap();
        let duplicate = Packet::Ack { block: 20 }.encode();
        client.send_to(&duplicate, from).unwrap();
    }
    ack(21);
    receive(&client);
    // One for what was sent behind the fourth answer, and behind each one after that: 17 or 18. On a busy machine a block may
    // be sent again. One for each datagram would be more than a hundred.
    assert!((10..=40).contains(&turns()), "{}", turns());
    let stop = Packet::error(ErrorCode::Undefined, "stop").encode();
    client.send_to(&stop, from).unwrap();
    wait_for(&rig.counters.tftp_abandoned, 1);
}

#[test]
fn a_script_is_made_with_the_address_that_was_asked() {
    let rig = rig(&[]);
    let script = fetch(
        &rig,
        Ipv4Addr::new(127, 0, 0, 9),
        "boot/52-54-00-12-34-56.ipxe",
        &[],
    );
    let script = String::from_utf8(script).unwrap();
    assert!(
        script.contains("kernel http://127.0.0.9:8069/images/debian/vmlinuz "),
        "{script}"
    );
}

#[test]
fn an_unknown_name_is_answered_and_a_name_with_dots_is_refused() {
    let rig = rig(&[]);
    let client = client();
    for (name, code) in [("grubx64.efi", 1), ("../etc/passwd", 2), ("/", 2)] {
        client
            .send_to(&request(name, &[]), ("127.0.0.1", rig.port))
            .unwrap();
        assert_eq!(error_code(&receive(&client).0), code, "{name}");
    }
    wait_for(&rig.counters.tftp_unknown_names, 1);
    wait_for(&rig.counters.tftp_refused, 2);
}

#[test]
fn a_write_is_refused_and_a_malformed_packet_is_only_counted() {
    let rig = rig(&[("file", b"content".to_vec())]);
    let client = client();
    client
        .send_to(b"\x00\x02file\x00octet\x00", ("127.0.0.1", rig.port))
        .unwrap();
    assert!(matches!(error_code(&receive(&client).0), 2 | 4));
    for noise in [
        &b""[..],
        b"\x00",
        b"\x00\x03\x00\x01data",
        b"\xff\xff\xff\xff",
        b"\x00\x01file",
    ] {
        client.send_to(noise, ("127.0.0.1", rig.port)).unwrap();
    }
    // Longer than any request: its end is lost, so it is not judged by its beginning.
    client
        .send_to(&request(&"x".repeat(900), &[]), ("127.0.0.1", rig.port))
        .unwrap();
    wait_for(&rig.counters.tftp_refused, 7);
    client
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    assert!(
        client.recv_from(&mut [0; 100]).is_err(),
        "noise was answered"
    );
    assert_eq!(fetch(&rig, Ipv4Addr::LOCALHOST, "file", &[]), b"content");
}

#[test]
fn a_repeated_request_starts_only_one_transfer() {
    let rig = rig(&[("file", b"content".to_vec())]);
    let client = client();
    for _ in 0..3 {
        client
            .send_to(&request("file", &[("tsize", "0")]), ("127.0.0.1", rig.port))
            .unwrap();
    }
    let (first, from) = receive(&client);
    assert!(matches!(
        Packet::decode(&first).unwrap(),
        Packet::OptionAck(_)
    ));
    client
        .set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    let mut others = 0;
    while let Ok((_, other)) = client.recv_from(&mut [0; 100]) {
        assert_eq!(other, from, "a second transfer answered");
        others += 1;
        assert!(others < 5);
    }
}

#[test]
fn a_client_at_its_limit_is_not_answered_and_asks_again() {
    let rig = rig(&[("file", vec![1; 5000])]);
    let clients: Vec<Client> = (0..9).map(|_| client()).collect();
    let ask = |client: &Client| {
        let request = request("file", &[]);
        client.send_to(&request, ("127.0.0.1", rig.port)).unwrap();
    };
    let ack = |client: &Client| {
        let (_, from) = receive(client);
        let ack = Packet::Ack { block: 1 }.encode();
        client.send_to(&ack, from).unwrap();
        receive(client);
    };
    for client in &clients[..8] {
        ask(client);
        ack(client);
    }
    ask(&clients[8]);
    wait_for(&rig.counters.tftp_refused, 1);
    // One of the others gives up.
    let stop = Packet::error(ErrorCode::Undefined, "stop").encode();
    ask(&clients[0]);
    let (_, from) = receive(&clients[1]);
    clients[1].send_to(&stop, from).unwrap();
    wait_for(&rig.counters.tftp_abandoned, 1);
    ask(&clients[8]);
    ack(&clients[8]);
}

#[test]
fn a_client_may_use_one_port_for_everything() {
    let rig = rig(&[("one", vec![1; 5000]), ("two", vec![2; 400])]);
    let client = client();
    let ask = |name| {
        let request = request(name, &[("blksize", "1024")]);
        client.send_to(&request, ("127.0.0.1", rig.port)).unwrap();
        receive(&client).1
    };
    let first = ask("one");
    let ack = |block, to| {
        let ack = Packet::Ack { block }.encode();
        client.send_to(&ack, to).unwrap();
        receive(&client)
    };
    ack(0, first);
    // The rest of `one` is not wanted; nothing of it arrives after that.
    let second = ask("two");
    assert_ne!(first, second);
    let (data, from) = ack(0, second);
    assert_eq!((data.len(), from), (404, second));
    client
        .send_to(&Packet::Ack { block: 1 }.encode(), second)
        .unwrap();
    wait_for(&rig.counters.tftp_transfers, 1);
    wait_for(&rig.counters.tftp_abandoned, 1);
}

#[test]
fn nobody_from_another_network_is_answered() {
    let counters = Arc::new(Counters::default());
    let rig = rig_on("192.0.2.1", &counters, &[("file", b"content".to_vec())]);
    let client = client();
    let write = b"\x00\x02file\x00octet\x00".to_vec();
    let asked = [
        request("file", &[]),
        request("absent", &[]),
        request("../x", &[]),
        write,
    ];
    for datagram in &asked {
        client.send_to(datagram, ("127.0.0.1", rig.port)).unwrap();
    }
    wait_for(&rig.counters.tftp_refused, 4);
    client.set_nonblocking(true).unwrap();
    assert!(client.recv_from(&mut [0; 100]).is_err());
}
