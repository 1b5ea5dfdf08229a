//! Malformed and malicious input changes nothing but counters.
#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    clippy::indexing_slicing
)]

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use nfs3_types::rpc::{auth_unix, call_body, msg_body, opaque_auth, rpc_msg};
use nfs3_types::xdr_codec::Pack;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use support::{Client, connect, serve};

fn call(prog: u32, vers: u32, proc: u32, arguments: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let cred = opaque_auth::auth_unix(&auth_unix::default());
    let verf = opaque_auth::default();
    let call = call_body {
        rpcvers: 2,
        prog,
        vers,
        proc,
        cred,
        verf,
    };
    rpc_msg {
        xid: 1,
        body: msg_body::CALL(call),
    }
    .pack(&mut bytes)
    .unwrap();
    bytes.extend_from_slice(arguments);
    bytes
}

fn record(message: &[u8]) -> Vec<u8> {
    let mark = message.len() as u32 | 0x8000_0000;
    [&mark.to_be_bytes()[..], message].concat()
}

/// Sends bytes and returns everything that the server sends until it closes the connection.
fn exchange(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(address);
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply);
    reply
}

fn accept_status(reply: &[u8]) -> u32 {
    // mark, xid, REPLY, MSG_ACCEPTED, verifier (2 words), status
    u32::from_be_bytes(reply[24..28].try_into().unwrap())
}

fn still_serves(address: SocketAddr) {
    let mut client = Client::root(address);
    let dir = client.root.clone();
    assert!(client.attributes(&dir).is_ok());
}

#[test]
fn unknown_programs_versions_and_procedures_are_answered_as_the_rfc_says() {
    let root = tempfile::tempdir().unwrap();
    let running = serve(root.path());
    let address = running.server.address();
    assert_eq!(
        accept_status(&exchange(address, &record(&call(100_024, 1, 0, b"")))),
        1
    );
    let mismatch = exchange(address, &record(&call(100_003, 4, 0, b"")));
    assert_eq!(accept_status(&mismatch), 2);
    assert_eq!(mismatch[28..], [0, 0, 0, 3, 0, 0, 0, 3]);
    for program in [100_003, 100_005] {
        assert_eq!(
            accept_status(&exchange(address, &record(&call(program, 3, 99, b"")))),
            3
        );
    }
    assert_eq!(
        accept_status(&exchange(
            address,
            &record(&call(100_003, 3, 1, b"\0\0\0\xff"))
        )),
        4
    );
    assert_eq!(
        accept_status(&exchange(address, &record(&call(100_003, 3, 0, b"")))),
        0
    );
    assert_eq!(running.server.counts().unavailable, 4);
    assert_eq!(running.server.counts().garbage, 1);
}

#[test]
fn a_file_without_an_access_list_has_that_of_its_mode_and_none_can_be_set() {
    let root = tempfile::tempdir().unwrap();
    let running = serve(root.path());
    let address = running.server.address();
    let client = Client::root(address);
    let mut arguments = Vec::new();
    client.root.pack(&mut arguments).unwrap();
    15u32.pack(&mut arguments).unwrap();
    let reply = exchange(address, &record(&call(100_227, 3, 1, &arguments)));
    assert_eq!(accept_status(&reply), 0);
    // The status, attributes of 84 bytes, the requested mask, owner, group, mask and others, and an empty list.
    let results = &reply[28..];
    assert_eq!(results[..8], [0, 0, 0, 0, 0, 0, 0, 1]);
    let words: Vec<u32> = results[8 + 84..]
        .chunks(4)
        .map(|word| u32::from_be_bytes(word.try_into().unwrap()))
        .collect();
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(root.path()).unwrap());
    let [owner, group, others] = [(mode >> 6) & 7, (mode >> 3) & 7, mode & 7];
    let list = [
        [1, 0, owner],
        [4, 0, group],
        [0x10, 0, group],
        [0x20, 0, others],
    ];
    assert_eq!(words, [&[15, 4, 4][..], &list.concat(), &[0, 0]].concat());
    // Without the two lists.
    let short = exchange(address, &record(&call(100_227, 3, 2, &arguments)));
    assert_eq!(accept_status(&short), 4);
    arguments.extend([0; 16]);
    let set = exchange(address, &record(&call(100_227, 3, 2, &arguments)));
    // NFS3ERR_ROFS, and the file's attributes.
    assert_eq!(set[28..36], [0, 0, 0, 30, 0, 0, 0, 1]);
    let garbage = exchange(address, &record(&call(100_227, 3, 1, b"\0\0\0\xff")));
    assert_eq!(accept_status(&garbage), 4);
}

