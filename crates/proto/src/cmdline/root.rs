//! Which root the command line asks for.

use super::setting::Origin;
use crate::mount::{Host, NfsOptions};

/// The NFS root that the command line names, as far as it names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NfsRequest {
    /// The server; `None` leaves it to DHCP or to field 2 of `ip=`.
    pub server: Option<Host>,
    /// The path before `%s` is replaced. Starts with `/`; `None` leaves it to DHCP.
    pub path: Option<String>,
    /// Mount options that the parameter carries.
    pub options: NfsOptions,
    /// The parameter as written.
    pub origin: Origin,
}

/// Which root the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootRequest {
    /// An NFS root, named at least in part.
    Nfs(NfsRequest),
    /// What DHCP says (option 17): `root=dhcp`, `nfsroot=auto`, `root=/dev/nfs` alone.
    FromDhcp {
        /// The kernel's `/tftpboot/%s` holds where DHCP names no path: only for
        /// `root=/dev/nfs`, whose documentation promises it.
        kernel_default: bool,
        /// Mount options that the command line still adds (`nfsroot=,rsize=…`).
        options: NfsOptions,
        /// The parameter that asks for it.
        origin: Origin,
    },
    /// A root that is not on NFS: `root=/dev/sda1`. This init cannot mount it; DHCP is
    /// asked for option 17 all the same, and without one the boot fails with this value.
    NotNfs {
        /// The value of `root=`.
        value: String,
        /// The parameter as written.
        origin: Origin,
    },
    /// Neither `root=` nor `nfsroot=`: DHCP is asked.
    Missing,
}
