//! What differs in calls that would change something, and in failures.

use crate::nfs_compared::difference::{Difference, differs};

pub(super) const TABLE: &[Difference] = &[
    // Attributes beside a failure (`post_op_attr`, `wcc_data`), which are optional: ours has them wherever it has the file.
    differs(
        ["nfsd", "CREATE h:. s:. *", "dir", "present", "absent"],
        "RFC 1813 §2.6: servers should return attributes wherever they can",
    ),
    differs(
        ["nfsd", "MKDIR h:. s:.*", "dir", "present", "absent"],
        "RFC 1813 §2.6: servers should return attributes wherever they can",
    ),
    differs(
        ["nfsd", "MKNOD h:. *", "dir", "present", "absent"],
        "RFC 1813 §2.6: servers should return attributes wherever they can",
    ),
    differs(
        ["nfsd", "REMOVE h:. s:.*", "dir", "present", "absent"],
        "RFC 1813 §2.6: servers should return attributes wherever they can",
    ),
    differs(
        ["nfsd", "RMDIR h:. s:.*", "dir", "present", "absent"],
        "RFC 1813 §2.6: servers should return attributes wherever they can",
    ),
    differs(
        ["nfsd", "SYMLINK h:. *", "dir", "present", "absent"],
        "RFC 1813 §2.6: servers should return attributes wherever they can",
    ),
    differs(
        ["nfsd", "LINK h:*", "file", "present", "absent"],
        "RFC 1813 §2.6: servers should return attributes wherever they can",
    ),
    differs(
        [
            "nfsd",
            "WRITE h:plain q:9223372036854775807 *",
            "file",
            "present",
            "absent",
        ],
        "RFC 1813 §2.6: servers should return attributes wherever they can",
    ),
    differs(
        ["nfsd", "RENAME *", "to", "present", "absent"],
        "RFC 1813 §2.6: servers should return attributes wherever they can",
    ),
    differs(
        ["Ganesha", "CREATE *", "dir", "present", "absent"],
        "RFC 1813 §2.6: servers should return attributes wherever they can",
    ),
    differs(
        ["Ganesha", "MKDIR *", "dir", "present", "absent"],
        "RFC 1813 §2.6: servers should return attributes wherever they can",
    ),
    differs(
        ["Ganesha", "SYMLINK *", "dir", "present", "absent"],
        "RFC 1813 §2.6: servers should return attributes wherever they can",
    ),
    differs(
        ["Ganesha", "MKNOD *", "dir", "present", "absent"],
        "RFC 1813 §2.6: servers should return attributes wherever they can",
    ),
    differs(
        ["Ganesha", "REMOVE *", "dir", "present", "absent"],
        "RFC 1813 §2.6: servers should return attributes wherever they can",
    ),
    differs(
        ["Ganesha", "RMDIR *", "dir", "present", "absent"],
        "RFC 1813 §2.6: servers should return attributes wherever they can",
    ),
    differs(
        ["Ganesha", "LINK *", "dir", "present", "absent"],
        "RFC 1813 §2.6: servers should return attributes wherever they can",
    ),
    differs(
        ["Ganesha", "READDIR h:*", "dir", "present", "absent"],
        "RFC 1813 §2.6: servers should return attributes wherever they can",
    ),
    differs(
        ["Ganesha", "READDIRPLUS h:*", "dir", "present", "absent"],
        "RFC 1813 §2.6: servers should return attributes wherever they can",
    ),
    differs(
        ["Ganesha", "LINK *", "file", "present", "absent"],
        "RFC 1813 §2.6: servers should return attributes wherever they can",
    ),
    differs(
        ["Ganesha", "READ *", "file", "present", "absent"],
        "RFC 1813 §2.6: servers should return attributes wherever they can",
    ),
    differs(
        ["Ganesha", "WRITE *", "file", "present", "absent"],
        "RFC 1813 §2.6: servers should return attributes wherever they can",
    ),
    differs(
        ["Ganesha", "READLINK *", "link", "present", "absent"],
        "RFC 1813 §2.6: servers should return attributes wherever they can",
    ),
    differs(
        ["Ganesha", "RENAME *", "from", "present", "absent"],
        "RFC 1813 §2.6: servers should return attributes wherever they can",
    ),
    differs(
        ["Ganesha", "RENAME *", "to", "present", "absent"],
        "RFC 1813 §2.6: servers should return attributes wherever they can",
    ),
    differs(
        ["Ganesha", "SETATTR *", "obj", "present", "absent"],
        "RFC 1813 §2.6: servers should return attributes wherever they can",
    ),
    differs(
        [
            "Ganesha",
            "GETACL h~:plain w:15",
            "malformed",
            "",
            "obj: the reply is too short",
        ],
        "the attributes are not optional in themselves",
    ),
    differs(
        ["Ganesha", "GETACL h~:plain w:15", "obj", "absent", ""],
        "the same",
    ),
    // Which fault is reported of several: in the order of nfsd, where Ganesha looks whether an export is read-only first.
    differs(
        ["Ganesha", "* h~:*", "status", "STALE", "ROFS"],
        "`fs/nfsd/vfs.c` looks at handle, type and name before",
    ),
    differs(
        ["Ganesha", "* h:plain *", "status", "NOTDIR", "ROFS"],
        "`fs/nfsd/vfs.c` looks at handle, type and name before",
    ),
    differs(
        ["Ganesha", "* s:.*", "status", "EXIST", "ROFS"],
        "`fs/nfsd/vfs.c` looks at handle, type and name before",
    ),
    differs(
        ["Ganesha", "R*DIR h:. s:.*", "status", "ACCES", "ROFS"],
        "`fs/nfsd/vfs.c` looks at handle, type and name before",
    ),
    differs(
        ["Ganesha", "REMOVE h:. s:.*", "status", "ACCES", "ROFS"],
        "`fs/nfsd/vfs.c` looks at handle, type and name before",
    ),
    differs(
        ["Ganesha", "MKNOD *", "status", "BADTYPE", "ROFS"],
        "`fs/nfsd/vfs.c` looks at handle, type and name before",
    ),
    differs(
        [
            "Ganesha",
            "SYMLINK h:. s:new sattr s:",
            "status",
            "INVAL",
            "ROFS",
        ],
        "`fs/nfsd/vfs.c` looks at handle, type and name before",
    ),
    differs(
        ["Ganesha", "WRITE *", "status", "INVAL", "ROFS"],
        "`fs/nfsd/vfs.c` looks at handle, type and name before",
    ),
    differs(
        ["Ganesha", "WRITE h:folder *", "status", "ISDIR", "ROFS"],
        "`fs/nfsd/vfs.c` looks at handle, type and name before",
    ),
    differs(
        ["Ganesha", "WRITE h:plain *", "status", "FBIG", "ROFS"],
        "`fs/nfsd/vfs.c` looks at handle, type and name before",
    ),
    differs(
        [
            "Ganesha",
            "WRITE h:plain q:0 w:4 w:2 s:da",
            "rpc",
            "GARBAGE_ARGS",
            "success",
        ],
        "RFC 1813 §3.3.7: `count` is the length of the data",
    ),
    differs(
        ["Ganesha", "SETACL *", "rpc", "success", "GARBAGE_ARGS"],
        "Ganesha wants another encoding than Linux clients have (`fs/nfs/nfs3xdr.c`)",
    ),
    differs(
        [
            "nfsd",
            "CREATE h:shut s:new w:0 sattr uid:1000",
            "status",
            "ROFS",
            "ACCES",
        ],
        "nfsd sees here first that the caller may not search the folder; it makes no difference to a read-only tree",
    ),
    differs(
        ["*", "COMMIT h:*", "status", "OK", "ROFS"],
        "RFC 1813 §3.3.21: nothing has been written, so that everything is committed; ROFS is not among its errors",
    ),
    differs(
        ["nfsd", "COMMIT h:*", "status", "OK", "INVAL"],
        "the same, of what is no file",
    ),
    differs(
        ["nfsd", "COMMIT h:folder *", "status", "OK", "ISDIR"],
        "the same",
    ),
    differs(
        ["nfsd", "GETATTR #:0", "rpc", "success", "GARBAGE_ARGS"],
        "RFC 1813 §2.6: a handle may have any length up to 64; ours says BADHANDLE, as Ganesha",
    ),
];
