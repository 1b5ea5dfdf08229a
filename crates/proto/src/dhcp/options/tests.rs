//! Damaged, split, overloaded and overlong options.

use std::net::Ipv4Addr;

use super::super::emit::Draft;
use super::super::header::Header;
use netroot_net::Mac;

use super::super::code;
use super::*;

/// A server's message: header, `sname` and `file` from the draft, then raw option bytes.
fn message(draft: &Draft, options: &[u8]) -> Message {
    let mut bytes = draft.emit(548).bytes;
    bytes.truncate(LEN);
    bytes.extend_from_slice(options);
    Message::read(&bytes).unwrap()
}

fn draft() -> Draft {
    Draft::new(Header {
        from_client: false,
        hops: 0,
        transaction: 7,
        secs: 0,
        flags: 0,
        client_ip: Ipv4Addr::UNSPECIFIED,
        your_ip: Ipv4Addr::new(10, 0, 0, 9),
        next_server: Ipv4Addr::new(10, 0, 0, 1),
        relay_ip: Ipv4Addr::UNSPECIFIED,
        mac: Mac([2, 0, 0, 0, 0, 1]),
        hardware: None,
    })
}

fn plain(options: &[u8]) -> Options {
    message(&draft(), options).options
}

#[test]
fn padding_and_a_missing_end_are_not_defects() {
    let options = plain(&[0, 0, 53, 1, 2, 0, 0, 12, 1, b'a']);
    assert_eq!(
        (options.u8(53), options.text(12)),
        (Some(2), Some(&b"a"[..]))
    );
    assert!(options.defects().is_empty());
}

#[test]
fn nothing_after_the_end_option_is_read() {
    assert_eq!(plain(&[53, 1, 2, 255, 12, 1, b'a']).bytes(12), None);
}

#[test]
fn a_truncated_option_is_dropped_and_reported() {
    let options = plain(&[53, 1, 2, 60, 3, b'P', b'X', b'E', 12, 9, b'a']);
    assert_eq!(options.text(60), Some(&b"PXE"[..]));
    assert_eq!(options.bytes(12), None);
    let text: Vec<String> = options.defects().iter().map(Defect::to_string).collect();
    assert_eq!(
        text,
        ["option 12 claims 9 bytes where the options field has only 1 left"]
    );
    assert_eq!(plain(&[53, 1, 2, 12]).defects().len(), 1);
}

#[test]
fn one_bad_option_does_not_hide_the_others() {
    // What made another decoder stop: a host name that is no UTF-8, a 51 of three bytes.
    let options = plain(&[
        53, 1, 2, 12, 2, 0xff, 0xfe, 51, 3, 0, 0, 1, 97, 1, 0, 93, 2, 0, 7, 255,
    ]);
    assert_eq!(options.u32(code::LEASE_TIME), None);
    assert_eq!(options.bytes(12), Some(&[0xff, 0xfe][..]));
    assert_eq!(
        (options.u16(93), options.bytes(97)),
        (Some(7), Some(&[0][..]))
    );
}

#[test]
fn the_parts_of_a_split_option_are_one_value() {
    let mut bytes = vec![17, 255];
    bytes.extend_from_slice(&[b'a'; 255]);
    bytes.extend_from_slice(&[53, 1, 5, 17, 3, b'b', b'c', b'd', 255]);
    let options = plain(&bytes);
    assert_eq!(options.bytes(17).map(<[u8]>::len), Some(258));
    assert!(options.bytes(17).unwrap().ends_with(b"abcd"));
}

#[test]
fn an_option_of_fixed_length_sent_twice_counts_once() {
    let options = plain(&[54, 4, 10, 0, 0, 1, 54, 4, 10, 0, 0, 2, 53, 1, 2, 53, 1, 5]);
    assert_eq!(options.address(54), Some(Ipv4Addr::new(10, 0, 0, 1)));
    assert_eq!(options.u8(53), Some(2));
}

#[test]
fn option_52_makes_file_and_sname_hold_options() {
    let mut draft = draft();
    draft.file = vec![17, 3, b'a', b'b', b'c', 255];
    draft.server_name = vec![17, 1, b'd', 15, 2, b'e', b'f', 255];
    let read = message(&draft, &[53, 1, 2, 52, 1, 3, 17, 1, b'/', 255]);
    // RFC 3396: options first, then file, then sname.
    assert_eq!(read.options.bytes(17), Some(&b"/abcd"[..]));
    assert_eq!(read.options.bytes(15), Some(&b"ef"[..]));
    assert_eq!((read.boot_file(), read.server_name.len()), (None, 0));

    let read = message(&draft, &[53, 1, 2, 52, 1, 2, 67, 1, b'x', 255]);
    assert_eq!(read.options.bytes(17), Some(&b"d"[..]));
    // `file` is a name then, whatever it looks like.
    assert_eq!(read.boot_file(), Some(&draft.file[..]));
}

