//! What a server offers: the versions to mount with, and what is known of the root before.

use netroot_proto::mount::{KnownPorts, Version};

use super::fault::NfsFault;
use super::probe::{Server, probe_v3, probe_v4};
use super::walk::Found;
use crate::console::{detail, say};

/// A server that can be mounted from, as far as it says.
#[derive(Debug)]
pub(crate) struct Offer {
    /// Versions to mount with, in order.
    pub(crate) versions: Vec<Version>,
    /// Ports that answered.
    pub(crate) ports: KnownPorts,
    /// For each program asked for, whether it is there; nothing where only version 4 answered, which has no
    /// MOUNT to ask.
    pub(crate) programs: Vec<Found>,
}

/// Asks a server about a path, for the versions in their order. Where the first kind, 3 or 4, is not spoken at all,
/// the other one is asked if it is wanted too; a refusal is final.
pub(crate) fn ask(
    server: &Server,
    path: &str,
    versions: &[Version],
    programs: &[String],
) -> Result<Offer, NfsFault> {
    let is_v3 = |version: &Version| *version == Version::V3;
    let (v3, v4): (Vec<Version>, Vec<Version>) = versions.iter().partition(|v| is_v3(v));
    let ask_v3 = || probe_v3(server, path, programs);
    let ask_v4 = |versions: Vec<Version>| {
        let offer = |()| Offer {
            versions,
            ports: server.ports,
            programs: Vec::new(),
        };
        probe_v4(server).map(offer)
    };
    let fault = if versions.first().is_some_and(is_v3) {
        match ask_v3() {
            Ok(probed) => {
                return Ok(Offer {
                    versions: versions.to_vec(),
                    ports: probed.ports,
                    programs: probed.programs,
                });
            }
            Err(fault) if !v4.is_empty() && fault.leaves_other_versions() => match ask_v4(v4) {
                Ok(offer) => {
                    say!("{fault}; trying version 4");
                    return Ok(offer);
                }
                // What version 3 has to say is nearer to what is wrong.
                Err(second) => {
                    detail!("{second}");
                    fault
                }
            },
            Err(fault) => fault,
        }
    } else {
        match ask_v4(versions.to_vec()) {
            Err(fault) if !v3.is_empty() && fault.leaves_other_versions() => match ask_v3() {
                Ok(probed) => {
                    say!("{fault}; trying version 3");
                    return Ok(Offer {
                        versions: v3,
                        ports: probed.ports,
                        programs: probed.programs,
                    });
                }
                Err(second) => {
                    detail!("{second}");
                    fault
                }
            },
            result => return result,
        }
    };
    Err(fault)
}

#[cfg(test)]
mod tests;
