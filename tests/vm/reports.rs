//! The boot report, of successful and of failed boots.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;

use anyhow::{Context, Result};
use netroot_harness::TinyRoot;

use crate::lan::{Facts, Lan, SERVER, STATIC, TIMEOUT, own_export};

#[test]
fn a_failure_without_an_address_is_reported_by_the_next_boot() -> Result<()> {
    let lan = Lan::new("report-later")?;
    let root = TinyRoot::make()?;
    let server = lan.serve_beside(root.path())?;
    let report = lan.report_parameter()?;
    let vm = lan.boot(&format!(
        "{} {STATIC} ro facts.stay carrier_timeout=5 {report}",
        own_export(root.path())?
    ))?;
    vm.cable(0, false)?;
    let failed = "netroot: boot failed: no carrier: ";
    vm.wait_for(failed, "an attempt without a cable", TIMEOUT)?;
    vm.cable(0, true)?;
    let unheard = "attempt 1 failed: no carrier: nothing is at the other end of eth0";
    server
        .output()
        .wait_for(unheard, "the failure, later", TIMEOUT)?;
    let booted =
        server
            .output()
            .wait_for("root mounted ", "the report of the good boot", TIMEOUT)?;
    assert!(booted.line.contains(", after "), "{}", booted.line);
    Ok(())
}

/// One POST of a machine: the request's head and its body.
fn posted(mut stream: TcpStream) -> Result<(String, String)> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let count = reader.read_line(&mut head)?;
        anyhow::ensure!(count > 0, "the request ends early: {head}");
    }
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "));
    let mut body = vec![0; length.context("a length")?.trim().parse()?];
    reader.read_exact(&mut body)?;
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?;
    Ok((head, String::from_utf8(body)?))
}

/// A web server on port 80 that accepts one connection, and reads from it once it is released.
fn slow_server(
    lan: &Lan,
    released: mpsc::Receiver<()>,
) -> Result<mpsc::Receiver<Result<(String, String)>>> {
    let listener = lan
        .net
        .within(|| Ok(TcpListener::bind(format!("{SERVER}:80"))?))?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let heard = listener.accept().map_err(Into::into);
        // An error: the test is over.
        let _ = released.recv();
        let _ = sender.send(heard.and_then(|(stream, _)| posted(stream)));
    });
    Ok(receiver)
}

#[test]
fn a_slow_report_server_with_a_name_does_not_delay_the_boot() -> Result<()> {
    let lan = Lan::new("report-name")?;
    let root = TinyRoot::make()?;
    let _server = lan.serve_beside(root.path())?;
    let names = lan.net.spawn(&[
        "dnsmasq",
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--no-resolv",
        "--no-hosts",
        "--user=root",
        "--pid-file=/run/names.pid",
        "--log-facility=-",
        "--listen-address=10.77.0.1",
        "--bind-interfaces",
        "--address=/reports.lab/10.77.0.1",
    ])?;
    names.stderr().wait_for("started", "dnsmasq", TIMEOUT)?;
    let (release, released) = mpsc::channel();
    let reports = slow_server(&lan, released)?;
    let vm = lan.boot(&format!(
        "{} {STATIC}:{SERVER} ro facts.stay netroot.report=http://reports.lab/deep/down?x=1",
        own_export(root.path())?
    ))?;
    // The root's init runs before the server reads a byte.
    let facts = Facts::of(&vm)?;
    release.send(())?;
    let (head, body) = reports.recv_timeout(TIMEOUT)??;
    assert!(
        head.starts_with("POST /deep/down?x=1 HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(head.contains("\r\nHost: reports.lab:80\r\n"), "{head}");
    let sent: serde_json::Value = serde_json::from_str(&body)?;
    assert_eq!(sent["outcome"], "switch_root");
    let left: serde_json::Value = serde_json::from_str(&facts.all("report"))?;
    assert_eq!(sent, left, "what is sent is what is left for the root");
    Ok(())
}
