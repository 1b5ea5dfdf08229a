//! MOUNT, the portmapper, starting and stopping a server.
#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    clippy::indexing_slicing
)]

mod support;

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use netroot_nfs_export::{
    AddressList, CallRefusal, Event, Export, ExportError, ExportOptions, HandleKey, Listeners,
    Refusal, Server, StartError,
};
use nfs3_client::PortmapperClient;
use nfs3_types::mount::dirpath;
use nfs3_types::portmap::{IPPROTO_TCP, IPPROTO_UDP};
use nfs3_types::xdr_codec::Opaque;
use support::{Client, Stream, connect, mount_client, now, options, root_handle, serve};

fn mnt(running: &support::Running, path: &str) -> Result<Vec<u8>, String> {
    let mut mount = mount_client(running.server.address());
    now(mount.mnt(dirpath(Opaque::borrowed(path.as_bytes()))))
        .map(|found| found.fhandle.0.to_vec())
        .map_err(|error| format!("{error:?}"))
}

#[test]
fn an_export_is_mounted_by_its_names_and_by_directories_below() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("srv/deep")).unwrap();
    fs::write(root.path().join("file"), b"").unwrap();
    std::os::unix::fs::symlink("srv", root.path().join("link")).unwrap();
    let running = serve(root.path());
    let own = mnt(&running, "/image").unwrap();
    assert_eq!(mnt(&running, "/"), Ok(own.clone()));
    assert_eq!(mnt(&running, "//image/"), Ok(own.clone()));
    let deep = mnt(&running, "/image/srv/deep").unwrap();
    assert_eq!(mnt(&running, "/srv/deep"), Ok(deep.clone()));
    assert_ne!(own, deep);
    for (path, status) in [
        ("/absent", "MNT3ERR_NOENT"),
        ("/image/file", "MNT3ERR_NOTDIR"),
        ("/image/link/deep", "MNT3ERR_NOTDIR"),
        ("/image/../etc", "MNT3ERR_INVAL"),
        ("image", "MNT3ERR_INVAL"),
        ("", "MNT3ERR_INVAL"),
    ] {
        let refused = mnt(&running, path).unwrap_err();
        assert!(refused.contains(status), "{path}: {refused}");
    }
    let events = running.events.lock().unwrap();
    assert!(matches!(&events[0], Event::Mounted { path, .. } if path == "/image"));
    assert!(events.iter().any(|event| matches!(event, Event::Refused { path, why: Refusal::NoSuchDirectory, .. } if path == "/absent")));
}

#[test]
fn mounts_are_listed_until_they_are_unmounted() {
    let root = tempfile::tempdir().unwrap();
    let running = serve(root.path());
    let address = running.server.address();
    root_handle(address, "/image");
    root_handle(address, "/image");
    root_handle(address, "/");
    let mut mount = mount_client(address);
    let listed = |found: nfs3_types::mount::mountlist<'_, '_>| {
        let entries = found.into_inner().into_iter();
        let mut paths: Vec<_> = entries.map(|entry| entry.ml_directory.0.to_vec()).collect();
        paths.sort();
        paths
    };
    assert_eq!(
        listed(now(mount.dump()).unwrap()),
        [b"/".to_vec(), b"/image".to_vec()]
    );
    now(mount.umnt(dirpath(Opaque::borrowed(b"/image")))).unwrap();
    assert_eq!(listed(now(mount.dump()).unwrap()), [b"/".to_vec()]);
    now(mount.umntall()).unwrap();
    assert!(listed(now(mount.dump()).unwrap()).is_empty());
    let events = running.events.lock().unwrap();
    assert!(matches!(events.last().unwrap(), Event::Unmounted { path, .. } if path == "/image"));
}

#[test]
fn the_list_of_exports_has_the_allowed_networks() {
    let root = tempfile::tempdir().unwrap();
    let running = serve(root.path());
    let found = now(mount_client(running.server.address()).export()).unwrap();
    let listed: Vec<_> = found
        .into_inner()
        .into_iter()
        .map(|export| {
            let groups = export.ex_groups.into_inner().into_iter();
            (
                export.ex_dir.0.to_vec(),
                groups.map(|group| group.0.to_vec()).collect::<Vec<_>>(),
            )
        })
        .collect();
    let local = vec![b"127.0.0.0/8".to_vec()];
    assert_eq!(
        listed,
        [(b"/image".to_vec(), local.clone()), (b"/".to_vec(), local)]
    );
}

#[test]
fn an_unauthorized_client_is_refused_and_learns_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let allowed = AddressList::networks(["192.0.2.0/24".parse().unwrap()]);
    let export = Export::open(
        root.path(),
        ExportOptions {
            allowed,
            ..options()
        },
    )
    .unwrap();
    let running = support::serve_with(vec![export]);
    assert!(
        mnt(&running, "/image")
            .unwrap_err()
            .contains("MNT3ERR_ACCES")
    );
    assert!(
        mnt(&running, "/absent")
            .unwrap_err()
            .contains("MNT3ERR_ACCES")
    );
    let mut nfs = nfs3_client::Nfs3Client::new(Stream(connect(running.server.address())));
    now(nfs.null()).unwrap();
    let object = nfs3_types::nfs3::nfs_fh3 {
        data: Opaque::owned(vec![1; 26]),
    };
    let denied = now(nfs.getattr(&object.into())).unwrap_err();
    assert!(format!("{denied:?}").contains("Auth"), "{denied:?}");
    let told = |event: &Event| matches!(event, Event::CallRefused { client, why: CallRefusal::Address } if client.ip().is_loopback());
    assert!(running.events.lock().unwrap().iter().any(told));
    assert_eq!(
        now(mount_client(running.server.address()).dump())
            .unwrap()
            .into_inner()
            .len(),
        0
    );
}

