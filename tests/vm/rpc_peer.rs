//! An RPC server that answers as a test directs, or a proxy in front of a working server that forwards selected calls.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use netroot_harness::Net;

/// Program numbers (RFC 1833 §3, RFC 1813, `include/uapi/linux/nfsacl.h`).
pub(crate) const PORTMAPPER: u32 = 100_000;
pub(crate) const NFS: u32 = 100_003;
pub(crate) const MOUNT: u32 = 100_005;
pub(crate) const NFSACL: u32 = 100_227;

/// How often a thread checks whether the test has ended.
const LOOK: Duration = Duration::from_millis(50);
/// The longest call accepted: calls of the init and the kernel are far shorter, short of a write.
const LONGEST_CALL: usize = 1 << 21;

/// The header of a call (RFC 5531 §9).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    /// Which connection of this server it came on, counted from 0.
    pub(crate) connection: usize,
    pub(crate) xid: u32,
    pub(crate) program: u32,
    pub(crate) procedure: u32,
}

/// The reaction to a call.
#[derive(Clone, Debug)]
pub(crate) enum Then {
    /// An accepted reply with this status and these words.
    Reply(u32, Vec<u32>),
    /// These bytes, record mark and all.
    Bytes(Vec<u8>),
    /// These bytes again and again, until the peer closes the connection.
    Endless(Vec<u8>),
    /// The working server's reply.
    Forward,
    /// Nothing more on this connection, ever.
    Stall,
    /// The connection ends.
    Close,
    /// This reply; the server ends once the peer has closed this connection.
    ReplyThenExit(Vec<u32>),
}

/// An accepted connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connection {
    /// The local port.
    pub(crate) to: u16,
    /// The peer's port.
    pub(crate) from: u16,
    /// Its first call, if any.
    pub(crate) first: Option<Call>,
}

/// A running server. Dropping it stops it.
pub(crate) struct RpcPeer {
    shared: Arc<Shared>,
}

struct Shared {
    ended: AtomicBool,
    connections: Mutex<Vec<Connection>>,
    good: Option<SocketAddrV4>,
    namespace: std::fs::File,
    answer: Box<dyn Fn(&Call) -> Then + Send + Sync>,
}

impl RpcPeer {
    /// Listens on these ports of an address in `net`.
    pub(crate) fn start(
        net: &Net,
        address: Ipv4Addr,
        ports: &[u16],
        answer: impl Fn(&Call) -> Then + Send + Sync + 'static,
    ) -> Result<Self> {
        Self::before(net, None, address, ports, answer)
    }

    /// The same in front of a `good` server in the same network, for [`Then::Forward`].
    pub(crate) fn before(
        net: &Net,
        good: Option<SocketAddrV4>,
        address: Ipv4Addr,
        ports: &[u16],
        answer: impl Fn(&Call) -> Then + Send + Sync + 'static,
    ) -> Result<Self> {
        let (listeners, namespace) = net.within(|| {
            let bind = |port: &u16| {
                let listener = TcpListener::bind((address, *port))
                    .with_context(|| format!("listen at {address} port {port}"))?;
                listener.set_nonblocking(true)?;
                Ok((*port, listener))
            };
            let listeners = ports.iter().map(bind).collect::<Result<Vec<_>>>()?;
            let namespace = std::fs::File::open("/proc/thread-self/ns/net")?;
            Ok((listeners, namespace))
        })?;
        let shared = Arc::new(Shared {
            ended: AtomicBool::new(false),
            connections: Mutex::default(),
            good,
            namespace,
            answer: Box::new(answer),
        });
        for (port, listener) in listeners {
            let shared = shared.clone();
            thread::spawn(move || shared.listen(port, &listener));
        }
        Ok(Self { shared })
    }

    /// Every connection so far.
    pub(crate) fn connections(&self) -> Vec<Connection> {
        self.shared.lock().clone()
    }
}

