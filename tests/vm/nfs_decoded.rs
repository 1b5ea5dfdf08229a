//! A whole boot as Wireshark decodes it: DHCP, TFTP, HTTP, portmapper, MOUNT, NFS and its access lists. No packet may be
//! malformed, and every error that is answered has its explanation in a table.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use netroot_harness::{Firmware, Net, Nic, paths};

use crate::lan::{Lan, MACHINE, SERVER, TIMEOUT};

/// What is read of each frame. A field is empty where a frame does not have it, and has commas where it has it several
/// times.
const FIELDS: [&str; 16] = [
    "frame.number",
    "frame.protocols",
    "_ws.malformed",
    "_ws.expert.severity",
    "_ws.expert.message",
    "nfs.procedure_v3",
    "nfs.status3",
    "rpc.replystat",
    "rpc.state_accept",
    "mount.status",
    "tftp.error.code",
    "tftp.error.message",
    "http.response.code",
    "http.response_for.uri",
    "dhcp.option.dhcp",
    "dhcp.type",
];

/// Expert information as severe as this is an error (`epan/proto.h`: `PI_ERROR`).
const ERROR: u32 = 0x0080_0000;

/// Errors that may be answered: where, which, and why. `*` stands for any text at the end.
const EXPLAINED: [[&str; 3]; 4] = [
    [
        "NFS 3",
        "2",
        "LOOKUP, NOENT: search paths of programs and units name what there is not",
    ],
    [
        "TFTP",
        "8 *",
        "firmware asks for a file to learn its size, and ends the transfer (RFC 2347, RFC 2349)",
    ],
    [
        "expert of a DHCP request",
        "Non standard compliant option data",
        "iPXE's user class (option 77) is text, and no list as RFC 3004 has it",
    ],
    [
        "HTTP 404",
        "http://10.77.0.1:8069/readahead/*",
        "what a boot reads is noted in the first one of an image, which has no list to read ahead yet",
    ],
];

fn fits(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => text.starts_with(start),
        None => pattern == text,
    }
}

/// One frame, by field.
type Frame = BTreeMap<&'static str, String>;

fn decode(capture: &Path) -> Result<Vec<Frame>> {
    let mut tshark = Command::new("tshark");
    tshark.arg("-n").arg("-r").arg(capture);
    // The port of our HTTP server is no usual one; a client's port, any below 1024, may be another protocol's: 988 is Lustre's.
    tshark.args([
        "-d",
        "tcp.port==8069,http",
        "-d",
        "tcp.port==2049,rpc",
        "-d",
        "tcp.port==111,rpc",
        "-T",
        "fields",
        "-E",
        "occurrence=a",
        "-E",
        "aggregator=,",
    ]);
    tshark.args(FIELDS.iter().flat_map(|field| ["-e", field]));
    let done = tshark.output().context("start tshark")?;
    let text = String::from_utf8_lossy(&done.stdout);
    ensure!(
        done.status.success(),
        "tshark: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    let frame = |line: &str| -> Frame {
        let values = line.split('\t').map(str::to_owned);
        FIELDS.into_iter().zip(values).collect()
    };
    Ok(text.lines().map(frame).collect())
}

