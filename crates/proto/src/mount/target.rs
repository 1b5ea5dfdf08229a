//! `[nfs:][server:]path[,options]`, wherever it is written.

use std::fmt;
use std::net::Ipv4Addr;

use thiserror::Error;

use super::options::NfsOptions;

/// A server by address or by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// An IPv4 address.
    Address(Ipv4Addr),
    /// A name for DNS to resolve.
    Name(String),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// A server, a path and options, each as far as they are written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NfsTarget {
    /// `None` where only a path is written.
    pub server: Option<Host>,
    /// The path before `%s` is replaced; `None` where nothing is written.
    pub path: Option<String>,
    /// The options after the path.
    pub options: NfsOptions,
}

/// Why a text names no NFS target.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TargetError {
    /// A control character or a byte that is not UTF-8.
    #[error("at position {position}: a control character or a byte that is not UTF-8")]
    Text {
        /// Byte offset in the value.
        position: usize,
    },
}
