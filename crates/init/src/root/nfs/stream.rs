//! A TCP connection as nfs3_client wants it, without a runtime: every step has a deadline.
//!
//! It reads a whole record before it hands out a byte. nfs3_client would allocate whatever length a peer
//! announces, does not take records in several fragments, and spins when the peer closes.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::pin;
use std::sync::atomic::{AtomicU16, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use nfs3_client::RpcError;
use nfs3_client::io::{AsyncRead, AsyncWrite};
use nfs3_client::net::Connector;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

use crate::clock::{Moment, timespec};

/// How long a connection may take. A lost SYN is sent again after one second and after three.
const CONNECT: Duration = Duration::from_millis(3500);
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(3);
/// How long all answers on one connection may take: a server that answers every question just in time, and sends
/// one link after the other, must not hold up the boot.
const CONVERSATION: Duration = Duration::from_secs(20);
/// The longest record taken: a list of ten thousand exports fits.
const LONGEST_RECORD: usize = 1 << 20;
/// The kernel's own NFS client takes ports from 665 on, from the top down; these are for the questions before.
const PORTS: std::ops::RangeInclusive<u16> = 600..=664;

/// Opens connections from a port below 1024: most servers take no others. Each attempt takes the next port, and a
/// connection gives its port back when it ends ([`Stream::open`]), so that no number of retries uses them up.
#[derive(Debug)]
pub(super) struct Tcp;

impl Tcp {
    /// Connects from a reserved port.
    pub(super) fn connect_reserved(address: SocketAddrV4) -> io::Result<Stream> {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let span = PORTS.end() - PORTS.start() + 1;
        // A machine that starts anew does not come from the port that the server remembers it by.
        if NEXT.load(Ordering::Relaxed) == 0 {
            let mut chance = [1; 2];
            let _ = rustix::rand::getrandom(&mut chance, rustix::rand::GetRandomFlags::NONBLOCK);
            let start = u16::from_ne_bytes(chance) % span;
            let _ = NEXT.compare_exchange(0, start, Ordering::Relaxed, Ordering::Relaxed);
        }
        for _ in 0..span {
            let port = PORTS.start() + NEXT.fetch_add(1, Ordering::Relaxed) % span;
            match Stream::open(address, Some(port)) {
                // Bound by another connection, or still remembered for this very peer.
                Err(e)
                    if matches!(
                        e.kind(),
                        io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable
                    ) => {}
                // Without the right to such ports, the server decides whether another will do.
                Err(e) if e.kind() == io::ErrorKind::PermissionDenied => break,
                result => return result,
            }
        }
        Stream::open(address, None)
    }

    /// Connects from a port that the kernel chooses.
    pub(super) fn connect_from_any(address: SocketAddrV4) -> io::Result<Stream> {
        Stream::open(address, None)
    }
}

impl Connector for Tcp {
    type Connection = Stream;

    async fn connect(&self, address: SocketAddr) -> io::Result<Stream> {
        Stream::open(v4(address)?, None)
    }

    async fn connect_with_port(&self, address: SocketAddr, port: u16) -> io::Result<Stream> {
        Stream::open(v4(address)?, Some(port))
    }
}

fn v4(address: SocketAddr) -> io::Result<SocketAddrV4> {
    match address {
        SocketAddr::V4(address) => Ok(address),
        SocketAddr::V6(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Stream {
    fd: OwnedFd,
    /// When the conversation has to be over.
    end: Moment,
    /// What is left of the record that was read, its mark in front.
    record: Vec<u8>,
    taken: usize,
}

impl Stream {
    fn open(address: SocketAddrV4, from: Option<u16>) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        if let Some(port) = from {
            rustix::net::bind(&fd, &SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port))?;
        }
        let deadline = Moment::now().after(CONNECT);
        match rustix::net::connect(&fd, &address) {
            Ok(()) => {}
            Err(Errno::INPROGRESS) => {
                wait(&fd, PollFlags::OUT, deadline)?;
                sockopt::socket_error(&fd)??;
            }
            Err(e) => return Err(e.into()),
        }
        let _ = sockopt::set_tcp_nodelay(&fd, true);
        // Closed by a reset, the connection leaves no TIME_WAIT that would keep its port for a minute. Nothing is
        // lost: it is closed when the last answer has come, or when none is waited for any more.
        let _ = sockopt::set_socket_linger(&fd, Some(Duration::ZERO));
        Ok(Stream {
            fd,
            end: Moment::now().after(CONVERSATION),
            record: Vec::new(),
            taken: 0,
        })
    }

    /// Lets the conversation last so long from now on, and no longer.
    pub(super) fn end_within(&mut self, time: Duration) {
        self.end = Moment::now().after(time);
    }

    /// Reads one record (RFC 5531 §11), joining its fragments, and keeps it with a mark as if it were one.
    fn read_record(&mut self) -> io::Result<()> {
        let deadline = Moment::now().after(ANSWER).min(self.end);
        let mut record = vec![0; 4];
        loop {
            let mut mark = [0; 4];
            self.fill(&mut mark, deadline)?;
            let mark = u32::from_be_bytes(mark);
            let length = usize::try_from(mark & 0x7fff_ffff).unwrap_or(usize::MAX);
            let before = record.len();
            if length > LONGEST_RECORD || before + length > LONGEST_RECORD {
                let text = format!("a record of {length} bytes, more than any answer has");
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
            record.resize(before + length, 0);
            self.fill(record.get_mut(before..).unwrap_or_default(), deadline)?;
            if mark & 0x8000_0000 != 0 {
                break;
            }
        }
        let length = u32::try_from(record.len() - 4).unwrap_or(0) | 0x8000_0000;
        for (byte, value) in record.iter_mut().zip(length.to_be_bytes()) {
            *byte = value;
        }
        self.record = record;
        self.taken = 0;
        Ok(())
    }

    fn fill(&self, mut buffer: &mut [u8], deadline: Moment) -> io::Result<()> {
        while !buffer.is_empty() {
            match rustix::net::recv(&self.fd, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((0, _)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok((length, _)) => buffer = buffer.get_mut(length..).unwrap_or_default(),
                Err(Errno::AGAIN) => wait(&self.fd, PollFlags::IN, deadline)?,
                Err(Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }
}

impl AsyncRead for Stream {
    async fn async_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken >= self.record.len() {
            self.read_record()?;
        }
        let rest = self.record.get(self.taken..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(rest) {
            *to = *from;
        }
        self.taken += length;
        Ok(length)
    }
}

impl AsyncWrite for Stream {
    async fn async_write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let deadline = Moment::now().after(ANSWER).min(self.end);
        loop {
            match rustix::net::send(&self.fd, buffer, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(length) => return Ok(length),
                Err(Errno::AGAIN) => wait(&self.fd, PollFlags::OUT, deadline)?,
                Err(Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }
}

fn wait(fd: impl AsFd, what: PollFlags, deadline: Moment) -> io::Result<()> {
    loop {
        let left = deadline.remaining();
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let timeout = timespec(left);
        match poll(&mut [PollFd::new(&fd, what)], Some(&timeout)) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(e) => return Err(e.into()),
        }
    }
}

/// Runs one of nfs3_client's futures to its end. Over [`Stream`] they block instead of waiting, so one poll is
/// all; a future that waits for anything else would be a mistake, and is told as one.
pub(super) fn finish<T, E: From<RpcError>>(
    future: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(RpcError::Io(io::ErrorKind::WouldBlock.into()).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nfs3_client::PortmapperClient;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::thread;

    /// A server that reads one call and then does as told.
    fn server(answer: impl FnOnce(TcpStream, u32) + Send + 'static) -> SocketAddrV4 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let SocketAddr::V4(address) = listener.local_addr().unwrap() else {
            panic!("asked for IPv4")
        };
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut call = [0; 60];
            stream.read_exact(&mut call).unwrap();
            answer(stream, u32::from_be_bytes(call[4..8].try_into().unwrap()));
        });
        address
    }

    fn ask(address: SocketAddrV4) -> Result<u16, nfs3_client::PortmapError> {
        let stream = Stream::open(address, None).unwrap();
        finish(PortmapperClient::new(stream).getport(100_003, 3, 6))
    }

    fn reply(xid: u32, port: u32) -> Vec<u8> {
        [xid, 1, 0, 0, 0, 0, port]
            .iter()
            .flat_map(|n| n.to_be_bytes())
            .collect()
    }

    #[test]
    fn an_answer_in_three_fragments_is_one_answer() {
        let address = server(|mut stream, xid| {
            let reply = reply(xid, 2049);
            for (piece, last) in [
                (&reply[..8], 0u32),
                (&reply[8..24], 0),
                (&reply[24..], 1 << 31),
            ] {
                let mark = u32::try_from(piece.len()).unwrap() | last;
                stream.write_all(&mark.to_be_bytes()).unwrap();
                stream.write_all(piece).unwrap();
            }
        });
        assert_eq!(ask(address).unwrap(), 2049);
    }

    #[test]
    fn a_peer_that_closes_is_an_error_and_no_endless_loop() {
        let error = ask(server(|stream, _| drop(stream)))
            .unwrap_err()
            .to_string();
        assert!(error.contains("end of file"), "{error}");
    }

    #[test]
    fn a_record_of_two_gigabytes_is_refused_before_any_of_it_is_read() {
        let address = server(|mut stream, _| stream.write_all(&u32::MAX.to_be_bytes()).unwrap());
        let error = ask(address).unwrap_err().to_string();
        assert!(error.contains("more than any answer has"), "{error}");
    }

    #[test]
    fn endless_small_fragments_end_too() {
        let address = server(|mut stream, _| {
            let piece: Vec<u8> = 65536u32
                .to_be_bytes()
                .into_iter()
                .chain([0; 65536])
                .collect();
            while stream.write_all(&piece).is_ok() {}
        });
        assert!(
            ask(address)
                .unwrap_err()
                .to_string()
                .contains("more than any answer has")
        );
    }

    #[test]
    fn a_closed_connection_gives_its_port_back_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let SocketAddr::V4(address) = listener.local_addr().unwrap() else {
            panic!("asked for IPv4")
        };
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                stream.write_all(&byte).unwrap();
                // Until the other side closes, so that TIME_WAIT would be on that side.
                let _ = stream.read(&mut byte);
            }
        });
        // More often than there are reserved ports.
        for _ in 0..200 {
            let stream = Tcp::connect_reserved(address).unwrap();
            rustix::net::send(&stream.fd, b"x", SendFlags::empty()).unwrap();
            let deadline = Moment::now().after(ANSWER);
            stream.fill(&mut [0], deadline).unwrap();
        }
        // Fields 2 and 3 of a line are the two ends; state 06 is TIME_WAIT (`include/net/tcp_states.h`).
        let peer = format!("0100007F:{:04X}", address.port());
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let kept = table.lines().filter(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            fields.get(2) == Some(&peer.as_str()) && fields.get(3) == Some(&"06")
        });
        assert_eq!(kept.count(), 0);
    }

    #[test]
    fn a_peer_that_stalls_is_given_up_within_seconds() {
        let started = Moment::now();
        let address = server(|stream, _| {
            thread::sleep(Duration::from_secs(20));
            drop(stream);
        });
        assert!(ask(address).is_err());
        assert!(Moment::now().since(started) < Duration::from_secs(6));
    }
}
