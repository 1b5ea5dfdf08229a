//! What differs in calls that read files, and who may make them.

use crate::nfs_compared::difference::{Difference, differs};

pub(super) const TABLE: &[Difference] = &[
    // What NFSv3 cannot tell: the times before 1970 and after 2106.
    differs(
        [
            "*",
            "GETATTR h:past",
            "obj.atime",
            "0.000000000",
            "3294967296.000000005",
        ],
        "`nfstime3` has 32 unsigned bits (RFC 1813 §2.6): the others cut the bits off, so that 1938 becomes 2074; ours gives the nearest time",
    ),
    differs(
        [
            "*",
            "GETATTR h:after-2106",
            "obj.atime",
            "4294967295.999999999",
            "5032704.000000001",
        ],
        "the same: 2106 becomes 1970",
    ),
    differs(
        [
            "*",
            "GETATTR h:past",
            "obj.mtime",
            "0.000000000",
            "3294967296.000000005",
        ],
        "`nfstime3` has 32 unsigned bits (RFC 1813 §2.6): the others cut the bits off, so that 1938 becomes 2074; ours gives the nearest time",
    ),
    differs(
        [
            "*",
            "GETATTR h:after-2106",
            "obj.mtime",
            "4294967295.999999999",
            "5032704.000000001",
        ],
        "the same: 2106 becomes 1970",
    ),
    // Who asks.
    differs(
        ["Ganesha", "* auth:0", "rpc", "success", "AUTH_ERROR 5"],
        "ours takes AUTH_NONE for nobody, and says so in its list of flavours",
    ),
    differs(["nfsd", "* auth:0", "status", "OK", "ACCES"], "the same"),
    differs(["*", "MNT *", "flavours", "[1, 0]", "[1]"], "the same"),
    differs(
        [
            "Ganesha",
            "GETATTR h:plain auth:*",
            "rpc",
            "AUTH_ERROR 1",
            "AUTH_ERROR 2",
        ],
        "nfsd says AUTH_BADCRED too (`net/sunrpc/svcauth.c`), and RFC 9289 §4.1 for AUTH_TLS",
    ),
    differs(
        [
            "Ganesha",
            "NULL auth:*",
            "rpc",
            "AUTH_ERROR 1",
            "AUTH_ERROR 2",
        ],
        "the same",
    ),
    differs(
        ["nfsd", "NULL auth:7", "rpc", "AUTH_ERROR 1", "success"],
        "RFC 9289 §4.1: a server without TLS answers AUTH_BADCRED; nfsd knows the flavour and does not offer STARTTLS",
    ),
    differs(
        ["*", "PMAP_*SET *", "rpc", "success", "AUTH_ERROR 5"],
        "RFC 1833 §3.2: FALSE if it cannot be done, which is what a stranger gets here; rpcbind asks for a local caller",
    ),
    differs(
        ["*", "100000.4.1 *", "rpc", "success", "AUTH_ERROR 5"],
        "the same, of version 4",
    ),
    differs(
        ["*", "100000.4.2 *", "rpc", "success", "AUTH_ERROR 5"],
        "the same, of version 4",
    ),
    // Which options ACCESS knows.
    differs(
        ["*", "ACCESS h:plain w:4294967295", "access", "0x1", "0x141"],
        "RFC 1813 §3.3.4 has six bits; the others are of NFSv4.2 (RFC 8276 §8.6)",
    ),
    differs(
        ["Ganesha", "ACCESS h:* w:63*", "access", "0xc", "0x0"],
        "a device, FIFO or socket on a read-only file system can be opened for writing (`NFSD_MAY_LOCAL_ACCESS` in `fs/nfsd/vfs.c`)",
    ),
    differs(
        ["Ganesha", "ACCESS h:* w:63", "access", "0xd", "0x1"],
        "the same",
    ),
    // Names that cannot be.
    differs(
        ["nfsd", "LOOKUP h:. s:", "rpc", "success", "GARBAGE_ARGS"],
        "nfsd takes them for bad XDR (`svcxdr_decode_filename3`); RFC 1813 §3.2 has NFS3ERR_ACCES and NFS3ERR_NAMETOOLONG",
    ),
    differs(
        ["nfsd", "LOOKUP h:. s:a/b", "rpc", "success", "GARBAGE_ARGS"],
        "nfsd takes them for bad XDR (`svcxdr_decode_filename3`); RFC 1813 §3.2 has NFS3ERR_ACCES and NFS3ERR_NAMETOOLONG",
    ),
    differs(
        ["nfsd", "LOOKUP h:. s:/", "rpc", "success", "GARBAGE_ARGS"],
        "nfsd takes them for bad XDR (`svcxdr_decode_filename3`); RFC 1813 §3.2 has NFS3ERR_ACCES and NFS3ERR_NAMETOOLONG",
    ),
    differs(
        [
            "nfsd",
            "LOOKUP h:. s:plain/",
            "rpc",
            "success",
            "GARBAGE_ARGS",
        ],
        "nfsd takes them for bad XDR (`svcxdr_decode_filename3`); RFC 1813 §3.2 has NFS3ERR_ACCES and NFS3ERR_NAMETOOLONG",
    ),
    differs(
        [
            "nfsd",
            "LOOKUP h:. s%:610062",
            "rpc",
            "success",
            "GARBAGE_ARGS",
        ],
        "nfsd takes them for bad XDR (`svcxdr_decode_filename3`); RFC 1813 §3.2 has NFS3ERR_ACCES and NFS3ERR_NAMETOOLONG",
    ),
    differs(
        [
            "nfsd",
            "LOOKUP h:names #:*",
            "rpc",
            "success",
            "GARBAGE_ARGS",
        ],
        "nfsd takes them for bad XDR (`svcxdr_decode_filename3`); RFC 1813 §3.2 has NFS3ERR_ACCES and NFS3ERR_NAMETOOLONG",
    ),
    differs(
        ["nfsd", "CREATE h:. s: *", "rpc", "success", "GARBAGE_ARGS"],
        "nfsd takes them for bad XDR (`svcxdr_decode_filename3`); RFC 1813 §3.2 has NFS3ERR_ACCES and NFS3ERR_NAMETOOLONG",
    ),
    differs(
        [
            "nfsd",
            "CREATE h:. s:a/b *",
            "rpc",
            "success",
            "GARBAGE_ARGS",
        ],
        "nfsd takes them for bad XDR (`svcxdr_decode_filename3`); RFC 1813 §3.2 has NFS3ERR_ACCES and NFS3ERR_NAMETOOLONG",
    ),
    differs(
        [
            "nfsd",
            "CREATE h:. #:256 *",
            "rpc",
            "success",
            "GARBAGE_ARGS",
        ],
        "nfsd takes them for bad XDR (`svcxdr_decode_filename3`); RFC 1813 §3.2 has NFS3ERR_ACCES and NFS3ERR_NAMETOOLONG",
    ),
    differs(
        ["Ganesha", "LOOKUP h:. s:", "status", "ACCES", "NOENT"],
        "RFC 1813 §3.2: a name that a server does not accept",
    ),
    differs(
        ["Ganesha", "LOOKUP h:. s:a/b", "status", "ACCES", "NOENT"],
        "RFC 1813 §3.2: a name that a server does not accept",
    ),
    differs(
        [
            "Ganesha",
            "LOOKUP h:. s%:610062",
            "status",
            "ACCES",
            "NOENT",
        ],
        "RFC 1813 §3.2: a name that a server does not accept",
    ),
    differs(
        ["Ganesha", "LOOKUP h:. s:/", "status", "ACCES", "OK"],
        "the same; Ganesha gives a handle of its own root",
    ),
    differs(
        [
            "Ganesha",
            "LOOKUP h:. s:plain/",
            "status",
            "ACCES",
            "NOTDIR",
        ],
        "the same",
    ),
    // READ, READLINK and the listings at their limits.
    differs(
        ["nfsd", "READLINK h:folder", "status", "INVAL", "ISDIR"],
        "RFC 1813 §3.3.5 has NFS3ERR_INVAL only",
    ),
    differs(
        ["Ganesha", "READ h:empty q:0 w:0", "eof", "1", "0"],
        "RFC 1813 §3.3.6: `eof` is set at the end, also for no bytes",
    ),
    differs(
        ["Ganesha", "READ h:plain q:11 w:0", "eof", "1", "0"],
        "RFC 1813 §3.3.6: `eof` is set at the end, also for no bytes",
    ),
    differs(
        ["Ganesha", "READ h:plain q:100 w:0", "eof", "1", "0"],
        "RFC 1813 §3.3.6: `eof` is set at the end, also for no bytes",
    ),
    differs(
        [
            "Ganesha",
            "READ h:plain q:9223372036854775806 w:10",
            "status",
            "OK",
            "FBIG",
        ],
        "RFC 1813 §3.3.6: beyond the end no bytes are read and `eof` is set",
    ),
    differs(
        [
            "Ganesha",
            "READ h:plain q:9223372036854775807 w:10",
            "status",
            "OK",
            "FBIG",
        ],
        "RFC 1813 §3.3.6: beyond the end no bytes are read and `eof` is set",
    ),
    differs(
        [
            "Ganesha",
            "READ h:plain q:9223372036854775808 w:10",
            "status",
            "OK",
            "FBIG",
        ],
        "RFC 1813 §3.3.6: beyond the end no bytes are read and `eof` is set",
    ),
    differs(
        [
            "Ganesha",
            "READ h:plain q:18446744073709551615 w:10",
            "status",
            "OK",
            "INVAL",
        ],
        "the same",
    ),
    differs(
        ["Ganesha", "*", "obj.atime", "*", "*"],
        "Ganesha reports a READ's time although its file system is read-only",
    ),
    differs(
        ["Ganesha", "*", "file.atime", "*", "*"],
        "Ganesha reports a READ's time although its file system is read-only",
    ),
    differs(
        [
            "*",
            "READDIR h:folder q:0 q:0 w:*",
            "status",
            "TOOSMALL",
            "OK",
        ],
        "no entry fits: RFC 1813 §3.3.16 has NFS3ERR_TOOSMALL; the others list nothing or more than was asked for, and nfsd counts other bytes (`nfsd3_init_dirlist_pages`)",
    ),
    differs(
        [
            "Ganesha",
            "READDIR h:folder q:0 q:0 w:112",
            "status",
            "TOOSMALL",
            "SERVERFAULT",
        ],
        "the same",
    ),
    differs(
        [
            "*",
            "READDIRPLUS h:folder q:0 q:0 w:4096 w:*",
            "status",
            "TOOSMALL",
            "OK",
        ],
        "the same (RFC 1813 §3.3.17)",
    ),
    differs(
        [
            "*",
            "READDIRPLUS h:folder q:0 q:0 w:0 w:32768",
            "*",
            "*",
            "*",
        ],
        "RFC 1813 §3.3.17: `dircount` limits names; at least one is listed. nfsd does not look at it, Ganesha lists nothing and goes on",
    ),
    differs(
        [
            "*",
            "READDIR h:folder q:1 x:0102030405060708 w:4096",
            "status",
            "BAD_COOKIE",
            "OK",
        ],
        "RFC 1813 §3.3.16: a cookie with a verifier that is not of this listing; the others have no verifiers",
    ),
    differs(
        [
            "*",
            "READDIRPLUS h:folder q:1 x:0102030405060708 w:4096 w:32768",
            "status",
            "BAD_COOKIE",
            "OK",
        ],
        "RFC 1813 §3.3.16: a cookie with a verifier that is not of this listing; the others have no verifiers",
    ),
    differs(
        [
            "*",
            "READDIR h:folder q:18446744073709551615 q:0 w:4096",
            "status",
            "BAD_COOKIE",
            "INVAL",
        ],
        "the same",
    ),
    differs(
        [
            "*",
            "READDIRPLUS h:list-only *",
            "dots",
            "name only",
            "attributes and handle",
        ],
        "who may not search a folder gets no handles from it, as by LOOKUP",
    ),
];
