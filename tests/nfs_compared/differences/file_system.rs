//! What differs in what is said of the file system, and in access lists.

use crate::nfs_compared::difference::{Difference, differs};

pub(super) const TABLE: &[Difference] = &[
    // What a file system is like.
    differs(
        ["nfsd", "FSSTAT *", "obj", "present", "absent"],
        "RFC 1813 §2.6: servers should return attributes wherever they can",
    ),
    differs(["nfsd", "FSINFO *", "obj", "present", "absent"], "the same"),
    differs(
        ["nfsd", "PATHCONF *", "obj", "present", "absent"],
        "the same",
    ),
    differs(
        ["nfsd", "FSINFO *", "maxfilesize", "*", "17592186040320"],
        "that of ext4 with these blocks; nothing is written here",
    ),
    differs(
        [
            "nfsd",
            "FSINFO *",
            "time_delta",
            "0.000000001",
            "1.000000000",
        ],
        "times have nanoseconds on both",
    ),
    differs(
        [
            "Ganesha",
            "FSINFO *",
            "time_delta",
            "0.000000001",
            "0.000000100",
        ],
        "the same",
    ),
    differs(
        ["*", "FSINFO *", "properties", "0xb", "0x1b"],
        "FSF3_CANSETTIME: no times are set here",
    ),
    differs(
        ["Ganesha", "FSINFO *", "rtmax", "*", "*"],
        "a server's own sizes (RFC 1813 §3.3.19)",
    ),
    differs(
        ["Ganesha", "FSINFO *", "rtpref", "*", "*"],
        "a server's own sizes (RFC 1813 §3.3.19)",
    ),
    differs(
        ["Ganesha", "FSINFO *", "rtmult", "*", "*"],
        "a server's own sizes (RFC 1813 §3.3.19)",
    ),
    differs(
        ["Ganesha", "FSINFO *", "wtmax", "*", "*"],
        "a server's own sizes (RFC 1813 §3.3.19)",
    ),
    differs(
        ["Ganesha", "FSINFO *", "wtpref", "*", "*"],
        "a server's own sizes (RFC 1813 §3.3.19)",
    ),
    differs(
        ["Ganesha", "FSINFO *", "wtmult", "*", "*"],
        "a server's own sizes (RFC 1813 §3.3.19)",
    ),
    differs(
        ["Ganesha", "FSINFO *", "dtpref", "*", "*"],
        "a server's own sizes (RFC 1813 §3.3.19)",
    ),
    differs(
        ["nfsd", "FSINFO *", "rtmax", "*", "*"],
        "the same; nfsd's depend on its memory (`nfsd_get_default_max_blksize`)",
    ),
    differs(
        ["nfsd", "FSINFO *", "rtpref", "*", "*"],
        "the same; nfsd's depend on its memory (`nfsd_get_default_max_blksize`)",
    ),
    differs(
        ["nfsd", "FSINFO *", "wtmax", "*", "*"],
        "the same; nfsd's depend on its memory (`nfsd_get_default_max_blksize`)",
    ),
    differs(
        ["nfsd", "FSINFO *", "wtpref", "*", "*"],
        "the same; nfsd's depend on its memory (`nfsd_get_default_max_blksize`)",
    ),
    differs(
        ["nfsd", "PATHCONF *", "no_trunc", "1", "0"],
        "RFC 1813 §3.3.20: longer names are refused, not cut (`nfsd3_proc_pathconf` says 0 for every file system)",
    ),
    differs(
        ["Ganesha", "PATHCONF *", "linkmax", "32000", "8"],
        "Ganesha's constants",
    ),
    differs(
        ["Ganesha", "PATHCONF *", "name_max", "255", "1024"],
        "the same",
    ),
    // Access lists.
    differs(
        ["Ganesha", "GETACL *", "acl", "*", "0:"],
        "Debian's Ganesha does not read POSIX access lists; nfsd does, as ours",
    ),
    differs(
        ["Ganesha", "GETACL *", "default", "*", "0:"],
        "Debian's Ganesha does not read POSIX access lists; nfsd does, as ours",
    ),
    differs(
        ["Ganesha", "ACCESS h:listed*", "access", "*", "*"],
        "Debian's Ganesha does not read POSIX access lists; nfsd does, as ours",
    ),
    differs(
        ["Ganesha", "READ h:listed *", "status", "OK", "ACCES"],
        "Debian's Ganesha does not read POSIX access lists; nfsd does, as ours",
    ),
    differs(
        [
            "Ganesha",
            "LOOKUP h:listed-folder *",
            "status",
            "OK",
            "ACCES",
        ],
        "Debian's Ganesha does not read POSIX access lists; nfsd does, as ours",
    ),
];
