//! A TFTP request, then what the client sends to the transfer's port.
#![no_main]

use std::time::Duration;

use netroot_fuzz::pieces;
use netroot_proto::tftp::name;
use netroot_proto::tftp::negotiate::Limits;
use netroot_proto::tftp::packet::Packet;
use netroot_proto::tftp::transfer::Transfer;

/// Longer than a transfer waits for anything.
const SILENCE: Duration = Duration::from_secs(120);

static FILE: [u8; 100_000] = [0x5a; 100_000];

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let mut datagrams = pieces(input);
    let Some(Ok(Packet::Read(request))) = datagrams.next().map(Packet::decode) else {
        return;
    };
    let _ = name::normalize(&request.name);
    let mut now = Duration::from_secs(1);
    let Ok(mut transfer) = Transfer::start(&request, FILE.as_slice(), &Limits::for_mtu(1500), now)
    else {
        return;
    };
    let (mut sent, mut datagram) = (0_u32, Vec::new());
    let mut datagrams = datagrams.fuse();
    let mut silent_since = now;
    // Silence ends every transfer.
    while transfer.outcome().is_none() && now < silent_since + SILENCE {
        while transfer.poll_transmit(&mut datagram) {
            assert!(datagram.len() <= 1472, "{} bytes", datagram.len());
            sent += 1;
        }
        if let Some(received) = datagrams.next() {
            transfer.handle(received, now);
            silent_since = now;
        } else if let Some(due) = transfer.poll_timeout() {
            now = due.max(now);
            transfer.handle_timeout(now);
        }
    }
    assert!(transfer.outcome().is_some(), "{sent} datagrams and no end");
});
