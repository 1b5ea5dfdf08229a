//! The server over loopback, with requests written out in full.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Mutex;

use hyper::body::Bytes;

use super::*;
use crate::serve::api::{Api, Sources};
use crate::serve::artifacts::{Content, FileKind, FileReads, store};
use crate::serve::events::{Format, ReadyListener, Timeline};
use crate::serve::history::History;
use crate::serve::listen::interface::tests::interface;
use crate::serve::look_requests::Looks;
use crate::serve::machines::Machines;
use crate::serve::readahead::Readahead;
use crate::serve::report_tokens::ReportTokens;
use crate::serve::reports::Reports;
use crate::serve::status::Status;

fn site(content: &[u8]) -> (SocketAddr, Arc<Counters>) {
    site_of(content, None)
}

/// With the file `/big`.
fn site_with(big: Content) -> (SocketAddr, Arc<Counters>) {
    site_of(b"", Some(big))
}

fn site_of(content: &[u8], big: Option<Content>) -> (SocketAddr, Arc<Counters>) {
    let artifacts = store();
    if let Some(big) = big {
        artifacts.put("big", big, FileKind::Other);
    }
    let bytes = Bytes::copy_from_slice(content);
    artifacts.put("snponly.efi", Content::Memory(bytes), FileKind::Loader);
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![5; 300_000]).unwrap();
    artifacts.put(
        "vmlinuz",
        Content::from_regular(file).unwrap(),
        FileKind::Kernel,
    );
    let counters = Arc::new(Counters::default());
    let history = Arc::new(History::new());
    let artifacts = Arc::new(artifacts);
    let status = Status::new(vec![ReadyListener {
        interface: "eth0".to_owned(),
        address: Ipv4Addr::LOCALHOST.into(),
        prefix: 8,
        others: Vec::new(),
        ranges: Vec::new(),
        isolated: None,
        http_port: 8069,
    }]);
    let timeline = Timeline::new(
        Format::Text,
        Arc::clone(&counters),
        Arc::new(Machines::new()),
    );
    let sources = Sources {
        artifacts: Arc::clone(&artifacts),
        timeline: timeline.clone(),
        status: status.clone(),
        history: Arc::clone(&history),
        counters: Arc::clone(&counters),
        nfs: None,
        terms: None,
        looks: Looks::new().0,
        swaps: "/var/lib/netroot-swaps/swaps.json".into(),
    };
    let site = Site {
        reads: FileReads::new(),
        artifacts,
        api: Api::new(sources, &[]),
        hook: None,
        status,
        timeline,
        counters: Arc::clone(&counters),
        nfs: None,
        history: Arc::clone(&history),
        dhcp: Mutex::default(),
        readahead: Arc::new(Readahead::load(std::path::Path::new("/nonexistent"))),
        reports: Reports::new(
            Arc::new(ReportTokens::new([0; 16])),
            history,
            Arc::default(),
        ),
        pages: Pages::default(),
        limits: limits(),
        unsent: Unsent::default(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime
            .block_on(run(
                listener,
                Arc::new(LiveInterface::new(interface())),
                Arc::new(site),
            ))
            .unwrap();
    });
    (address, counters)
}

/// Sends `text` and reads until the server closes.
fn exchange(address: SocketAddr, text: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    (
        String::from_utf8(answer[..end].to_vec()).unwrap(),
        answer[end + 4..].to_vec(),
    )
}

fn ask(address: SocketAddr, method: &str, path: &str, more: &str) -> (String, Vec<u8>) {
    let text = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}\r\n");
    let (head, body) = exchange(address, &text);
    (head.to_lowercase(), body)
}

#[test]
fn get_and_head_have_the_length_and_the_type_that_firmware_needs() {
    let (address, counters) = site(b"MZ loader");
    let (head, body) = ask(address, "HEAD", "/snponly.efi", "");
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    assert!(head.contains("content-length: 9") && head.contains("content-type: application/efi"));
    assert!(body.is_empty());
    let (head, body) = ask(address, "GET", "/snponly.efi", "");
    assert!(head.contains("content-length: 9"), "{head}");
    assert_eq!(body, b"MZ loader");
    let (head, body) = ask(address, "GET", "/vmlinuz", "");
    assert!(head.contains("content-length: 300000"), "{head}");
    assert_eq!(body, vec![5; 300_000]);
    assert_eq!(counters.snapshot().http_answered, 3);
}

