//! Mounts an export.
//!
//! The parameters are passed to the kernel one by one (`fsopen`, `fsconfig`, `fsmount`), so that an unknown one can be
//! logged and left out, and the kernel's own error messages can be read. mount(2) is for kernels before 5.2.
//! The mount runs in a thread: a lost packet can block the kernel's client for minutes.

mod error;
mod kernel;

use std::time::Duration;

use netroot_proto::mount::{Version, mount_request};

use crate::console::{debug, warn};
use crate::identity;
use crate::modules::{Loaded, Loader};
use crate::root::nfs::Questions;
use crate::root::nfs::export::Export;
use crate::root::nfs::readahead;

pub(crate) use error::MountError;
pub(crate) use kernel::can_be_abandoned;
use kernel::{Order, mount_with_timeout};

/// The user that owns files whose owner the kernel cannot map: -2 as it is, and as 16 bits (`make_kuid(-2)`, `fs/nfs/inode.c`).
const NOBODY: [u32; 2] = [u32::MAX - 1, 65534];

/// Mounts an export at `target`, with the first version of NFS that works. One of `programs` is run later, so one has
/// to be readable. If the server was asked for its ports alone, nothing is mounted unless all is well at once: by the first
/// version, and with one of the programs in it.
pub(crate) fn mount_export(
    export: &Export,
    programs: &[String],
    target: &str,
    loader: &Loader,
    timeout: Duration,
) -> Result<Version, MountError> {
    let version = mount_nfs(export, programs, target, loader, timeout).map_err(|source| {
        match &export.refusal {
            Some(refusal) => MountError::ByNeither {
                refusal: refusal.clone(),
                by_4: Box::new(source),
            },
            None => source,
        }
    })?;
    readahead::set(target);
    if matches!(version, Version::V4(_)) {
        warn_of_unmapped_owners(target);
    }
    Ok(version)
}

fn mount_nfs(
    export: &Export,
    programs: &[String],
    target: &str,
    loader: &Loader,
    timeout: Duration,
) -> Result<Version, MountError> {
    identity::set_host_name(&export.machine);
    let mut first_error: Option<MountError> = None;
    let is_trial = export.asked == Questions::Ports;
    let versions = if is_trial { 1 } else { export.versions.len() };
    for version in export.versions.iter().take(versions) {
        let attempt = load_client(loader, *version).and_then(|()| {
            match version {
                Version::V4(_) => identity::set_nfs_client_identifier(&export.machine),
                Version::V3 if export.choice.options.lock == Some(true) => warn!(
                    "lock is left out: locks of NFS version 3 need daemons that no initrd has; vers=4 has them built in"
                ),
                Version::V3 => {}
            }
            let request = mount_request(&export.choice, *version, export.server, export.ports);
            let order = Order {
                request,
                version: *version,
                target: target.to_owned(),
                programs: programs.to_vec(),
                is_trial,
            };
            mount_with_timeout(order, timeout)
        });
        match attempt {
            Ok(()) => return Ok(*version),
            Err(e) if !e.leaves_other_versions() => return Err(e),
            Err(e) => {
                let is_last = export.versions.last() == Some(version);
                match e {
                    MountError::Unreadable { .. } if !is_last => {
                        warn!("{e}; trying the next version");
                    }
                    _ => debug!("{e}"),
                }
                // An unsupported version is a less useful error than a missing path.
                if first_error
                    .as_ref()
                    .is_none_or(MountError::is_about_version)
                {
                    first_error = Some(e);
                }
            }
        }
    }
    Err(first_error.unwrap_or(MountError::NoClient {
        version: Version::V3,
    }))
}

/// Loads the kernel's NFS client. The kernel would request it through modprobe; loading it first is faster and shows
/// which module is missing.
fn load_client(loader: &Loader, version: Version) -> Result<(), MountError> {
    let module = if version == Version::V3 {
        "nfsv3"
    } else {
        "nfsv4"
    };
    let known =
        || std::fs::read_to_string("/proc/filesystems").is_ok_and(|all| all.contains("\tnfs\n"));
    match loader.load(module) {
        Loaded::Yes => Ok(()),
        // Not in the initrd, but perhaps built in: modules.builtin may be missing too.
        Loaded::Absent if known() => Ok(()),
        Loaded::Absent | Loaded::Refused => Err(MountError::NoClient { version }),
    }
}

/// Warns if all files appear to belong to nobody. In version 4 a server may send owners as names (`root@domain`), as
/// NFS-Ganesha does by default, and no program in an initrd, and in few roots, maps them to numbers for the kernel
/// (`nfs_map_name_to_uid`, `fs/nfs/nfs4idmap.c`).
fn warn_of_unmapped_owners(target: &str) {
    let owner = rustix::fs::stat(target).map_or(0, |status| status.st_uid);
    if NOBODY.contains(&owner) {
        warn!(
            "the root's files belong to nobody: its server sends owners by name, which nothing here resolves; configure it to send numbers (Only_Numeric_Owners of NFS-Ganesha, nfs4_disable_idmapping of Linux), or mount by vers=3"
        );
    }
}
