//! Which server and which path: one rule, with its reasons.

use std::net::IpAddr;

use netroot_net::Host;
use thiserror::Error;

use crate::cmdline::{BootPlan, IpRequest, Overlay, RootRequest};
use crate::mount::{
    Access, Evidence, MachineIdentity, NfsOptions, NfsTarget, RootChoice, TargetError, Unfilled,
    fill_in,
};
use crate::reading::Origin;

/// What is known about the network once an address is set.
#[derive(Debug, Clone, Copy, Default)]
pub struct LeaseFacts<'a> {
    /// This machine's address.
    pub address: Option<IpAddr>,
    /// The `ip=` request that this NIC follows, if one does.
    pub request: Option<&'a IpRequest>,
    /// DHCP option 12.
    pub host_name: Option<&'a str>,
    /// DHCP option 17, as bytes.
    pub root_path: Option<&'a [u8]>,
    /// `siaddr` of the reply; zero counts as absent.
    pub next_server: Option<IpAddr>,
    /// DHCP option 54.
    pub server_identifier: Option<IpAddr>,
}

/// Why there is no root to mount.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoRoot {
    /// No path from anywhere.
    #[error(
        "neither the command line nor DHCP option 17 names a root; \
         give root=nfs:<server>:/<path>, or set option 17 (root-path) on the DHCP server"
    )]
    Unnamed,
    /// `root=` names something that is not on NFS, and DHCP nothing better.
    #[error(
        "root={value} is not on NFS, which is all that this init mounts, and DHCP names no root path; \
         give root=nfs:<server>:/<path>"
    )]
    NotNfs {
        /// The value of `root=`.
        value: String,
    },
    /// Only DHCP option 17 is given, and it makes no sense.
    #[error(
        "DHCP option 17 (root-path) names no NFS root; correct it on the DHCP server or give root=nfs:<server>:/<path>"
    )]
    Option17(#[source] TargetError),
    /// The path depends on a property of the machine that is not known.
    #[error(
        "the path {path} needs this machine's {what} for {token}, which is not known; \
         write it out, or use %s, the host name or address"
    )]
    Token {
        /// The path as written.
        path: String,
        /// The token: `%{serial}`.
        token: &'static str,
        /// What it stands for: "serial number".
        what: &'static str,
    },
    /// A path and no server.
    #[error("nothing names the NFS server of {path}; give nfsroot=<server>:{path}")]
    Server {
        /// The path that is known, with its tokens replaced.
        path: String,
    },
}

/// The root as far as the command line alone names it.
struct Explicit<'a> {
    server: Option<&'a Host>,
    others: &'a [Host],
    path: Option<&'a str>,
    options: NfsOptions,
    from: Evidence,
    kernel_default: bool,
}

impl<'a> Explicit<'a> {
    fn of(root: &'a RootRequest) -> Self {
        let nothing = Self {
            server: None,
            others: &[],
            path: None,
            options: NfsOptions::default(),
            from: Evidence::Option17,
            kernel_default: false,
        };
        match root {
            RootRequest::Nfs(request) => Self {
                server: request.server.as_ref(),
                others: &request.others,
                path: request.path.as_deref(),
                options: request.options.clone(),
                from: parameter(&request.origin),
                kernel_default: request.kernel_default,
            },
            RootRequest::FromDhcp {
                kernel_default,
                options,
                origin,
            } => Self {
                options: options.clone(),
                from: parameter(origin),
                kernel_default: *kernel_default,
                ..nothing
            },
            RootRequest::Unsupported { .. } | RootRequest::Missing => nothing,
        }
    }
}

fn parameter(origin: &Origin) -> Evidence {
    match origin {
        Origin::Default => Evidence::KernelDefault,
        Origin::Parameter(text) => {
            let name = text.split('=').next().unwrap_or_default();
            Evidence::Parameter(name.to_owned())
        }
    }
}

/// [`choose_root_of`] a machine of which nothing is known but its lease.
pub fn choose_root(plan: &BootPlan, facts: &LeaseFacts<'_>) -> Result<RootChoice, NoRoot> {
    choose_root_of(plan, facts, &MachineIdentity::default())
}