/// What is wrong with a frame: where, and what.
fn problems(frame: &Frame) -> Vec<(String, String)> {
    let field = |name: &str| frame.get(name).map_or("", String::as_str);
    let values = |name: &str| field(name).split(',').filter(|value| !value.is_empty());
    let mut found = Vec::new();
    let mut add = |place: &str, what: &str| found.push((place.to_owned(), what.to_owned()));
    let protocols = field("frame.protocols");
    if !field("_ws.malformed").is_empty() {
        add("malformed", protocols);
    }
    let severe = values("_ws.expert.severity")
        .any(|severity| severity.parse().is_ok_and(|it: u32| it >= ERROR));
    // Of DHCP's options, whatever is remarkable: what the server says by itself.
    let remarkable = protocols.contains(":dhcp") && !field("_ws.expert.severity").is_empty();
    let message = field("_ws.expert.message");
    match (remarkable, field("dhcp.type")) {
        (true, "1") => add("expert of a DHCP request", message),
        (true, _) => add("expert of a DHCP reply", message),
        (false, _) if severe => add("expert", &format!("{protocols}: {message}")),
        _ => {}
    }
    let procedures: Vec<&str> = values("nfs.procedure_v3").collect();
    for (at, status) in values("nfs.status3")
        .enumerate()
        .filter(|(_, status)| *status != "0")
    {
        add(
            &format!("NFS {}", procedures.get(at).unwrap_or(&"?")),
            status,
        );
    }
    for (place, name) in [
        ("RPC", "rpc.replystat"),
        ("RPC accepted", "rpc.state_accept"),
        ("MOUNT", "mount.status"),
    ] {
        values(name)
            .filter(|value| *value != "0")
            .for_each(|value| add(place, value));
    }
    if !field("tftp.error.code").is_empty() {
        add(
            "TFTP",
            &format!(
                "{} {}",
                field("tftp.error.code"),
                field("tftp.error.message")
            ),
        );
    }
    for code in values("http.response.code").filter(|code| *code >= "400") {
        add(&format!("HTTP {code}"), field("http.response_for.uri"));
    }
    // DECLINE and NAK.
    values("dhcp.option.dhcp")
        .filter(|kind| matches!(*kind, "4" | "6"))
        .for_each(|kind| add("DHCP", kind));
    found
}

#[test]
fn a_whole_boot_is_decoded_without_a_malformed_packet_or_an_unexplained_error() -> Result<()> {
    let lan = Lan::new("nfs-decoded")?;
    let file = lan.net.logs().join("boot.pcap");
    let mut capture = lan.net.spawn(&[
        "dumpcap",
        "-i",
        "br0",
        "-q",
        "-P",
        "-B",
        "256",
        "-w",
        &file.display().to_string(),
    ])?;
    capture.stderr().wait_for("File: ", "dumpcap", TIMEOUT)?;
    let server = lan.serve(&paths::debian_root(), &["--portmapper"])?;
    // The machine is told all ports; another client asks for them. Before it: what comes last, a capture may lose.
    let other = Net::new("nfs-decoded-other")?;
    lan.net.cable(&lan.bridge, &other, "eth2", "10.77.0.3/24")?;
    other.run(&["nfs-ls", "-D", &format!("nfs://{SERVER}")])?;
    other.run(&["nfs-ls", &format!("nfs://{SERVER}/debian-bookworm/etc")])?;
    // Its PXE client loads the boot loader by TFTP.
    let nic = Nic::virtio(&lan.tap, MACHINE);
    let vm = lan.machine().firmware(Firmware::Uefi).nic(nic).start()?;
    vm.wait_for("debian login:", "the login prompt", TIMEOUT)?;
    server
        .output()
        .wait_for("root mounted ", "its report", TIMEOUT)?;
    drop(vm);
    let ended = capture.terminate(TIMEOUT)?;
    println!("{}", capture.stderr().text());
    drop((server, ended));

    let frames = decode(&file)?;
    let mut protocols: BTreeMap<&str, usize> = BTreeMap::new();
    let mut unexplained: BTreeMap<(String, String), (usize, String)> = BTreeMap::new();
    let mut explained = BTreeMap::<[&str; 3], usize>::new();
    for frame in &frames {
        let inner = frame.get("frame.protocols").map_or("", String::as_str);
        for protocol in ["dhcp", "tftp", "http", "portmap", "mount", "nfs", "nfsacl"] {
            if inner.split(':').any(|one| one == protocol) {
                *protocols.entry(protocol).or_default() += 1;
            }
        }
        for (place, what) in problems(frame) {
            let line = EXPLAINED
                .iter()
                .find(|[where_, which, _]| fits(where_, &place) && fits(which, &what));
            match line {
                Some(line) => *explained.entry(*line).or_default() += 1,
                None => {
                    let number = frame.get("frame.number").cloned().unwrap_or_default();
                    unexplained.entry((place, what)).or_insert((0, number)).0 += 1;
                }
            }
        }
    }
    println!("{} frames: {protocols:?}", frames.len());
    explained
        .iter()
        .for_each(|(line, times)| println!("{times} x {line:?}"));
    assert_eq!(protocols.len(), 7, "{protocols:?}");
    assert!(
        unexplained.is_empty(),
        "(place, what): (times, first frame): {unexplained:#?} in {}",
        file.display()
    );
    std::fs::remove_file(&file).context("remove the capture")
}
