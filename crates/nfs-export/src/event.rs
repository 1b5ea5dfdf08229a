//! What the export tells whoever runs it.

use std::fmt;
use std::net::SocketAddr;

/// Something a person may want to read in a machine's timeline. Paths are as the client spelled them, cut to 1,024
/// bytes, with everything unprintable escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A client asked for a root and got its handle.
    Mounted {
        /// The client's address and port.
        client: SocketAddr,
        /// The path it asked for.
        path: String,
    },
    /// A client asked for a root and did not get it.
    Refused {
        /// The client's address and port.
        client: SocketAddr,
        /// The path it asked for.
        path: String,
        /// The reason; the client got the matching MOUNT status.
        why: Refusal,
    },
    /// A client said that it is done with a path. Most machines never say so.
    Unmounted {
        /// The client's address and port.
        client: SocketAddr,
        /// The path it names.
        path: String,
    },
    /// A client was cut off because it holds too many connections, or because the server does.
    ConnectionRefused {
        /// The client's address and port.
        client: SocketAddr,
    },
    /// A worker could not be started: the machine is out of threads or memory.
    OutOfThreads {
        /// The client whose connection was closed for it.
        client: SocketAddr,
    },
}

/// Why a MOUNT was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The export exists, but its address list does not contain the client.
    Address,
    /// No export has this name.
    NoSuchExport,
    /// The export exists, the directory beneath it does not, or lies behind a symbolic link or a mount.
    NoSuchDirectory,
    /// The path names something that is not a directory.
    NotADirectory,
    /// The path has `..` in it or is not absolute.
    Path,
    /// The server's own file system failed.
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

/// Shows bytes from the network without letting them write to a terminal.
pub(crate) fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .take(1024)
        .flat_map(|letter| {
            let control = letter.is_control();
            control
                .then(|| letter.escape_default())
                .into_iter()
                .flatten()
                .chain((!control).then_some(letter))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn a_path_full_of_control_characters_is_shown_escaped() {
        assert_eq!(printable(b"/a\x1b[2J\n\xff"), "/a\\u{1b}[2J\\n\u{fffd}");
        assert!(printable(&[b'a'; 5000]).len() == 1024);
    }
}