#[test]
fn the_portmapper_answers_over_tcp_and_udp() {
    let root = tempfile::tempdir().unwrap();
    let mut listeners = Listeners::new(vec![TcpListener::bind("127.0.0.1:0").unwrap()]);
    listeners.portmap_tcp = vec![TcpListener::bind("127.0.0.1:0").unwrap()];
    listeners.portmap_udp = vec![UdpSocket::bind("127.0.0.1:0").unwrap()];
    let tcp = listeners.portmap_tcp[0].local_addr().unwrap();
    let udp = listeners.portmap_udp[0].local_addr().unwrap();
    let export = Export::open(root.path(), options()).unwrap();
    let server = Server::start(vec![export], listeners, |_| {}).unwrap();
    let port = server.address().port();

    let mut portmap = PortmapperClient::new(Stream(connect(tcp)));
    now(portmap.null()).unwrap();
    assert_eq!(now(portmap.getport(100_003, 3, IPPROTO_TCP)).unwrap(), port);
    assert_eq!(now(portmap.getport(100_005, 3, IPPROTO_TCP)).unwrap(), port);
    assert!(now(portmap.getport(100_003, 3, IPPROTO_UDP)).is_err());
    assert!(now(portmap.getport(100_003, 4, IPPROTO_TCP)).is_err());
    // Itself in three versions over two transports, NFS, NFSACL, MOUNT in three versions.
    assert_eq!(now(portmap.dump()).unwrap().len(), 11);

    // The same over UDP: xid, call, RPC 2, program, version 2, GETPORT, no credential, arguments.
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let words = [7, 0, 2, 100_000, 2, 3, 0, 0, 0, 0, 100_003, 3, 6, 0_u32];
    let call: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    socket.send_to(b"nonsense", udp).unwrap();
    socket.send_to(&call, udp).unwrap();
    let mut reply = [0; 100];
    let length = socket.recv(&mut reply).unwrap();
    let expected: Vec<u8> = [7, 1, 0, 0, 0, 0, u32::from(port)]
        .iter()
        .flat_map(|word| word.to_be_bytes())
        .collect();
    assert_eq!(&reply[..length], expected);
    assert_eq!(server.counts().truncated + server.counts().not_calls, 1);
}

#[test]
fn a_stopped_server_frees_its_port_and_closes_its_connections() {
    let root = tempfile::tempdir().unwrap();
    let running = serve(root.path());
    let address = running.server.address();
    let mut client = Client::root(address);
    let dir = client.root.clone();
    client.attributes(&dir).unwrap();
    assert!(running.server.counts().connections_open >= 1);
    running.server.stop();
    let object = dir;
    assert!(now(client.nfs.getattr(&object.into())).is_err());
    TcpListener::bind(address).unwrap();
}

#[test]
fn a_client_at_its_limit_of_connections_loses_an_old_one_and_is_never_locked_out() {
    let root = tempfile::tempdir().unwrap();
    let running = serve(root.path());
    let address = running.server.address();
    let held: Vec<_> = (0..200).map(|_| connect(address)).collect();
    let mut client = Client::root(address);
    let dir = client.root.clone();
    client.attributes(&dir).unwrap();
    // A connection that is closed to make room is counted until its thread has ended.
    let deadline = Instant::now() + Duration::from_secs(60);
    while running.server.counts().connections_open > 64 {
        assert!(Instant::now() < deadline, "{:?}", running.server.counts());
        thread::sleep(Duration::from_millis(10));
    }
    drop(held);
}

#[test]
fn a_directory_that_cannot_be_exported_is_named() {
    let error = Export::open(Path::new("/nonexistent/root"), options()).unwrap_err();
    assert_eq!(error.to_string(), "cannot export /nonexistent/root");
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(Export::open(file.path(), options()).is_err());
    for name in ["image", "/a/../b", ""] {
        let names = vec![name.to_owned()];
        let error = Export::open(Path::new("/"), ExportOptions { names, ..options() }).unwrap_err();
        assert!(matches!(error, ExportError::Name { .. }), "{error}");
    }
}

#[test]
fn two_exports_must_have_distinct_names_and_roots() {
    let root = tempfile::tempdir().unwrap();
    let open = |name: &str| {
        let names = vec![name.to_owned()];
        let key = HandleKey::from_bytes(support::KEY);
        Export::open(
            root.path(),
            ExportOptions {
                names,
                key,
                ..options()
            },
        )
        .unwrap()
    };
    let start = |exports| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Server::start(exports, Listeners::new(vec![listener]), |_| {})
    };
    let same = start(vec![open("/a"), open("/a")]).unwrap_err();
    assert!(matches!(same, StartError::SameName { .. }));
    // One directory with two names has two identities, which is allowed.
    start(vec![open("/a"), open("/b")]).unwrap().stop();
}

#[test]
fn an_address_is_listened_on_and_left_while_connections_go_on() {
    let root = tempfile::tempdir().unwrap();
    let running = serve(root.path());
    let old = running.server.address();
    let mut client = Client::root(old);
    let second = TcpListener::bind("127.0.0.2:0").unwrap();
    let new = second.local_addr().unwrap();
    running
        .server
        .listen_also(Listeners::new(vec![second]))
        .unwrap();
    root_handle(new, "/image");
    running.server.stop_listening(old.ip());
    // The thread that listens closes the socket once it has noticed.
    while std::net::TcpStream::connect(old).is_ok() {
        std::thread::yield_now();
    }
    let handle = root_handle(new, "/image");
    client.attributes(&handle).unwrap();
}
