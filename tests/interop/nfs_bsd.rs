//! The clients of FreeBSD, OpenBSD, NetBSD and macOS by the calls that they make, and the answers that they need.
//!
//! The systems themselves do not run here, and these are no recordings. The calls follow from the systems' sources, which are named
//! with each sequence; so does what is asked of the answers.
//! A Unix that mounts its own root by MOUNT over UDP gets no root here: that it is told so at once is asked as well.

use anyhow::{Context, Result, ensure};

use crate::nfs_compared::session::Session;
use crate::nfs_compared::tree;
use crate::nfs_lab::{Lab, ROOT, SERVER};

/// What a client needs of a field.
#[derive(Debug)]
enum Need {
    Is(&'static str),
    /// A number.
    AtLeast(u64),
    MultipleOf(u64),
    /// A list that has it.
    Has(&'static str),
}

use Need::{AtLeast, Has, Is, MultipleOf};

type Sequence = &'static [(&'static str, &'static [(&'static str, Need)])];

const OK: (&str, Need) = ("status", Is("OK"));

/// mount_nfs(8): `nfs_tryproto` in `sbin/mount_nfs/mount_nfs.c`; the port by `__rpcb_findaddr_timed` in
/// `lib/libc/rpc/rpcb_clnt.c`, over UDP first and by version 2, "there are some portmappers out there that use UDP only".
/// NULL without credentials, MNT with those of the user and up to 16 groups (`authsys_create_default`); `xdr_fh` wants
/// AUTH_SYS among the flavours, and 1 to 64 bytes of handle.
///
/// The kernel: `mountnfs` in `sys/fs/nfsclient/nfs_clvfsops.c` gets the root's attributes, then FSINFO, whose sizes
/// `nfscl_loadfsinfo` (`nfs_clport.c`) takes in units of 512 (`NFS_FABLKSIZE`, `NFS_DIRBLKSIZ`); FSSTAT by `nfs_statfs`.
/// Files: ACCESS with every right at once (`nfs3_access_otw` in `nfs_clvnops.c`); READDIR and READDIRPLUS with the
/// same size twice (`nfsrpc_readdir`, `nfsrpc_readdirplus` in `nfs_clrpcops.c`); `..` by LOOKUP.
const FREEBSD: Sequence = &[
    (
        "PMAP_GETPORT w:100003 w:3 w:6 w:0 udp auth:0",
        &[("port", Is("2049"))],
    ),
    ("NULL auth:0", &[("rpc", Is("success"))]),
    (
        "PMAP_GETPORT w:100005 w:3 w:6 w:0 udp auth:0",
        &[("port", AtLeast(1))],
    ),
    (
        "MNT path: uid:0/0/0/2/3/4/5/8/9/20/31/68/69/80/90/100/117/145",
        &[OK, ("handle", Is(".")), ("flavours", Has("1"))],
    ),
    (
        "GETATTR h:.",
        &[OK, ("obj.type", Is("2")), ("obj.fileid", AtLeast(1))],
    ),
    (
        "FSINFO h:.",
        &[
            OK,
            ("obj", Is("present")),
            ("rtpref", MultipleOf(512)),
            ("rtmax", MultipleOf(512)),
            ("wtpref", MultipleOf(512)),
            ("wtmax", MultipleOf(512)),
            ("dtpref", MultipleOf(512)),
            ("dtpref", AtLeast(512)),
            ("maxfilesize", AtLeast(1 << 40)),
        ],
    ),
    (
        "FSSTAT h:.",
        &[
            OK,
            ("obj", Is("present")),
            ("tbytes", AtLeast(1)),
            ("tfiles", AtLeast(1)),
        ],
    ),
    // Everything at once: LOOKUP, READ and EXECUTE are granted to root, nothing that changes.
    (
        "ACCESS h:. w:63",
        &[OK, ("obj", Is("present")), ("access", Is("0x3"))],
    ),
    (
        "ACCESS h:plain w:63 uid:1001/1001",
        &[OK, ("access", Is("0x1"))],
    ),
    ("GETATTR h:folder", &[OK, ("obj.type", Is("2"))]),
    (
        "LOOKUP h:. s:folder",
        &[
            OK,
            ("object", Is("folder")),
            ("obj", Is("present")),
            ("dir", Is("present")),
        ],
    ),
    (
        "LOOKUP h:folder s:..",
        &[OK, ("object", Is(".")), ("obj", Is("present"))],
    ),
    (
        "LOOKUP h:. s:nothing",
        &[("status", Is("NOENT")), ("dir", Is("present"))],
    ),
    (
        "READDIR h:many w:8192 whole",
        &[("number", Is("502")), ("repeated", Is("0"))],
    ),
    (
        "READDIRPLUS h:many w:8192 w:8192 whole",
        &[
            ("number", Is("502")),
            ("repeated", Is("0")),
            ("others", Is("attributes and handle")),
        ],
    ),
    (
        "READ h:plain q:0 w:65536",
        &[
            OK,
            ("file", Is("present")),
            ("count", Is("11")),
            ("eof", Is("1")),
        ],
    ),
    (
        "READ h:plain q:0 w:8",
        &[OK, ("count", Is("8")), ("eof", Is("0"))],
    ),
    (
        "READ h:sparse q:4294967290 w:20",
        &[OK, ("count", Is("20"))],
    ),
    (
        "READLINK h:link",
        &[OK, ("link", Is("present")), ("target", Is("plain"))],
    ),
    (
        "PATHCONF h:.",
        &[OK, ("name_max", Is("255")), ("no_trunc", Is("1"))],
    ),
    // What is opened for writing is refused by ACCESS, and what is tried nevertheless is.
    (
        "CREATE h:. s:new w:2 q:0",
        &[("status", Is("ROFS")), ("dir", Is("present"))],
    ),
    (
        "SETATTR h:plain chmod w:0",
        &[("status", Is("ROFS")), ("obj", Is("present"))],
    ),
    ("UMNT path:", &[("rpc", Is("success"))]),
];

