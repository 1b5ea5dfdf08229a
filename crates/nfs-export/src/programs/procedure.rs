//! What every procedure is told, and how it can end without an answer.

use crate::rpc::decode::Malformed;

/// Whether an answer may wait for a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IoMode {
    /// Give up where data would have to be read from a disk (`RWF_NOWAIT`).
    NonBlocking,
    /// Wait for the disk.
    Blocking,
}

/// Why a procedure has not answered.
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
