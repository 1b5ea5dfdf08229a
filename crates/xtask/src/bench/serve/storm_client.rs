//! Machines that load two files each at the same moment, in one process: 200 of another program take longer to start than
//! the files take.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Barrier;
use std::thread::{Builder, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, setsockopt, socket, sockopt,
};

/// How much a machine reads at a time, in bytes, and the stack that its thread needs.
const BUFFER: usize = 64 << 10;
const STACK: usize = 4 * BUFFER;
/// How long a machine waits for the next bytes, and for its connection.
const PATIENCE: Duration = Duration::from_secs(120);

/// A file and its length in bytes.
pub(super) type Wanted = (&'static str, u64);

/// Loads `files` over one connection from each of `machines` addresses behind `first`, all from the same moment on, and
/// returns how long after that each had them: machines of the same processor begin one after the other.
///
/// # Errors
/// When one of them does not get all of a file.
pub(super) fn load(
    server: SocketAddrV4,
    first: Ipv4Addr,
    machines: u32,
    files: &[Wanted],
) -> Result<Vec<Duration>> {
    let ready = Barrier::new(usize::try_from(machines)? + 1);
    std::thread::scope(|scope| {
        let machine = |number| {
            let from = Ipv4Addr::from_bits(first.to_bits() + number);
            let (ready, server) = (&ready, server);
            let work = move || {
                ready.wait();
                fetch(server, from, files).with_context(|| from.to_string())?;
                Ok(Instant::now())
            };
            Ok(Builder::new().stack_size(STACK).spawn_scoped(scope, work)?)
        };
        let threads: Vec<ScopedJoinHandle<'_, Result<Instant>>> =
            (0..machines).map(machine).collect::<Result<_>>()?;
        let began = Instant::now();
        ready.wait();
        let ends = threads.into_iter().map(|thread| match thread.join() {
            Ok(ended) => Ok(ended?.duration_since(began)),
            Err(panic) => std::panic::resume_unwind(panic),
        });
        ends.collect()
    })
}

fn fetch(server: SocketAddrV4, from: Ipv4Addr, files: &[Wanted]) -> Result<()> {
    let own = socket(
        AddressFamily::Inet,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    // The port is chosen when the other end is known: it is free for this server then.
    setsockopt(&own, sockopt::IpBindAddressNoPort, &true)?;
    bind(
        own.as_raw_fd(),
        &SockaddrIn::from(SocketAddrV4::new(from, 0)),
    )?;
    connect(own.as_raw_fd(), &SockaddrIn::from(server)).context("connect")?;
    let mut stream = TcpStream::from(own);
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut buffer = vec![0; BUFFER];
    for (name, length) in files {
        let request = format!("GET /{name} HTTP/1.1\r\nHost: {server}\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut left = *length;
        let mut head = Vec::new();
        while left > 0 {
            let read = stream.read(&mut buffer).context(*name)?;
            let mut bytes = buffer.get(..read).unwrap_or_default();
            ensure!(!bytes.is_empty(), "{name} ends {left} bytes early");
            if !head.ends_with(b"\r\n\r\n") {
                let (of_head, rest) = until_blank_line(&head, bytes);
                head.extend_from_slice(of_head);
                bytes = rest;
                ensure!(
                    head.starts_with(b"HTTP/1.1 200 ") || head.len() < 13,
                    "{name}: {}",
                    String::from_utf8_lossy(&head)
                );
            }
            let Some(rest) = left.checked_sub(u64::try_from(bytes.len())?) else {
                bail!("{name} is longer than {length} bytes");
            };
            left = rest;
        }
    }
    Ok(())
}

/// What of `bytes` belongs to the header of which `head` is the beginning, and what to the file.
fn until_blank_line<'a>(head: &[u8], bytes: &'a [u8]) -> (&'a [u8], &'a [u8]) {
    let mut last = [0; 4];
    for byte in head.iter().rev().take(3).rev() {
        last = [last[1], last[2], last[3], *byte];
    }
    let end = bytes.iter().position(|byte| {
        last = [last[1], last[2], last[3], *byte];
        last == *b"\r\n\r\n"
    });
    bytes.split_at(end.map_or(bytes.len(), |end| end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_ends_at_its_blank_line_wherever_it_is_cut() {
        let answer = b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nfile\r\n\r\n";
        let length = answer.len() - 8;
        for cut in 1..length {
            let (first, second) = answer.split_at(cut);
            assert_eq!(until_blank_line(b"", first), (first, &b""[..]));
            let (head, file) = until_blank_line(first, second);
            assert_eq!((head.len(), file), (length - cut, &b"file\r\n\r\n"[..]));
        }
    }
}
