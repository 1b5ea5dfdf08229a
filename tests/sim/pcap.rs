//! Reads captures: classic `.pcap` files (`tcpdump -w`, Wireshark's "pcap"), in either byte order, with times in
//! microseconds or nanoseconds, of Ethernet. <https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.html>

use std::net::{Ipv4Addr, SocketAddrV4};

/// A UDP datagram of a capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Datagram {
    pub(crate) from: SocketAddrV4,
    pub(crate) to: SocketAddrV4,
    pub(crate) payload: Vec<u8>,
}

const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;
const ETHERNET: u32 = 1;

/// Every unfragmented UDP datagram over IPv4, in order; other frames are skipped.
///
/// # Errors
/// When the file is not such a capture: a sentence that says what it is.
pub(crate) fn datagrams(file: &[u8]) -> Result<Vec<Datagram>, String> {
    let magic: [u8; 4] = file
        .first_chunk()
        .copied()
        .ok_or("shorter than a pcap file's header")?;
    let number: fn([u8; 4]) -> u32 = match u32::from_le_bytes(magic) {
        0xa1b2_c3d4 | 0xa1b2_3c4d => u32::from_le_bytes,
        0xd4c3_b2a1 | 0x4d3c_b2a1 => u32::from_be_bytes,
        0x0a0d_0d0a => {
            return Err("a pcapng file: convert it with `editcap -F pcap IN OUT`".to_owned());
        }
        _ => return Err("not a pcap file".to_owned()),
    };
    let word = |at: usize| -> Option<u32> {
        let bytes: &[u8; 4] = file.get(at..)?.first_chunk()?;
        Some(number(*bytes))
    };
    match word(20) {
        Some(ETHERNET) => {}
        Some(other) => {
            return Err(format!(
                "a capture of link type {other}, not of Ethernet (1)"
            ));
        }
        None => return Err("shorter than a pcap file's header".to_owned()),
    }
    let mut found = Vec::new();
    let mut at = FILE_HEADER;
    while let Some(length) = word(at + 8) {
        let begin = at + RECORD_HEADER;
        let end = begin + length as usize;
        let frame = file
            .get(begin..end)
            .ok_or_else(|| format!("the packet at byte {at} is cut off"))?;
        found.extend(datagram(frame));
        at = end;
    }
    Ok(found)
}

/// The UDP datagram in an Ethernet frame, with or without a VLAN tag.
fn datagram(frame: &[u8]) -> Option<Datagram> {
    let (kind, packet) = match frame.get(12..)? {
        [0x81, 0, _, _, a, b, packet @ ..] | [a, b, packet @ ..] => ([*a, *b], packet),
        _ => return None,
    };
    let header = usize::from(packet.first()? & 0x0f) * 4;
    // IPv4, UDP, and no fragment: neither more to come nor an offset.
    let is_whole = u16::from_be_bytes([*packet.get(6)?, *packet.get(7)?]) & 0x3fff == 0;
    if kind != [8, 0] || packet.get(9) != Some(&17) || !is_whole {
        return None;
    }
    let address = |at: usize| -> Option<Ipv4Addr> {
        let bytes: &[u8; 4] = packet.get(at..)?.first_chunk()?;
        Some(Ipv4Addr::from(*bytes))
    };
    let udp = packet.get(header..)?;
    let word = |at: usize| Some(u16::from_be_bytes([*udp.get(at)?, *udp.get(at + 1)?]));
    Some(Datagram {
        from: SocketAddrV4::new(address(12)?, word(0)?),
        to: SocketAddrV4::new(address(16)?, word(2)?),
        payload: udp.get(8..usize::from(word(4)?))?.to_vec(),
    })
}

/// `UDP 10.0.0.9:68 > 255.255.255.255:67 "hi"`, optionally tagged for VLAN 7, with Ethernet padding.
fn frame(is_tagged: bool) -> Vec<u8> {
    let mut frame = vec![0xff; 12];
    if is_tagged {
        frame.extend([0x81, 0, 0, 7]);
    }
    frame.extend([8, 0]);
    frame.extend([0x45, 0, 0, 30, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 9]);
    frame.extend([255, 255, 255, 255, 0, 68, 0, 67, 0, 10, 0, 0, b'h', b'i']);
    frame.resize(frame.len() + 16, 0);
    frame
}

fn file(frames: &[Vec<u8>], number: fn(u32) -> [u8; 4], magic: u32, link_type: u32) -> Vec<u8> {
    let mut file = [magic, 0x0004_0002, 0, 0, 65_535, link_type]
        .map(number)
        .concat();
    for frame in frames {
        let length = u32::try_from(frame.len()).unwrap();
        file.extend([1, 2, length, length].map(number).concat());
        file.extend(frame);
    }
    file
}

#[test]
fn datagrams_are_read_in_every_form_of_the_file() {
    let mut ipv6 = frame(false);
    ipv6[12..14].copy_from_slice(&[0x86, 0xdd]);
    let mut fragment = frame(false);
    fragment[20] = 0x20;
    let frames = [frame(false), ipv6, fragment, vec![1, 2, 3], frame(true)];
    let datagram = Datagram {
        from: "10.0.0.9:68".parse().unwrap(),
        to: "255.255.255.255:67".parse().unwrap(),
        payload: b"hi".to_vec(),
    };
    for magic in [0xa1b2_c3d4, 0xa1b2_3c4d] {
        for number in [u32::to_le_bytes, u32::to_be_bytes] {
            let file = file(&frames, number, magic, ETHERNET);
            let expected = vec![datagram.clone(), datagram.clone()];
            assert_eq!(datagrams(&file), Ok(expected));
        }
    }
}

#[test]
fn a_file_that_is_not_an_ethernet_capture_is_refused_with_the_reason() {
    let whole = file(&[frame(false)], u32::to_le_bytes, 0xa1b2_c3d4, ETHERNET);
    for (file, expected) in [
        (b"#!/bin/sh\n".to_vec(), "not a pcap file"),
        (vec![], "shorter than"),
        (whole[..20].to_vec(), "shorter than"),
        (whole[..whole.len() - 1].to_vec(), "byte 24 is cut off"),
        (
            file(&[], u32::to_le_bytes, 0xa1b2_c3d4, 101),
            "link type 101",
        ),
        (vec![0x0a, 0x0d, 0x0d, 0x0a], "pcapng"),
    ] {
        let error = datagrams(&file).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}
