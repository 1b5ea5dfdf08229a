//! Which server and which path: one rule, with its reasons.

use std::net::Ipv4Addr;

use thiserror::Error;

use super::options::{Access, NfsOptions};
use super::target::Host;
use crate::cmdline::{BootPlan, Complaint, IpRequest};

/// What is known about the network once an address is set.
#[derive(Debug, Clone, Copy, Default)]
pub struct LeaseFacts<'a> {
    /// This machine's address.
    pub address: Option<Ipv4Addr>,
    /// The `ip=` request that this NIC follows, if one does.
    pub request: Option<&'a IpRequest>,
    /// DHCP option 12.
    pub host_name: Option<&'a str>,
    /// DHCP option 17, as bytes.
    pub root_path: Option<&'a [u8]>,
    /// `siaddr` of the reply; zero counts as absent.
    pub next_server: Option<Ipv4Addr>,
    /// DHCP option 54.
    pub server_identifier: Option<Ipv4Addr>,
}

/// The root that is going to be mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootChoice {
    /// The server.
    pub server: Host,
    /// The path, with its tokens replaced. Starts with `/`.
    pub path: String,
    /// Mount options from every source, later ones already holding over earlier ones.
    pub options: NfsOptions,
    /// Read-only or not, of the NFS mount itself.
    pub access: Access,
    /// Where server and path came from, for the console: `nfsroot=`, or
    /// `path: DHCP option 17, server: siaddr`.
    pub why: String,
    /// What is wrong with option 17, if anything.
    pub complaints: Vec<Complaint>,
}

/// Why there is no root to mount.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoRoot {
    /// No path from anywhere.
    #[error("neither the command line nor DHCP option 17 names a root path")]
    Path,
    /// A path and no server.
    #[error("nothing names the NFS server of {path}")]
    Server {
        /// The path that is known.
        path: String,
    },
}

/// Decides which server and path are the root.
pub fn choose_root(plan: &BootPlan, facts: &LeaseFacts<'_>) -> Result<RootChoice, NoRoot> {
    let _ = (plan, facts);
    Err(NoRoot::Path)
}
