//! What `tests/fuzz` reaches: everything behind a TCP connection, without the connection. Built for it alone
//! (`--cfg fuzzing`).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{MemfdFlags, SeekFrom, memfd_create, seek};
use rustix::io::pread;

use crate::address_list::AddressList;
use crate::export::{Export, ExportOptions};
use crate::exports::Exports;
use crate::hidden_paths::HiddenPaths;
use crate::programs::procedure::{Ends, IoMode};
use crate::programs::{self, Outcome};
use crate::rpc::record::RecordReader;
use crate::rpc::reply_buffer::ReplyBuffer;
use crate::server_state::{Ports, ServerState};
use crate::tree::handle_key::HandleKey;
use crate::tree::submounts::Submounts;

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn ends(client: IpAddr, protocol: u32) -> Ends {
    Ends {
        client: SocketAddr::new(client, 700),
        server: CLIENT,
        protocol,
    }
}

/// An export as one client sees it.
pub struct Session {
    state: ServerState,
}

impl Session {
    /// Exports a directory as `/debian` to everybody.
    #[must_use]
    pub fn new(root: &Path) -> Option<Self> {
        Self::with(root, HiddenPaths::default(), AddressList::everyone())
    }

    /// The same to some clients, and without what is hidden.
    #[must_use]
    pub fn with(root: &Path, hidden: HiddenPaths, allowed: AddressList) -> Option<Self> {
        let options = ExportOptions {
            names: vec!["/debian".to_owned(), "/".to_owned()],
            allowed,
            key: HandleKey::from_bytes([7; 16]),
            hidden,
            submounts: Submounts::default(),
            original: None,
            handles_of: None,
            earlier: Vec::new(),
        };
        let exports = Exports::new(vec![Export::open(root, options).ok()?]).ok()?;
        let ports = Ports {
            nfs: 2049,
            portmap_tcp: Some(111),
            portmap_udp: Some(111),
        };
        Some(Self {
            state: ServerState::new(exports, ports, Box::new(|_| ())),
        })
    }

    /// A connection of a client.
    #[must_use]
    pub fn connect(&self, client: IpAddr) -> Connection<'_> {
        Connection {
            state: &self.state,
            client,
            reader: RecordReader::new(self.state.replies.budget(), client),
            out: ReplyBuffer::for_socket(&self.state.replies, client),
            sent: memfd_create("sent", MemfdFlags::CLOEXEC).ok(),
        }
    }

    /// Answers every record of a stream, after `prepare` has changed it.
    pub fn stream(&self, bytes: &[u8], prepare: impl Fn(&[u8]) -> Vec<u8>) -> Vec<Vec<u8>> {
        let mut replies = Vec::new();
        let mut reader = RecordReader::new(self.state.replies.budget(), CLIENT);
        let _ = records(&mut reader, bytes, usize::MAX, |record| {
            replies.push(self.answer(&prepare(record)));
        });
        replies
    }

    /// The reply to one message; empty if there is none.
    pub fn answer(&self, message: &[u8]) -> Vec<u8> {
        let mut out = ReplyBuffer::new(&self.state.replies, CLIENT);
        let ends = ends(CLIENT, nfs3_types::portmap::IPPROTO_TCP);
        match programs::answer(&self.state, ends, message, &mut out, IoMode::Blocking) {
            Outcome::Replied { .. } => out.as_bytes().to_vec(),
            Outcome::Ignored | Outcome::WouldBlock => Vec::new(),
        }
    }

    /// The reply to a datagram to port 111; empty if there is none.
    pub fn datagram(&self, client: IpAddr, message: &[u8]) -> Vec<u8> {
        let mut out = ReplyBuffer::new(&self.state.replies, client);
        let ends = ends(client, nfs3_types::portmap::IPPROTO_UDP);
        match programs::answer_datagram(&self.state, ends, message, &mut out) {
            Outcome::Replied { .. } => out.as_bytes().to_vec(),
            Outcome::Ignored | Outcome::WouldBlock => Vec::new(),
        }
    }

    /// How many bytes of calls and replies are charged to clients.
    #[must_use]
    pub fn charged(&self) -> usize {
        self.state.replies.budget().charged()
    }
}

/// A connection without its socket. As in a server, a reply is written behind those that are not sent yet.
pub struct Connection<'a> {
    state: &'a ServerState,
    client: IpAddr,
    reader: RecordReader,
    out: ReplyBuffer,
    /// In place of the socket, for content that is spliced.
    sent: Option<OwnedFd>,
}

/// The server closes the connection.
#[derive(Debug)]
pub struct Closed;

impl Connection<'_> {
    /// Receives bytes, at most `piece` at a time, and passes on every record and its reply as it is sent, with its mark. It
    /// is empty if there is none.
    ///
    /// # Errors
    /// [`Closed`] by what is no stream of records.
    pub fn receive(
        &mut self,
        bytes: &[u8],
        piece: usize,
        mut exchange: impl FnMut(&[u8], &[u8]),
    ) -> Result<(), Closed> {
        let (state, out, sent) = (self.state, &mut self.out, self.sent.as_ref());
        let ends = ends(self.client, nfs3_types::portmap::IPPROTO_TCP);
        let answer = |message: &[u8]| {
            let mut record = out.begin_record();
            let mut outcome = programs::answer(state, ends, message, out, IoMode::NonBlocking);
            if outcome == Outcome::WouldBlock {
                out.clear();
                record = out.begin_record();
                outcome = programs::answer(state, ends, message, out, IoMode::Blocking);
            }
            exchange(message, &reply(out, record, outcome, sent));
            if out.is_full() {
                out.clear();
            }
        };
        records(&mut self.reader, bytes, piece, answer)?;
        self.out.clear();
        Ok(())
    }
}

/// The reply that was begun at `record`, with the content that follows after it.
fn reply(
    out: &mut ReplyBuffer,
    record: usize,
    outcome: Outcome,
    sent: Option<&OwnedFd>,
) -> Vec<u8> {
    if !matches!(outcome, Outcome::Replied { .. }) {
        out.truncate(record);
        return Vec::new();
    }
    out.end_record(record);
    let mut reply = out.as_bytes().get(record..).unwrap_or_default().to_vec();
    if let (Some((content, padding)), Some(sent)) = (out.content(), sent) {
        let mut spliced = vec![0; content.left()];
        let _ = seek(sent, SeekFrom::Start(0));
        while content.left() > 0 && content.send(sent, usize::MAX, padding > 0).is_ok() {}
        let _ = pread(sent, spliced.as_mut_slice(), 0);
        reply.append(&mut spliced);
        reply.resize(reply.len() + padding, 0);
    }
    reply
}

fn records(
    reader: &mut RecordReader,
    mut bytes: &[u8],
    piece: usize,
    mut each: impl FnMut(&[u8]),
) -> Result<(), Closed> {
    loop {
        match reader.next() {
            Ok(Some(record)) => each(record),
            Ok(None) if bytes.is_empty() => return Ok(()),
            Ok(None) => {
                let space = reader.space();
                let length = space.len().min(bytes.len()).min(piece.max(1));
                let (now, later) = bytes.split_at(length);
                if let Some(space) = space.get_mut(..length) {
                    space.copy_from_slice(now);
                }
                reader.received(length);
                bytes = later;
            }
            Err(_) => return Err(Closed),
        }
    }
}
