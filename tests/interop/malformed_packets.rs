//! Malformed packets to every port: they may change a counter, nothing else.

use std::io::{Read, Write};
use std::net::{SocketAddrV4, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::lan::{Lan, SERVER, TIMEOUT};

const UDP_PORTS: [u16; 3] = [67, 69, 4011];
const TCP_PORTS: [u16; 2] = [8069, 2049];

/// The limit on an idle server's memory, and after all of this.
const RESIDENT_LIMIT_KIB: u64 = 30 * 1024;

/// A small generator with a fixed seed (xorshift64): failures are reproducible.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, limit: u64) -> Vec<u8> {
        let length = self.next() % (limit + 1);
        (0..length).map(|_| self.byte()).collect()
    }

    fn byte(&mut self) -> u8 {
        let [byte, ..] = self.next().to_le_bytes();
        byte
    }
}

/// The fixed part of a DHCP message, then the options given.
fn dhcp(message_type: u8, more: &[u8]) -> Vec<u8> {
    let mut packet = vec![1, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef];
    packet.resize(28, 0);
    packet.extend([0x52, 0x54, 0, 0x66, 0x66, 0x66]);
    packet.resize(236, 0);
    packet.extend([99, 130, 83, 99, 53, 1, message_type]);
    packet.extend(more);
    packet.push(255);
    packet
}

/// Valid messages of every protocol: unchanged, truncated at every length, and with single
/// bytes changed.
fn templates() -> Vec<Vec<u8>> {
    let client = b"PXEClient:Arch:00007:UNDI:003016";
    let mut pxe = vec![60, u8::try_from(client.len()).unwrap_or(0)];
    pxe.extend(client);
    pxe.extend([93, 2, 0, 7, 94, 3, 1, 3, 16, 97, 17, 0]);
    pxe.extend([7; 16]);
    // A call of MOUNT v3 MNT over TCP: record mark, xid, CALL, version 2, program, …
    let mut mount = vec![0x80, 0, 0, 48, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2];
    mount.extend([0, 1, 0x86, 0xa5, 0, 0, 0, 3, 0, 0, 0, 1]);
    mount.extend([0; 16]);
    mount.extend([0, 0, 0, 4, b'/', b'.', b'.', b'/']);
    vec![
        dhcp(1, &pxe),
        dhcp(3, &pxe),
        dhcp(8, &pxe),
        // An option longer than the packet, and overload without an end.
        dhcp(1, &[60, 255, b'P', b'X']),
        dhcp(1, &[52, 1, 3, 61, 0, 12, 0]),
        b"\x00\x01vmlinuz\x00octet\x00blksize\x001468\x00tsize\x000\x00windowsize\x004\x00"
            .to_vec(),
        b"\x00\x01vmlinuz\x00octet\x00blksize\x00999999999999999999999\x00windowsize\x000\x00"
            .to_vec(),
        b"\x00\x01\x00octet\x00".to_vec(),
        b"\x00\x04\x00\x01".to_vec(),
        b"\x00\x02new\x00octet\x00".to_vec(),
        b"GET /vmlinuz HTTP/1.1\r\nHost: x\r\nRange: bytes=5-1\r\n\r\n".to_vec(),
        b"GET /boot/zz.ipxe HTTP/1.0\r\n\r\n".to_vec(),
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n".to_vec(),
        mount,
        // A record of 2 GiB, and one of endless fragments.
        vec![0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4],
        [0, 0, 0, 4, 1, 2, 3, 4].repeat(400),
    ]
}

fn storm(noise: &mut Noise) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = (0..300).map(|_| noise.bytes(1472)).collect();
    for template in templates() {
        let step = (template.len() / 60).max(1);
        let lengths = (0..template.len()).step_by(step);
        all.extend(lengths.filter_map(|end| Some(template.get(..end)?.to_vec())));
        for _ in 0..60 {
            let mut changed = template.clone();
            let place = usize::try_from(noise.next()).unwrap_or(0) % changed.len();
            let value = noise.byte();
            if let Some(byte) = changed.get_mut(place) {
                *byte = value;
            }
            all.push(changed);
        }
        all.push(template);
    }
    all
}

