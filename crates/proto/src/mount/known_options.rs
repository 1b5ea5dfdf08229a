//! The options of nfs(5), and what value each takes.

use super::flags::MountFlags;

/// Words of fstab(5) and mount(8) that the kernel refuses.
const OF_MOUNT_PROGRAM: [&str; 11] = [
    "defaults", "auto", "noauto", "user", "nouser", "users", "owner", "group", "_netdev", "nofail",
    "comment",
];

/// Whether `key` is a word of fstab(5) and mount(8) that the kernel refuses.
pub(super) fn is_for_mount_program(key: &str) -> bool {
    OF_MOUNT_PROGRAM.contains(&key) || key.starts_with("x-")
}

/// The options that this project acts on.
const ACTED_ON: [&str; 25] = [
    "vers",
    "nfsvers",
    "v2",
    "v3",
    "v4",
    "v4.0",
    "v4.1",
    "v4.2",
    "minorversion",
    "port",
    "mountport",
    "mountaddr",
    "mounthost",
    "mountvers",
    "mountproto",
    "proto",
    "lock",
    "nolock",
    "ro",
    "rw",
    "tcp",
    "udp",
    "rdma",
    "addr",
    "sloppy",
];

/// Whether `key` is an option that some mount takes.
pub(super) fn is_known(key: &str) -> bool {
    ACTED_ON.contains(&key)
        || value_of(key).is_some()
        || is_for_mount_program(key)
        || MountFlags::default().take(key)
}

/// The option that a misspelt one was meant for.
pub(super) fn nearest(key: &str) -> Option<&'static str> {
    let passed_on = PASSED_ON.iter().flat_map(|(names, _)| names.iter());
    netroot_spelling::nearest(key, ACTED_ON.iter().chain(passed_on).copied())
}

/// What an option of nfs(5) takes.
#[derive(Clone, Copy)]
pub(super) enum Takes {
    Nothing,
    Number,
    /// `nconnect`: 1 to 16.
    Connections,
    /// One of these words.
    Word(&'static [&'static str]),
    /// `sec`: flavors with `:` between.
    Flavors,
    Text,
    Maybe,
}

/// The options that Linux's NFS client knows (`fs/nfs/fs_context.c`, to 6.17) and that
/// nothing here acts on, and the generic ones that it lets pass (`fs/fs_context.c`).
const PASSED_ON: [(&[&str], Takes); 9] = [
    (
        &[
            "hard",
            "soft",
            "softerr",
            "softreval",
            "nosoftreval",
            "bg",
            "fg",
            "intr",
            "nointr",
            "ac",
            "noac",
            "acl",
            "noacl",
            "cto",
            "nocto",
            "nofsc",
            "migration",
            "nomigration",
            "posix",
            "noposix",
            "nordirplus",
            "resvport",
            "noresvport",
            "sharecache",
            "nosharecache",
            "alignwrite",
            "noalignwrite",
            "sync",
            "async",
            "dirsync",
            "lazytime",
            "nolazytime",
            "mand",
            "nomand",
            "trunkdiscovery",
            "notrunkdiscovery",
        ],
        Takes::Nothing,
    ),
    (
        &[
            "acregmin", "acregmax", "acdirmin", "acdirmax", "actimeo", "bsize", "rsize", "wsize",
            "timeo", "retrans", "namlen", "retry",
        ],
        Takes::Number,
    ),
    (&["nconnect", "max_connect"], Takes::Connections),
    (
        &["local_lock"],
        Takes::Word(&["all", "none", "flock", "posix"]),
    ),
    (
        &["lookupcache"],
        Takes::Word(&["all", "none", "pos", "positive"]),
    ),
    (&["write"], Takes::Word(&["lazy", "eager", "wait"])),
    (&["xprtsec"], Takes::Word(&["none", "tls", "mtls"])),
    (&["sec"], Takes::Flavors),
    // The last four are the security module's.
    (
        &[
            "clientaddr",
            "fatal_neterrors",
            "cert_serial",
            "privkey_serial",
            "context",
            "fscontext",
            "defcontext",
            "rootcontext",
        ],
        Takes::Text,
    ),
];

/// What an option that is passed on takes.
pub(super) fn value_of(key: &str) -> Option<Takes> {
    // With a tag, or without.
    if matches!(key, "fsc" | "rdirplus") {
        return Some(Takes::Maybe);
    }
    let mut groups = PASSED_ON.iter();
    let (_, takes) = groups.find(|(names, _)| names.contains(&key))?;
    Some(*takes)
}

/// What a well-formed value had better be, and what comes of it as it is.
pub(super) fn caveat(key: &str, value: &str) -> Option<(&'static str, &'static str)> {
    match key {
        "timeo" if value.parse::<u32>().is_ok_and(|tenths| tenths < 600) => Some((
            "a timeo of 600 or more",
            "used as written; over TCP it makes a busy server slower still",
        )),
        "sec" if value.contains("krb5") => Some((
            "sec=sys",
            "used as written; without a gssd, which no initrd has, the kernel refuses it",
        )),
        "xprtsec" if value != "none" => Some((
            "xprtsec=none",
            "used as written; without a tlshd, which no initrd has, the kernel refuses it",
        )),
        _ => None,
    }
}

/// A security flavor of nfs(5).
pub(super) fn is_flavor(word: &str) -> bool {
    matches!(
        word,
        "none" | "null" | "sys" | "unix" | "krb5" | "krb5i" | "krb5p"
    )
}
