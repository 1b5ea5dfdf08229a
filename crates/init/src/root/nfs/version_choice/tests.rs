//! Servers that are hostile, broken or merely of another version, on this machine's loopback.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;

use super::*;
use crate::root::nfs::Questions;

const MOUNT_PROGRAM: u32 = 100_005;
const NFS_PROGRAM: u32 = 100_003;
const ALL: [Version; 4] = [Version::V3, Version::V4(2), Version::V4(1), Version::V4(0)];

/// One call: its identifier, program, version and procedure.
#[derive(Debug, Clone, Copy)]
struct Call {
    xid: u32,
    program: u32,
    version: u32,
    procedure: u32,
}

/// What follows a call.
enum Then {
    /// An accepted reply of this status (RFC 5531 §9) and these words.
    Reply(u32, Vec<u32>),
    /// These bytes, record mark and all.
    Bytes(Vec<u8>),
    /// Nothing more, ever.
    Stall,
    /// The connection ends.
    Close,
    /// The server ends.
    Die,
}

/// A server of all programs on one port.
fn server(answer: impl Fn(Call) -> Then + Send + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = Some(listener.local_addr().unwrap().port());
    thread::spawn(move || {
        let mut stalled = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().unwrap();
            if matches!(converse(&mut stream, &answer), Then::Die) {
                // Before the connection ends: who sees that end must find nobody listening.
                drop(listener);
                return;
            }
            stalled.push(stream);
        }
    });
    Server {
        address: Ipv4Addr::LOCALHOST.into(),
        mount_address: Ipv4Addr::LOCALHOST.into(),
        own: Ipv4Addr::LOCALHOST.into(),
        hop: crate::net::next_hop::NextHop::Direct,
        ports: netroot_proto::mount::KnownPorts {
            nfs: port,
            mount: port,
        },
        questions: Questions::All,
    }
}

fn converse(stream: &mut TcpStream, answer: &impl Fn(Call) -> Then) -> Then {
    loop {
        let mut mark = [0; 4];
        if stream.read_exact(&mut mark).is_err() {
            return Then::Close;
        }
        let mut call = vec![0; (u32::from_be_bytes(mark) & 0x7fff_ffff) as usize];
        stream.read_exact(&mut call).unwrap();
        let word = |n: usize| u32::from_be_bytes(call[4 * n..][..4].try_into().unwrap());
        let call = Call {
            xid: word(0),
            program: word(3),
            version: word(4),
            procedure: word(5),
        };
        match answer(call) {
            Then::Reply(status, words) => {
                let mut reply = vec![call.xid, 1, 0, 0, 0, status];
                reply.extend(words);
                let bytes: Vec<u8> = reply.iter().flat_map(|w| w.to_be_bytes()).collect();
                let mark = u32::try_from(bytes.len()).unwrap() | 1 << 31;
                stream.write_all(&mark.to_be_bytes()).unwrap();
                stream.write_all(&bytes).unwrap();
            }
            // The other side may have had enough.
            Then::Bytes(bytes) if stream.write_all(&bytes).is_err() => return Then::Close,
            Then::Bytes(_) => {}
            Then::Close => {
                stream.shutdown(std::net::Shutdown::Both).unwrap();
                return Then::Close;
            }
            then => return then,
        }
    }
}

fn asked(server: &Server, versions: &[Version]) -> Result<Offer, String> {
    let offer = ask(server, "/srv/x", versions, &["/sbin/init".to_owned()], true);
    offer.map_err(|fault| format!("{fault}; {}", fault.advice()))
}

/// The sentence of a server that cannot be used, whichever versions are wanted.
fn refused(answer: impl Fn(Call) -> Then + Send + 'static, expected: &str) {
    let server = server(answer);
    for versions in [&ALL[..], &ALL[..1], &ALL[1..]] {
        let sentence = asked(&server, versions).unwrap_err();
        assert!(sentence.contains(expected), "{versions:?}: {sentence}");
        assert!(sentence.contains("; "), "no advice: {sentence}");
    }
}

#[test]
fn a_server_that_closes_at_once_is_reported() {
    refused(
        |_| Then::Close,
        "closes the connection instead of answering",
    );
}

#[test]
fn a_stalled_server_that_does_not_answer_null_is_reported_within_seconds() {
    refused(|_| Then::Stall, "not even an empty call (NULL)");
}

