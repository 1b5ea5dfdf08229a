//! Which root the command line asks for. Each kind of root has a file of its own below.

mod nfs;

use super::ignored::Ignored;
use super::tokens::Parameter;
use crate::mount::{Dialect, NfsOptions, NfsTarget, Version};
use crate::reading::{Complaint, Origin, Reading};

pub use nfs::NfsRequest;

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
    /// A root that is not on NFS: `root=/dev/sda1`. This init cannot mount it; option 17 is still
    /// requested by DHCP, and without one the boot fails with this value.
    Unsupported {
        /// The value of `root=`.
        value: String,
        /// The parameter as written.
        origin: Origin,
    },
    /// Neither `root=` nor `nfsroot=`: DHCP is asked.
    Missing,
}

impl RootRequest {
    /// Whether it names a root itself, of whatever kind, and does not leave that to DHCP.
    fn is_named(&self) -> bool {
        match self {
            Self::Nfs(_) => true,
            Self::FromDhcp { .. } | Self::Unsupported { .. } | Self::Missing => false,
        }
    }

    /// A target without server and path leaves both to DHCP.
    fn of_nfs_target(target: NfsTarget, kernel_default: bool, origin: Origin) -> Self {
        match NfsRequest::of(target, kernel_default, &origin) {
            Ok(request) => Self::Nfs(request),
            Err(options) => Self::FromDhcp {
                kernel_default,
                options,
                origin,
            },
        }
    }
}

/// The parameters that name a root, the last one of each.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RootParameters<'a> {
    pub(super) root: Option<&'a Parameter>,
    pub(super) netroot: Option<&'a Parameter>,
    pub(super) nfsroot: Option<&'a Parameter>,
    pub(super) rootflags: Option<&'a Parameter>,
    pub(super) rootfstype: Option<&'a Parameter>,
}

impl RootParameters<'_> {
    /// Which root they name together, with the options of `rootflags=` and the version of
    /// `rootfstype=nfs4` under those that come with the root. `rootflags=addr=` names the server of a root that names
    /// none, as Guix passes it.
    pub(super) fn resolve(
        self,
        complaints: &mut Vec<Complaint>,
        ignored: &mut Vec<Ignored>,
    ) -> RootRequest {
        let mut root = self.weigh(complaints, ignored);
        let mut under = NfsOptions::default();
        if let Some(flags) = self.rootflags
            && let Some(list) = flags.value.as_deref()
        {
            let mut reading = Reading::new("rootflags", Some(list), complaints);
            under = match (&mut root, nfs::server_in_options(list)) {
                (RootRequest::Nfs(request), Some((host, before, after, position)))
                    if request.server.is_none() =>
                {
                    request.server = Some(host);
                    let both = format!("{} {}", request.origin, flags.text());
                    request.origin = Origin::Parameter(both);
                    let before = NfsOptions::read(before, 0, &mut reading);
                    before.overlaid(&NfsOptions::read(after, position, &mut reading))
                }
                _ => NfsOptions::read(list, 0, &mut reading),
            };
        }
        let is_4 = |p: &&Parameter| p.value.as_deref() == Some("nfs4");
        if self.rootfstype.filter(is_4).is_some() && under.versions.is_empty() {
            under.versions = Version::ANY_V4.to_vec();
        }
        match &mut root {
            RootRequest::Nfs(NfsRequest { options, .. })
            | RootRequest::FromDhcp { options, .. } => *options = under.overlaid(options),
            RootRequest::Missing if under != NfsOptions::default() => {
                let named = self.rootflags.or(self.rootfstype).map(Parameter::text);
                root = RootRequest::FromDhcp {
                    kernel_default: false,
                    options: under,
                    origin: Origin::Parameter(named.unwrap_or_default()),
                };
            }
            RootRequest::Missing | RootRequest::Unsupported { .. } => {}
        }
        root
    }

    /// `root=` with a target of its own, then `netroot=`, then `nfsroot=`, then whichever
    /// leaves it to DHCP, then a `root=` that is not on NFS.
    fn weigh(self, complaints: &mut Vec<Complaint>, ignored: &mut Vec<Ignored>) -> RootRequest {
        let root = self.root.map(|p| read_root("root", p, complaints));
        let netroot = self.netroot.map(|p| read_root("netroot", p, complaints));
        let nfsroot = self.nfsroot.map(|p| read_nfsroot(p, complaints));
        let mut pass_over = |parameter: Option<&Parameter>, why: &'static str| {
            ignored.extend(parameter.map(|p| Ignored::new(p.text(), why)));
        };
        match (root, netroot, nfsroot) {
            (Some(named), ..) if named.is_named() => {
                pass_over(self.netroot, "root= names the NFS root");
                pass_over(self.nfsroot, "root= names the NFS root");
                named
            }
            (root, Some(named), _) if named.is_named() => {
                if matches!(root, Some(RootRequest::Unsupported { .. })) {
                    pass_over(self.root, "netroot= names the NFS root");
                }
                pass_over(self.nfsroot, "netroot= names the NFS root");
                named
            }
            (root, netroot, Some(named)) => {
                for (request, parameter) in [(root, self.root), (netroot, self.netroot)] {
                    if matches!(request, Some(RootRequest::Unsupported { .. })) {
                        pass_over(parameter, "nfsroot= asks for an NFS root");
                    }
                }
                named
            }
            (Some(dhcp @ RootRequest::FromDhcp { .. }), ..) => dhcp,
            (root, Some(dhcp @ RootRequest::FromDhcp { .. }), None) => {
                if matches!(root, Some(RootRequest::Unsupported { .. })) {
                    pass_over(self.root, "netroot= leaves the root to DHCP");
                }
                dhcp
            }
            (Some(other), _, None) => other,
            (None, Some(other), None) => other,
            (None, None, None) => RootRequest::Missing,
        }
    }
}

