//! What it means that a port takes a connection and then does not answer as its program should (RFC 5531 §9).

use std::fmt;
use std::io::ErrorKind;
use std::net::Ipv4Addr;

use nfs3_client::RpcError;
use nfs3_types::portmap::PMAP_PORT;

/// What came instead of the answer.
#[derive(Debug)]
pub(crate) enum RpcFailure {
    /// Nothing, and no answer to the empty call (NULL) either.
    NoReply,
    /// Nothing, though NULL is answered.
    OnlyNull,
    /// The end of the connection.
    Closed,
    /// Something that is not the answer to an RPC call.
    NotRpc(RpcError),
    /// RPC, of another program.
    WrongProgram,
    /// The program's other versions, from the lowest to the highest.
    WrongVersion(u32, u32),
    /// A refusal of the credential.
    AuthRejected(RpcError),
    /// An error of the program or of the connection.
    Error(RpcError),
}

impl RpcFailure {
    /// What an error of the client library stands for. `null` is asked whether NULL is answered.
    pub(crate) fn of(error: RpcError, null: impl FnOnce() -> bool) -> Self {
        match error {
            RpcError::Io(e) if e.kind() == ErrorKind::TimedOut => {
                if null() {
                    Self::OnlyNull
                } else {
                    Self::NoReply
                }
            }
            RpcError::Io(e)
                if matches!(
                    e.kind(),
                    ErrorKind::UnexpectedEof
                        | ErrorKind::ConnectionReset
                        | ErrorKind::ConnectionAborted
                        | ErrorKind::BrokenPipe
                ) =>
            {
                Self::Closed
            }
            RpcError::ProgUnavail => Self::WrongProgram,
            RpcError::ProgMismatch { low, high } => Self::WrongVersion(low, high),
            e @ RpcError::Auth(_) => Self::AuthRejected(e),
            e @ (RpcError::ProcUnavail | RpcError::GarbageArgs | RpcError::SystemErr) => {
                Self::Error(e)
            }
            RpcError::Io(e) if e.kind() != ErrorKind::InvalidData => Self::Error(RpcError::Io(e)),
            e => Self::NotRpc(e),
        }
    }

    /// Whether nothing came.
    pub(crate) fn is_timeout(&self) -> bool {
        matches!(self, Self::NoReply | Self::OnlyNull)
    }

    /// Writes what happened at this port, which should be that of `what`.
    pub(crate) fn describe(
        &self,
        f: &mut fmt::Formatter<'_>,
        server: Ipv4Addr,
        port: u16,
        what: &str,
    ) -> fmt::Result {
        match self {
            Self::NoReply => write!(
                f,
                "{server} takes connections on port {port} and answers nothing there, not even an empty call (NULL) to the {what}"
            ),
            Self::OnlyNull => write!(
                f,
                "the {what} of {server} (port {port}) answers an empty call (NULL), and nothing else in time"
            ),
            Self::Closed => write!(
                f,
                "{server} port {port} closes the connection instead of answering as {what}"
            ),
            Self::NotRpc(e) => write!(
                f,
                "what listens on port {port} of {server} is no {what}, for it does not speak RPC ({e})"
            ),
            Self::WrongProgram => write!(
                f,
                "what listens on port {port} of {server} speaks RPC and is no {what}"
            ),
            Self::WrongVersion(low, high) if low == high => write!(
                f,
                "{server} port {port} has no {what}: it speaks version {low}"
            ),
            Self::WrongVersion(low, high) => write!(
                f,
                "{server} port {port} has no {what}: it speaks versions {low} to {high}"
            ),
            Self::AuthRejected(e) => write!(
                f,
                "the {what} of {server} (port {port}) does not take root's credential: {e}"
            ),
            Self::Error(e) => write!(f, "the {what} of {server} (port {port}) fails: {e}"),
        }
    }

    /// What to do about it.
    pub(crate) fn advice(&self, server: Ipv4Addr, port: u16) -> String {
        match self {
            Self::NoReply => format!(
                "check that the server on {server} is not stuck, and that no firewall or proxy answers in its place"
            ),
            Self::OnlyNull => format!(
                "look into the log of {server}: it may be waiting for DNS, for a disk, or for another server"
            ),
            Self::Closed => format!(
                "check that {server} lets this machine in (hosts.allow, firewall), and what listens on port {port}"
            ),
            Self::NotRpc(_) | Self::WrongProgram if port == PMAP_PORT => {
                format!("start the portmapper on {server}, or give port= and mountport=")
            }
            Self::NotRpc(_) | Self::WrongProgram => {
                "correct port= and mountport=, or leave them out so that the portmapper is asked"
                    .to_owned()
            }
            Self::WrongVersion(..) => {
                format!("give the version with vers=, or let {server} offer it")
            }
            Self::AuthRejected(_) => format!("let the export on {server} take sec=sys"),
            Self::Error(_) => format!("look into the log of {server}"),
        }
    }
}
