//! A root on NFS: `root=nfs:…`, `root=<server>:/<path>`, `nfsroot=…`.

use netroot_net::Host;

use crate::address::read_host;
use crate::mount::{NfsOptions, NfsTarget, other_scheme};
use crate::reading::Origin;

/// The NFS root that the command line names, as far as it names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NfsRequest {
    /// The server; `None` leaves it to DHCP or to field 2 of `ip=`.
    pub server: Option<Host>,
    /// Further servers of the same path, in the order to try them (`a|b:/path`).
    pub others: Vec<Host>,
    /// The path before `%s` is replaced. Starts with `/`; `None` leaves it to DHCP.
    pub path: Option<String>,
    /// Mount options that the parameter carries.
    pub options: NfsOptions,
    /// The kernel's `/tftpboot/%s` holds where neither this nor DHCP names a path.
    pub kernel_default: bool,
    /// The parameter as written.
    pub origin: Origin,
}

impl NfsRequest {
    /// The root that a target names; only its options if it names neither server nor path.
    pub(super) fn of(
        target: NfsTarget,
        kernel_default: bool,
        origin: &Origin,
    ) -> Result<Self, NfsOptions> {
        let NfsTarget {
            server,
            others,
            path,
            options,
        } = target;
        if server.is_none() && path.is_none() {
            return Err(options);
        }
        Ok(Self {
            server,
            others,
            path,
            options,
            kernel_default,
            origin: origin.clone(),
        })
    }
}

/// `<address>:/path` (dracut), `host:/path` or `:/path` (Guix), and no other protocol's root. A
/// misspelt address and an IPv6 address count: they are complained about in their place.
pub(super) fn looks_like_target(value: &str) -> bool {
    let Some((server, _)) = value.split_once(":/") else {
        return false;
    };
    let meant_as_address =
        !server.is_empty() && server.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let servers = |list: &str| list.split(['|', ',']).any(|s| read_host(s).is_some());
    let host = server.is_empty() || servers(server) || meant_as_address || server.starts_with('[');
    host && other_scheme(value).is_none()
}

/// The server that a list of mount options names by `addr=`, with what is before and after it and the position of the
/// latter. `None` where there is none that can be used.
pub(super) fn server_in_options(list: &str) -> Option<(Host, &str, &str, usize)> {
    let mut position = 0;
    for option in list.split(',') {
        let end = position + option.len();
        if let Some(host) = option.strip_prefix("addr=").and_then(read_host) {
            let before = list.get(..position).unwrap_or_default();
            let after = list.get(end + 1..).unwrap_or_default();
            return Some((host, before, after, end + 1));
        }
        position = end + 1;
    }
    None
}
