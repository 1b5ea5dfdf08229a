//! HTTP: slow readers, connections without end, and reports in the name of another machine.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use anyhow::{Context, Result, ensure};

use super::lab::{HTTP, Lab, client, connect};

/// Sends a request and reads the answer until the server closes: its status line and the rest.
fn exchange(from: Ipv4Addr, request: &[u8]) -> Result<(String, String)> {
    let mut stream = connect(from, HTTP)?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        // A server that has closed a connection with unread bytes in it resets it after its answer.
        ensure!(error.kind() == ErrorKind::ConnectionReset, "{error}");
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (status, rest) = answer.split_once("\r\n").unwrap_or((&answer, ""));
    Ok((status.to_owned(), rest.to_owned()))
}

fn get(from: Ipv4Addr, path: &str) -> Result<(String, String)> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    exchange(from, request.as_bytes())
}

fn post(from: Ipv4Addr, path: &str, body: &str) -> Result<String> {
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    Ok(exchange(from, request.as_bytes())?.0)
}

/// Where the machine's script, as fetched from this address, has it report.
fn report_path(from: Ipv4Addr, mac: &str) -> Result<Option<String>> {
    let (status, script) = get(from, &format!("/boot/{mac}.ipxe"))?;
    ensure!(status == "HTTP/1.1 200 OK", "{status}");
    let url = script.split("netroot.report=").nth(1);
    let path = url.and_then(|url| Some(format!("/report/{}", url.split("/report/").nth(1)?)));
    Ok(path.and_then(|path| Some(path.split_whitespace().next()?.to_owned())))
}

/// A report as long as it may be: the last failures of a boot, each in a sentence of emoji.
fn long_report() -> String {
    let sentence = "\u{1f600}".repeat(600);
    let attempts = vec![format!("{{\"failure\":\"{sentence}\"}}"); 16].join(",");
    let step = format!("{{\"name\":\"{}\"}}", "\u{1f600}".repeat(64));
    let steps = vec![step; 32].join(",");
    format!(
        "{{\"outcome\":\"failed\",\"failed_attempts\":16,\"boot_id\":\"z\",\"attempts\":[{attempts}],\"steps\":[{steps}]}}"
    )
}

/// Whether the server has not closed this connection, which sends nothing.
fn is_open(stream: &mut TcpStream) -> bool {
    let _ = stream.set_nonblocking(true);
    let read = stream.read(&mut [0; 64]);
    let _ = stream.set_nonblocking(false);
    matches!(read, Err(error) if error.kind() == ErrorKind::WouldBlock)
}

/// 256 reports of 47 kB and 60 slow readers of `/status`: 811 MB of resident memory before. Now a host has to take the
/// hardware address of each machine that it reports for, and 240 slow readers cost 4 MB: 15.6 MB (debug build).
#[test]
fn slow_readers_of_a_page_full_of_reports_hold_little_memory() -> Result<()> {
    let mut lab = Lab::new("http-status", &[])?;
    let body = long_report();
    for host in 2..=90 {
        let mac = format!("02-00-00-00-01-{host:02x}");
        let colons = mac.replace('-', ":");
        lab.clients
            .shell(&format!("ip link set eth0 address {colons}"))?;
        lab.clients.within(|| {
            let path = report_path(client(host), &mac)?;
            let path = path.with_context(|| format!("a token for {mac}"))?;
            let status = post(client(host), &path, &body)?;
            ensure!(status == "HTTP/1.1 204 No Content", "{status}");
            Ok(())
        })?;
    }
    // The other addresses are this machine's again.
    lab.net.shell("ip neigh flush all")?;
    lab.clients.within(|| {
        let (_, status) = get(client(2), "/status")?;
        ensure!(status.contains("02:00:00:00:01:5a"), "the newest report");
        ensure!(status.len() < 600_000, "{} bytes", status.len());
        let mut readers = Vec::new();
        for host in 2..=61 {
            for _ in 0..4 {
                let mut reader = connect(client(host), HTTP)?;
                reader.write_all(b"GET /status HTTP/1.1\r\nHost: x\r\n\r\n")?;
                readers.push(reader);
            }
        }
        for _ in 0..10 {
            let (status, _) = get(client(90), "/boot.ipxe")?;
            ensure!(status == "HTTP/1.1 200 OK", "{status}");
        }
        // Some have the page, some the beginning of it, some an answer that says when to come again.
        drop(readers);
        Ok(())
    })?;
    lab.assert_memory("240 slow readers of /status")
}

