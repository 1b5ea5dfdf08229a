//! What an input chooses from.

use super::encode::auth_sys;
use crate::nfs_tree::input::Input;
use crate::nfs_tree::planted::NAMES;
use crate::nfs_tree::replies::{MOUNT, NFS, NFSACL, PORTMAP};

/// Files whose handles are known from the start.
pub(super) const PATHS: [&str; 22] = [
    "",
    "folder",
    "folder/inner",
    "folder/file",
    "file",
    "big",
    "sparse",
    "out",
    "long-link",
    "loop",
    "fifo",
    "null",
    "deep/d/d/d",
    "many",
    "many/file-7",
    "names",
    "mounted",
    "mounted/inner",
    "locked",
    "locked-folder",
    "play",
    "race",
];

pub(super) const MOUNTED: [&[u8]; 12] = [
    b"/",
    b"/debian",
    b"/debian/folder",
    b"/debian/folder/file",
    b"/debian/../outside",
    b"/debian/mounted",
    b"/nowhere",
    b"",
    b"debian",
    b"/debian/secret-hidden-folder",
    b"//./debian//",
    b"/debian/out",
];

const COUNTS: [u32; 24] = [
    0,
    1,
    3,
    7,
    8,
    20,
    100,
    111,
    112,
    200,
    300,
    511,
    512,
    1024,
    4096,
    8191,
    8192,
    32_768,
    65_535,
    65_536,
    131_072,
    1 << 20,
    (1 << 20) + 1,
    u32::MAX,
];

const OFFSETS: [u64; 12] = [
    0,
    1,
    11,
    4095,
    4096,
    1_299_999,
    1_300_000,
    (4 << 30) - 3,
    5 << 30,
    i64::MAX as u64,
    1 << 63,
    u64::MAX,
];

/// Program, version and procedure. Those that matter most come several times.
pub(super) const PROCEDURES: [[u32; 3]; 61] = [
    [NFS, 3, 3],
    [NFS, 3, 3],
    [NFS, 3, 3],
    [NFS, 3, 3],
    [NFS, 3, 1],
    [NFS, 3, 1],
    [NFS, 3, 6],
    [NFS, 3, 6],
    [NFS, 3, 6],
    [NFS, 3, 16],
    [NFS, 3, 16],
    [NFS, 3, 17],
    [NFS, 3, 17],
    [NFS, 3, 17],
    [NFS, 3, 4],
    [NFS, 3, 5],
    [NFS, 3, 0],
    [NFS, 3, 2],
    [NFS, 3, 7],
    [NFS, 3, 8],
    [NFS, 3, 9],
    [NFS, 3, 10],
    [NFS, 3, 11],
    [NFS, 3, 12],
    [NFS, 3, 13],
    [NFS, 3, 14],
    [NFS, 3, 15],
    [NFS, 3, 18],
    [NFS, 3, 19],
    [NFS, 3, 20],
    [NFS, 3, 21],
    [NFS, 3, 22],
    [NFS, 2, 1],
    [NFS, 4, 1],
    [MOUNT, 3, 0],
    [MOUNT, 3, 1],
    [MOUNT, 3, 1],
    [MOUNT, 3, 2],
    [MOUNT, 3, 3],
    [MOUNT, 3, 4],
    [MOUNT, 3, 5],
    [MOUNT, 3, 6],
    [MOUNT, 1, 1],
    [MOUNT, 1, 6],
    [MOUNT, 2, 7],
    [NFSACL, 3, 0],
    [NFSACL, 3, 1],
    [NFSACL, 3, 1],
    [NFSACL, 3, 2],
    [NFSACL, 2, 1],
    [PORTMAP, 2, 0],
    [PORTMAP, 2, 3],
    [PORTMAP, 2, 4],
    [PORTMAP, 3, 3],
    [PORTMAP, 4, 4],
    [PORTMAP, 4, 9],
    [PORTMAP, 2, 5],
    [PORTMAP, 4, 6],
    [PORTMAP, 2, 1],
    [300_019, 1, 1],
    [0, 0, 0],
];

pub(super) fn credential(input: &mut Input<'_>) -> (u32, Vec<u8>) {
    match input.byte() {
        0..=149 => (1, auth_sys(0, 0, &[])),
        150..=179 => (1, auth_sys(1000, 1000, &[4, 24])),
        180..=199 => (1, auth_sys(4242, 4242, &(1..=16).collect::<Vec<_>>())),
        200..=209 => (1, auth_sys(0, 0, &[0; 17])),
        210..=229 => (0, Vec::new()),
        230..=239 => (input.byte().into(), input.bytes(12).to_vec()),
        240..=247 => (1, input.bytes(40).to_vec()),
        _ => (1, auth_sys(input.u32(), input.u32(), &[input.u32()])),
    }
}

pub(super) fn name<'a>(input: &mut Input<'a>) -> &'a [u8] {
    match input.byte() {
        0..=229 => input.pick::<&[u8]>(NAMES),
        length => input.bytes(usize::from(length - 229)),
    }
}

pub(super) fn count(input: &mut Input<'_>) -> u32 {
    match input.byte() {
        0..=199 => *input.pick(&COUNTS),
        _ => input.u32(),
    }
}

pub(super) fn offset(input: &mut Input<'_>) -> u64 {
    match input.byte() {
        0..=199 => *input.pick(&OFFSETS),
        _ => input.u64(),
    }
}
