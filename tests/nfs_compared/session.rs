//! Connections to one server, on which the calls are made.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, socket};

use super::answer::{Answer, Names, read};
use super::script::{Argument, Call, MOUNT, PORTMAP, opaque};

/// A server that does not answer within this time does not answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// How soon a call over UDP is repeated, where it or its answer may be lost.
const AGAIN: Duration = Duration::from_secs(2);
const NFS_PORT: u16 = 2049;
const PORTMAP_PORT: u16 = 111;
/// The longest reply, in bytes.
const LONGEST: usize = 4 << 20;

/// A server, and what is known of it.
pub(crate) struct Session {
    address: Ipv4Addr,
    export: String,
    mount_port: u16,
    connections: BTreeMap<u16, TcpStream>,
    names: Names,
    xid: u32,
}

/// What came back.
enum Reply {
    Bytes(Vec<u8>),
    /// Nothing; why.
    None(&'static str),
}

impl Session {
    pub(crate) fn new(address: Ipv4Addr, export: &str) -> Result<Self> {
        let mut session = Self {
            address,
            export: export.to_owned(),
            mount_port: 0,
            connections: BTreeMap::new(),
            names: Names::default(),
            xid: 0x0c0a_0001,
        };
        let port = session.answer("PMAP_GETPORT w:100005 w:3 w:6 w:0")?;
        let port = port.get("port").context("MOUNT's port")?;
        session.mount_port = port.parse().context("MOUNT's port")?;
        let mounted = session.reply(&Call::parse("MNT path:")?)?;
        let Reply::Bytes(mounted) = mounted else {
            anyhow::bail!("MOUNT does not answer")
        };
        // Past the header of the reply and the status.
        let root =
            handle_at(&mounted, 28).with_context(|| format!("mount {export}: {mounted:?}"))?;
        session.names.handles.insert(".".to_owned(), root);
        let fsid = session.answer("GETATTR h:.")?.get("obj.fsid").cloned();
        session.names.fsid = fsid.context("the fsid of the root")?;
        Ok(session)
    }

    /// Makes the call in a line.
    pub(crate) fn answer(&mut self, line: &str) -> Result<Answer> {
        let call = Call::parse(line)?;
        if call.whole {
            return super::answer::listing(call.procedure[2] == 17, |cookie, verifier| {
                let mut part = Call::parse(line)?;
                let position = [&cookie.to_be_bytes()[..], &verifier].concat();
                part.arguments.insert(1, Argument::Bytes(position));
                match self.reply(&part)? {
                    Reply::Bytes(bytes) => Ok(bytes),
                    Reply::None(why) => anyhow::bail!("{line}: {why}"),
                }
            });
        }
        match self.reply(&call)? {
            Reply::Bytes(bytes) => {
                let answer = read(&bytes, call.shape, &self.names);
                let mut answer = answer.with_context(|| format!("{line}: {bytes:02x?}"))?;
                for list in ["mounts", "exports"] {
                    if let Some(paths) = answer.get_mut(list) {
                        *paths = paths.replace(&self.export, "ROOT");
                    }
                }
                Ok(answer)
            }
            Reply::None(why) => Ok(Answer::from([("rpc".to_owned(), why.to_owned())])),
        }
    }

    fn reply(&mut self, call: &Call) -> Result<Reply> {
        let message = self.message(call)?;
        let port = match call.procedure[0] {
            PORTMAP => PORTMAP_PORT,
            MOUNT => self.mount_port,
            _ => NFS_PORT,
        };
        match call.udp {
            true => self.datagram(port, &message),
            false if call.silent => self.record_and_null(port, &message, call),
            false => self.record(port, &message),
        }
    }

    fn message(&mut self, call: &Call) -> Result<Vec<u8>> {
        self.xid += 1;
        let [program, version, procedure] = call.procedure;
        let head = [
            self.xid,
            0,
            call.rpc_version,
            program,
            version,
            procedure,
            call.flavour,
        ];
        let mut message: Vec<u8> = head.iter().flat_map(|word| word.to_be_bytes()).collect();
        message.extend(opaque(&call.credential));
        message.extend([0; 8]);
        for argument in &call.arguments {
            match argument {
                Argument::Bytes(bytes) => message.extend(bytes),
                Argument::Export(below) => {
                    message.extend(opaque(format!("{}{below}", self.export).as_bytes()))
                }
                Argument::Handle(path, changed) => {
                    let mut handle = self.handle(path)?;
                    let end = handle.len().saturating_sub(8);
                    if let Some(end) = handle.get_mut(end..) {
                        end.iter_mut().for_each(|byte| *byte ^= changed);
                    }
                    message.extend(opaque(&handle));
                }
            }
        }
        Ok(message)
    }

