//! Files: TFTP from one port, and trees of more than one file system.

use std::net::UdpSocket;

use anyhow::{Context, Result};

use super::lab::{Lab, SERVER, TIMEOUT};
use super::row::Row;

const S04: (&str, &str) = (
    "S04",
    "raspberrypi/rpi-eeprom#74, raspberrypi/firmware#1700",
);

/// Whole trees, before and after a restart with the kernel's caches dropped.
const TREES: [((&str, &str), &str, &str); 10] = [
    (
        S08,
        "file systems below the root are parts of it",
        "tests/interop/file_systems/mounts.rs file_systems_of_their_own_for_parts_of_the_root",
    ),
    (
        S08,
        "a chroot in use: /proc, /sys, /dev and /run of the server are not shown",
        "tests/interop/file_systems/mounts.rs a_chroot_in_use",
    ),
    (
        S08,
        "btrfs subvolumes within each other, and snapshots",
        "tests/interop/file_systems/mounts.rs btrfs_with_subvolumes_within_each_other_and_snapshots",
    ),
    (
        S08,
        "btrfs subvolumes mounted in another",
        "tests/interop/file_systems/mounts.rs btrfs_with_subvolumes_mounted_in_another",
    ),
    (
        S09,
        "overlayfs, all layers on one file system",
        "tests/interop/file_systems/layers.rs overlayfs_of_one_file_system",
    ),
    (
        S09,
        "overlayfs, layers on several file systems",
        "tests/interop/file_systems/layers.rs overlayfs_of_several_file_systems",
    ),
    (
        S09,
        "the same with xino",
        "tests/interop/file_systems/layers.rs overlayfs_of_several_file_systems_with_xino",
    ),
    (
        S09,
        "overlayfs of a live system",
        "tests/interop/file_systems/layers.rs overlayfs_of_a_live_system",
    ),
    (
        S09,
        "FUSE that the kernel forgets",
        "tests/interop/nfs_submounts.rs files_on_fuse_are_found_after_the_kernel_has_forgotten_them_and_after_a_restart",
    ),
    (
        S09,
        "files of an overlay after a restart, hard links too",
        "tests/interop/nfs_submounts.rs files_of_an_overlay_have_numbers_of_their_own_and_are_found_after_a_restart",
    ),
];
const S08: (&str, &str) = (
    "S08",
    "ltsp/ltsp#105, #347, #43, #152, openzfsonosx/zfs#769, nfs-ganesha/nfs-ganesha#703, #1177",
);
const S09: (&str, &str) = ("S09", "moby/moby#43299, nfs-ganesha/nfs-ganesha#511");

pub(super) fn rows() -> Result<Vec<Row>> {
    let mut lab = Lab::new("files")?;
    lab.serve(&[])?;
    let after = |wanted: &str, last: Last| lab.client.within(|| next_file(wanted, last));
    let trees = TREES.map(|(case, what, test)| {
        Row::shown_by(
            case,
            what,
            "the tree as the server has it, before and after",
            test,
        )
    });
    let transfers = [
        Row::new(
            S04,
            "another file from the same port, the last ACK of the one before not sent",
            "the other file's options",
            after("snponly.efi", Last::Kept),
        ),
        Row::new(
            S04,
            "the same file with other options from the same port, after a probe of its size",
            "the other file's options",
            after("undionly.kpxe", Last::Probe),
        ),
        Row::new(
            S04,
            "another file from the same port, the one before ended well",
            "the other file's options",
            after("snponly.efi", Last::Sent),
        ),
    ];
    Ok(transfers.into_iter().chain(trees).collect())
}

/// How the first transfer ends.
#[derive(PartialEq)]
enum Last {
    /// Its last ACK is not sent.
    Kept,
    Sent,
    /// It is not begun: only the size was asked for.
    Probe,
}

/// Asks for a file, and for `wanted` from the same port; what answers that.
fn next_file(wanted: &str, last: Last) -> Result<String> {
    let socket = UdpSocket::bind("0.0.0.0:6970")?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    let mut buffer = [0; 2000];
    socket.send_to(&request("undionly.kpxe", 512), (SERVER, 69))?;
    let (_, mut transfer) = socket.recv_from(&mut buffer).context("the first OACK")?;
    if last != Last::Probe {
        socket.send_to(&[0, 4, 0, 0], transfer)?;
        loop {
            let (length, from) = socket.recv_from(&mut buffer).context("a block")?;
            transfer = from;
            let block = buffer.get(2..4).context("a number")?.to_vec();
            let is_last = length < 512 + 4;
            if is_last && last == Last::Kept {
                break;
            }
            socket.send_to(&[&[0, 4], block.as_slice()].concat(), transfer)?;
            if is_last {
                break;
            }
        }
    }
    // As a ROM does, until it is answered.
    socket.set_read_timeout(Some(std::time::Duration::from_secs(2)))?;
    for _ in 0..60 {
        socket.send_to(&request(wanted, 1024), (SERVER, 69))?;
        while let Ok((length, _)) = socket.recv_from(&mut buffer) {
            let answer = buffer.get(..length).unwrap_or_default();
            if answer.starts_with(&[0, 6]) && contains(answer, b"1024") {
                return Ok("the other file's options".to_owned());
            }
        }
    }
    Ok("no answer to the second request".to_owned())
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

fn request(name: &str, block: usize) -> Vec<u8> {
    let text = format!("\0\u{1}{name}\0octet\0tsize\00\0blksize\0{block}\0");
    text.into_bytes()
}