/// mount_nfs(8) with `-T`: `getnfsargs` in `sbin/mount_nfs/mount_nfs.c`; `pmap_getport` asks over UDP. The kernel:
/// `nfs_fsinfo` and `nfs_statfs` in `sys/nfs/nfs_vfsops.c`, in this order and at the first statfs, without the groups;
/// ACCESS with what is asked alone, of which nothing may be missing (`nfs_access` in `nfs_vnops.c`). Directories by
/// READDIR, whose size is that of a READ (`nfs_decode_args`).
const OPENBSD: Sequence = &[
    (
        "PMAP_GETPORT w:100003 w:3 w:6 w:0 udp auth:0",
        &[("port", Is("2049"))],
    ),
    (
        "PMAP_GETPORT w:100005 w:3 w:6 w:0 udp auth:0",
        &[("port", AtLeast(1))],
    ),
    (
        "MNT path: uid:0/0/0/2/3/4/5/20/31",
        &[OK, ("flavours", Has("1"))],
    ),
    ("GETATTR h:. uid:0/0", &[OK, ("obj.type", Is("2"))]),
    (
        "FSINFO h:. uid:0/0",
        &[
            OK,
            ("rtpref", MultipleOf(512)),
            ("rtmax", AtLeast(512)),
            ("dtpref", MultipleOf(512)),
        ],
    ),
    (
        "FSSTAT h:. uid:0/0",
        &[OK, ("obj", Is("present")), ("tbytes", AtLeast(1))],
    ),
    ("ACCESS h:folder w:1 uid:1000", &[OK, ("access", Is("0x1"))]),
    ("ACCESS h:folder w:2 uid:1000", &[OK, ("access", Is("0x2"))]),
    (
        "ACCESS h:setuid w:33 uid:1000",
        &[OK, ("access", Is("0x21"))],
    ),
    ("ACCESS h:plain w:12 uid:0", &[OK, ("access", Is("0x0"))]),
    ("GETATTR h:folder", &[OK, ("obj.type", Is("2"))]),
    ("LOOKUP h:. s:folder", &[OK, ("object", Is("folder"))]),
    (
        "READDIR h:many w:32768 whole",
        &[("number", Is("502")), ("repeated", Is("0"))],
    ),
    (
        "READDIR h:many w:512 whole",
        &[("number", Is("502")), ("repeated", Is("0"))],
    ),
    // A cookie with another verifier: the client drops what it has and begins anew (`nfs_readdir`).
    (
        "READDIR h:many q:5 x:ffffffffffffffff w:4096",
        &[("status", Is("BAD_COOKIE")), ("dir", Is("present"))],
    ),
    (
        "READ h:plain q:0 w:32768",
        &[OK, ("count", Is("11")), ("eof", Is("1"))],
    ),
    ("UMNT path:", &[("rpc", Is("success"))]),
];

/// A kernel that mounts its root: NetBSD's `md_mount` and `nfs_boot_getfh` (`sys/nfs/nfs_boot.c`), FreeBSD's `md_mount`
/// (`sys/nfs/bootp_subr.c`) and OpenBSD's (`sys/nfs/nfs_boot.c`) ask for the port of MOUNT over UDP, by `krpc_portmap`
/// (`sys/nfs/krpc_subr.c`). There is none: port 0 ends their wait, where silence would make them ask for minutes.
/// A denied call is asked again and again; `PROG_MISMATCH` ends it too.
const DISKLESS: Sequence = &[
    (
        "PMAP_GETPORT w:100005 w:3 w:17 w:0 udp",
        &[("port", Is("0"))],
    ),
    (
        "PMAP_GETPORT w:100005 w:1 w:17 w:0 udp",
        &[("port", Is("0"))],
    ),
    (
        "PMAP_GETPORT w:100003 w:3 w:17 w:0 udp",
        &[("port", Is("0"))],
    ),
    (
        "PMAP_GETPORT w:100003 w:2 w:17 w:0 udp",
        &[("port", Is("0"))],
    ),
    // And the port of NFS over TCP, which NetBSD's kernel asks for with `NFS_BOOT_TCP`, over UDP.
    (
        "PMAP_GETPORT w:100003 w:3 w:6 w:0 udp",
        &[("port", Is("2049"))],
    ),
];