/// As GRUB spells it, which knows no other.
#[test]
fn the_length_is_spelled_as_every_loader_reads_it() {
    let (address, _) = site(b"MZ loader");
    let request = "HEAD /snponly.efi HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let (head, _) = exchange(address, request);
    assert!(head.contains("\r\nContent-Length: 9\r\n"), "{head}");
}

#[test]
fn a_range_within_the_file_is_served_and_one_after_its_end_is_refused() {
    let (address, _) = site(b"0123456789");
    let (head, body) = ask(address, "GET", "/snponly.efi", "Range: bytes=2-4\r\n");
    assert!(
        head.starts_with("http/1.1 206 ") && head.contains("content-range: bytes 2-4/10"),
        "{head}"
    );
    assert_eq!(body, b"234");
    let (head, _) = ask(address, "GET", "/snponly.efi", "Range: bytes=10-\r\n");
    assert!(
        head.starts_with("http/1.1 416 ") && head.contains("content-range: bytes */10"),
        "{head}"
    );
}

#[test]
fn no_spelling_of_a_path_reaches_a_file_that_is_not_served() {
    let (address, counters) = site(b"");
    for path in [
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%5c..%5cetc/passwd",
        "/%zz",
    ] {
        let (head, body) = ask(address, "GET", path, "");
        assert!(head.starts_with("http/1.1 400 "), "{path}: {head}");
        assert!(!String::from_utf8_lossy(&body).contains("root:"));
    }
    for path in ["/etc/passwd", "//etc/passwd", "/boot", "/boot/", "/absent"] {
        let (head, _) = ask(address, "GET", path, "");
        assert!(head.starts_with("http/1.1 404 "), "{path}: {head}");
    }
    assert_eq!(counters.snapshot().http_refused, 4);
    assert_eq!(counters.snapshot().http_unknown_names, 5);
}

#[test]
fn nothing_can_be_written() {
    let (address, counters) = site(b"");
    for method in ["PUT", "POST", "DELETE", "PROPFIND"] {
        let (head, _) = ask(address, method, "/snponly.efi", "Content-Length: 0\r\n");
        assert!(
            head.starts_with("http/1.1 405 ") && head.contains("allow: get, head"),
            "{head}"
        );
    }
    assert_eq!(counters.snapshot().http_refused, 4);
}

#[test]
fn a_machines_script_has_the_address_that_the_machine_reached() {
    let (address, _) = site(b"");
    let (head, body) = ask(address, "GET", "/boot/52-54-00-12-34-56.ipxe", "");
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    let script = String::from_utf8(body).unwrap();
    assert!(script.contains("nfsroot=127.0.0.1:/debian,"), "{script}");
}

#[test]
fn the_status_is_served_as_text_and_as_json() {
    let (address, _) = site(b"");
    let (_, page) = ask(address, "GET", "/", "");
    let page = String::from_utf8(page).unwrap();
    assert!(
        page.contains("serves debian with Linux 6.1.0") && page.contains("  vmlinuz\n"),
        "{page}"
    );
    let (head, json) = ask(address, "GET", "/status", "");
    assert!(head.contains("content-type: application/json"), "{head}");
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["image"], "debian");
    assert_eq!(json["counters"]["http_refused"], 0);
}

#[test]
fn a_malformed_request_ends_only_its_own_connection() {
    let (address, counters) = site(b"still here");
    for noise in [
        &b"\x16\x03\x01\x00\xa5\x01\x00"[..],
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        &[b'a'; 20_000],
    ] {
        let mut stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        // The server may close the connection while we still write.
        let _ = stream.write_all(noise);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    }
    assert_eq!(ask(address, "GET", "/snponly.efi", "").1, b"still here");
    assert!(counters.snapshot().http_broken_connections >= 3);
}

