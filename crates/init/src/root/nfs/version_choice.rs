//! What a server offers: the versions to mount with, and what is known about the root before the mount.

use netroot_proto::mount::{KnownPorts, Version};

use super::fault::NfsFault;
use super::probe::{lacks_access_lists, probe_v3, probe_v4};
use super::server::Server;
use super::walk::Found;
use crate::console::{info, warn};
use crate::root::contents::Instead;

/// Logged if a version 3 server lacks NFSACL.
const LACKS: &str = "the NFS server has no access control lists in version 3 (NFSACL)";

/// A server that can be mounted from, as far as its replies show.
#[derive(Debug)]
pub(crate) struct Offer {
    /// Versions to mount with, in order.
    pub(crate) versions: Vec<Version>,
    /// Ports that answered.
    pub(crate) ports: KnownPorts,
    /// Of the programs asked for, whether they exist, up to the first that does or that the server does not tell of;
    /// empty if only the ports were asked for, or only version 4 answered, which has no MOUNT protocol.
    pub(crate) programs: Vec<Found>,
    /// What the export is instead of a root, if it has none of them.
    pub(crate) instead: Option<Instead>,
    /// Why version 3 refused, if version 4 may still work.
    pub(crate) refusal: Option<String>,
}

/// Asks a server about a path, with the versions in order. If the first kind, 3 or 4, is not supported or refuses the
/// path, the other one is tried if it is allowed too: a server may export a path in only one of them. Version 4 is also
/// preferred if version 3 does not work below an overlay (`layered`), or does not show what is exported below the path.
pub(crate) fn ask(
    server: &Server,
    path: &str,
    versions: &[Version],
    programs: &[String],
    layered: bool,
) -> Result<Offer, NfsFault> {
    let is_v3 = |version: &Version| *version == Version::V3;
    let kind_of = |first: &Version| {
        let same = |version: &&Version| is_v3(version) == is_v3(first);
        versions.iter().filter(same).copied().collect()
    };
    let ask_for = |first: &Version| {
        let versions: Vec<Version> = kind_of(first);
        if is_v3(first) {
            probe_v3(server, path, programs).map(|probed| Offer {
                versions,
                ports: probed.ports,
                programs: probed.programs,
                instead: probed.instead,
                refusal: None,
            })
        } else {
            probe_v4(server, path).map(|()| Offer {
                versions,
                ports: server.ports,
                programs: Vec::new(),
                instead: None,
                refusal: None,
            })
        }
    };
    let first = versions.first().copied().unwrap_or(Version::V3);
    let other = versions.iter().find(|other| is_v3(other) != is_v3(&first));
    let fault = match ask_for(&first) {
        // The others stay as a fallback: the kernel may not support this one.
        Ok(offer) => {
            let mut versions = versions.to_vec();
            if let Some(apart @ Instead::Apart(_)) = &offer.instead
                && other.is_some_and(|other| ask_for(other).is_ok())
            {
                info!("{apart}: mounting with version 4");
                versions.sort_by_key(is_v3);
                // What version 3 does not have is looked for once version 4 is mounted.
                return Ok(Offer {
                    versions,
                    programs: Vec::new(),
                    ..offer
                });
            }
            if layered && is_v3(&first) && lacks_access_lists(server, offer.ports) {
                if other.is_some_and(|other| ask_for(other).is_ok()) {
                    versions.sort_by_key(is_v3);
                    info!("{LACKS}, which an overlay needs: mounting with version 4");
                } else {
                    warn!(
                        "{LACKS}: with the overlay, only root can run or open anything; enable version 4 on the server"
                    );
                }
            }
            return Ok(Offer { versions, ..offer });
        }
        Err(fault) => fault,
    };
    let Some(other) = other.filter(|_| fault.leaves_other_versions()) else {
        return Err(fault);
    };
    match ask_for(other) {
        Ok(offer) => {
            let number = if is_v3(other) { 3 } else { 4 };
            info!("{fault}; trying version {number}");
            Ok(Offer {
                refusal: fault.is_refusal().then(|| fault.to_string()),
                ..offer
            })
        }
        Err(second) => Err(fault.and(second)),
    }
}

#[cfg(test)]
mod tests;
