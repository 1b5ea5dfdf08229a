//! Whether the files are there that firmware will load: asked by TFTP and HTTP, and given up after the first answer.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use netroot_proto::pxe::predict::Outcome;
use netroot_proto::tftp::packet::{ErrorCode, Mode, Packet, ReadRequest};
use serde::Serialize;

/// How long an answer is awaited, and how often TFTP asks.
const TIMEOUT: Duration = Duration::from_secs(2);
const ATTEMPTS: u32 = 2;
/// The longest head of an HTTP answer that is read.
const LONGEST_HEAD: usize = 8 << 10;

/// What a server says about a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub(super) enum FileState {
    /// It has it.
    There {
        /// Its length in bytes, if that was told.
        size: Option<u64>,
    },
    /// It refuses.
    Refused {
        /// Its words.
        said: String,
    },
    /// It does not answer.
    Silent,
}

/// Asks for the file of an outcome; `None` if there is none that could be asked for.
pub(super) fn look(outcome: &Outcome) -> Option<FileState> {
    let Outcome::Loads { from, file, .. } = outcome else {
        return None;
    };
    let state = match (from, file.split_once("://")) {
        (Some(server), None) => tftp((*server, netroot_proto::tftp::PORT).into(), file),
        (None, Some((scheme, rest))) if scheme.eq_ignore_ascii_case("http") => http(rest)?,
        (None, Some((scheme, rest))) if scheme.eq_ignore_ascii_case("tftp") => {
            let (host, name) = rest.split_once('/')?;
            tftp(endpoint(host, netroot_proto::tftp::PORT)?, name)
        }
        _ => return None,
    };
    Some(state.unwrap_or(FileState::Silent))
}

/// `HOST` or `HOST:PORT`, with an address as the host: nothing is resolved here.
fn endpoint(text: &str, port: u16) -> Option<SocketAddr> {
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (text, port),
    };
    Some((host.parse::<Ipv4Addr>().ok()?, port).into())
}

/// A read request with `tsize`, whose transfer is ended at the first answer.
fn tftp(server: SocketAddr, file: &str) -> io::Result<FileState> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    let request = Packet::Read(ReadRequest {
        name: file.as_bytes().to_vec(),
        mode: Mode::Octet,
        options: vec![("tsize".to_owned(), "0".to_owned())],
    });
    let mut buffer = [0; 2048];
    for _ in 0..ATTEMPTS {
        socket.send_to(&request.encode(), server)?;
        let end = Instant::now() + TIMEOUT;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            socket.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
            let Ok((length, from)) = socket.recv_from(&mut buffer) else {
                continue;
            };
            if from.ip() != server.ip() {
                continue;
            }
            let state = match Packet::decode(buffer.get(..length).unwrap_or_default()) {
                Ok(Packet::Error { message, .. }) => FileState::Refused {
                    said: String::from_utf8_lossy(message).into_owned(),
                },
                Ok(Packet::OptionAck(options)) => FileState::There {
                    size: options
                        .iter()
                        .find(|(name, _)| name.eq_ignore_ascii_case("tsize"))
                        .and_then(|(_, size)| size.parse().ok()),
                },
                Ok(Packet::Data { .. }) => FileState::There { size: None },
                _ => continue,
            };
            let enough = Packet::error(ErrorCode::OptionsRefused, "only looking");
            let _ = socket.send_to(&enough.encode(), from);
            return Ok(state);
        }
    }
    Ok(FileState::Silent)
}

/// HEAD; `None` for a URL whose host is a name.
fn http(rest: &str) -> Option<io::Result<FileState>> {
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let server = endpoint(host, 80)?;
    Some(head(server, host, path))
}

fn head(server: SocketAddr, host: &str, path: &str) -> io::Result<FileState> {
    let mut stream = TcpStream::connect_timeout(&server, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let plain = |text: &str| text.chars().all(|c| c.is_ascii_graphic());
    if !plain(path) || !plain(host) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    write!(
        stream,
        "HEAD /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )?;
    let mut read = Vec::new();
    let limit = u64::try_from(LONGEST_HEAD).unwrap_or(u64::MAX);
    // Whatever has come until then.
    let _ = stream.take(limit).read_to_end(&mut read);
    status(&String::from_utf8_lossy(&read)).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn status(answer: &str) -> Option<FileState> {
    let (line, head) = answer.split_once("\r\n")?;
    let code: u16 = line.split(' ').nth(1)?.parse().ok()?;
    if !(200..400).contains(&code) {
        let said = line.split_once(' ').map_or(line, |(_, said)| said);
        return Some(FileState::Refused {
            said: said.to_owned(),
        });
    }
    let size = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse().ok()).flatten()
    });
    Some(FileState::There { size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_http_answer_tells_whether_the_file_is_there_and_how_long_it_is() {
        let there = "HTTP/1.1 200 OK\r\nContent-Type: x\r\ncontent-length: 1123\r\n\r\n";
        assert_eq!(status(there), Some(FileState::There { size: Some(1123) }));
        let said = "404 Not Found".to_owned();
        assert_eq!(
            status("HTTP/1.1 404 Not Found\r\n\r\n"),
            Some(FileState::Refused { said })
        );
        assert_eq!(status("SSH-2.0-x\r\n"), None);
    }

    #[test]
    fn a_tftp_server_is_asked_for_the_size_and_told_that_it_is_enough() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let answering = std::thread::spawn(move || {
            let mut buffer = [0; 600];
            let (length, from) = server.recv_from(&mut buffer).unwrap();
            let Ok(Packet::Read(request)) = Packet::decode(&buffer[..length]) else {
                panic!("a read request")
            };
            assert_eq!(request.name, b"snponly.efi");
            let options = vec![("tsize".to_owned(), "174080".to_owned())];
            server
                .send_to(&Packet::OptionAck(options).encode(), from)
                .unwrap();
            let (length, _) = server.recv_from(&mut buffer).unwrap();
            assert!(matches!(
                Packet::decode(&buffer[..length]),
                Ok(Packet::Error { .. })
            ));
        });
        let state = tftp(address, "snponly.efi").unwrap();
        assert_eq!(
            state,
            FileState::There {
                size: Some(174_080)
            }
        );
        answering.join().unwrap();
    }
}
