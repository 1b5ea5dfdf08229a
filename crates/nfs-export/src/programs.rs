//! The RPC programs: dispatches a message and writes the reply.

mod mount;
mod nfs;
mod nfsacl;
mod portmap;
pub(crate) mod procedure;

use std::cell::Cell;

use crate::counters::count;
use crate::event::{CallRefusal, Event};
use crate::export::Export;
use crate::rpc::message::{self as rpc, Call, Denial, Message, Reason, Unavailable};
use crate::rpc::reply_buffer::ReplyBuffer;
use crate::server_state::ServerState;
use nfs::request::Request;
use procedure::{Ends, IoMode, ProcedureError};

/// What was done with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A reply was written.
    Replied {
        /// Whether the client used a file or mounted a root: anybody can send a NULL.
        useful: bool,
    },
    /// It is not a call.
    Ignored,
    /// Nothing was written: the answer would have to wait for a disk ([`IoMode::NonBlocking`]).
    WouldBlock,
}

/// Answers one datagram: NULL, GETPORT and GETADDR of the portmapper. Anything else is refused, since the sender's address
/// may be forged: no reply is longer than its call.
pub(crate) fn answer_datagram(
    state: &ServerState,
    ends: Ends,
    message: &[u8],
    out: &mut ReplyBuffer,
) -> Outcome {
    let refused = |call: &Call<'_>| match call.program {
        nfs3_types::portmap::PROGRAM if portmap::is_for_datagrams(call.procedure) => None,
        nfs3_types::portmap::PROGRAM => Some(Unavailable::Procedure),
        _ => Some(Unavailable::Program),
    };
    let start = out.len();
    let outcome = answer_unless(state, ends, message, out, IoMode::NonBlocking, refused);
    if out.len().saturating_sub(start) <= message.len() {
        return outcome;
    }
    out.truncate(start);
    match rpc::parse(message) {
        // GETADDR with empty strings about an address of IPv6. Those who ask name the address themselves, as libtirpc
        // does; or they can ask by TCP.
        Message::Call(call) => unavailable(state, &call, out, Unavailable::Procedure),
        // The three words that show another version of RPC.
        Message::Denied { .. } | Message::Ignore(_) => Outcome::Ignored,
    }
}

/// Answers one message of a connection.
pub(crate) fn answer(
    state: &ServerState,
    ends: Ends,
    message: &[u8],
    out: &mut ReplyBuffer,
    io_mode: IoMode,
) -> Outcome {
    answer_unless(state, ends, message, out, io_mode, |_| None)
}