fn flood_udp(packets: &[Vec<u8>]) -> Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:68").context("bind port 68")?;
    socket.set_broadcast(true)?;
    for port in UDP_PORTS {
        let unicast = SocketAddrV4::new(SERVER, port);
        let broadcast = SocketAddrV4::new(std::net::Ipv4Addr::BROADCAST, port);
        for packet in packets {
            // A closed port causes an error at the next send.
            let _ = socket.send_to(packet, unicast);
            let _ = socket.send_to(packet, broadcast);
        }
    }
    Ok(())
}

fn flood_tcp(packets: &[Vec<u8>]) -> Result<()> {
    for port in TCP_PORTS {
        let mut open = Vec::new();
        for (number, packet) in packets.iter().enumerate() {
            let address = SocketAddrV4::new(SERVER, port).into();
            let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)
                .with_context(|| format!("TCP port {port}, connection {number}"))?;
            // The server may close the connection meanwhile.
            let _ = stream.write_all(packet);
            // Some stay open and idle, like a slow attacker's.
            if number % 16 == 0 {
                open.push(stream);
            }
        }
        for mut stream in open {
            stream.set_read_timeout(Some(Duration::from_millis(1)))?;
            let _ = stream.read(&mut [0; 64]);
        }
    }
    Ok(())
}

#[test]
fn random_truncated_and_changed_packets_change_nothing_but_counters() -> Result<()> {
    let mut lan = Lan::new("hostile")?;
    let script_before = lan.curl("/boot/52-54-00-77-00-01.ipxe", &[])?;
    let idle = lan.server.program().resident_kib()?;
    let packets = storm(&mut Noise(0x6e65_7472_6f6f_7421));
    assert!(packets.len() > 1000);
    lan.client.within(|| flood_udp(&packets))?;
    lan.client.within(|| flood_tcp(&packets))?;

    assert!(lan.server.program().running()?, "the server died");
    assert_eq!(
        lan.curl("/boot/52-54-00-77-00-01.ipxe", &[])?,
        script_before
    );
    let fetched = [
        "atftp",
        "--get",
        "-r",
        "autoexec.ipxe",
        "-l",
        "/run/fetched",
        "10.77.0.1",
    ];
    let done = lan.client.run_for(&fetched, TIMEOUT)?;
    assert!(done.status.success(), "{done:?}");
    assert!(std::fs::read(lan.client.path("/run/fetched"))?.starts_with(b"#!ipxe"));
    nfs_answers(&lan)?;

    let after = lan.server.program().resident_kib()?;
    assert!(
        after <= idle.max(RESIDENT_LIMIT_KIB) + 16 * 1024,
        "{after} KiB resident, {idle} KiB before"
    );
    assert!(lan.server.terminate()?.status.success());
    Ok(())
}

/// NFS's NULL call is answered: the export still listens.
fn nfs_answers(lan: &Lan) -> Result<()> {
    let answer = lan.client.within(|| {
        let mut stream = TcpStream::connect(SocketAddrV4::new(SERVER, 2049))?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        // Record mark (last, 40 bytes), xid 7, CALL, RPC 2, NFS 100003 v3, NULL, no
        // credentials, no verifier.
        let words: [u32; 11] = [0x8000_0028, 7, 0, 2, 100_003, 3, 0, 0, 0, 0, 0];
        let call: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        stream.write_all(&call)?;
        let mut answer = [0; 28];
        stream
            .read_exact(&mut answer)
            .context("the answer to NFS NULL")?;
        Ok(answer)
    })?;
    // xid 7, REPLY, accepted, no verifier, success.
    assert_eq!(answer[4..12], [0, 0, 0, 7, 0, 0, 0, 1]);
    assert_eq!(answer[24..28], [0; 4]);
    Ok(())
}
