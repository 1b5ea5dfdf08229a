//! What an NFS server may do wrong, in words.

use std::net::Ipv4Addr;

use nfs3_client::RpcError;
use nfs3_types::mount::mountstat3;
use nfs3_types::nfs3::nfsstat3;

use crate::diagnosis::{Neighbour, cure_of_silence};

/// How many exports a sentence names.
const NAMED: usize = 6;

/// Why a server does not give the root. Each reads as "<why>".
#[derive(Debug)]
pub(crate) enum NfsFault {
    /// No route, no ARP answer, or no answer to the connection's first packet.
    Silent {
        /// The server.
        server: Ipv4Addr,
        /// The TCP port.
        port: u16,
        /// Whether the server is in this machine's own network, so that it ought to answer ARP.
        on_link: bool,
        /// Whether it did.
        neighbour: Neighbour,
    },
    /// The connection was refused.
    Closed {
        /// The server.
        server: Ipv4Addr,
        /// The TCP port.
        port: u16,
        /// What should listen there.
        what: &'static str,
    },
    /// Another error of the connection.
    Broken {
        /// The server.
        server: Ipv4Addr,
        /// The TCP port.
        port: u16,
        /// What was asked.
        what: &'static str,
        /// What went wrong.
        source: RpcError,
    },
    /// The program is there, in other versions.
    OtherVersion {
        /// The server.
        server: Ipv4Addr,
        /// The TCP port.
        port: u16,
        /// What was asked: `NFS server, version 4`.
        what: &'static str,
        /// The lowest version that it speaks.
        low: u32,
        /// The highest one.
        high: u32,
    },
    /// portmapper does not know the program.
    NotRegistered {
        /// The server.
        server: Ipv4Addr,
        /// `the NFS server, version 3`.
        what: &'static str,
    },
    /// MOUNT refuses, and its list says that others may.
    NotToThisMachine {
        /// The server.
        server: Ipv4Addr,
        /// The path.
        path: String,
        /// Our address.
        own: Ipv4Addr,
        /// Who may, as the server writes it.
        allowed: Vec<String>,
    },
    /// MOUNT refuses, and its list does not have the path.
    NotExported {
        /// The server.
        server: Ipv4Addr,
        /// The path.
        path: String,
        /// Our address.
        own: Ipv4Addr,
        /// What it exports, as far as this machine may know: NFS-Ganesha lists for each client what it may mount.
        exports: Vec<String>,
    },
    /// MOUNT refuses for another reason, or does not give its list.
    Denied {
        /// The server.
        server: Ipv4Addr,
        /// The path.
        path: String,
        /// The status.
        status: mountstat3,
    },
    /// MOUNT gave a handle that NFS does not take.
    Handle {
        /// The server.
        server: Ipv4Addr,
        /// The path.
        path: String,
        /// The status of FSINFO.
        status: nfsstat3,
    },
}

impl NfsFault {
    /// Whether another version of NFS may be answered all the same. A refusal is one for all versions, and who does
    /// not answer at the port of NFS itself answers nothing.
    pub(super) fn leaves_other_versions(&self) -> bool {
        match self {
            Self::Silent { port, .. } => *port == nfs3_types::portmap::PMAP_PORT,
            Self::Closed { .. }
            | Self::Broken { .. }
            | Self::OtherVersion { .. }
            | Self::NotRegistered { .. } => true,
            Self::NotToThisMachine { .. }
            | Self::NotExported { .. }
            | Self::Denied { .. }
            | Self::Handle { .. } => false,
        }
    }

