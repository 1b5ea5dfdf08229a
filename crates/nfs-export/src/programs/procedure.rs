//! What all procedures have in common.

use std::net::{IpAddr, SocketAddr};

use crate::rpc::decode::Malformed;

/// The two ends of a conversation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ends {
    pub(crate) client: SocketAddr,
    /// The address of this server that the client has called.
    pub(crate) server: IpAddr,
    /// `IPPROTO_TCP` or `IPPROTO_UDP`.
    pub(crate) protocol: u32,
}

/// Whether a call may wait for a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IoMode {
    /// Return [`ProcedureError::WouldBlock`] instead of waiting (`RWF_NOWAIT`).
    NonBlocking,
    /// Wait.
    Blocking,
}

/// Why a procedure has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProcedureError {
    /// Its arguments do not decode.
    GarbageArguments,
    /// The program has no such procedure.
    NoSuchProcedure,
    /// It would have to wait for a disk ([`IoMode::NonBlocking`]).
    WouldBlock,
}

impl From<Malformed> for ProcedureError {
    fn from(_: Malformed) -> Self {
        Self::GarbageArguments
    }
}
