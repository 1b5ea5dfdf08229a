//! The log: floods of events, and text that a terminal would act on.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use netroot_harness::Event;

use super::lab::{HTTP, Lab, TIMEOUT, client, connect, server, udp};

/// The port of NFS, which answers MOUNT too.
const NFS: u16 = 2049;
/// The hardware address of the machine with all the addresses.
const ATTACKER: &str = "02:00:00:00:03:01";
/// How many lines one address may cause at once; one more each second follows, which is what the margin is for.
const BURST: usize = 128;
const MARGIN: usize = 300;
/// After how long a client repeats a request.
const AGAIN: Duration = Duration::from_secs(1);

/// A call of MNT (MOUNT version 3, RFC 1813 appendix I) as a record.
fn mnt(path: &[u8]) -> Vec<u8> {
    let mut call = Vec::new();
    for word in [7, 0, 2, 100_005, 3, 1, 0, 0, 0, 0, path.len()] {
        call.extend(u32::try_from(word).unwrap_or(0).to_be_bytes());
    }
    call.extend(path);
    call.resize(call.len().next_multiple_of(4), 0);
    let mark = u32::try_from(call.len()).unwrap_or(0) | 1 << 31;
    [&mark.to_be_bytes()[..], &call].concat()
}

/// Mounts these paths over one connection, and reads every reply.
fn mount(from: Ipv4Addr, paths: &[String]) -> Result<()> {
    let mut stream = connect(from, NFS)?;
    for some in paths.chunks(100) {
        let calls: Vec<u8> = some.iter().flat_map(|path| mnt(path.as_bytes())).collect();
        stream.write_all(&calls)?;
        for _ in some {
            read_record(&mut stream)?;
        }
    }
    Ok(())
}

fn read_record(stream: &mut TcpStream) -> Result<()> {
    let mut mark = [0; 4];
    stream.read_exact(&mut mark)?;
    let length = u32::from_be_bytes(mark) & 0x7fff_ffff;
    let mut record = vec![0; usize::try_from(length)?];
    stream.read_exact(&mut record)?;
    Ok(())
}

