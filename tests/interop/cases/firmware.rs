//! Clients that are known by more than one field: their DISCOVERs, in both roles.

use anyhow::Result;
use netroot_proto::dhcp::code;

use super::lab::{self, Answer, DHCP, Lab, Reply, capture};
use super::row::Row;

/// A capture, and what its clients are to load, beside another DHCP server and from ours.
struct Clients {
    case: (&'static str, &'static str),
    what: &'static str,
    packets: &'static str,
    beside: &'static str,
    ours: &'static str,
}

const CLIENTS: [Clients; 5] = [
    Clients {
        case: (
            "S01",
            "siderolabs/omni-infra-provider-bare-metal#48, siderolabs/booter#12",
        ),
        what: "U-Boot by its classes, architectures 22, 21, 22, 11, 21, 27, 37",
        packets: include_str!("../../captures/u-boot.hex"),
        beside: "log: needs-address, log: needs-address, snponly-arm64.efi, snponly-arm64.efi, log: no-loader, log: no-loader, log: no-loader",
        ours: "snponly-arm64.efi, pxelinux.cfg/01-02-00-00-00-01-01, snponly-arm64.efi, snponly-arm64.efi, pxelinux.cfg/01-02-00-00-00-01-04, an address alone, an address alone",
    },
    Clients {
        case: ("S02", "garybowers/bootimus#118"),
        what: "the class tells the architecture, option 93 does not; the last but one has neither",
        packets: include_str!("../../captures/class-without-93.hex"),
        beside: "snponly-arm64.efi, snponly-arm64.efi, snponly-arm64.efi, snponly.efi, undionly.kpxe and a zero byte, log: no-architecture, snponly-arm64.efi",
        ours: "snponly-arm64.efi, snponly-arm64.efi, snponly-arm64.efi, snponly.efi, undionly.kpxe and a zero byte, an address alone, snponly-arm64.efi",
    },
    Clients {
        case: (
            "S03",
            "garybowers/bootimus#117, netbootxyz/netboot.xyz#1198",
        ),
        what: "a ROM that reads option 67 up to a zero byte",
        packets: include_str!("../../captures/option-67-as-c-string.hex"),
        beside: "undionly.kpxe and a zero byte",
        ours: "undionly.kpxe and a zero byte",
    },
    Clients {
        case: (
            "S11",
            "warewulf/warewulf#1368, warewulf/warewulf3#100, xcat2/xcat-core#5971",
        ),
        what: "iPXE over InfiniBand, twice, and over IEEE 802",
        packets: include_str!("../../captures/infiniband.hex"),
        beside: "http://10.77.9.1:8069/boot/24-8a-07-1c-ee-ac.ipxe, http://10.77.9.1:8069/boot/24-8a-07-1c-ee-ac.ipxe, http://10.77.9.1:8069/boot/02-00-00-00-0b-02.ipxe",
        ours: "http://10.77.9.1:8069/boot/24-8a-07-1c-ee-ac.ipxe, http://10.77.9.1:8069/boot/24-8a-07-1c-ee-ac.ipxe, http://10.77.9.1:8069/boot/02-00-00-00-0b-02.ipxe",
    },
    Clients {
        case: (
            "S23",
            "raspberrypi/firmware#871, #764, raspberrypi/documentation#1686",
        ),
        what: "Raspberry Pis of four prefixes, their files in --tftp-dir",
        packets: include_str!("../../captures/raspberry-pi-prefixes.hex"),
        beside: "bootcode.bin, bootcode.bin, bootcode.bin, bootcode.bin",
        ours: "bootcode.bin, bootcode.bin, bootcode.bin, bootcode.bin",
    },
];

pub(super) fn rows() -> Result<Vec<Row>> {
    let mut lab = Lab::new("firmware")?;
    for file in ["bootcode.bin", "start.elf", "start4.elf", "config.txt"] {
        lab.file(&format!("tftp/{file}"), file.as_bytes())?;
    }
    let tftp = lab.path("tftp");
    let beside = vec!["--tftp-dir", &tftp];
    let ours = [beside.as_slice(), &DHCP].concat();
    let mut rows = Vec::new();
    for (role, arguments) in [("beside another DHCP server", beside), ("--dhcp", ours)] {
        lab.serve(&arguments)?;
        for clients in &CLIENTS {
            let expected = match role {
                "--dhcp" => clients.ours,
                _ => clients.beside,
            };
            let observed = answers(&lab, clients.packets);
            let what = format!("{}; {role}", clients.what);
            rows.push(Row::new(clients.case, &what, expected, observed));
        }
    }
    Ok(rows)
}

/// What each message of a capture leads to.
fn answers(lab: &Lab, packets: &str) -> Result<String> {
    let mut answers = Vec::new();
    for packet in capture(packets)? {
        answers.push(match lab.ask(&packet)? {
            Answer::Reply(reply) => told(&reply),
            Answer::Told(line) => format!("log: {}", lab::text(&line, "/reason")),
            Answer::Silence => "silence".to_owned(),
        });
    }
    Ok(answers.join(", "))
}

/// What a reply says to load. What iPXE is to add to the URL is shown by other tests.
fn told(reply: &Reply) -> String {
    let options = &reply.message.options;
    let text = |code| options.text(code).map(String::from_utf8_lossy);
    let file = match (reply.message.boot_file(), text(code::PXELINUX_CONFIG)) {
        (Some(file), _) => {
            let file = String::from_utf8_lossy(file);
            file.split('?').next().unwrap_or_default().to_owned()
        }
        (None, Some(file)) => file.into_owned(),
        (None, None) => "an address alone".to_owned(),
    };
    // The option, as a ROM reads it that takes it for a C string.
    let option = [&[code::BOOT_FILE_NAME, 13], file.as_bytes(), &[0]].concat();
    match file == "undionly.kpxe"
        && reply
            .bytes
            .windows(option.len())
            .any(|bytes| bytes == option)
    {
        true => format!("{file} and a zero byte"),
        false => file,
    }
}