#[test]
fn option_52_inside_file_does_not_make_sname_hold_options() {
    let mut draft = draft();
    draft.file = vec![52, 1, 3, 255];
    draft.server_name = vec![12, 1, b'x', 255];
    let read = message(&draft, &[52, 1, 1, 255]);
    assert_eq!(read.options.bytes(12), None);
    assert_eq!(read.server_name, draft.server_name);
}

#[test]
fn the_boot_file_is_the_headers_else_option_67() {
    let mut draft = draft();
    assert_eq!(message(&draft, b"\x43\x01x").boot_file(), Some(&b"x"[..]));
    assert_eq!(message(&draft, b"\x43\x02x\0").boot_file(), Some(&b"x"[..]));
    assert_eq!(message(&draft, b"\x43\x00").boot_file(), None);
    draft.file = b"y".to_vec();
    assert_eq!(message(&draft, b"\x43\x01x").boot_file(), Some(&b"y"[..]));
}

#[test]
fn a_datagram_that_is_not_dhcp_is_an_error_that_says_why() {
    let good = draft().emit(548).bytes;
    let read = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        Message::read(&bytes).map(drop)
    };
    assert_eq!(read(&|_| ()), Ok(()));
    assert_eq!(
        read(&|b| b.truncate(239)),
        Err(HeaderError::TooShort { len: 239 })
    );
    assert_eq!(read(&|b| b[0] = 3), Err(HeaderError::UnknownOp { op: 3 }));
    assert_eq!(
        read(&|b| b[1] = 32),
        Err(HeaderError::NotEthernet { kind: 32, len: 6 })
    );
    assert_eq!(
        read(&|b| b[2] = 20),
        Err(HeaderError::NotEthernet { kind: 1, len: 20 })
    );
    assert_eq!(
        read(&|b| b[236] = 0),
        Err(HeaderError::NoMagic { found: 0x0082_5363 })
    );
}

#[test]
fn a_value_longer_than_255_bytes_is_split_and_read_back_whole() {
    let mut draft = draft();
    let long = vec![b'x'; 600];
    draft
        .push(17, &long)
        .push(12, b"")
        .relay_agent(Some(b"last"));
    let emitted = draft.emit(1472);
    assert!(emitted.left_out.is_empty());
    let read = Message::read(&emitted.bytes).unwrap();
    assert_eq!(read.options.bytes(17), Some(&long[..]));
    assert_eq!(read.options.bytes(12), Some(&[][..]));
    assert!(emitted.bytes.ends_with(b"\x52\x04last\xff"));
    let parts = emitted.bytes.windows(2).filter(|w| *w == [17, 255]).count();
    assert_eq!(parts, 2);
}

#[test]
fn an_option_without_room_is_left_out_and_reported_but_never_the_relays() {
    let mut draft = draft();
    draft
        .push(53, &[2])
        .push(17, &[b'x'; 250])
        .push(12, &[b'y'; 80])
        .push(51, &[0; 4])
        .relay_agent(Some(&[1; 40]));
    let emitted = draft.emit(548);
    assert_eq!(emitted.left_out, [12]);
    assert!(emitted.bytes.len() <= 548);
    let read = Message::read(&emitted.bytes).unwrap();
    assert_eq!(
        read.options
            .iter()
            .map(|(code, _)| code)
            .collect::<Vec<_>>(),
        [53, 17, 51, 82]
    );
}

#[test]
fn a_message_is_never_longer_than_the_limit_for_a_relays_sake() {
    let mut draft = draft();
    for length in [250, 306, 307, 308, 2000] {
        draft.relay_agent(Some(&vec![1; length]));
        let emitted = draft.emit(548);
        assert!(emitted.bytes.len() <= 548, "{length}");
        let echoed = Message::read(&emitted.bytes).unwrap().options;
        let echoed = echoed.bytes(82).map(<[u8]>::len);
        let whole = Some(length).filter(|_| !emitted.left_out.contains(&82));
        assert_eq!(echoed, whole, "{length}");
        assert_eq!(whole.is_some(), length <= 303, "{length}");
    }
}

#[test]
fn names_without_room_for_their_final_zero_stay_out_of_the_header() {
    let mut draft = draft();
    draft.file = vec![b'f'; 127];
    assert_eq!(
        Message::read(&draft.emit(548).bytes).unwrap().file,
        draft.file
    );
    draft.file.push(b'f');
    assert_eq!(Message::read(&draft.emit(548).bytes).unwrap().file, b"");
}
