//! What clients cannot take from others. Attacks from many addresses are in `tests/interop/hostile/nfs.rs`.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod support;

use std::io::Write;
use std::net::{TcpListener, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use netroot_nfs_export::{AddressList, Event, Export, ExportOptions, Listeners, Server};
use nfs3_types::mount::dirpath;
use nfs3_types::xdr_codec::Opaque;
use support::{Client, connect, mount_client, now, options, serve};

fn mnt(address: std::net::SocketAddr, path: &str) -> bool {
    let path = dirpath(Opaque::borrowed(path.as_bytes()));
    now(mount_client(address).mnt(path)).is_ok()
}

/// Waits until a count has a value; the test fails only by never ending.
fn wait_until(what: impl Fn() -> bool) {
    while !what() {
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_call_that_panics_frees_its_connection_alone() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("panic")).unwrap();
    let export = Export::open(root.path(), options()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::start(
        vec![export],
        Listeners::new(vec![listener]),
        |event| match event {
            Event::Mounted { path, .. } if path.ends_with("/panic") => panic!("injected"),
            _ => {}
        },
    )
    .unwrap();
    // More than one address, and more than all together, may have at a time.
    for _ in 0..1100 {
        assert!(!mnt(server.address(), "/image/panic"), "it is closed");
    }
    wait_until(|| server.counts().connections_open == 0);
    assert_eq!(server.counts().connections_refused, 0);
    assert!(mnt(server.address(), "/image"));
}

#[test]
fn what_a_client_does_is_counted_for_its_connection() {
    let root = tempfile::tempdir().unwrap();
    let running = serve(root.path());
    let mut client = mount_client(running.server.address());
    let path = dirpath(Opaque::borrowed(b"/image"));
    now(client.mnt(path)).unwrap();
    let used = || running.server.connections().pop();
    // The answer is counted once it is sent, and the client may have it before that.
    wait_until(|| used().is_some_and(|used| used.calls == 1 && used.bytes > 40));
    assert!(used().unwrap().client.is_loopback());
    drop(client);
    wait_until(|| running.server.connections().is_empty());
}

#[test]
fn a_datagram_from_an_address_that_is_not_allowed_is_not_answered() {
    let root = tempfile::tempdir().unwrap();
    let start = |allowed: &str| {
        let allowed = AddressList::networks([allowed.parse().unwrap()]);
        let options = ExportOptions {
            allowed,
            ..options()
        };
        let mut listeners = Listeners::new(vec![TcpListener::bind("127.0.0.1:0").unwrap()]);
        listeners.portmap_udp = vec![UdpSocket::bind("127.0.0.1:0").unwrap()];
        let address = listeners.portmap_udp.first().unwrap().local_addr().unwrap();
        let export = Export::open(root.path(), options).unwrap();
        let server = Server::start(vec![export], listeners, |_| {}).unwrap();
        (server, address)
    };
    let words = [7, 0, 2, 100_000, 2, 0, 0, 0, 0, 0_u32];
    let null: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (closed, address) = start("192.0.2.0/24");
    socket.send_to(&null, address).unwrap();
    wait_until(|| closed.counts().denied == 1);
    let (_open, address) = start("127.0.0.0/8");
    socket.send_to(&null, address).unwrap();
    // The only answer is the second server's.
    let (length, from) = socket.recv_from(&mut [0; 100]).unwrap();
    assert_eq!((length, from), (24, address));
    socket.set_nonblocking(true).unwrap();
    assert!(socket.recv_from(&mut [0; 100]).is_err());
}

#[test]
fn mounts_of_one_directory_in_many_spellings_are_one_entry() {
    let root = tempfile::tempdir().unwrap();
    let running = serve(root.path());
    let address = running.server.address();
    for path in ["/image", "//image/", "/image/.", "//image//.//./"] {
        assert!(mnt(address, path), "{path}");
    }
    let mut mount = mount_client(address);
    assert_eq!(now(mount.dump()).unwrap().into_inner().len(), 1);
    now(mount.umnt(dirpath(Opaque::borrowed(b"/image/./")))).unwrap();
    assert_eq!(now(mount.dump()).unwrap().into_inner().len(), 0);
    let mut client = Client::root(address);
    let root = client.root.clone();
    assert!(client.attributes(&root).is_ok());
}

/// More than there are event loops on any machine that tests run on.
const MANY: usize = 40;

#[test]
fn calls_that_wait_for_the_servers_owner_keep_no_other_connection_waiting() {
    let root = tempfile::tempdir().unwrap();
    let running = serve(root.path());
    let address = running.server.address();
    let mut early = Client::root(address);
    let (release, gate) = mpsc::channel::<()>();
    let (gate, waiting) = (Mutex::new(gate), Arc::new(AtomicUsize::new(0)));
    running.server.before_mounts({
        let waiting = Arc::clone(&waiting);
        move || {
            waiting.fetch_add(1, Ordering::SeqCst);
            let _ = gate.lock().unwrap().recv();
        }
    });
    let root = early.root.clone();
    std::thread::scope(|scope| {
        let mounts: Vec<_> = (0..MANY)
            .map(|_| scope.spawn(|| mnt(address, "/image")))
            .collect();
        // All of them wait at the same time: on threads of their own.
        wait_until(|| waiting.load(Ordering::SeqCst) == MANY);
        assert!(early.attributes(&root).is_ok());
        let mut late = Client::over(connect(address), root.clone(), 0, 0, &[]);
        assert!(late.attributes(&root).is_ok());
        drop(release);
        for mount in mounts {
            assert!(mount.join().unwrap(), "it is answered in the end");
        }
    });
    // And the loops still serve.
    for _ in 0..1000 {
        assert!(early.attributes(&root).is_ok());
    }
}

#[test]
fn clients_that_do_not_read_keep_no_other_connection_waiting() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("large"), vec![7; 1 << 20]).unwrap();
    let running = serve(root.path());
    let address = running.server.address();
    let mut client = Client::root(address);
    let file = client.find("large");
    let mut call = vec![0x8000_0000_u32, 7, 0, 2, 100_003, 3, 6, 0, 0, 0, 0];
    call.push(u32::try_from(file.data.0.len()).unwrap());
    let mut call: Vec<u8> = call.into_iter().flat_map(u32::to_be_bytes).collect();
    call.extend_from_slice(&file.data.0);
    call.resize(call.len().next_multiple_of(4), 0);
    call.extend([0; 8]);
    call.extend((1_u32 << 20).to_be_bytes());
    let length = u32::try_from(call.len() - 4).unwrap() | 0x8000_0000;
    call[..4].copy_from_slice(&length.to_be_bytes());
    let stuck: Vec<_> = (0..MANY)
        .map(|_| {
            let mut stuck = connect(address);
            stuck.write_all(&call.repeat(64)).unwrap();
            stuck
        })
        .collect();
    // Each has been answered at least once, in part. The test fails only by never ending.
    for stuck in &stuck {
        assert_eq!(stuck.peek(&mut [0]).unwrap(), 1);
    }
    for _ in 0..100 {
        assert!(client.read(&file, 0, 2048).unwrap().0 == [7; 2048]);
    }
    let mut late = Client::over(connect(address), client.root.clone(), 0, 0, &[]);
    // The memory for replies to this address is taken.
    assert!(!late.read(&file, 0, 1 << 20).unwrap().0.is_empty());
    drop(stuck);
    wait_until(|| running.server.counts().connections_open <= 3);
}