#[test]
fn a_mount_server_that_answers_only_null_is_distinguished_from_a_firewall() {
    let server = server(|call| match call.procedure {
        0 => Then::Reply(0, vec![]),
        _ => Then::Stall,
    });
    let sentence = asked(&server, &ALL[..1]).unwrap_err();
    assert!(
        sentence.contains("answers an empty call (NULL), but nothing else"),
        "{sentence}"
    );
    assert!(sentence.contains("MOUNT server"), "{sentence}");
}

#[test]
fn a_server_of_another_rpc_program_is_reported() {
    refused(|_| Then::Reply(1, vec![]), "speaks RPC but is not the ");
}

#[test]
fn a_record_of_two_gigabytes_is_reported() {
    refused(
        |_| Then::Bytes(vec![0xff; 8]),
        "a record of 2147483647 bytes, longer than any reply",
    );
}

#[test]
fn garbage_is_reported() {
    refused(
        |_| Then::Bytes(b"\x80\0\0\x1cHTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        "does not speak RPC",
    );
}

#[test]
fn a_truncated_reply_is_reported() {
    let cut = [0x80, 0, 0, 28, 0, 0, 0, 1];
    refused(move |_| Then::Bytes(cut.to_vec()), "not even an empty call");
}

/// A handle of eight bytes and one flavor of authentication, `AUTH_UNIX`.
fn granted() -> Then {
    Then::Reply(0, vec![0, 8, 1, 2, 1, 1])
}

#[test]
fn a_server_that_dies_after_mount_is_reported_with_its_port() {
    let server = server(|call| match call.program {
        MOUNT_PROGRAM => granted(),
        _ => Then::Die,
    });
    let sentence = asked(&server, &ALL[..1]).unwrap_err();
    assert!(sentence.contains("NFS server, version 3"), "{sentence}");
    // The listener is gone by now.
    let sentence = asked(&server, &ALL).unwrap_err();
    assert!(
        sentence.contains("127.0.0.1 refuses connections on port"),
        "{sentence}"
    );
}

#[test]
fn a_server_of_only_version_4_is_used_with_version_4() {
    let server = server(|call| match (call.program, call.version) {
        (NFS_PROGRAM, 4) => Then::Reply(0, vec![]),
        (NFS_PROGRAM, _) => Then::Reply(2, vec![4, 4]),
        _ => Then::Reply(1, vec![]),
    });
    assert_eq!(asked(&server, &ALL).unwrap().versions, &ALL[1..]);
    assert_eq!(asked(&server, &ALL[1..]).unwrap().versions, &ALL[1..]);
    assert!(asked(&server, &ALL[..1]).is_err());
}

#[test]
fn a_server_of_only_version_3_is_reported_when_4_is_wanted() {
    let server = server(|call| match (call.program, call.version) {
        (MOUNT_PROGRAM, 3) => granted(),
        (NFS_PROGRAM, 3) => Then::Reply(0, vec![5, 0]),
        _ => Then::Reply(2, vec![3, 3]),
    });
    let sentence = asked(&server, &ALL[1..]).unwrap_err();
    assert!(
        sentence.contains("has no NFS server, version 4: it speaks version 3"),
        "{sentence}"
    );
    assert!(sentence.contains("vers="), "{sentence}");
    // `lock` wants version 4 first, and 3 where there is no 4.
    let lock = [&ALL[1..], &ALL[..1]].concat();
    assert_eq!(asked(&server, &lock).unwrap().versions, [Version::V3]);
}

/// A server whose MOUNT refuses, with no list of exports, and whose version 4 answers COMPOUND with these words.
fn refusing(compound: &'static [u32]) -> Server {
    server(move |call| match (call.program, call.procedure) {
        (MOUNT_PROGRAM, _) => Then::Reply(0, vec![13]),
        (NFS_PROGRAM, 1) => Then::Reply(0, compound.to_vec()),
        _ => Then::Reply(0, vec![]),
    })
}

const DENIED: &str = "refuses to let /srv/x be mounted: access denied";

#[test]
fn a_path_that_only_version_4_has_is_mounted_with_version_4() {
    // NFS4_OK for the top and for two names.
    let server = refusing(&[0, 0, 3, 24, 0, 15, 0, 15, 0]);
    let offer = asked(&server, &ALL).unwrap();
    assert_eq!(offer.versions, &ALL[1..]);
    assert!(offer.refusal.unwrap().contains(DENIED));
    let sentence = asked(&server, &ALL[..1]).unwrap_err();
    assert!(sentence.contains(DENIED), "vers=3 is final: {sentence}");
}

#[test]
fn without_an_answer_from_version_4_the_kernel_decides() {
    // NFS4ERR_MINOR_VERS_MISMATCH.
    let offer = asked(&refusing(&[10021, 0, 0]), &ALL).unwrap();
    assert!(offer.refusal.is_some());
    assert_eq!(offer.versions, &ALL[1..]);
}

#[test]
fn a_path_missing_in_both_versions_is_reported_for_both() {
    // NFS4ERR_NOENT for the second name, whatever is asked.
    let server = refusing(&[2, 0, 3, 24, 0, 15, 0, 15, 2]);
    let sentence = asked(&server, &ALL).unwrap_err();
    let by_4 = "nor by NFS version 4, where there is no x in /srv; check the log";
    assert!(
        sentence.contains(&format!("{DENIED}; {by_4}")),
        "{sentence}"
    );
    let sentence = asked(&server, &ALL[1..]).unwrap_err();
    let expected = "has no /srv/x by NFS version 4: there is no x in /srv; correct the path";
    assert!(sentence.contains(expected), "{sentence}");
}

#[test]
fn the_names_that_exist_are_reported() {
    let server = server(|call| match (call.program, call.procedure) {
        (NFS_PROGRAM, 1) => Then::Reply(
            0,
            // The walk's answer and the list's are distinguished by what was requested: here both begin alike, and the walk
            // reads no further than its head.
            [2, 0, 2, 24, 0, 26, 0, 7, 7]
                .into_iter()
                .chain([1, 0, 3, 4, u32::from_be_bytes(*b"home"), 0, 0])
                .chain([1, 0, 4, 4, u32::from_be_bytes(*b"root"), 0, 0, 0, 1])
                .collect(),
        ),
        _ => Then::Reply(0, vec![]),
    });
    let sentence = asked(&server, &ALL[1..]).unwrap_err();
    let expected = "there is no srv in /, only home, root; correct";
    assert!(sentence.contains(expected), "{sentence}");
}

/// A server of both versions, with these words of its NFSACL.
fn with_acl(status: u32, low_and_high: &'static [u32]) -> Server {
    server(move |call| match (call.program, call.version) {
        (MOUNT_PROGRAM, 3) => granted(),
        (NFS_PROGRAM, 3) => Then::Reply(0, vec![5, 0]),
        (NFS_PROGRAM, 4) => Then::Reply(0, vec![]),
        _ => Then::Reply(status, low_and_high.to_vec()),
    })
}

#[test]
fn below_an_overlay_version_3_needs_access_lists() {
    let v4_first = [&ALL[1..], &ALL[..1]].concat();
    // PROG_UNAVAIL and PROG_MISMATCH (RFC 5531 §9).
    for server in [with_acl(1, &[]), with_acl(2, &[2, 2])] {
        assert_eq!(asked(&server, &ALL).unwrap().versions, v4_first);
        assert_eq!(asked(&server, &ALL[..1]).unwrap().versions, &ALL[..1]);
    }
    assert_eq!(asked(&with_acl(0, &[]), &ALL).unwrap().versions, ALL);
}

#[test]
fn a_server_that_is_asked_for_its_ports_alone_is_not_asked_to_grant_the_mount() {
    // EACCES of MOUNT, and no NFSACL.
    let answer = |call: Call| match (call.program, call.version) {
        (MOUNT_PROGRAM, 3) => Then::Reply(0, vec![13]),
        (NFS_PROGRAM, 4) => Then::Reply(0, vec![]),
        _ => Then::Reply(1, vec![]),
    };
    let all = server(answer);
    assert!(asked(&all, &ALL[..1]).is_err());
    let ports = Server {
        questions: Questions::Ports,
        ..all
    };
    let offer = asked(&ports, &ALL[..1]).unwrap();
    assert_eq!((offer.ports, offer.programs.len()), (ports.ports, 0));
    // An overlay asks for version 4 all the same.
    let v4_first = [&ALL[1..], &ALL[..1]].concat();
    assert_eq!(asked(&ports, &ALL).unwrap().versions, v4_first);
}

#[test]
fn a_closed_port_is_told_whatever_else_is_asked() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = Some(closed.local_addr().unwrap().port());
    drop(closed);
    let ports = Server {
        questions: Questions::Ports,
        ports: netroot_proto::mount::KnownPorts {
            nfs: port,
            mount: port,
        },
        ..server(|_| Then::Close)
    };
    let sentence = asked(&ports, &ALL[..1]).unwrap_err();
    assert!(sentence.contains("NFS"), "{sentence}");
}