/// 256 slow readers from 16 addresses: an honest client's connection was closed at once before, for as long as they
/// read 64 KiB every 20 s. Now it takes the place of one of theirs; 23 MB of resident memory (debug build).
#[test]
fn slow_readers_do_not_keep_an_honest_client_out() -> Result<()> {
    let mut lab = Lab::new("http-slow16", &[])?;
    lab.clients.within(|| {
        let mut readers = Vec::new();
        for host in 2..18 {
            for _ in 0..16 {
                let mut reader = connect(client(host), HTTP)?;
                reader.write_all(b"GET /initrd.img HTTP/1.1\r\nHost: x\r\n\r\n")?;
                readers.push(reader);
            }
        }
        for _ in 0..20 {
            let (status, _) = get(client(60), "/")?;
            ensure!(status == "HTTP/1.1 200 OK", "{status}");
        }
        let (status, file) = get(client(61), "/initrd.img")?;
        ensure!(status == "HTTP/1.1 200 OK", "{status}");
        ensure!(file.matches('i').count() >= 2 << 20, "{} bytes", file.len());
        Ok(())
    })?;
    lab.assert_memory("256 slow readers")
}

/// 2000 connections that never end their request, from one address: 16 were held before, and are.
#[test]
fn connections_without_a_request_stay_those_of_one_client() -> Result<()> {
    let mut lab = Lab::new("http-slow1", &[])?;
    lab.clients.within(|| {
        let mut held = Vec::new();
        for _ in 0..2000 {
            let mut one = connect(client(2), HTTP)?;
            // The server may have closed it already.
            let _ = one.write_all(b"GET / HTTP/1.1\r\nX: ");
            held.push(one);
            if held.len() % 500 == 0 {
                let (status, _) = get(client(3), "/")?;
                ensure!(status == "HTTP/1.1 200 OK", "{status}");
            }
        }
        let (status, _) = get(client(3), "/")?;
        ensure!(status == "HTTP/1.1 200 OK", "{status}");
        let open = held.iter_mut().filter_map(|one| is_open(one).then_some(()));
        let open = open.count();
        ensure!(open <= 16, "{open} are open");
        Ok(())
    })?;
    lab.assert_memory("2000 connections of one client")
}

/// 240 reports of 64 KiB that never end, from 16 addresses: 15 MiB were held before. Two of a client are held now, and the
/// others are told when to come again: 14 MB of resident memory (debug build).
#[test]
fn bodies_without_an_end_hold_little_memory() -> Result<()> {
    let mut lab = Lab::new("http-bodies", &[])?;
    lab.clients
        .shell("ip link set eth0 address 02:00:00:00:03:01")?;
    let mut refused = 0;
    lab.clients.within(|| {
        let mut held = Vec::new();
        for host in 2..18 {
            let path = report_path(client(host), "02-00-00-00-03-01")?;
            let path = path.context("a token")?;
            for _ in 0..15 {
                let mut one = connect(client(host), HTTP)?;
                let head =
                    format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 65536\r\n\r\n");
                one.write_all(head.as_bytes())?;
                // The server may have refused it already.
                let _ = one.write_all(&[b' '; 65_000]);
                held.push(one);
            }
        }
        let (status, _) = get(client(60), "/")?;
        ensure!(status == "HTTP/1.1 200 OK", "{status}");
        for one in &mut held {
            let mut answer = Vec::new();
            let _ = one.read_to_end(&mut answer);
            let answer = String::from_utf8_lossy(&answer).to_lowercase();
            if answer.starts_with("http/1.1 503 ") {
                ensure!(answer.contains("retry-after: 10"), "{answer}");
                refused += 1;
            }
        }
        Ok(())
    })?;
    println!("{refused} of 240 bodies did not fit");
    lab.assert_memory("240 bodies without an end")
}