/// `nfs_mountroot` in `bsd/nfs/nfs_vfsops.c` tries version 3 over TCP first. `nfs3_mount` gets the root's attributes,
/// then FSINFO; as that has `FSF3_HOMOGENEOUS`, PATHCONF of the root stands for all files. `nfs3_update_statfs` and
/// `nfs_vfs_getattr`: FSSTAT. mount_nfs(8) asks rpcbind by versions 3 and 4 over TCP; MNT with 16 groups.
/// Where DELETE is asked for and not granted, `nfs_vnop_access` takes it as granted: it must be refused when it is used.
const MACOS: Sequence = &[
    (
        "RPCB_GETADDR w:100003 w:3 s:tcp s: s:",
        &[("address", Is("10.66.0.1.8.1"))],
    ),
    (
        "RPCB3_GETADDR w:100003 w:3 s:tcp s: s:",
        &[("address", Is("10.66.0.1.8.1"))],
    ),
    ("PMAP_GETPORT w:100003 w:3 w:6 w:0", &[("port", Is("2049"))]),
    ("EXPORT1", &[("exports", Has("ROOT"))]),
    ("EXPORT", &[("exports", Has("ROOT"))]),
    (
        "MNT path: uid:501/20/12/61/79/80/81/98/33/100/204/250/395/398/399/400/701/702",
        &[OK, ("flavours", Has("1"))],
    ),
    ("GETATTR h:.", &[OK, ("obj.type", Is("2"))]),
    (
        "FSINFO h:.",
        &[
            OK,
            // Links, symbolic links, homogeneous; times cannot be set.
            ("properties", Is("0xb")),
            ("rtpref", AtLeast(512)),
            ("maxfilesize", AtLeast(1 << 32)),
        ],
    ),
    (
        "PATHCONF h:.",
        &[
            OK,
            ("case_insensitive", Is("0")),
            ("case_preserving", Is("1")),
            ("linkmax", AtLeast(1)),
            ("name_max", Is("255")),
        ],
    ),
    (
        "FSSTAT h:. uid:501/20",
        &[OK, ("tbytes", AtLeast(1)), ("ffiles", AtLeast(1))],
    ),
    ("ACCESS h:. w:63 uid:501/20", &[OK, ("access", Is("0x3"))]),
    (
        "LOOKUP h:. s:.DS_Store",
        &[("status", Is("NOENT")), ("dir", Is("present"))],
    ),
    (
        "LOOKUP h:. s:._plain",
        &[("status", Is("NOENT")), ("dir", Is("present"))],
    ),
    (
        "READDIRPLUS h:many w:32768 w:32768 whole",
        &[("number", Is("502")), ("repeated", Is("0"))],
    ),
    (
        "READ h:plain q:0 w:32768 uid:501/20",
        &[OK, ("count", Is("11")), ("eof", Is("1"))],
    ),
    (
        "REMOVE h:. s:plain",
        &[("status", Is("ROFS")), ("dir", Is("present"))],
    ),
    ("UMNT path:", &[("rpc", Is("success"))]),
];

fn fulfils(need: &Need, value: &str) -> bool {
    let number = || value.parse::<u64>().ok();
    match need {
        Is(text) => value == *text,
        AtLeast(least) => number().is_some_and(|number| number >= *least),
        MultipleOf(unit) => number().is_some_and(|number| number > 0 && number % unit == 0),
        Has(text) => value
            .split(|character: char| !character.is_alphanumeric())
            .any(|word| word == *text),
    }
}

fn replay(session: &mut Session, client: &str, sequence: Sequence) -> Result<()> {
    for (call, needs) in sequence {
        let answer = session.answer(call)?;
        ensure!(
            !answer.contains_key("malformed"),
            "{client}: {call}: {answer:?}"
        );
        for (field, need) in *needs {
            let value = answer.get(*field);
            let value =
                value.with_context(|| format!("{client}: {call}: no {field}: {answer:?}"))?;
            ensure!(
                fulfils(need, value),
                "{client}: {call}: {field} is {value}, not {need:?}"
            );
        }
    }
    Ok(())
}

#[test]
fn the_calls_of_bsd_and_macos_get_the_answers_that_they_need() -> Result<()> {
    let mut lab = Lab::new("nfs-bsd")?;
    let image = lab.net.logs().join("tree.img").display().to_string();
    tree::make_image(&lab.net, &image)?;
    lab.net.shell(&format!("mount -o loop,ro {image} {ROOT}"))?;
    lab.serve()?;
    lab.clients.within(|| {
        for (client, sequence) in [
            ("FreeBSD", FREEBSD),
            ("OpenBSD", OPENBSD),
            ("a diskless kernel", DISKLESS),
            ("macOS", MACOS),
        ] {
            let mut session = Session::new(SERVER, "/root")?;
            replay(&mut session, client, sequence)?;
            println!("{client}: {} calls", sequence.len());
        }
        Ok(())
    })
}
