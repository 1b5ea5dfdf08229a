//! What `tests/fuzz` reaches: everything behind a TCP connection, without the connection. Built for it alone
//! (`--cfg fuzzing`).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

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

const CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 700);
const ENDS: Ends = Ends {
    client: CLIENT,
    server: IpAddr::V4(Ipv4Addr::LOCALHOST),
    protocol: nfs3_types::portmap::IPPROTO_TCP,
};

/// An export as one client sees it.
pub struct Session {
    state: ServerState,
}

impl Session {
    /// Exports a directory as `/debian`.
    #[must_use]
    pub fn new(root: &Path) -> Option<Self> {
        let options = ExportOptions {
            names: vec!["/debian".to_owned(), "/".to_owned()],
            allowed: AddressList::everyone(),
            key: HandleKey::from_bytes([7; 16]),
            hidden: HiddenPaths::default(),
            submounts: Submounts::default(),
            original: None,
            handles_of: None,
        };
        let exports = Exports::new(vec![Export::open(root, options).ok()?]).ok()?;
        let ports = Ports {
            nfs: 2049,
            ..Ports::default()
        };
        Some(Self {
            state: ServerState::new(exports, ports, Box::new(|_| ())),
        })
    }

    /// Answers every record of a stream, after `prepare` has changed it.
    pub fn stream(&self, mut bytes: &[u8], prepare: impl Fn(&[u8]) -> Vec<u8>) -> Vec<Vec<u8>> {
        let mut reader = RecordReader::new(self.state.replies.budget(), CLIENT.ip());
        let mut replies = Vec::new();
        loop {
            match reader.next() {
                Ok(Some(record)) => replies.push(self.answer(&prepare(record))),
                Ok(None) if bytes.is_empty() => return replies,
                Ok(None) => {
                    let space = reader.space();
                    let length = space.len().min(bytes.len());
                    let (now, later) = bytes.split_at(length);
                    if let Some(space) = space.get_mut(..length) {
                        space.copy_from_slice(now);
                    }
                    reader.received(length);
                    bytes = later;
                }
                Err(_) => return replies,
            }
        }
    }

    /// The reply to one message; empty if there is none.
    pub fn answer(&self, message: &[u8]) -> Vec<u8> {
        let mut out = ReplyBuffer::new(&self.state.replies, CLIENT.ip());
        match programs::answer(&self.state, ENDS, message, &mut out, IoMode::Blocking) {
            Outcome::Replied { .. } => out.as_bytes().to_vec(),
            Outcome::Ignored | Outcome::WouldBlock => Vec::new(),
        }
    }
}
