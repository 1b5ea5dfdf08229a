//! A TCP connection as nfs3_client wants it, without a runtime: every step has a deadline.
//!
//! It reads a whole record before it returns any of it. nfs3_client would allocate whatever length a peer
//! announces, does not accept records of several fragments, and spins when the peer closes.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::pin;
use std::sync::atomic::{AtomicU16, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use netroot_net::unspecified;
use nfs3_client::RpcError;
use nfs3_client::io::{AsyncRead, AsyncWrite};
use nfs3_client::net::Connector;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

use crate::clock::{Moment, timespec};

/// Timeout of a connection attempt. A lost SYN is retransmitted after one second and after three.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(3500);
/// Timeout of one reply.
pub(super) const REPLY_TIMEOUT: Duration = Duration::from_secs(3);
/// Timeout of a whole connection: a server that answers every request just in time, with one link after the other,
/// must not hold up the boot.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(20);
/// The longest record accepted, in bytes: a list of ten thousand exports fits.
const MAX_RECORD: usize = 1 << 20;
/// The most fragments of a record: servers send one, or one for each page of 4 KiB. An empty one adds nothing to the
/// length, so that the length alone would not end the record.
const MAX_FRAGMENTS: usize = 1024;
/// Source ports for our own requests: the kernel's NFS client uses those from 665 on, from the top down.
const PORTS: std::ops::RangeInclusive<u16> = 600..=664;

/// Opens connections from a port below 1024: most servers accept no others. Each attempt takes the next port, and a
/// connection releases its port when it is closed ([`Stream::open`]), so that retries do not use them up.
#[derive(Debug)]
pub(super) struct Tcp;

impl Tcp {
    /// Connects from a reserved port.
    pub(super) fn connect_reserved(address: SocketAddr) -> io::Result<Stream> {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let span = PORTS.end() - PORTS.start() + 1;
        // After a reboot, do not reuse the port that the server still remembers.
        if NEXT.load(Ordering::Relaxed) == 0 {
            let mut random = [1; 2];
            let _ = rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::NONBLOCK);
            let start = u16::from_ne_bytes(random) % span;
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
                // Without the privilege for such ports, the server decides whether it accepts another one.
                Err(e) if e.kind() == io::ErrorKind::PermissionDenied => break,
                result => return result,
            }
        }
        Stream::open(address, None)
    }

    /// Connects from a port that the kernel chooses.
    pub(super) fn connect_from_any(address: SocketAddr) -> io::Result<Stream> {
        Stream::open(address, None)
    }
}

impl Connector for Tcp {
    type Connection = Stream;

    async fn connect(&self, address: SocketAddr) -> io::Result<Stream> {
        Stream::open(address, None)
    }

