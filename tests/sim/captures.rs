//! What real firmware sends: the packets of the captures in `tests/captures`, and our server's answers.
//!
//! Those of OVMF and iPXE were recorded from QEMU (edk2 2022.11 and iPXE 1.0.0+git-20190125 of Debian 12, virtio-net)
//! with one made-up UUID; those of an Intel BIOS ROM and a Raspberry Pi 3 are built from descriptions, since neither machine
//! was available. Those in `.hex` files were made after reports from the field.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};

use netroot_proto::dhcp::request::Request;
use netroot_proto::dhcp::{BINL_PORT, CLIENT_PORT, SERVER_PORT};
use netroot_proto::pxe::decide::Decision;

use super::decisions::{USUAL, describe, dhcp_at, pool, proxy_at};
use super::pcap::{Datagram, datagrams};

/// One packet of a capture.
pub(crate) struct Capture {
    file: &'static str,
    /// Counted from one.
    packet: usize,
}

impl Capture {
    const fn of(file: &'static str, packet: usize) -> Self {
        Self { file, packet }
    }

    /// The UDP payload as it was sent.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut packets = read(&folder().join(self.file));
        packets.swap_remove(self.packet - 1).payload
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/captures")
}

/// The messages in a text file: each as hexadecimal digits, with an empty line before it and comments (`#`).
fn read_text(path: &Path) -> Vec<Datagram> {
    let text = std::fs::read_to_string(path).unwrap();
    let messages = text.split("\n\n").map(|message| {
        let lines = message.lines().filter(|line| !line.starts_with('#'));
        hex(&lines.collect::<String>())
    });
    let messages = messages.filter(|message| !message.is_empty());
    let datagram = |payload| Datagram {
        from: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, CLIENT_PORT),
        to: SocketAddrV4::new(Ipv4Addr::BROADCAST, SERVER_PORT),
        payload,
    };
    messages.map(datagram).collect()
}

fn read(path: &Path) -> Vec<Datagram> {
    if path.extension().is_some_and(|extension| extension == "hex") {
        return read_text(path);
    }
    let file = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    datagrams(&file).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A packet with its options replaced.
pub(crate) fn with_options(capture: &Capture, options: &str) -> Vec<u8> {
    let mut bytes = capture.bytes();
    bytes.truncate(240);
    bytes.extend(hex(options));
    bytes
}

pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// OVMF's PXE: DISCOVER.
pub(crate) const OVMF_DISCOVER: Capture = Capture::of("ovmf-pxe.pcap", 1);

/// OVMF's PXE: REQUEST for what 10.0.2.2 offered. It announces 65280 bytes (57), and
/// drops what is longer than 1472.
pub(crate) const OVMF_REQUEST: Capture = Capture::of("ovmf-pxe.pcap", 2);

/// OVMF's HTTP boot: DISCOVER.
pub(crate) const OVMF_HTTP_DISCOVER: Capture = Capture::of("ovmf-http.pcap", 1);

/// iPXE in QEMU's virtio ROM under SeaBIOS: DISCOVER. Its user class is raw.
pub(crate) const IPXE_DISCOVER: Capture = Capture::of("ipxe.pcap", 1);

/// iPXE: REQUEST for what 10.0.2.2 offered.
pub(crate) const IPXE_REQUEST: Capture = Capture::of("ipxe.pcap", 2);

/// An Intel Boot Agent ("PXE-2.1"): DISCOVER, padded to 548 bytes.
pub(crate) const BIOS_DISCOVER: Capture = Capture::of("intel-boot-agent.pcap", 1);

/// A Raspberry Pi 3: DISCOVER, with its constant transaction.
pub(crate) const RASPBERRY_DISCOVER: Capture = Capture::of("raspberry-pi-3.pcap", 1);

/// Our own init, by smoltcp: DISCOVER of a plain client.
pub(crate) const PLAIN_DISCOVER: Capture = Capture::of("plain-client.pcap", 1);

/// QEMU's `-uuid` when the next three were recorded: the first three fields differ in the
/// other byte order.
pub(crate) const UUID: &str = "1b4e28ba-2fa1-11d2-883f-0016d3cca427";

/// OVMF 2022.11's DISCOVER on a machine with [`UUID`].
pub(crate) const OVMF_OF_UUID: Capture = Capture::of("ovmf-pxe-uuid.pcap", 1);

/// The DISCOVER of QEMU's iPXE 1.0.0+git-20190125 under SeaBIOS 1.16.2 on that machine.
pub(crate) const IPXE_OF_UUID: Capture = Capture::of("ipxe-uuid.pcap", 1);

/// Our init's DISCOVER on that machine, started by QEMU's `-kernel` under SeaBIOS.
pub(crate) const INIT_OF_UUID: Capture = Capture::of("init-uuid.pcap", 1);

/// The server's answers to a capture's packets in order, beside another DHCP server and as the DHCP server.
fn answers(packets: &[Datagram]) -> String {
    let mut text = String::new();
    let mut pool = pool();
    let requests = packets
        .iter()
        .filter(|packet| [SERVER_PORT, BINL_PORT].contains(&packet.to.port()));
    for (number, request) in requests.enumerate() {
        if let Err(error) = Request::read(&request.payload) {
            let _ = writeln!(text, "packet {}: {error}", number + 1);
            continue;
        }
        let roles = [
            (
                "beside a DHCP server",
                proxy_at(&request.payload, request.to.port(), request.from, USUAL),
            ),
            (
                "as the DHCP server",
                dhcp_at(
                    &request.payload,
                    request.to.port(),
                    request.from,
                    &mut pool,
                    USUAL,
                ),
            ),
        ];
        for (role, decision) in roles {
            let _ = writeln!(text, "packet {}, {role}:", number + 1);
            for line in lines(&decision) {
                let _ = writeln!(text, "    {line}");
            }
        }
    }
    text
}

fn lines(decision: &Decision) -> Vec<String> {
    match decision {
        Decision::Reply(reply) => {
            let answer = format!("{} is answered", reply.client);
            [vec![answer], describe(reply)].concat()
        }
        Decision::Noted(noted) => vec![format!("not answered, but noted: {noted:?}")],
        Decision::Ignore(reason) => vec![format!("not answered: {reason:?}")],
    }
}

/// If set, the test writes the expected answers first.
const WRITE: &str = "NETROOT_WRITE_EXPECTED";

#[test]
fn every_capture_is_answered_as_expected() {
    let mut captures = 0;
    let mut wrong = Vec::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| {
            ["expected", "bundle", "md"]
                .iter()
                .any(|it| extension == *it)
        }) {
            continue;
        }
        captures += 1;
        let answers = answers(&read(&path));
        assert!(!answers.is_empty(), "{}: no DHCP request", path.display());
        let beside = path.with_extension("expected");
        if std::env::var_os(WRITE).is_some() {
            std::fs::write(&beside, &answers).unwrap();
        }
        let expected = std::fs::read_to_string(&beside).unwrap_or_default();
        if expected != answers {
            wrong.push(format!(
                "{}: expected\n{expected}but the server's answers are\n{answers}",
                path.display()
            ));
        }
    }
    assert!(captures >= 15, "{captures} captures");
    assert!(
        wrong.is_empty(),
        "{}\nIf these answers are right: {WRITE}=1 cargo test -p netroot-proto --test sim captures",
        wrong.join("\n")
    );
}