    /// Looks a path up, as root, unless it is known.
    fn handle(&mut self, path: &str) -> Result<Vec<u8>> {
        if let Some(known) = self.names.handles.get(path) {
            return Ok(known.clone());
        }
        let (folder, name) = path.rsplit_once('/').unwrap_or((".", path));
        let reply = self.reply(&Call::parse(&format!("LOOKUP h:{folder} s:{name}"))?)?;
        let Reply::Bytes(reply) = reply else {
            anyhow::bail!("LOOKUP of {path} is not answered")
        };
        let handle = handle_at(&reply, 28).with_context(|| format!("look up {path}: {reply:?}"))?;
        self.names.handles.insert(path.to_owned(), handle.clone());
        Ok(handle)
    }

    fn datagram(&self, port: u16, message: &[u8]) -> Result<Reply> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.connect((self.address, port))?;
        socket.set_read_timeout(Some(AGAIN))?;
        let mut reply = vec![0; 65_536];
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            // An error that has arrived meanwhile is the next call's.
            let received = socket.send(message).and_then(|_| socket.recv(&mut reply));
            match received {
                Ok(length) => {
                    reply.truncate(length);
                    return Ok(Reply::Bytes(reply));
                }
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    return Ok(Reply::None("nothing listens"));
                }
                Err(error) if is_late(&error) => {}
                Err(error) => return Err(error).context("a call over UDP"),
            }
        }
        Ok(Reply::None("no answer"))
    }

    fn record(&mut self, port: u16, message: &[u8]) -> Result<Reply> {
        let mut stream = match self.connections.remove(&port) {
            Some(open) => open,
            None => self.connect(port)?,
        };
        match exchange(&mut stream, message) {
            Ok(reply) => {
                self.connections.insert(port, stream);
                Ok(Reply::Bytes(reply))
            }
            Err(error) if is_late(&error) => Ok(Reply::None("no answer")),
            Err(_) => Ok(Reply::None("the connection is closed")),
        }
    }

    /// A server that stays silent answers the call after this one.
    fn record_and_null(&mut self, port: u16, message: &[u8], call: &Call) -> Result<Reply> {
        let [program, version, _] = call.procedure;
        let null = self.message(&Call::parse(&format!("{program}.{version}.0"))?)?;
        let mut stream = self.connect(port)?;
        send(&mut stream, message)?;
        send(&mut stream, &null)?;
        let reply = receive(&mut stream)?;
        match reply.get(..4) == null.get(..4) {
            true => Ok(Reply::None("no answer")),
            false => Ok(Reply::Bytes(reply)),
        }
    }

    /// From a port that only root can have: nfsd asks for that (`secure`).
    fn connect(&self, port: u16) -> Result<TcpStream> {
        for own in 700..1000 {
            let socket = socket(
                AddressFamily::Inet,
                SockType::Stream,
                SockFlag::SOCK_CLOEXEC,
                None,
            )?;
            let from = SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, own));
            let to = SockaddrIn::from(SocketAddrV4::new(self.address, port));
            if bind(socket.as_raw_fd(), &from).is_err() {
                continue;
            }
            connect(socket.as_raw_fd(), &to)
                .with_context(|| format!("connect to {}:{port}", self.address))?;
            let stream = TcpStream::from(socket);
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_nodelay(true)?;
            return Ok(stream);
        }
        anyhow::bail!("all reserved ports are in use")
    }
}

/// Nothing has come for as long as was waited.
fn is_late(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn exchange(stream: &mut TcpStream, message: &[u8]) -> std::io::Result<Vec<u8>> {
    send(stream, message)?;
    receive(stream)
}

/// Sends a record (RFC 5531 §11).
fn send(stream: &mut TcpStream, message: &[u8]) -> std::io::Result<()> {
    let length = u32::try_from(message.len()).unwrap_or(0) | 1 << 31;
    stream.write_all(&[&length.to_be_bytes()[..], message].concat())
}

fn receive(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut reply = Vec::new();
    loop {
        let mut mark = [0; 4];
        stream.read_exact(&mut mark)?;
        let mark = u32::from_be_bytes(mark);
        let start = reply.len();
        let end = start + usize::try_from(mark & !(1 << 31)).unwrap_or(usize::MAX);
        if end > LONGEST {
            return Err(ErrorKind::InvalidData.into());
        }
        reply.resize(end, 0);
        stream.read_exact(reply.get_mut(start..).unwrap_or_default())?;
        if mark >> 31 == 1 {
            return Ok(reply);
        }
    }
}

/// The handle after the status of a reply that succeeded.
fn handle_at(reply: &[u8], at: usize) -> Result<Vec<u8>> {
    let word = |at: usize| {
        let bytes: [u8; 4] = reply.get(at..at + 4).context("a short reply")?.try_into()?;
        anyhow::Ok(usize::try_from(u32::from_be_bytes(bytes))?)
    };
    ensure!(word(at - 4)? == 0, "status {}", word(at - 4)?);
    Ok(reply
        .get(at + 4..at + 4 + word(at)?)
        .context("a short reply")?
        .to_vec())
}
