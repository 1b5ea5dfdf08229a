//! What the tests of procedures call: a server without sockets, and a machine that has mounted its root.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Instant;

use crate::address_list::AddressList;
use crate::export::{Export, ExportOptions};
use crate::exports::Exports;
use crate::hidden_paths::HiddenPaths;
use crate::programs::nfs::request::Request;
use crate::programs::procedure::{IoMode, ProcedureError};
use crate::rpc::credentials::Credentials;
use crate::rpc::decode::Decoder;
use crate::rpc::reply_buffer::ReplyBuffer;
use crate::server_state::{Ports, ServerState};
use crate::tree::handle_key::HandleKey;
use crate::tree::submounts::Submounts;

pub(super) const MACHINE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7));

/// A server with a root that hides `/secret`, which a machine has mounted.
pub(super) fn serving(root: &Path) -> ServerState {
    let options = ExportOptions {
        names: vec!["/debian".to_owned()],
        allowed: AddressList::everyone(),
        key: HandleKey::from_bytes([7; 16]),
        hidden: HiddenPaths::new(["/secret".parse().unwrap()]),
        submounts: Submounts::default(),
        original: None,
        handles_of: None,
        earlier: Vec::new(),
    };
    let exports = Exports::new(vec![Export::open(root, options).unwrap()]);
    let state = ServerState::new(exports.ok().unwrap(), Ports::default(), Box::new(|_| ()));
    state.watched.want(BTreeSet::from(["/debian".to_owned()]));
    state.watched.mounted(MACHINE, "/debian", Instant::now());
    state
}

pub(super) fn opaque(bytes: &[u8]) -> Vec<u8> {
    let mut opaque = u32::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
    opaque.extend(bytes);
    opaque.resize(opaque.len().next_multiple_of(4), 0);
    opaque
}

/// Makes a call as a user; returns the reply, with the status at its beginning.
pub(super) fn call(state: &ServerState, procedure: u32, arguments: &[Vec<u8>]) -> Vec<u8> {
    let answered = answer(state, IoMode::Blocking, procedure, arguments);
    assert!(answered.is_ok());
    answered.unwrap_or_default()
}

/// The same, where the thread may not wait, or may.
pub(super) fn answer(
    state: &ServerState,
    io_mode: IoMode,
    procedure: u32,
    arguments: &[Vec<u8>],
) -> Result<Vec<u8>, ProcedureError> {
    let request = Request {
        state,
        exports: state.exports.now(),
        allowing: None,
        client: MACHINE,
        credentials: Credentials::user(7, 7, &[]),
        io_mode,
        useful: Cell::new(false),
    };
    let mut out = ReplyBuffer::new(&state.replies, MACHINE);
    let arguments = arguments.concat();
    let arguments = Decoder::new(&arguments);
    super::answer(&request, procedure, arguments, &mut out)?;
    Ok(out.as_bytes().to_vec())
}
