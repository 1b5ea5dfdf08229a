//! Uploading by HTTP: a single POST with a deadline.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use netroot_net::Host;
use netroot_printable::Printable;
use netroot_proto::cmdline::ReportUrl;

use crate::channel::channel;
use crate::clock::Moment;
use crate::net::http::{exchange, is_success};
use crate::net::resolve::Resolver;
use crate::threads;

/// How much of a response's status line is read: `HTTP/1.1 204` of `HTTP/1.1 204 No Content`.
const STATUS_LINE: usize = 12;

/// The stack of the thread that uploads, in bytes.
const STACK: usize = 128 << 10;

/// Why the upload failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostError {
    /// DNS has no address for the server.
    #[error("its server's name cannot be resolved")]
    Unresolved,
    /// The server did not answer in time.
    #[error("its server did not take it within {} ms", .0.as_millis())]
    Late(Duration),
    /// The connection failed.
    #[error("{0}")]
    Connection(#[from] io::Error),
    /// The server refused it.
    #[error("its server answered {0}")]
    Refused(String),
}

impl PostError {
    /// Whether retrying is pointless: any 4xx status except 429 (too many requests).
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::Refused(status) if status.get(9..).is_some_and(|code| {
            code.starts_with('4') && code != "429"
        }))
    }
}

/// Sends `body` to `url`; returns after `timeout` at the latest.
pub(super) fn post(
    url: &ReportUrl,
    resolver: &Resolver,
    body: &str,
    timeout: Duration,
) -> Result<(), PostError> {
    let deadline = Moment::now().after(timeout);
    let (done, outcome) = channel();
    let (url, resolver, body) = (url.clone(), resolver.clone(), body.to_owned());
    // DNS has longer timeouts of its own. An abandoned thread ends with the process.
    let work = move || done.send(resolve_and_post(&url, &resolver, &body, deadline));
    threads::start(STACK, work)?;
    outcome
        .recv_timeout(timeout)
        .unwrap_or(Err(PostError::Late(timeout)))
}

fn resolve_and_post(
    url: &ReportUrl,
    resolver: &Resolver,
    body: &str,
    deadline: Moment,
) -> Result<(), PostError> {
    let address = match &url.server.host {
        Host::Address(address) => Some(*address),
        Host::Name(name) => resolver.resolve(name).first().copied(),
    };
    post_to(url, address.ok_or(PostError::Unresolved)?, body, deadline)
}

fn post_to(
    url: &ReportUrl,
    address: IpAddr,
    body: &str,
    deadline: Moment,
) -> Result<(), PostError> {
    let server = SocketAddr::new(address, url.server.port);
    let ReportUrl {
        server: named,
        path,
    } = url;
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {named}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    let status = exchange(server, &request, STATUS_LINE, deadline)?;
    if is_success(&status) {
        Ok(())
    } else {
        let said = String::from_utf8_lossy(&status);
        Err(PostError::Refused(Printable(said.trim()).to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use netroot_proto::cmdline::BootPlan;

    use super::*;

    fn to(port: u16) -> ReportUrl {
        let line = format!("netroot.report=http://127.0.0.1:{port}/report/x");
        BootPlan::parse(&line).report.unwrap().value
    }

    /// A server for one connection: returns what it received.
    fn server(answer: &'static str) -> (u16, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let work = move || {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = io::BufReader::new(stream);
            let (mut said, mut length) = (String::new(), 0);
            while !said.ends_with("\r\n\r\n") {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if let Some(number) = line.strip_prefix("Content-Length: ") {
                    length = number.trim().parse().unwrap();
                }
                said += &line;
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            said += &String::from_utf8(body).unwrap();
            reader.get_mut().write_all(answer.as_bytes()).unwrap();
            said
        };
        (port, thread::spawn(work))
    }

    fn send(port: u16, body: &str, timeout: Duration) -> Result<(), PostError> {
        post(&to(port), &Resolver::read("", ""), body, timeout)
    }

    #[test]
    fn a_report_arrives_complete_at_the_path_of_the_url() {
        let (port, server) = server("HTTP/1.1 204 No Content\r\n\r\n");
        let timeout = Duration::from_secs(10);
        send(port, "{\"a\":1}", timeout).unwrap();
        let said = server.join().unwrap();
        assert!(said.starts_with("POST /report/x HTTP/1.1\r\n"), "{said}");
        assert!(
            said.contains(&format!("\r\nHost: 127.0.0.1:{port}\r\n")),
            "{said}"
        );
        assert!(said.ends_with("\r\n\r\n{\"a\":1}"), "{said}");
    }

    #[test]
    fn a_refusal_is_reported_with_its_status() {
        let (port, server) = server("HTTP/1.1 403 Forbidden\r\n\r\n");
        let refused = send(port, "", Duration::from_secs(10));
        assert_eq!(
            refused.unwrap_err().to_string(),
            "its server answered HTTP/1.1 403"
        );
        server.join().unwrap();
    }

    #[test]
    fn a_refusal_cannot_write_on_the_console() {
        let (port, server) = server("\x1b[2J\n<0>all is well");
        let refused = send(port, "", Duration::from_secs(10));
        let said = refused.unwrap_err().to_string();
        assert_eq!(said, "its server answered \\u{1b}[2J\\n<0>all");
        server.join().unwrap();
    }

    #[test]
    fn a_refusal_is_final_unless_it_asks_to_retry_later() {
        let refused = |status: &str| PostError::Refused(status.to_owned());
        assert!(refused("HTTP/1.1 403").is_final());
        assert!(refused("HTTP/1.0 404").is_final());
        assert!(!refused("HTTP/1.1 429").is_final());
        assert!(!refused("HTTP/1.1 503").is_final());
        assert!(!refused("SSH-2.0").is_final());
    }

    #[test]
    fn a_server_that_takes_a_little_at_a_time_is_left_at_the_deadline() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // The end comes when the client gives up: before, it went on for as long as the server took something.
            while stream.read(&mut [0; 512]).is_ok_and(|count| count > 0) {
                thread::sleep(Duration::from_millis(1));
            }
        });
        let deadline = Moment::now().after(Duration::from_millis(200));
        let body = "x".repeat(32 << 20);
        let sent = post_to(&to(port), [127, 0, 0, 1].into(), &body, deadline);
        assert!(sent.is_err());
        server.join().unwrap();
    }

    #[test]
    fn a_silent_server_is_given_up() {
        // The backlog accepts the connection; nothing ever answers.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let timeout = Duration::from_millis(200);
        assert!(send(port, &"x".repeat(1 << 20), timeout).is_err());
    }
}
