//! The RPC programs: dispatches a message and writes the reply.

mod mount;
mod nfs;
mod nfsacl;
mod portmap;
pub(crate) mod procedure;

use std::cell::Cell;

use crate::counters::count;
use crate::event::{CallRefusal, Event};
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

/// Answers one datagram: NULL and GETPORT of the portmapper. Anything else is refused, since the sender's address may be
/// forged: no reply is longer than its call.
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
    answer_unless(state, ends, message, out, IoMode::NonBlocking, refused)
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
    if is_nfs && call.procedure != 0 && !exports.allow(client.ip()) {
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
