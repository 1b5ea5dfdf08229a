//! What it means when a port accepts a connection but does not answer as the expected RPC program (RFC 5531 §9).

use std::fmt;
use std::io::ErrorKind;
use std::net::IpAddr;

use nfs3_client::RpcError;
use nfs3_types::portmap::PMAP_PORT;

/// What happened instead of the expected reply.
#[derive(Debug)]
pub(crate) enum RpcFailure {
    /// No reply, not even to the empty call (NULL).
    NoReply,
    /// No reply, although NULL is answered.
    OnlyNull,
    /// The server closed the connection.
    Closed,
    /// Something that is not an RPC reply.
    NotRpc(RpcError),
    /// Another RPC program listens on the port.
    WrongProgram,
    /// The program supports other versions only: the lowest and the highest.
    WrongVersion(u32, u32),
    /// The credential was rejected.
    AuthRejected(RpcError),
    /// An error of the program or of the connection.
    Error(RpcError),
}

impl RpcFailure {
    /// Classifies an error of the client library. `null` is called to find out whether NULL is answered.
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

    /// Whether there was no reply.
    pub(crate) fn is_timeout(&self) -> bool {
        matches!(self, Self::NoReply | Self::OnlyNull)
    }

    /// Writes what happened at this port, where `what` is expected to listen.
    pub(crate) fn describe(
        &self,
        f: &mut fmt::Formatter<'_>,
        server: IpAddr,
        port: u16,
        what: &str,
    ) -> fmt::Result {
        match self {
            Self::NoReply => write!(
                f,
                "{server} accepts connections on port {port} but answers nothing there, not even an empty call (NULL) to the {what}"
            ),
            Self::OnlyNull => write!(
                f,
                "the {what} of {server} (port {port}) answers an empty call (NULL), but nothing else in time"
            ),
            Self::Closed => write!(
                f,
                "{server} port {port} closes the connection instead of answering as {what}"
            ),
            Self::NotRpc(e) => write!(
                f,
                "what listens on port {port} of {server} is not the {what}: it does not speak RPC ({e})"
            ),
            Self::WrongProgram => write!(
                f,
                "what listens on port {port} of {server} speaks RPC but is not the {what}"
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
                "the {what} of {server} (port {port}) rejects root's credential: {e}"
            ),
            Self::Error(e) => write!(f, "the {what} of {server} (port {port}) fails: {e}"),
        }
    }

    /// What to do about it.
    pub(crate) fn advice(&self, server: IpAddr, port: u16) -> String {
        match self {
            Self::NoReply => format!(
                "check that the server on {server} does not hang, and that no firewall or proxy answers in its place"
            ),
            Self::OnlyNull => format!(
                "check the log of {server}: it may be waiting for DNS, for a disk, or for another server"
            ),
            Self::Closed => format!(
                "check that {server} allows this machine to connect (hosts.allow, firewall), and what listens on port {port}"
            ),
            Self::NotRpc(_) | Self::WrongProgram if port == PMAP_PORT => {
                format!("start the portmapper on {server}, or set port= and mountport=")
            }
            Self::NotRpc(_) | Self::WrongProgram => {
                "correct port= and mountport=, or leave them out so that the portmapper is asked"
                    .to_owned()
            }
            Self::WrongVersion(..) => {
                format!("set the version with vers=, or enable it on {server}")
            }
            Self::AuthRejected(_) => format!("allow sec=sys for the export on {server}"),
            Self::Error(_) => format!("check the log of {server}"),
        }
    }
}