#[test]
fn a_client_has_sixteen_connections() {
    let (address, counters) = site(b"x");
    let held: Vec<TcpStream> = (0..CONNECTIONS_EACH)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    // None of them has been idle for long enough to make room.
    let mut one_more = TcpStream::connect(address).unwrap();
    one_more
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    assert_eq!(one_more.read(&mut [0; 1]).unwrap(), 0);
    assert_eq!(counters.snapshot().http_over_limit, 1);
    drop(held);
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        // The slots are free as soon as the server has seen that the connections are closed.
        let mut stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let _ = stream.write_all(b"GET /snponly.efi HTTP/1.1\r\nConnection: close\r\n\r\n");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        if answer.starts_with(b"HTTP/1.1 200") {
            return;
        }
        assert!(Instant::now() < end, "no slot became free");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn requests_that_follow_one_another_without_waiting_are_all_answered() {
    let (address, _) = site(b"x");
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let mut writer = stream.try_clone().unwrap();
    let asked = std::thread::spawn(move || {
        let one = "GET /boot/52-54-00-12-34-56.ipxe HTTP/1.1\r\nHost: x\r\n\r\n";
        writer.write_all(one.repeat(499).as_bytes()).unwrap();
        let last = "GET /snponly.efi HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        writer.write_all(last.as_bytes()).unwrap();
    });
    let mut answers = Vec::new();
    stream.read_to_end(&mut answers).unwrap();
    asked.join().unwrap();
    let answers = String::from_utf8(answers).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 OK\r\n").count(), 500);
}

#[test]
fn no_browser_takes_what_machines_say_for_a_page() {
    let (address, _) = site(b"x");
    for path in ["/", "/status", "/absent", "/../x"] {
        let (head, _) = ask(address, "GET", path, "");
        assert!(head.contains("x-content-type-options: nosniff"), "{head}");
        assert!(!head.contains("text/html"), "{head}");
    }
}

#[test]
fn a_file_arrives_as_it_is_however_it_is_asked_for() {
    let content: Vec<u8> = (0..375_000_u32).flat_map(u32::to_be_bytes).collect();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&content).unwrap();
    let (address, _) = site_with(Content::from_regular(file).unwrap());
    let (_, whole) = ask(address, "GET", "/big", "");
    assert!(whole == content);
    for (first, last) in [
        (0, 0),
        (1, 262_144),
        (262_143, 900_000),
        (1_499_999, 1_499_999),
    ] {
        let range = format!("Range: bytes={first}-{last}\r\n");
        let (_, part) = ask(address, "GET", "/big", &range);
        assert!(part == content[first..=last], "{first}-{last}");
    }
    // Several on one connection, of which the client asks before it has read.
    let request = |more: &str| format!("GET /big HTTP/1.1\r\nHost: x\r\n{more}\r\n");
    let both = request("Range: bytes=5-700000\r\n") + &request("Connection: close\r\n");
    let (_, answers) = exchange(address, &both);
    assert!(answers.starts_with(&content[5..=700_000]));
    assert!(answers.ends_with(&content));
}

#[test]
fn a_file_that_becomes_shorter_ends_the_connection_and_nothing_else_is_sent() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![7; 8 << 20]).unwrap();
    let shorter = file.try_clone().unwrap();
    let (address, _) = site_with(Content::from_regular(file).unwrap());
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .write_all(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let mut first = [0; 1000];
    stream.read_exact(&mut first).unwrap();
    shorter.set_len(1 << 20).unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(rest.len() < 8 << 20);
    // What is on its way by then is in the file's own pages, of which the kernel clears the part that was cut off
    // (`truncate_inode_partial_folio`, mm/truncate.c).
    let (kept, cut) = rest.split_at(rest.len().min((1 << 20) - first.len()));
    assert!(kept.iter().all(|byte| *byte == 7));
    assert!(cut.iter().all(|byte| matches!(byte, 7 | 0)));
}

#[test]
fn a_long_file_arrives_as_it_is_and_so_does_what_follows_on_its_connection() {
    let content: Vec<u8> = (0..6_u32 << 20).flat_map(u32::to_be_bytes).collect();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&content).unwrap();
    let (address, _) = site_with(Content::from_regular(file).unwrap());
    let request = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n{more}\r\n");
    let both = request("/big", "") + &request("/vmlinuz", "Connection: close\r\n");
    let (_, answers) = exchange(address, &both);
    assert!(answers.starts_with(&content));
    assert!(answers.ends_with(&vec![5; 300_000]));
}
