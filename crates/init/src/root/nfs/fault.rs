//! What can be wrong with an NFS server, and what to do about it.

use std::net::{IpAddr, SocketAddr};

use nfs3_types::mount::mountstat3;
use nfs3_types::nfs3::nfsstat3;

use crate::console::debug;
use crate::diagnosis::{Reachability, RpcFailure};

/// How many exports a sentence lists.
const NAMED: usize = 6;

/// Why a server does not provide the root. Each reads as the end of "cannot mount the root …: ".
#[derive(Debug)]
pub(crate) enum NfsFault {
    /// No route, no ARP answer, or no answer to the connection's first packet.
    Silent {
        /// The server.
        server: IpAddr,
        /// The TCP port.
        port: u16,
        /// What should listen there.
        what: &'static str,
        /// How far the packets got.
        reachability: Reachability,
    },
    /// The connection was refused.
    Closed {
        /// The server.
        server: IpAddr,
        /// The TCP port.
        port: u16,
        /// What should listen there.
        what: &'static str,
    },
    /// The connection was accepted, but the reply is missing or malformed.
    Broken {
        /// The server.
        server: IpAddr,
        /// The TCP port.
        port: u16,
        /// The service that was called.
        what: &'static str,
        /// What came instead of a reply.
        answer: RpcFailure,
    },
    /// portmapper does not know the program.
    NotRegistered {
        /// The server.
        server: IpAddr,
        /// `NFS server, version 3`.
        what: &'static str,
    },
    /// MOUNT refuses, and its export list allows other clients.
    NotToThisMachine {
        /// The server.
        server: IpAddr,
        /// The path.
        path: String,
        /// Our address.
        own: IpAddr,
        /// The allowed clients, as the server writes them.
        allowed: Vec<String>,
    },
    /// MOUNT refuses, and its export list lacks the path.
    NotExported {
        /// The server.
        server: IpAddr,
        /// The path.
        path: String,
        /// Our address.
        own: IpAddr,
        /// What it exports, as far as this machine may see: NFS-Ganesha lists only what the client may mount.
        exports: Vec<String>,
    },
    /// MOUNT refuses for another reason, or does not return its export list.
    Denied {
        /// The server.
        server: IpAddr,
        /// The path.
        path: String,
        /// The status.
        status: mountstat3,
    },
    /// The export is not for AUTH_SYS.
    Flavours {
        /// The server.
        server: IpAddr,
        /// The path.
        path: String,
        /// What it wants, in words.
        wanted: String,
    },
    /// MOUNT returned a handle that NFS rejects.
    Handle {
        /// The server.
        server: IpAddr,
        /// The path.
        path: String,
        /// The status of FSINFO.
        status: nfsstat3,
    },
    /// Version 4 does not have the path.
    NotShown {
        /// The server.
        server: IpAddr,
        /// The path.
        path: String,
        /// Our address: a server shows each client its own exports.
        own: IpAddr,
        /// Where the path stops existing.
        missing: Box<Missing>,
    },
    /// Version 3 refuses, and version 4 does not have the path either.
    ByNeither {
        /// What version 3 says.
        refusal: Box<NfsFault>,
        /// Where the path stops existing in version 4.
        missing: Box<Missing>,
    },
}

/// Where a path stops existing in version 4.
#[derive(Debug)]
pub(crate) struct Missing {
    /// The last directory that exists.
    pub(super) above: String,
    /// The name that is missing in it.
    pub(super) name: String,
    /// The names that it contains; empty if the server does not list them.
    pub(super) there: Vec<String>,
    /// The path without its first names, if that exists: knfsd's export with `fsid=0` is version 4's `/`.
    pub(super) shortened: Option<String>,
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "there is no {} in {}", self.name, self.above)?;
        if !self.there.is_empty() {
            write!(f, ", only {}", list(&self.there))?;
        }
        match &self.shortened {
            Some(path) => write!(f, ", but there is {path}"),
            None => Ok(()),
        }
    }
}

impl NfsFault {
    /// The port that did not answer: once it does, the boot can be retried.
    pub(crate) fn awaited(&self) -> Option<SocketAddr> {
        match self {
            Self::Silent { server, port, .. } | Self::Closed { server, port, .. } => {
                Some(SocketAddr::new(*server, *port))
            }
            _ => None,
        }
    }