/// Decides which server and path are the root: an explicit parameter, then option 17, then
/// field 2 of `ip=`, then `siaddr`, then option 54. (The kernel lets option 54 win over
/// `siaddr`; under ProxyDHCP the reply that carries the address is not the boot server's.)
///
/// Tokens in the path become what they stand for on this machine. Options that come with
/// option 17 count only where its server or its path does, and under those of the command
/// line.
pub fn choose_root_of(
    plan: &BootPlan,
    facts: &LeaseFacts<'_>,
    machine: &MachineIdentity,
) -> Result<RootChoice, NoRoot> {
    let explicit = Explicit::of(&plan.root);
    let option_17 = facts.root_path.map(NfsTarget::from_option_17);
    let (lease_target, mut complaints, lease_error) = match option_17 {
        Some(Ok((target, complaints))) => (target, complaints, None),
        Some(Err(error)) => (NfsTarget::default(), Vec::new(), Some(error)),
        None => (NfsTarget::default(), Vec::new(), None),
    };

    // An option 17 of options alone (`,rsize=8192`) applies to whatever root is chosen.
    let lease_names_nothing = lease_target.server.is_none() && lease_target.path.is_none();

    let (template, path_from) = match (explicit.path, lease_target.path.as_deref()) {
        (Some(path), _) => (path, explicit.from.clone()),
        (None, Some(path)) => (path, Evidence::Option17),
        // An option 17 that names only a server leaves the path to the kernel's rule too.
        (None, None) if explicit.kernel_default => ("/tftpboot/%s", Evidence::KernelDefault),
        (None, None) => return Err(no_path(&plan.root, lease_error)),
    };
    let path = fill_in(template, host_name(facts), facts.address, machine).map_err(
        |Unfilled { token, what }| NoRoot::Token {
            path: template.to_owned(),
            token,
            what,
        },
    )?;

    let some = |address: Option<IpAddr>| address.filter(|a| !a.is_unspecified()).map(Host::Address);
    let field_2 = facts.request.and_then(|request| request.server);
    let others = explicit.others.to_vec();
    let candidates = [
        (explicit.server.cloned(), others, explicit.from),
        (lease_target.server, lease_target.others, Evidence::Option17),
        (some(field_2), Vec::new(), Evidence::IpField2),
        (some(facts.next_server), Vec::new(), Evidence::NextServer),
        (
            some(facts.server_identifier),
            Vec::new(),
            Evidence::ServerIdentifier,
        ),
    ];
    let named = candidates
        .into_iter()
        .find_map(|(server, others, from)| server.map(|s| (s, others, from)));
    let Some((server, others, server_from)) = named else {
        return Err(NoRoot::Server { path });
    };

    let lease_counts =
        lease_names_nothing || path_from == Evidence::Option17 || server_from == Evidence::Option17;
    let (options, lease_access) = if lease_counts {
        let access = lease_target.options.access;
        (lease_target.options.overlaid(&explicit.options), access)
    } else {
        complaints.clear();
        (explicit.options.clone(), None)
    };
    let layered = matches!(plan.overlay.value, Overlay::Tmpfs { .. });
    let access = if layered {
        Access::ReadOnly
    } else if let Some(access) = explicit.options.access {
        access
    } else if plan.access.origin == Origin::Default {
        lease_access.unwrap_or(plan.access.value)
    } else {
        plan.access.value
    };
    Ok(RootChoice {
        server,
        others,
        path,
        options,
        access,
        layered,
        server_from,
        path_from,
        complaints,
    })
}

fn no_path(root: &RootRequest, lease_error: Option<TargetError>) -> NoRoot {
    match (lease_error, root) {
        (Some(error), _) => NoRoot::Option17(error),
        (None, RootRequest::Unsupported { value, .. }) => NoRoot::NotNfs {
            value: value.clone(),
        },
        (None, _) => NoRoot::Unnamed,
    }
}

/// The host name of `ip=`, else of DHCP. One that would lead elsewhere in the server's tree
/// is not taken.
fn host_name<'a>(facts: &LeaseFacts<'a>) -> Option<&'a str> {
    let written = facts
        .request
        .and_then(|request| request.host_name.as_deref());
    // The kernel's node name ends at the first dot; what follows is the domain.
    let leased = facts.host_name.and_then(|name| name.split('.').next());
    let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let safe = |name: &&str| !name.is_empty() && name.bytes().all(letter);
    written.or(leased.filter(safe))
}

#[cfg(test)]
mod tests;