    /// What to do about it.
    pub(crate) fn advice(&self) -> String {
        match self {
            Self::Silent {
                server,
                port,
                on_link,
                neighbour,
            } => cure_of_silence(*server, *port, *on_link, *neighbour),
            Self::Closed { server, what, .. } => {
                format!("start the {what} on {server}, or correct the port")
            }
            Self::Broken { server, port, .. } => {
                format!("check what listens on port {port} of {server}")
            }
            Self::OtherVersion { server, .. } => {
                format!("give the version with vers=, or let {server} offer it")
            }
            Self::NotRegistered { server, what } => {
                format!("start {what} on {server}, or give port= and mountport=")
            }
            Self::NotToThisMachine { server, own, .. } => {
                format!("add {own} to the clients of that export on {server}")
            }
            Self::NotExported {
                server,
                own,
                exports,
                ..
            } if exports.is_empty() => {
                format!("export the directory on {server}, and to {own}")
            }
            Self::NotExported { own, .. } => format!("correct the path, or export it to {own}"),
            Self::Denied { server, .. } | Self::Handle { server, .. } => {
                format!("look into the log of the NFS server on {server}")
            }
        }
    }
}

impl std::fmt::Display for NfsFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Silent { server, port, .. } => {
                write!(f, "nothing answers at {server} port {port}")
            }
            Self::Closed { server, port, what } => {
                write!(f, "{server} refuses connections on port {port} ({what})")
            }
            Self::Broken {
                server,
                port,
                what,
                source,
            } => {
                write!(
                    f,
                    "{server} port {port} does not answer as the {what} should: {source}"
                )
            }
            Self::OtherVersion {
                server,
                port,
                what,
                low,
                high,
            } if low == high => {
                write!(
                    f,
                    "{server} port {port} has no {what}: it speaks version {low}"
                )
            }
            Self::OtherVersion {
                server,
                port,
                what,
                low,
                high,
            } => {
                write!(
                    f,
                    "{server} port {port} has no {what}: it speaks versions {low} to {high}"
                )
            }
            Self::NotRegistered { server, what } => {
                write!(f, "the portmapper of {server} does not know {what}")
            }
            Self::NotToThisMachine {
                server,
                path,
                own,
                allowed,
            } => {
                write!(
                    f,
                    "{server} exports {path}, but not to this machine's address {own}"
                )?;
                if allowed.is_empty() {
                    Ok(())
                } else {
                    write!(f, " (only to {})", list(allowed))
                }
            }
            Self::NotExported {
                server,
                path,
                own,
                exports,
            } if exports.is_empty() => {
                write!(
                    f,
                    "{server} does not export {path}; it exports nothing to this machine's address {own}"
                )
            }
            Self::NotExported {
                server,
                path,
                exports,
                ..
            } => {
                write!(
                    f,
                    "{server} does not export {path}; it exports {}",
                    list(exports)
                )
            }
            Self::Denied {
                server,
                path,
                status,
            } => {
                write!(
                    f,
                    "{server} refuses to let {path} be mounted: {}",
                    words(*status)
                )
            }
            Self::Handle {
                server,
                path,
                status,
            } => {
                write!(
                    f,
                    "{server} gives {path} and does not know it afterwards ({status})"
                )
            }
        }
    }
}

fn list(names: &[String]) -> String {
    let mut text = names
        .iter()
        .take(NAMED)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > NAMED {
        text.push_str(&format!(" and {} more", names.len() - NAMED));
    }
    text
}

/// A status of MOUNT (RFC 1813 §5.1.5) in words; nfs3_client prints a number's name.
fn words(status: mountstat3) -> &'static str {
    match status {
        mountstat3::MNT3_OK => "no error",
        mountstat3::MNT3ERR_PERM => "not permitted",
        mountstat3::MNT3ERR_NOENT => "no such directory",
        mountstat3::MNT3ERR_IO => "an input/output error on the server",
        mountstat3::MNT3ERR_ACCES => "access denied",
        mountstat3::MNT3ERR_NOTDIR => "not a directory",
        mountstat3::MNT3ERR_INVAL => "an invalid argument",
        mountstat3::MNT3ERR_NAMETOOLONG => "the path is too long",
        mountstat3::MNT3ERR_NOTSUPP => "not supported",
        mountstat3::MNT3ERR_SERVERFAULT => "a failure of the server",
    }
}