#[test]
fn pipelined_and_fragmented_calls_are_answered() {
    let root = tempfile::tempdir().unwrap();
    let running = serve(root.path());
    let null = record(&call(100_003, 3, 0, b""));
    let reply = exchange(running.server.address(), &null.repeat(1000));
    assert_eq!(reply.len(), 28 * 1000);

    let message = call(100_003, 3, 0, b"");
    let (head, tail) = message.split_at(10);
    let mut pieces = (head.len() as u32).to_be_bytes().to_vec();
    pieces.extend_from_slice(head);
    pieces.extend(record(tail));
    let mut stream = connect(running.server.address());
    for byte in pieces {
        stream.write_all(&[byte]).unwrap();
    }
    let mut reply = [0; 28];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(accept_status(&reply), 0);
}

#[test]
fn a_record_of_two_gigabytes_closes_the_connection_at_once() {
    let root = tempfile::tempdir().unwrap();
    let running = serve(root.path());
    let mut stream = connect(running.server.address());
    stream.write_all(&[0xff; 8]).unwrap();
    // Closed by the server, with unread bytes, and not by our timeout.
    match stream.read(&mut [0; 1]) {
        Ok(0) => {}
        other => assert_eq!(other.unwrap_err().kind(), ErrorKind::ConnectionReset),
    }
    assert_eq!(running.server.counts().bad_records, 1);
    still_serves(running.server.address());
}

#[test]
fn random_streams_and_arguments_change_nothing_but_counters() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("file"), b"content").unwrap();
    let running = serve(root.path());
    let address = running.server.address();
    let own = Client::root(address).root.data.to_vec();
    let mut runner = TestRunner::new(Config {
        cases: 300,
        ..Config::default()
    });
    let arguments = (
        prop_oneof![Just(100_003_u32), Just(100_005), Just(100_000)],
        0..24_u32,
        any::<bool>(),
        proptest::collection::vec(any::<u8>(), 0..120),
    );
    runner
        .run(&arguments, |(program, procedure, with_handle, noise)| {
            let version = if program == 100_000 { 2 } else { 3 };
            let mut bytes = Vec::new();
            if with_handle {
                bytes.extend((own.len() as u32).to_be_bytes());
                bytes.extend(&own);
                bytes.resize(bytes.len().next_multiple_of(4), 0);
            }
            bytes.extend(noise);
            // Whatever is asked, exactly one complete reply is sent.
            let reply = exchange(address, &record(&call(program, version, procedure, &bytes)));
            prop_assert!(
                reply.len() >= 28,
                "{program} {procedure}: {} bytes",
                reply.len()
            );
            let mark = u32::from_be_bytes(reply[..4].try_into().unwrap()) & 0x7fff_ffff;
            prop_assert_eq!(mark as usize + 4, reply.len());
            prop_assert_eq!(reply.len() % 4, 0);
            Ok(())
        })
        .unwrap();
    runner
        .run(&proptest::collection::vec(any::<u8>(), 0..2000), |noise| {
            exchange(address, &noise);
            exchange(address, &record(&noise));
            Ok(())
        })
        .unwrap();
    still_serves(address);
    assert_eq!(std::fs::read(root.path().join("file")).unwrap(), b"content");
}

#[test]
fn a_client_that_reads_no_replies_does_not_block_others() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("big"), vec![7; 1 << 20]).unwrap();
    let running = serve(root.path());
    let address = running.server.address();
    let mut client = Client::root(address);
    let big = client.find("big");
    let mut arguments = (big.data.len() as u32).to_be_bytes().to_vec();
    arguments.extend(big.data.iter());
    arguments.resize(arguments.len().next_multiple_of(4), 0);
    arguments.extend([0; 8]);
    arguments.extend((1_u32 << 20).to_be_bytes());
    let read = record(&call(100_003, 3, 6, &arguments));
    let mut greedy = connect(address);
    greedy
        .set_write_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    // Asks for 100 MiB and reads nothing.
    let _ = greedy.write_all(&read.repeat(100));
    for _ in 0..100 {
        client.attributes(&big).unwrap();
    }
    drop(greedy);
    running.server.stop();
}
