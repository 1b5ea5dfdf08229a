//! The files that the ROM of a Raspberry Pi loads: from the folder of `--tftp-dir`, or from the root's `/boot/firmware`.
//!
//! The ROM loads no boot loader of netroot's but the maker's: `bootcode.bin` (up to the Pi 3), `start4.elf` (Pi 4),
//! `config.txt`, `cmdline.txt`, and what they name; or, told so by its EEPROM, `boot.img`, which holds all of these, and
//! `boot.sig` (Pi 4 and 5). It looks first in a folder of its own.

use std::os::fd::AsRawFd;
use std::path::Path;

use netroot_initramfs::RootTree;
use netroot_net::Mac;
use netroot_proto::pxe::arch::Platform;
use netroot_proto::pxe::inputs::Loader;

use super::folder::Folder;

/// The kernel's command line.
pub(super) const COMMAND_LINE: &str = "cmdline.txt";
/// Where a root has these files (Raspberry Pi OS, Debian, Ubuntu).
const FOLDER: &str = "boot/firmware";
/// One of these is there if any is: the Pi 5 has its boot loader in its EEPROM.
const FILES: [&str; 5] = [
    "config.txt",
    "start4.elf",
    "start.elf",
    "bootcode.bin",
    "boot.img",
];

/// What the ROM is told to load. It has these names built in, and passes over this one.
pub(crate) fn loader() -> Loader {
    Loader {
        platform: Platform::RaspberryPi,
        first: "bootcode.bin".to_owned(),
        second: None,
        signed: None,
    }
}

/// The `/boot/firmware` of a root in this directory, if it has files for a Raspberry Pi that everybody may read.
pub(crate) fn of_root(directory: &Path) -> Option<Folder> {
    let firmware = Folder::open_path(directory).ok()?.inside(FOLDER).ok()?;
    let has = FILES.iter().any(|file| firmware.open(file).is_ok());
    has.then_some(firmware)
}

/// The same of a root that is open.
pub(crate) fn of_open_root(root: &RootTree) -> Option<Folder> {
    let path = format!("/proc/self/fd/{}", root.directory().as_raw_fd());
    of_root(Path::new(&path))
}

/// A name without the folder of one machine: its serial number (`0f69016b/`), or its MAC (`dc-a6-32-01-02-03/`, with
/// `TFTP_PREFIX=2` in its EEPROM), which tells which machine asks.
pub(super) fn without_prefix(name: &str) -> Option<(Option<Mac>, &str)> {
    let (folder, rest) = name.split_once('/')?;
    let is_serial = folder.len() == 8 && folder.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_serial {
        return Some((None, rest));
    }
    let mac = folder.parse().ok().filter(|_| folder.contains('-'))?;
    Some((Some(mac), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_one_machine_is_its_serial_number_or_its_mac() {
        let mac = Mac([0xdc, 0xa6, 0x32, 1, 2, 3]);
        for (name, rest) in [
            ("0f69016b/start4.elf", Some((None, "start4.elf"))),
            ("0F69016B/overlays/x.dtbo", Some((None, "overlays/x.dtbo"))),
            (
                "dc-a6-32-01-02-03/config.txt",
                Some((Some(mac), "config.txt")),
            ),
            ("start4.elf", None),
            ("overlays/x.dtbo", None),
            ("0f69016/start4.elf", None),
            ("dc:a6:32:01:02:03/config.txt", None),
        ] {
            assert_eq!(without_prefix(name), rest, "{name}");
        }
    }
}
