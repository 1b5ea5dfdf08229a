//! NFS statuses of failed system calls.

use nfs3_types::nfs3::nfsstat3;
use rustix::io::Errno;

/// The closest status of RFC 1813 §2.6.
pub(crate) fn from_errno(errno: Errno) -> nfsstat3 {
    match errno {
        Errno::NOENT => nfsstat3::NFS3ERR_NOENT,
        Errno::PERM => nfsstat3::NFS3ERR_PERM,
        // EXDEV: the name leads out of the root or into another mount.
        Errno::ACCESS | Errno::XDEV => nfsstat3::NFS3ERR_ACCES,
        Errno::STALE => nfsstat3::NFS3ERR_STALE,
        Errno::NOTDIR => nfsstat3::NFS3ERR_NOTDIR,
        Errno::ISDIR => nfsstat3::NFS3ERR_ISDIR,
        Errno::NAMETOOLONG => nfsstat3::NFS3ERR_NAMETOOLONG,
        Errno::INVAL | Errno::LOOP => nfsstat3::NFS3ERR_INVAL,
        Errno::NXIO => nfsstat3::NFS3ERR_NXIO,
        Errno::NODEV => nfsstat3::NFS3ERR_NODEV,
        // Temporary faults of the server: the client waits and retries, and no program fails.
        Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN | Errno::INTR => {
            nfsstat3::NFS3ERR_JUKEBOX
        }
        _ => nfsstat3::NFS3ERR_IO,
    }
}
