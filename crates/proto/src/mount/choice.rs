//! The root that was chosen, with what it was chosen by.

use std::fmt;

use netroot_net::Host;

use super::options::{Access, NfsOptions};
use crate::reading::Complaint;

/// What a server or a path was taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// A parameter of the command line, by its name: `nfsroot`.
    Parameter(String),
    /// DHCP option 17, root path.
    Option17,
    /// Field 2 of `ip=`.
    IpField2,
    /// `siaddr`, the server that a DHCP reply sends its client to.
    NextServer,
    /// DHCP option 54, the DHCP server itself.
    ServerIdentifier,
    /// The kernel's `/tftpboot/%s`.
    KernelDefault,
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parameter(name) => write!(f, "{name}="),
            Self::Option17 => f.write_str("DHCP option 17"),
            Self::IpField2 => f.write_str("ip= field 2"),
            Self::NextServer => f.write_str("the DHCP reply's next server"),
            Self::ServerIdentifier => f.write_str("the DHCP server itself, option 54"),
            Self::KernelDefault => f.write_str("the kernel's default /tftpboot/%s"),
        }
    }
}

/// The root that is going to be mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootChoice {
    /// The server to try first.
    pub server: Host,
    /// Further servers that hold the same path, in the order to try them.
    pub others: Vec<Host>,
    /// The path, with its tokens replaced. Starts with `/`.
    pub path: String,
    /// Mount options from every source, later ones already holding over earlier ones.
    pub options: NfsOptions,
    /// Read-only or not, of the NFS mount itself: read-only under an overlay.
    pub access: Access,
    /// Whether an overlay is mounted over it, so that its files must not change.
    pub layered: bool,
    /// What named the server.
    pub server_from: Evidence,
    /// What named the path.
    pub path_from: Evidence,
    /// What is wrong with option 17, if anything.
    pub complaints: Vec<Complaint>,
}

impl RootChoice {
    /// Every server, in the order to try them.
    pub fn servers(&self) -> impl Iterator<Item = &Host> {
        std::iter::once(&self.server).chain(&self.others)
    }

    /// The same root, mounted from `server`: one of its [`servers`](Self::servers).
    #[must_use]
    pub fn from_server(&self, server: &Host) -> Self {
        let others = self.servers().filter(|other| *other != server).cloned();
        Self {
            server: server.clone(),
            others: others.collect(),
            ..self.clone()
        }
    }

    /// Where server and path came from, for the console: `nfsroot=`, or
    /// `path: DHCP option 17, server: the DHCP reply's next server`.
    pub fn why(&self) -> String {
        if self.server_from == self.path_from {
            self.path_from.to_string()
        } else {
            format!("path: {}, server: {}", self.path_from, self.server_from)
        }
    }
}