impl Drop for RpcPeer {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    fn listen(self: &Arc<Self>, port: u16, listener: &TcpListener) {
        while !self.has_ended() {
            let Ok((stream, SocketAddr::V4(from))) = listener.accept() else {
                thread::sleep(LOOK);
                continue;
            };
            let connection = {
                let mut connections = self.lock();
                connections.push(Connection {
                    to: port,
                    from: from.port(),
                    first: None,
                });
                connections.len() - 1
            };
            let shared = self.clone();
            // An error means that the peer closed the connection.
            thread::spawn(move || shared.converse(stream, connection));
        }
    }

    fn converse(&self, mut stream: TcpStream, connection: usize) -> std::io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(LOOK))?;
        let mut good = None;
        loop {
            let record = self.record(&mut stream)?;
            let word = |n: usize| {
                let bytes = record.get(4 + 4 * n..8 + 4 * n).unwrap_or(&[0; 4]);
                u32::from_be_bytes(bytes.try_into().unwrap_or_default())
            };
            let call = Call {
                connection,
                xid: word(0),
                program: word(3),
                procedure: word(5),
            };
            if let Some(connection) = self.lock().get_mut(connection) {
                connection.first.get_or_insert(call);
            }
            match (self.answer)(&call) {
                Then::Reply(status, words) => stream.write_all(&reply(&call, status, &words))?,
                Then::Bytes(bytes) => stream.write_all(&bytes)?,
                Then::Endless(bytes) => loop {
                    if self.has_ended() {
                        return Ok(());
                    }
                    stream.write_all(&bytes)?;
                },
                Then::Forward => {
                    if good.is_none() {
                        good = Some(self.reach(&stream)?);
                    }
                    if let Some(good) = &mut good {
                        good.write_all(&record)?;
                    }
                }
                Then::Stall => loop {
                    self.record(&mut stream)?;
                },
                Then::Close => return stream.shutdown(Shutdown::Both),
                Then::ReplyThenExit(words) => {
                    stream.write_all(&reply(&call, 0, &words))?;
                    let end = self.record(&mut stream);
                    self.ended.store(true, Ordering::Relaxed);
                    return end.map(drop);
                }
            }
        }
    }

    /// One call with its record mark; the kernel and the init send one fragment each.
    fn record(&self, stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
        let mut mark = [0; 4];
        self.fill(stream, &mut mark)?;
        let length = u32::from_be_bytes(mark) & 0x7fff_ffff;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > LONGEST_CALL {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
        let mut call = vec![0; length];
        self.fill(stream, &mut call)?;
        Ok([&mark[..], &call].concat())
    }

    fn fill(&self, stream: &mut TcpStream, mut buffer: &mut [u8]) -> std::io::Result<()> {
        use std::io::ErrorKind::{Interrupted, TimedOut, UnexpectedEof, WouldBlock};
        while !buffer.is_empty() {
            match stream.read(buffer) {
                Ok(0) => return Err(UnexpectedEof.into()),
                Ok(count) => buffer = buffer.get_mut(count..).unwrap_or_default(),
                Err(e) if matches!(e.kind(), WouldBlock | TimedOut | Interrupted) => {
                    if self.has_ended() {
                        return Err(e);
                    }
                }
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// A connection to the good server, whose replies are forwarded as they arrive.
    fn reach(&self, peer: &TcpStream) -> std::io::Result<TcpStream> {
        let Some(address) = self.good else {
            return Err(std::io::ErrorKind::NotConnected.into());
        };
        let namespace = self.namespace.try_clone()?;
        let good = thread::spawn(move || {
            nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET)?;
            TcpStream::connect(address)
        })
        .join()
        .map_err(|_| std::io::ErrorKind::Other)??;
        let (mut from, mut to) = (good.try_clone()?, peer.try_clone()?);
        thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
        });
        Ok(good)
    }
}

/// An accepted reply with an empty verifier, as one record.
pub(crate) fn reply(call: &Call, status: u32, words: &[u32]) -> Vec<u8> {
    let mut reply = vec![call.xid, 1, 0, 0, 0, status];
    reply.extend(words);
    record(&reply)
}

/// Words as one record (RFC 5531 §11).
pub(crate) fn record(words: &[u32]) -> Vec<u8> {
    let mark = u32::try_from(4 * words.len()).unwrap_or(0) | 1 << 31;
    let words = std::iter::once(&mark).chain(words);
    words.flat_map(|word| word.to_be_bytes()).collect()
}
