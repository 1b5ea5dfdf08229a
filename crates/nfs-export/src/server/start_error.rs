//! Why a server did not start, or an export cannot be exchanged.

use std::io;

use crate::export::ExportError;
use crate::exports::Conflict;

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Two exports have the same name.
    #[error("two exports have the name {name:?}; give each a name of its own")]
    SameName {
        /// The name they share.
        name: String,
    },
    /// Two exports would have the same handles: nearly always the same directory twice.
    #[error("{first:?} and {second:?} export the same directory; export it once, with both names")]
    SameRoot {
        /// The first name of one.
        first: String,
        /// The first name of the other.
        second: String,
    },
    /// An export cannot have a name.
    #[error(transparent)]
    Name(ExportError),
    /// A socket cannot be used.
    #[error("cannot set up the sockets of the export")]
    Socket(#[source] io::Error),
    /// The thread that listens, or the watchdog.
    #[error(
        "cannot start a thread of the export; raise the limit of threads (TasksMax= of the service, ulimit -u), or free memory"
    )]
    Thread(#[source] io::Error),
    /// An event loop: two threads and two descriptors.
    #[error(
        "cannot start an event loop of the export; raise the limit of threads or of open files (TasksMax=, LimitNOFILE= of the service), or free memory"
    )]
    EventLoop(#[source] io::Error),
}

impl From<Conflict> for StartError {
    fn from(conflict: Conflict) -> Self {
        match conflict {
            Conflict::Name(name) => Self::SameName { name },
            Conflict::Handles(first, second) => Self::SameRoot { first, second },
        }
    }
}
