//! What differs where a disk cannot be read, and where somebody has a lease on a file.

use crate::nfs_compared::difference::{Difference, differs};

pub(super) const TABLE: &[Difference] = &[
    differs(
        [
            "nfsd",
            "MNT path:/damaged-folder/inner",
            "status",
            "IO",
            "ACCES",
        ],
        "RFC 1813 appendix I has MNT3ERR_IO; mountd has ACCES for what it cannot resolve",
    ),
    differs(
        [
            "nfsd",
            "ACCESS h:damaged-list w:63 uid:1001",
            "status",
            "OK",
            "IO",
        ],
        "an access list that cannot be read grants nothing, as one that names nobody",
    ),
    differs(
        [
            "nfsd",
            "READ h:damaged-list q:0 w:10 uid:1001",
            "status",
            "ACCES",
            "IO",
        ],
        "the same",
    ),
    differs(
        ["nfsd", "* h:leased*", "*.mtime", "*", "*"],
        "nfsd gives the present time for a file that somebody has a lease on for writing (`lease_get_mtime`); this tree is read-only",
    ),
    differs(
        [
            "nfsd",
            "READ h:damaged-long-end q:0 w:196608",
            "count",
            "131072",
            "65536",
        ],
        "a short READ is allowed (RFC 1813 §3.3.6): nfsd ends before the hole, ours before the block that cannot be read",
    ),
    differs(
        [
            "nfsd",
            "READ h:damaged-long-end q:0 w:196608",
            "data",
            "*",
            "*",
        ],
        "the same",
    ),
    differs(
        [
            "Ganesha",
            "MNT path:/damaged-folder/inner",
            "status",
            "IO",
            "ACCES",
        ],
        "RFC 1813 appendix I has MNT3ERR_IO; Ganesha has ACCES for all",
    ),
    differs(
        [
            "Ganesha",
            "GETACL h:damaged-list w:15",
            "status",
            "IO",
            "OK",
        ],
        "Debian's Ganesha does not read POSIX access lists",
    ),
    differs(
        [
            "Ganesha",
            "LOOKUP h:half s:gone",
            "status",
            "IO",
            "SERVERFAULT",
        ],
        "it is the disk that is damaged, not the server; nfsd says so, too (`nfserrno` in `fs/nfsd/vfs.c`)",
    ),
    differs(
        [
            "Ganesha",
            "READDIR* h:half *",
            "status",
            "OK",
            "SERVERFAULT",
        ],
        "the other names of the folder can be read: nfsd lists them, too, and the damaged one without attributes",
    ),
    differs(
        [
            "Ganesha",
            "READ h:leased q:0 w:10",
            "status",
            "JUKEBOX",
            "OK",
        ],
        "Ganesha waits until the lease is given back, for `fs.lease-break-time` at most; nfsd has the client ask again, as ours",
    ),
];
