//! What differs in versions, in MOUNT and in the portmapper.

use crate::nfs_compared::difference::{Difference, differs};

pub(super) const TABLE: &[Difference] = &[
    // Which versions and services there are.
    differs(
        [
            "*",
            "100003.*",
            "rpc",
            "PROG_MISMATCH 3 to 3",
            "PROG_MISMATCH 3 to 4",
        ],
        "there is no NFSv4 here",
    ),
    differs(
        [
            "*",
            "100227.*.0",
            "rpc",
            "PROG_MISMATCH 3 to 3",
            "PROG_UNAVAIL",
        ],
        "RFC 5531 §9: a program that exists in another version is a mismatch; nfsd has NFSACL for v2 only where NFSv2 is built (`fs/nfsd/nfs2acl.c`)",
    ),
    differs(
        [
            "Ganesha",
            "100227.3.*",
            "rpc",
            "PROC_UNAVAIL",
            "PROG_UNAVAIL",
        ],
        "Ganesha has GETACL and SETACL only",
    ),
    differs(
        [
            "Ganesha",
            "100005.2.0",
            "rpc",
            "success",
            "PROG_MISMATCH 1 to 3",
        ],
        "Ganesha names a version that it does not have",
    ),
    differs(
        ["Ganesha", "*udp", "rpc", "nothing listens", "success"],
        "no NFS over UDP: neither Linux since 5.6 nor nfsd of Debian speaks it, and its addresses can be forged",
    ),
    differs(
        [
            "Ganesha",
            "GETATTR h:plain udp",
            "rpc",
            "nothing listens",
            "AUTH_ERROR 7",
        ],
        "the same",
    ),
    differs(
        ["Ganesha", "MNT1 *", "rpc", "success", "PROC_UNAVAIL"],
        "its MOUNT v1 mounts nothing either",
    ),
    differs(
        [
            "nfsd",
            "100005.3.0 udp",
            "rpc",
            "nothing listens",
            "success",
        ],
        "no MOUNT over UDP: init asks over TCP, and what is asked over UDP can be forged",
    ),
    differs(
        ["nfsd", "MNT1 path:", "status", "ACCES", "OK"],
        "a handle of NFSv2, which neither Debian's nfsd nor ours serves",
    ),
    differs(
        [
            "Ganesha",
            "NULL rpc:*",
            "rpc",
            "RPC_MISMATCH 2 to 2",
            "the connection is closed",
        ],
        "RFC 5531 §9 has a reply for it",
    ),
    // MOUNT.
    differs(
        ["Ganesha", "MNT path:/folder/..", "status", "INVAL", "ACCES"],
        "RFC 1813 appendix I has an error for each of these, and a user reads them; Ganesha has ACCES for all",
    ),
    differs(
        [
            "Ganesha",
            "MNT path:/folder/../../etc",
            "status",
            "INVAL",
            "ACCES",
        ],
        "RFC 1813 appendix I has an error for each of these, and a user reads them; Ganesha has ACCES for all",
    ),
    differs(
        ["Ganesha", "MNT path:/plain", "status", "NOTDIR", "ACCES"],
        "RFC 1813 appendix I has an error for each of these, and a user reads them; Ganesha has ACCES for all",
    ),
    differs(
        ["Ganesha", "MNT path:/link", "status", "NOTDIR", "ACCES"],
        "RFC 1813 appendix I has an error for each of these, and a user reads them; Ganesha has ACCES for all",
    ),
    differs(
        ["Ganesha", "MNT path:/nothing", "status", "NOENT", "ACCES"],
        "RFC 1813 appendix I has an error for each of these, and a user reads them; Ganesha has ACCES for all",
    ),
    differs(
        ["*", "MNT #:1024", "status", "INVAL", "ACCES"],
        "RFC 1813 appendix I has an error for each of these, and a user reads them",
    ),
    differs(
        ["*", "MNT s:", "status", "INVAL", "ACCES"],
        "RFC 1813 appendix I has an error for each of these, and a user reads them",
    ),
    differs(
        ["*", "MNT s:relative", "status", "INVAL", "ACCES"],
        "RFC 1813 appendix I has an error for each of these, and a user reads them",
    ),
    differs(
        [
            "*",
            "MNT s:/nothing-of-this-name",
            "status",
            "NOENT",
            "ACCES",
        ],
        "RFC 1813 appendix I has an error for each of these, and a user reads them",
    ),
    differs(
        ["nfsd", "MNT path:/plain", "status", "NOTDIR", "OK"],
        "mountd gives out handles of files too, and follows links on the server",
    ),
    differs(
        ["nfsd", "MNT path:/link", "status", "NOTDIR", "OK"],
        "mountd gives out handles of files too, and follows links on the server",
    ),
    differs(
        ["nfsd", "MNT path:/folder/..", "status", "INVAL", "OK"],
        "mountd resolves paths on the server (`realpath`); ours takes no `..`",
    ),
    differs(
        [
            "nfsd",
            "MNT path:/folder/../../etc",
            "status",
            "INVAL",
            "NOENT",
        ],
        "the same",
    ),
    differs(
        [
            "*",
            "EXPORT*",
            "exports",
            "/ 10.*.0.0/24, ROOT 10.*.0.0/24",
            "ROOT*",
        ],
        "the first image is exported as `/` too, and to the networks that it is served on",
    ),
    differs(
        ["Ganesha", "DUMP*", "mounts", "*", ""],
        "Ganesha keeps no list",
    ),
    differs(
        ["nfsd", "DUMP*", "mounts", "*", "*"],
        "mountd forgets only clients whose names it can resolve, and lists files that were mounted",
    ),
    differs(
        ["nfsd", "100005.2.7", "rpc", "PROC_UNAVAIL", "GARBAGE_ARGS"],
        "PATHCONF of MOUNT v2, for clients of NFSv2: version 3 has its own",
    ),
    differs(
        [
            "Ganesha",
            "100005.2.7",
            "rpc",
            "PROC_UNAVAIL",
            "PROG_MISMATCH 1 to 3",
        ],
        "Ganesha has no MOUNT v2",
    ),
    differs(
        [
            "Ganesha",
            "UMNT*2*",
            "rpc",
            "success",
            "PROG_MISMATCH 1 to 3",
        ],
        "the same",
    ),
    differs(
        [
            "Ganesha",
            "EXPORTALL2",
            "rpc",
            "success",
            "PROG_MISMATCH 1 to 3",
        ],
        "the same",
    ),
    differs(
        ["Ganesha", "EXPORTALL1", "rpc", "success", "PROC_UNAVAIL"],
        "RFC 1094 appendix A has it, the same as EXPORT",
    ),
    // The portmapper.
    differs(
        [
            "Ganesha",
            "PMAP_GETPORT w:100005 w:* w:6 w:0",
            "port",
            "2049",
            "20048",
        ],
        "MOUNT is on the port of NFS here",
    ),
    differs(
        [
            "Ganesha",
            "PMAP_GETPORT w:100005 w:3 w:17 w:0",
            "port",
            "0",
            "20048",
        ],
        "there is no MOUNT over UDP",
    ),
    differs(
        [
            "nfsd",
            "PMAP_GETPORT w:100005 w:* w:6 w:0",
            "port",
            "2049",
            "*",
        ],
        "MOUNT is on the port of NFS here",
    ),
    differs(
        [
            "nfsd",
            "PMAP_GETPORT w:100005 w:3 w:17 w:0",
            "port",
            "0",
            "*",
        ],
        "there is no MOUNT over UDP",
    ),
    differs(
        [
            "*",
            "PMAP_GETPORT w:100003 w:* w:6 w:0",
            "port",
            "0",
            "2049",
        ],
        "rpcbind names the port of any version; ours has none but 3 and says so at once",
    ),
    differs(
        [
            "Ganesha",
            "PMAP_GETPORT w:100003 w:3 w:17 w:0*",
            "port",
            "0",
            "2049",
        ],
        "there is no NFS over UDP",
    ),
    differs(
        [
            "Ganesha",
            "PMAP_GETPORT w:100227 w:3 w:6 w:0",
            "port",
            "2049",
            "0",
        ],
        "Ganesha does not register NFSACL, which it has",
    ),
    differs(
        [
            "nfsd",
            "PMAP_GETPORT w:100021 w:4 w:6 w:0",
            "port",
            "0",
            "*",
        ],
        "there is no lock manager: clients mount with `nolock`",
    ),
    differs(
        [
            "Ganesha",
            "RPCB*GET*ADDR w:100003 *",
            "address",
            "10.*.8.1",
            "10.66.0.3.8.1",
        ],
        "the address of each server",
    ),
    differs(
        [
            "Ganesha",
            "RPCB_GETADDR w:100005 *",
            "address",
            "10.*.8.1",
            "10.66.0.3.*",
        ],
        "the same, and another port",
    ),
    differs(
        [
            "nfsd",
            "RPCB*GET*ADDR w:100003 *",
            "address",
            "10.*.8.1",
            "10.77.0.60.8.1",
        ],
        "the address of each server",
    ),
    differs(
        [
            "nfsd",
            "RPCB_GETADDR w:100005 *",
            "address",
            "10.*.8.1",
            "10.77.0.60.*",
        ],
        "the same, and another port",
    ),
    differs(
        [
            "Ganesha",
            "RPCB_GETADDR w:100003 w:3 s:tcp s: s: udp",
            "address",
            "",
            "10.66.0.3.8.1",
        ],
        "there is no NFS over UDP",
    ),
    differs(
        ["*", "PMAP_DUMP", "mappings", "*", "*"],
        "what each has; ours registers nothing for UDP but itself",
    ),
    differs(
        ["*", "RPCB*_DUMP", "mappings", "*", "*"],
        "the same; addresses are those that the client has called",
    ),
    differs(
        ["*", "100000.* silent", "rpc", "PROC_UNAVAIL", "no answer"],
        "calls of other services for a stranger: RFC 1833 §2.2.1 has silence for what fails, ours refuses",
    ),
    differs(
        ["*", "100000.4.11 *", "rpc", "PROC_UNAVAIL", "success"],
        "GETADDRLIST, of the server's transports: no client of NFS uses it",
    ),
    differs(
        ["*", "100000.4.12", "rpc", "PROC_UNAVAIL", "success"],
        "GETSTAT, rpcbind's own statistics",
    ),
    differs(
        ["*", "RPCB*ADDR2*ADDR *", "rpc", "PROC_UNAVAIL", "success"],
        "a client knows the form of addresses itself (RFC 5665 §5.2.3), and the other one is that of the server's own C library",
    ),
    differs(
        [
            "*",
            "RPCB*ADDR2*ADDR",
            "rpc",
            "PROC_UNAVAIL",
            "GARBAGE_ARGS",
        ],
        "the same: the procedure is not there, whatever its arguments",
    ),
];