    /// The server that did not reply, or only to NULL: it may be up, and requests or replies were lost.
    pub(crate) fn silent(&self) -> Option<IpAddr> {
        match self {
            Self::Silent { server, .. } => Some(*server),
            Self::Broken { server, answer, .. } => answer.is_timeout().then_some(*server),
            _ => None,
        }
    }

    /// Whether another version of NFS may still work: not if the port of NFS itself does not answer.
    pub(super) fn leaves_other_versions(&self) -> bool {
        match self {
            Self::Silent { port, .. } => *port == nfs3_types::portmap::PMAP_PORT,
            // An export has the same flavours in each version.
            Self::Flavours { .. } => false,
            _ => true,
        }
    }

    /// Merges the faults of the two versions tried: the one closer to the cause, or both if both concern the path.
    pub(super) fn and(self, second: Self) -> Self {
        match (self, second) {
            (refusal, Self::NotShown { missing, .. })
            | (Self::NotShown { missing, .. }, refusal)
                if refusal.is_refusal() =>
            {
                Self::ByNeither {
                    refusal: Box::new(refusal),
                    missing,
                }
            }
            (_, second @ Self::NotShown { .. }) => second,
            (first, second) => {
                debug!("{second}");
                first
            }
        }
    }

    /// Whether the server answered version 3 and refused the path.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::NotToThisMachine { .. }
                | Self::NotExported { .. }
                | Self::Denied { .. }
                | Self::Handle { .. }
        )
    }

    /// What to do about it.
    pub(crate) fn advice(&self) -> String {
        match self {
            Self::Silent {
                server,
                port,
                reachability,
                ..
            } => reachability.advice(*server, *port),
            Self::Closed { server, port, .. } if *port == nfs3_types::portmap::PMAP_PORT => {
                format!("start rpcbind on {server}, or name its ports with port= and mountport=")
            }
            Self::Closed { server, what, .. } => {
                format!("start the {what} on {server}, or correct the port")
            }
            Self::Broken {
                server,
                port,
                answer,
                ..
            } => answer.advice(*server, *port),
            Self::NotRegistered { server, what } => {
                format!("start the {what} on {server}, or give port= and mountport=")
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
            Self::NotShown { missing, .. } | Self::ByNeither { missing, .. }
                if missing.shortened.is_some() =>
            {
                let there = missing.shortened.as_deref().unwrap_or_default();
                format!(
                    "if {there} is what is meant, give that (an export with fsid=0 is / there); else correct the path"
                )
            }
            Self::NotExported { own, .. } | Self::NotShown { own, .. } => {
                format!("correct the path, or export it to {own}")
            }
            Self::ByNeither { refusal, .. } => refusal.advice(),
            Self::Flavours { server, .. } => format!(
                "allow sec=sys for that export on {server}: neither keys for Kerberos nor TLS are in an initrd"
            ),
            Self::Denied { server, .. } | Self::Handle { server, .. } => {
                format!("check the log of the NFS server on {server}")
            }
        }
    }
}

impl std::fmt::Display for NfsFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Silent {
                server,
                port,
                what,
                reachability,
            } => reachability.describe(f, *server, *port, what),
            Self::Closed { server, port, what } => {
                write!(f, "{server} refuses connections on port {port} ({what})")
            }
            Self::Broken {
                server,
                port,
                what,
                answer,
            } => answer.describe(f, *server, *port, what),
            Self::NotRegistered { server, what } => {
                write!(f, "the portmapper of {server} does not know the {what}")
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
            Self::Flavours {
                server,
                path,
                wanted,
            } => write!(f, "{server} exports {path} to clients with {wanted} only"),
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
            Self::NotShown {
                server,
                path,
                missing,
                ..
            } => {
                write!(f, "{server} has no {path} by NFS version 4: {missing}")
            }
            Self::ByNeither { refusal, missing } => {
                write!(f, "{refusal}; nor by NFS version 4, where {missing}")
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

/// A status of MOUNT (RFC 1813 §5.1.5) in words; nfs3_client prints the constant's name.
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