/// `root=` and dracut's `netroot=`.
fn read_root(
    name: &'static str,
    parameter: &Parameter,
    complaints: &mut Vec<Complaint>,
) -> RootRequest {
    let origin = Origin::Parameter(parameter.text());
    let value = parameter.value.as_deref().unwrap_or_default();
    let from_dhcp = |kernel_default, versions: &[Version]| {
        let options = NfsOptions {
            versions: versions.to_vec(),
            ..NfsOptions::default()
        };
        RootRequest::FromDhcp {
            kernel_default,
            options,
            origin: origin.clone(),
        }
    };
    match value {
        "/dev/nfs" => return from_dhcp(true, &[]),
        "" | "dhcp" | "dhcp4" | "nfs" | "nfs:" => return from_dhcp(false, &[]),
        "nfs4" | "nfs4:" => return from_dhcp(false, &Version::ANY_V4),
        "dhcp6" => {
            let mut reading = Reading::new(name, Some(value), complaints);
            let outcome = "an NFS root over IPv6 is not supported; taken as dhcp";
            reading.complain(0, "dhcp", value, outcome);
            return from_dhcp(false, &[]);
        }
        _ => {}
    }
    let named = value.starts_with("nfs:") || value.starts_with("nfs4:");
    if !named && !nfs::looks_like_target(value) {
        return RootRequest::Unsupported {
            value: value.to_owned(),
            origin,
        };
    }
    let mut reading = Reading::new(name, Some(value), complaints);
    let target = NfsTarget::read(value, Dialect::Url, &mut reading);
    RootRequest::of_nfs_target(target, false, origin)
}

/// `nfsroot=`, as the kernel and initramfs-tools take it.
fn read_nfsroot(parameter: &Parameter, complaints: &mut Vec<Complaint>) -> RootRequest {
    let origin = Origin::Parameter(parameter.text());
    let value = parameter.value.as_deref().unwrap_or_default();
    if value == "auto" {
        let options = NfsOptions::default();
        return RootRequest::FromDhcp {
            kernel_default: false,
            options,
            origin,
        };
    }
    let mut reading = Reading::new("nfsroot", Some(value), complaints);
    let target = NfsTarget::read(value, Dialect::Nfsroot, &mut reading);
    RootRequest::of_nfs_target(target, true, origin)
}

#[cfg(test)]
mod tests;
