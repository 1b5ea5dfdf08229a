//! Events that the caller may log.

use std::fmt;
use std::net::SocketAddr;

use netroot_printable::Printable;

/// An event of one client. Paths are as the client sent them, truncated to 1,024 characters, and then escaped
/// ([`Printable`]).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A client mounted a path.
    Mounted {
        /// The client's address and port.
        client: SocketAddr,
        /// The requested path.
        path: String,
    },
    /// A client was refused a path.
    Refused {
        /// The client's address and port.
        client: SocketAddr,
        /// The requested path.
        path: String,
        /// The reason; the client got the corresponding MOUNT status.
        why: Refusal,
    },
    /// A call was refused before anything was looked at; the client got the corresponding RPC status.
    CallRefused {
        /// The client's address and port.
        client: SocketAddr,
        /// The reason.
        why: CallRefusal,
    },
    /// A client unmounted a path. Most machines never do.
    Unmounted {
        /// The client's address and port.
        client: SocketAddr,
        /// The path.
        path: String,
    },
    /// A connection was refused: the client has too many, or the server has.
    ConnectionRefused {
        /// The client's address and port.
        client: SocketAddr,
    },
    /// A thread could not be started: the server is out of threads or memory. The client's connection may have been closed for
    /// that, or that of a client with more of them, or all those that share a processor with it wait. Reported at most once a
    /// second.
    OutOfThreads {
        /// The client for which the server has to wait, or whose calls wait.
        client: SocketAddr,
    },
}

/// Why a MOUNT was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The client is not in the address list of the export.
    Address,
    /// No export has this name.
    NoSuchExport,
    /// The export has no such directory below it, or it is behind a symbolic link or a mount point.
    NoSuchDirectory,
    /// The path is not a directory.
    NotADirectory,
    /// The path contains `..` or is not absolute.
    Path,
    /// An I/O error of the server.
    Failed,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Address => "its address is not on the export's list",
            Self::NoSuchExport => "no such export",
            Self::NoSuchDirectory => "no such directory in the export",
            Self::NotADirectory => "not a directory",
            Self::Path => "not an absolute path without `..`",
            Self::Failed => "the server could not read it",
        })
    }
}

/// Why a call was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallRefusal {
    /// An NFS call of a client that may mount no export.
    Address,
    /// Its credential is malformed, or neither AUTH_NONE nor AUTH_SYS.
    Credential,
}

impl fmt::Display for CallRefusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Address => "its address is not on the export's list",
            Self::Credential => {
                "it asks for Kerberos or TLS, which this export does not have; mount with sec=sys"
            }
        })
    }
}

/// Bytes from the network as text that is safe on a terminal.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let shown: String = text.chars().take(1024).collect();
    Printable(&shown).to_string()
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn control_characters_of_a_path_are_escaped() {
        assert_eq!(printable(b"/a\x1b[2J\n\xff"), "/a\\u{1b}[2J\\n\u{fffd}");
        assert!(printable(&[b'a'; 5000]).len() == 1024);
    }
}