/// A report in another machine's name was accepted (204) after a GET of that machine's script, and everything that the
/// attacker did was logged as that machine's. Now it is refused (403), whatever was fetched before.
#[test]
fn nobody_reports_for_another_machine() -> Result<()> {
    const VICTIM: &str = "52-54-00-de-ad-01";
    let mut lab = Lab::new("http-spoof", &[])?;
    lab.clients
        .shell("ip link set eth0 address 02:00:00:00:02:01")?;
    let evil = "call 0800-EVIL to unlock";
    let body = format!(
        "{{\"outcome\":\"failed\",\"failed_attempts\":1,\"attempts\":[{{\"failure\":\"{evil}\"}}]}}"
    );
    lab.clients.within(|| {
        let foreign = format!("/report/{VICTIM}");
        let forged = format!("/report/{VICTIM}/0123456789abcdef01234567");
        for path in [&foreign, &forged] {
            let status = post(client(2), path, &body)?;
            ensure!(status == "HTTP/1.1 403 Forbidden", "{path}: {status}");
        }
        let told = report_path(client(2), VICTIM)?;
        ensure!(told.is_none(), "a token of another machine: {told:?}");
        for path in [&foreign, &forged] {
            let status = post(client(2), path, &body)?;
            ensure!(status == "HTTP/1.1 403 Forbidden", "{path}: {status}");
        }
        let (_, shown) = get(client(3), "/")?;
        ensure!(!shown.contains(evil), "{shown}");
        // For itself, it may.
        let own = report_path(client(2), "02-00-00-00-02-01")?;
        let own = own.context("its own token")?;
        let status = post(client(2), &own, &body)?;
        ensure!(status == "HTTP/1.1 204 No Content", "{status}");
        // Its token is not another's.
        let stolen = own.replace("02-00-00-00-02-01", VICTIM);
        let status = post(client(2), &stolen, &body)?;
        ensure!(status == "HTTP/1.1 403 Forbidden", "{status}");
        Ok(())
    })?;
    let events = lab.server.events();
    let of_victim: Vec<_> = events
        .iter()
        .filter(|(_, event)| event.machine.as_deref() == Some("52:54:00:de:ad:01"))
        .collect();
    ensure!(of_victim.is_empty(), "{of_victim:?}");
    let script = events.iter().find(|(_, event)| event.kind == "script");
    let (_, script) = script.context("a script in the log")?;
    ensure!(
        script.machine.as_deref() == Some("02:00:00:00:02:01"),
        "{script:?}"
    );
    lab.assert_memory("reports in another's name")
}

/// 2000 reports of 2000 machines from one host: each was accepted before, with up to 17 lines in the log. Now none is,
/// and the log has a line or two.
#[test]
fn a_flood_of_reports_is_a_line_in_the_log() -> Result<()> {
    let mut lab = Lab::new("http-reports", &[])?;
    let body = "{\"outcome\":\"failed\",\"attempts\":[{\"failure\":\"x\"}]}";
    lab.clients.within(|| {
        let mut stream = BufReader::new(connect(client(2), HTTP)?);
        for number in 0..2000 {
            let mac = format!("02-00-00-00-{:02x}-{:02x}", number >> 8, number & 255);
            let length = body.len();
            let request = format!(
                "POST /report/{mac} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}"
            );
            stream.get_mut().write_all(request.as_bytes())?;
            let status = answered(&mut stream)?;
            ensure!(status == "HTTP/1.1 403 Forbidden", "{status}");
        }
        Ok(())
    })?;
    let events = lab.server.events();
    let lines = events.iter().filter(|(_, event)| event.kind == "ignored");
    let lines = lines.count();
    ensure!((1..=3).contains(&lines), "{lines} lines");
    lab.assert_memory("2000 reports")
}

/// Reads one answer with its body; returns its status line.
fn answered(stream: &mut impl BufRead) -> Result<String> {
    let mut status = String::new();
    stream.read_line(&mut status)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        ensure!(stream.read_line(&mut line)? > 0, "closed after {status}");
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
    stream.read_exact(&mut vec![0; length])?;
    Ok(status.trim_end().to_owned())
}

/// What no client sends: refused, each by itself; as before.
#[test]
fn odd_requests_cost_their_own_connection() -> Result<()> {
    let mut lab = Lab::new("http-odd", &[])?;
    let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(65_536));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(100));
    let range = |range: &str| {
        format!(
            "GET /initrd.img HTTP/1.1\r\nHost: x\r\nConnection: close\r\nRange: bytes={range}\r\n\r\n"
        )
    };
    let both = "POST /report/52-54-00-de-ad-01 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\
                Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n";
    let requests = [
        (long, &["431"][..]),
        (many, &["431"]),
        (range("18446744073709551615-"), &["416"]),
        (range("0-18446744073709551615"), &["206", "200"]),
        (range("-18446744073709551616"), &["200", "206"]),
        (both.to_owned(), &["400", "403"]),
        (
            "GET /%2e%2e/%2e%2e/etc/shadow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                .to_owned(),
            &["400"],
        ),
        (
            "GET http://evil/etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                .to_owned(),
            &["404"],
        ),
        (
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
            &["", "400", "505"],
        ),
    ];
    lab.clients.within(|| {
        for (request, expected) in &requests {
            let (status, _) = exchange(client(4), request.as_bytes())?;
            let code = status.split(' ').nth(1).unwrap_or_default();
            ensure!(expected.contains(&code), "{request:.60}: {status}");
        }
        let mut stream = BufReader::new(connect(client(4), HTTP)?);
        let request = "GET /boot/52-54-00-00-00-01.ipxe HTTP/1.1\r\nHost: x\r\n\r\n";
        stream.get_mut().write_all(request.repeat(500).as_bytes())?;
        for _ in 0..500 {
            let status = answered(&mut stream)?;
            ensure!(status == "HTTP/1.1 200 OK", "{status}");
        }
        Ok(())
    })?;
    lab.assert_memory("odd requests")
}