/// A request of HTTP, and the answer.
fn http(from: Ipv4Addr, request: &str) -> Result<String> {
    let mut stream = connect(from, HTTP)?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn get(from: Ipv4Addr, path: &str) -> Result<String> {
    http(
        from,
        &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
    )
}

/// Asks for a file by TFTP, as often as it takes to be answered: a flood fills the server's socket.
fn tftp(from: Ipv4Addr, name: &str) -> Result<()> {
    let socket = udp(from, 0)?;
    socket.set_read_timeout(Some(AGAIN))?;
    let request = [b"\0\x01", name.as_bytes(), b"\0octet\0"].concat();
    let end = Instant::now() + TIMEOUT;
    while Instant::now() < end {
        socket.send_to(&request, server(69))?;
        if socket.recv_from(&mut [0; 600]).is_ok() {
            return Ok(());
        }
    }
    anyhow::bail!("no answer to {name}")
}

/// A PXE client's DISCOVER.
fn discover(mac: [u8; 6]) -> Vec<u8> {
    let mut packet = vec![1, 1, 6, 0, 0xde, 0xad];
    packet.extend(mac.get(4..).unwrap_or_default());
    // The broadcast flag.
    packet.extend([0, 0, 0x80, 0]);
    packet.resize(28, 0);
    packet.extend(mac);
    packet.resize(236, 0);
    packet.extend([99, 130, 83, 99, 53, 1, 1]);
    let client = b"PXEClient:Arch:00007:UNDI:003016";
    packet.extend([60, 32]);
    packet.extend(client);
    packet.extend([93, 2, 0, 7, 94, 3, 1, 3, 16, 97, 17, 0]);
    packet.extend([7; 16]);
    packet.push(255);
    packet
}

/// Ends the server, and returns its events. Every character of its output is harmless on a terminal.
fn end(lab: &mut Lab, attack: &str) -> Result<Vec<Event>> {
    lab.assert_memory(attack)?;
    lab.server.terminate()?;
    for (_, line) in lab.server.output().lines() {
        ensure!(line.chars().all(is_harmless), "{line:?}");
    }
    let events = lab.server.events();
    let events: Vec<Event> = events.into_iter().map(|(_, event)| event).collect();
    println!("{attack}: {} lines", events.len());
    Ok(events)
}

fn is_harmless(c: char) -> bool {
    let hidden = [
        '\u{200b}'..='\u{200f}',
        '\u{2028}'..='\u{202e}',
        '\u{2066}'..='\u{2069}',
    ];
    !c.is_control() && !hidden.iter().any(|range| range.contains(&c))
}

fn count(events: &[Event], kind: &str) -> usize {
    events.iter().filter(|event| event.kind == kind).count()
}

/// How many lines the log says that it left out.
fn left_out(events: &[Event]) -> Result<usize> {
    let told = events.iter().filter(|event| event.kind == "lines-left-out");
    let mut sum = 0;
    for event in told {
        let number = event.text.split(' ').next().unwrap_or_default();
        sum += number.parse::<usize>().context("a number of lines")?;
    }
    Ok(sum)
}

fn has(events: &[Event], kind: &str, text: &str) -> bool {
    let found = |event: &&Event| event.kind == kind && event.text.contains(text);
    events.iter().any(|event| found(&event))
}

fn lab(name: &str, arguments: &[&str]) -> Result<Lab> {
    let lab = Lab::new(name, arguments)?;
    lab.clients
        .shell(&format!("ip link set eth0 address {ATTACKER}"))?;
    Ok(lab)
}

/// 20,000 MNT calls: 20,000 lines before (in 0.37 s). Now a client's mounts of a path are a line every 10 s, and of
/// everything else that it asks for the first 128, one a second, and how many more there were. Another address and
/// another machine are logged meanwhile.
#[test]
fn a_flood_of_mounts_is_a_hundred_lines_and_hides_no_other_machine() -> Result<()> {
    let mut lab = lab("log-mounts", &[])?;
    let other = lab.another_machine("hostile-log-honest", "10.66.0.91/24")?;
    let honest = |mistake: &str| ["/".to_owned(), mistake.to_owned()];
    lab.clients.within(|| {
        mount(client(2), &vec!["/".to_owned(); 10_000])?;
        let missing = (0..10_000).map(|number| format!("/nonesuch{number}"));
        mount(client(2), &missing.collect::<Vec<_>>())?;
        mount(client(3), &honest("/HONEST-MISTAKE"))
    })?;
    other.within(|| mount(client(91), &honest("/ANOTHER-MISTAKE")))?;
    let events = end(&mut lab, "20,000 MNT")?;
    let refused = count(&events, "ignored");
    ensure!(
        (BURST..BURST + MARGIN).contains(&refused),
        "{refused} lines"
    );
    let all = left_out(&events)? + refused + count(&events, "mount");
    ensure!((10_000..10_000 + MARGIN).contains(&all), "{all} in all");
    let mounts = count(&events, "mount");
    ensure!((3..MARGIN).contains(&mounts), "{mounts} mounts");
    for mistake in ["/HONEST-MISTAKE", "/ANOTHER-MISTAKE"] {
        ensure!(has(&events, "ignored", mistake), "{mistake}");
    }
    ensure!(has(&events, "stopped", "lines left out"), "the counter");
    Ok(())
}

/// 1100 file names that do not exist, from one address: 1024 lines before, and no further mistake of anybody was logged
/// for a minute. 10,000 write requests are one line a minute, before and now.
#[test]
fn a_flood_of_unknown_names_hides_no_other_address() -> Result<()> {
    let mut lab = lab("log-names", &[])?;
    lab.clients.within(|| {
        for number in 0..1100 {
            tftp(client(86), &format!("nonesuch{number}"))?;
        }
        tftp(client(87), "HONEST-MISTAKE")?;
        let writer = udp(client(88), 0)?;
        for _ in 0..10_000 {
            writer.send_to(b"\0\x02x\0octet\0", server(69))?;
        }
        tftp(client(89), "ANOTHER-MISTAKE")
    })?;
    let events = end(&mut lab, "1100 unknown names, 10,000 WRQ")?;
    let ignored = count(&events, "ignored");
    ensure!(
        (BURST..BURST + MARGIN).contains(&ignored),
        "{ignored} lines"
    );
    ensure!(
        has(&events, "ignored", "HONEST-MISTAKE"),
        "the first mistake"
    );
    ensure!(has(&events, "ignored", "ANOTHER-MISTAKE"), "the second");
    Ok(())
}

/// 10,000 DISCOVERs, each of another machine: 20,000 lines before. Now 1024, five a second, and one that tells how many
/// more there were; a machine that has fetched something before is logged when it asks meanwhile.
#[test]
fn a_flood_of_made_up_machines_hides_no_known_one() -> Result<()> {
    let mut lab = lab("log-discovers", &[])?;
    let flood = |from: Ipv4Addr, first: u16, last: u16| -> Result<()> {
        let socket = udp(from, 68)?;
        for number in first..last {
            let [high, low] = number.to_be_bytes();
            socket.send_to(&discover([2, 0, 9, 9, high, low]), server(67))?;
            if number % 50 == 0 {
                // The server has read what came before when it answers this.
                tftp(from, "autoexec.ipxe")?;
            }
        }
        Ok(())
    };
    let known = [2, 0, 0, 0, 3, 1];
    lab.clients.within(|| {
        // What makes it known.
        get(client(5), "/autoexec.ipxe")?;
        flood(client(6), 0, 10_000)?;
        let socket = udp(client(5), 68)?;
        for _ in 0..5 {
            socket.send_to(&discover(known), server(67))?;
            tftp(client(5), "autoexec.ipxe")?;
        }
        Ok(())
    })?;
    let events = end(&mut lab, "10,000 DISCOVERs")?;
    let made_up = |event: &&Event| {
        let machine = event.machine.as_deref().unwrap_or_default();
        machine.starts_with("02:00:09:09:")
    };
    let lines = events.iter().filter(made_up).count();
    ensure!(lines < 1024 + 5 * MARGIN, "{lines} lines");
    let told = count(&events, "lines-left-out");
    ensure!(told < MARGIN, "{told} lines about lines");
    let asked = |event: &&Event| {
        let is_dhcp = event.text.contains("PXE");
        event.machine.as_deref() == Some(ATTACKER) && is_dhcp
    };
    ensure!(
        events.iter().any(|event| asked(&event)),
        "the known machine"
    );
    Ok(())
}

/// Text that clears the screen, sets the title, changes the direction of writing and starts a new line, in every place
/// that a client can fill: control characters were replaced before, the others reached the terminal.
#[test]
fn text_from_clients_is_harmless_on_a_terminal() -> Result<()> {
    let evil = "\u{1b}[2J\u{1b}]0;pwned\u{7} \u{202e}gnp.exe \u{2028}newline \u{9b}31m \u{200b}";
    let mut lab = lab("log-text", &[])?;
    lab.clients.within(|| {
        mount(client(2), &[evil.to_owned(), "/\u{9b}2J".to_owned()])?;
        tftp(client(2), "\u{202e}gnp.exe\u{2066}")?;
        get(client(2), "/%e2%80%aegnp.exe%e2%80%a8")?;
        let mac = ATTACKER.replace(':', "-");
        let script = get(client(2), &format!("/boot/{mac}.ipxe"))?;
        let url = script.split("netroot.report=").nth(1).unwrap_or_default();
        let url = url.split_whitespace().next().unwrap_or_default();
        let (_, path) = url.split_once("/report/").context("where to report")?;
        // What iPXE puts in.
        let path = path.replace("${netX/mac:hexhyp}", &mac);
        let report = serde_json::json!({
            "outcome": "failed", "failed_attempts": 1, "kernel": evil, "boot_id": evil,
            "attempts": [{ "failure": evil }], "steps": [{ "name": evil }],
        });
        let report = report.to_string();
        let answer = http(
            client(2),
            &format!(
                "POST /report/{path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n{report}",
                report.len()
            ),
        )?;
        ensure!(answer.starts_with("HTTP/1.1 204"), "{answer}");
        for page in ["/", "/status"] {
            let shown = get(client(3), page)?;
            ensure!(shown.contains("pwned"), "{page}: {shown}");
            let shown = shown.replace(['\r', '\n'], "");
            ensure!(shown.chars().all(is_harmless), "{page}: {shown:?}");
        }
        Ok(())
    })?;
    let events = end(&mut lab, "hostile text")?;
    ensure!(
        has(&events, "boot-failed", "\\u{202e}gnp.exe"),
        "the report"
    );
    ensure!(has(&events, "ignored", "TFTP \\u{202e}gnp.exe"), "a name");
    Ok(())
}