    async fn connect_with_port(&self, address: SocketAddr, port: u16) -> io::Result<Stream> {
        Stream::open(address, Some(port))
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Stream {
    fd: OwnedFd,
    /// When the connection has to be finished.
    deadline: Moment,
    /// The record that was read, with its mark in front.
    record: Vec<u8>,
    consumed: usize,
}

impl Stream {
    fn open(address: SocketAddr, from: Option<u16>) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let family = match address {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let fd = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
        if let Some(port) = from {
            rustix::net::bind(&fd, &SocketAddr::new(unspecified(address.ip()), port))?;
        }
        let deadline = Moment::now().after(CONNECT_TIMEOUT);
        match rustix::net::connect(&fd, &address) {
            Ok(()) => {}
            Err(Errno::INPROGRESS) => {
                wait(&fd, PollFlags::OUT, deadline)?;
                sockopt::socket_error(&fd)??;
            }
            Err(e) => return Err(e.into()),
        }
        let _ = sockopt::set_tcp_nodelay(&fd, true);
        // Closed with a reset, the connection leaves no TIME_WAIT state that would occupy its port for a minute. No
        // data is lost: it is closed after the last reply, or once none is expected any more.
        let _ = sockopt::set_socket_linger(&fd, Some(Duration::ZERO));
        Ok(Stream {
            fd,
            deadline: Moment::now().after(CONNECTION_TIMEOUT),
            record: Vec::new(),
            consumed: 0,
        })
    }

    /// Sets the time that the connection has left.
    pub(super) fn set_timeout(&mut self, time: Duration) {
        self.deadline = Moment::now().after(time);
    }

    /// Reads one record (RFC 5531 §11), joins its fragments, and stores it as a single one.
    fn read_record(&mut self) -> io::Result<()> {
        let deadline = Moment::now().after(REPLY_TIMEOUT).min(self.deadline);
        let mut record = vec![0; 4];
        for _ in 0..MAX_FRAGMENTS {
            let mut mark = [0; 4];
            self.fill(&mut mark, deadline)?;
            let mark = u32::from_be_bytes(mark);
            let length = usize::try_from(mark & 0x7fff_ffff).unwrap_or(usize::MAX);
            let before = record.len();
            if length > MAX_RECORD || before + length > MAX_RECORD {
                let text = format!("a record of {length} bytes, longer than any reply");
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
            record.resize(before + length, 0);
            self.fill(record.get_mut(before..).unwrap_or_default(), deadline)?;
            if mark & 0x8000_0000 != 0 {
                self.store(record);
                return Ok(());
            }
        }
        let text = format!("a record of more than {MAX_FRAGMENTS} fragments");
        Err(io::Error::new(io::ErrorKind::InvalidData, text))
    }

    /// Stores a record, with the mark of a single fragment in its first four bytes.
    fn store(&mut self, mut record: Vec<u8>) {
        let length = u32::try_from(record.len() - 4).unwrap_or(0) | 0x8000_0000;
        for (byte, value) in record.iter_mut().zip(length.to_be_bytes()) {
            *byte = value;
        }
        self.record = record;
        self.consumed = 0;
    }

    fn fill(&self, mut buffer: &mut [u8], deadline: Moment) -> io::Result<()> {
        while !buffer.is_empty() {
            // Also of a peer that never stops sending, where `wait` is never reached.
            if deadline.remaining().is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
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
        if self.consumed >= self.record.len() {
            self.read_record()?;
        }
        let rest = self.record.get(self.consumed..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(rest) {
            *to = *from;
        }
        self.consumed += length;
        Ok(length)
    }
}

impl AsyncWrite for Stream {
    async fn async_write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let deadline = Moment::now().after(REPLY_TIMEOUT).min(self.deadline);
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

/// Runs one of nfs3_client's futures to completion. Over [`Stream`] they block, so a single poll is enough; a future
/// that is pending on anything else would be a bug, and is reported as an error.
pub(super) fn block_on<T, E: From<RpcError>>(
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

    /// A server that reads one call and then runs `answer`.
    fn server(answer: impl FnOnce(TcpStream, u32) + Send + 'static) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut call = [0; 60];
            stream.read_exact(&mut call).unwrap();
            answer(stream, u32::from_be_bytes(call[4..8].try_into().unwrap()));
        });
        address
    }

    fn ask(address: SocketAddr) -> Result<u16, nfs3_client::PortmapError> {
        let stream = Stream::open(address, None).unwrap();
        block_on(PortmapperClient::new(stream).getport(100_003, 3, 6))
    }

    fn reply(xid: u32, port: u32) -> Vec<u8> {
        [xid, 1, 0, 0, 0, 0, port]
            .iter()
            .flat_map(|n| n.to_be_bytes())
            .collect()
    }

    #[test]
    fn a_reply_in_three_fragments_is_joined() {
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
    fn a_closed_connection_is_an_error_and_not_an_endless_loop() {
        let error = ask(server(|stream, _| drop(stream)))
            .unwrap_err()
            .to_string();
        assert!(error.contains("end of file"), "{error}");
    }

    #[test]
    fn a_record_of_two_gigabytes_is_refused_before_any_of_it_is_read() {
        let address = server(|mut stream, _| stream.write_all(&u32::MAX.to_be_bytes()).unwrap());
        let error = ask(address).unwrap_err().to_string();
        assert!(error.contains("longer than any reply"), "{error}");
    }

    #[test]
    fn endless_small_fragments_are_refused() {
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
                .contains("longer than any reply")
        );
    }

    /// Sends the same bytes until the client closes the connection.
    fn without_end(bytes: Vec<u8>) -> SocketAddr {
        server(move |mut stream, _| while stream.write_all(&bytes).is_ok() {})
    }

    #[test]
    fn empty_fragments_without_end_are_refused() {
        let error = ask(without_end(vec![0; 65536])).unwrap_err().to_string();
        assert!(error.contains("more than 1024 fragments"), "{error}");
    }

    #[test]
    fn fragments_of_one_byte_without_end_are_refused() {
        let error = ask(without_end([0, 0, 0, 1, 7].repeat(9999)));
        let error = error.unwrap_err().to_string();
        assert!(error.contains("more than 1024 fragments"), "{error}");
    }

    #[test]
    fn records_of_other_calls_without_end_are_an_error() {
        let other = reply(0, 1);
        let mark = u32::try_from(other.len()).unwrap() | 1 << 31;
        let record = [&mark.to_be_bytes()[..], &other].concat();
        assert!(ask(without_end(record.repeat(999))).is_err());
    }

    #[test]
    fn a_peer_that_never_stops_sending_times_out() {
        let address = without_end(vec![0; 65536]);
        let mut stream = Stream::open(address, None).unwrap();
        rustix::net::send(&stream.fd, &[0; 60], SendFlags::empty()).unwrap();
        stream.set_timeout(Duration::ZERO);
        let error = stream.read_record().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn a_closed_connection_releases_its_port_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
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
            let deadline = Moment::now().after(REPLY_TIMEOUT);
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
    fn a_stalled_peer_is_given_up() {
        let (ended, end) = std::sync::mpsc::channel::<()>();
        let address = server(move |stream, _| {
            // Until the client has given up.
            let _ = end.recv();
            drop(stream);
        });
        assert!(ask(address).is_err());
        drop(ended);
    }
}
