//! Mounts an export.
//!
//! The kernel is told parameter by parameter (`fsopen`, `fsconfig`, `fsmount`), so that one that it does not know
//! is named and left out, and its own words about a failure are heard. mount(2) is for kernels before 5.2.
//! It happens in a thread: a lost packet keeps the kernel's client for minutes, and a boot has better to do.

mod error;
mod kernel;

use std::time::Duration;

use netroot_proto::mount::{Version, mount_request};

use crate::console::{debug, warn};
use crate::identity;
use crate::modules::{Loaded, Loader};
use crate::root::nfs::export::Export;
use crate::root::nfs::readahead;

pub(crate) use error::MountError;
use kernel::{Order, in_time};

/// Who owns what the kernel knows no owner of: -2 as it is, and as 16 bits (`make_kuid(-2)`, `fs/nfs/inode.c`).
const NOBODY: [u32; 2] = [u32::MAX - 1, 65534];

/// Mounts an export at `target`, by the first version of NFS that works. One of `programs` is run in the end, so it
/// has to be readable.
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
        tell_of_nameless(target);
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
    let mut told: Option<MountError> = None;
    for version in &export.versions {
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
            };
            in_time(order, timeout)
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
                // A version that one side does not have says less than a path that is not there.
                if told.as_ref().is_none_or(MountError::is_about_version) {
                    told = Some(e);
                }
            }
        }
    }
    Err(told.unwrap_or(MountError::NoClient {
        version: Version::V3,
    }))
}

/// The kernel asks for these by modprobe; loading them first saves it the detour and names what is missing.
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
        // Not in the image, and perhaps in the kernel: modules.builtin may be missing too.
        Loaded::Absent if known() => Ok(()),
        Loaded::Absent | Loaded::Refused => Err(MountError::NoClient { version }),
    }
}

/// Says so where every file seems to be nobody's. By version 4 a server may send owners by name (`root@domain`), as
/// NFS-Ganesha does unless told otherwise, and nothing in an initrd, and little in most roots, makes a number of one
/// for the kernel (`nfs_map_name_to_uid`, `fs/nfs/nfs4idmap.c`).
fn tell_of_nameless(target: &str) {
    let owner = rustix::fs::stat(target).map_or(0, |status| status.st_uid);
    if NOBODY.contains(&owner) {
        warn!(
            "the root is nobody's: its server sends owners by name, which nothing here resolves; let it send numbers (Only_Numeric_Owners of NFS-Ganesha, nfs4_disable_idmapping of Linux), or mount by vers=3"
        );
    }
}