fn answer_unless(
    state: &ServerState,
    ends: Ends,
    message: &[u8],
    out: &mut ReplyBuffer,
    io_mode: IoMode,
    refused: impl FnOnce(&Call<'_>) -> Option<Unavailable>,
) -> Outcome {
    let start = out.len();
    let outcome = match rpc::parse(message) {
        Message::Ignore(reason) => {
            count(match reason {
                Reason::Truncated => &state.counters.truncated,
                Reason::NotACall => &state.counters.not_calls,
            });
            Outcome::Ignored
        }
        Message::Denied { xid, why } => {
            count(&state.counters.denied);
            rpc::denied(out, xid, why);
            if why == Denial::Credential {
                let (client, why) = (ends.client, CallRefusal::Credential);
                state.report(Event::CallRefused { client, why });
            }
            Outcome::Replied { useful: false }
        }
        Message::Call(call) => match refused(&call) {
            Some(why) => unavailable(state, &call, out, why),
            None => dispatch(state, ends, &call, out, io_mode),
        },
    };
    match outcome {
        Outcome::Replied { .. } => count(&state.counters.calls),
        Outcome::Ignored | Outcome::WouldBlock => out.truncate(start),
    }
    outcome
}

fn dispatch(
    state: &ServerState,
    ends: Ends,
    call: &Call<'_>,
    out: &mut ReplyBuffer,
    io_mode: IoMode,
) -> Outcome {
    let client = ends.client;
    let (low, high) = match call.program {
        nfs3_types::nfs3::PROGRAM => (nfs3_types::nfs3::VERSION, nfs3_types::nfs3::VERSION),
        nfsacl::PROGRAM => (nfsacl::VERSION, nfsacl::VERSION),
        nfs3_types::mount::PROGRAM => mount::VERSIONS,
        nfs3_types::portmap::PROGRAM => portmap::VERSIONS,
        _ => return unavailable(state, call, out, Unavailable::Program),
    };
    if !(low..=high).contains(&call.version) {
        return unavailable(state, call, out, Unavailable::Version { low, high });
    }
    // MOUNT and the portmapper answer everyone: a client that is not allowed gets its reason from MOUNT.
    let exports = state.exports.now();
    let is_nfs = matches!(call.program, nfs3_types::nfs3::PROGRAM | nfsacl::PROGRAM);
    let allows = |export: &&Export| export.allows(client.ip());
    let allowing = is_nfs.then(|| exports.iter().find(allows)).flatten();
    let allowing = allowing.map(Export::identity);
    let is_allowed = || allowing.is_some() || exports.allow(client.ip());
    if is_nfs && call.procedure != 0 && !is_allowed() {
        count(&state.counters.denied);
        rpc::denied(out, call.xid, Denial::Address);
        let why = CallRefusal::Address;
        state.report(Event::CallRefused { client, why });
        return Outcome::Replied { useful: false };
    }
    let start = out.len();
    rpc::begin_success(out, call.xid);
    let request = Request {
        state,
        exports,
        allowing,
        client: client.ip(),
        credentials: call.credentials,
        io_mode,
        useful: Cell::new(false),
    };
    let (procedure, arguments) = (call.procedure, call.arguments);
    let of_version = (call.version, procedure);
    let result = match call.program {
        nfs3_types::nfs3::PROGRAM => nfs::answer(&request, procedure, arguments, out),
        nfsacl::PROGRAM => nfsacl::answer(&request, procedure, arguments, out),
        nfs3_types::mount::PROGRAM => mount::answer(&request, client, of_version, arguments, out),
        _ => portmap::answer(&state.ports, ends, of_version, arguments, out),
    };
    match result {
        Ok(()) => {
            let useful = request.useful.get();
            return Outcome::Replied { useful };
        }
        Err(ProcedureError::WouldBlock) => return Outcome::WouldBlock,
        Err(_) => out.truncate(start),
    }
    match result {
        Err(ProcedureError::GarbageArguments) => {
            unavailable(state, call, out, Unavailable::GarbageArguments)
        }
        _ => unavailable(state, call, out, Unavailable::Procedure),
    }
}

fn unavailable(
    state: &ServerState,
    call: &Call<'_>,
    out: &mut ReplyBuffer,
    why: Unavailable,
) -> Outcome {
    count(match why {
        Unavailable::GarbageArguments => &state.counters.garbage,
        _ => &state.counters.unavailable,
    });
    rpc::unavailable(out, call.xid, why);
    Outcome::Replied { useful: false }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::exports::Exports;
    use crate::server_state::Ports;

    const SERVER: &str = "2001:db8:1111:2222:3333:4444:5555:6666";
    const RPCBIND: u32 = 100_000;
    const GETADDR: u32 = 3;

    fn state() -> ServerState {
        let ports = Ports {
            nfs: 2049,
            portmap_tcp: Some(111),
            portmap_udp: Some(111),
        };
        let exports = Exports::new(Vec::new()).ok().unwrap();
        ServerState::new(exports, ports, Box::new(|_| ()))
    }

    fn ask(state: &ServerState, message: &[u8]) -> Vec<u8> {
        let client: SocketAddr = "[2001:db8::7]:700".parse().unwrap();
        let ends = Ends {
            client,
            server: SERVER.parse().unwrap(),
            protocol: nfs3_types::portmap::IPPROTO_UDP,
        };
        let mut out = ReplyBuffer::new(&state.replies, client.ip());
        match answer_datagram(state, ends, message, &mut out) {
            Outcome::Replied { .. } => out.as_bytes().to_vec(),
            Outcome::Ignored | Outcome::WouldBlock => Vec::new(),
        }
    }

    fn bytes(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    /// A call without credentials: of rpcbind itself, in version 4.
    fn getaddr(address: &str) -> Vec<u8> {
        let mut call = bytes(&[7, 0, 2, RPCBIND, 4, GETADDR, 0, 0, 0, 0, RPCBIND, 4]);
        for text in ["udp6", address, ""] {
            call.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
            call.extend(text.as_bytes());
            call.resize(call.len().next_multiple_of(4), 0);
        }
        call
    }

    #[test]
    fn no_datagram_is_answered_by_a_longer_one() {
        let state = state();
        // What libtirpc asks: it names the address of the portmapper that it asks.
        let call = getaddr(&format!("{SERVER}.0.111"));
        let reply = ask(&state, &call);
        let address = format!("{SERVER}.0.111");
        assert!(
            reply
                .windows(address.len())
                .any(|part| part == address.as_bytes())
        );
        assert!(reply.len() <= call.len());
        // Before, this was answered in 76 bytes to 64.
        let call = getaddr("");
        let accepted_procedure_unavailable = bytes(&[7, 1, 0, 0, 0, 3]);
        assert_eq!(ask(&state, &call), accepted_procedure_unavailable);
        // And this, RPC in version 3, in 24 to 12.
        assert_eq!(ask(&state, &bytes(&[7, 0, 3])), Vec::<u8>::new());
        for length in 0..=call.len() {
            let part = call.get(..length).unwrap();
            assert!(ask(&state, part).len() <= length, "{length}");
        }
    }
}
