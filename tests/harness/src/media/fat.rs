//! A FAT file system with one program, where UEFI looks for it on a medium that it does not know.

use super::efi::is_for_aarch64;

/// The bytes of a sector, which is a cluster too.
const SECTOR: usize = 512;
const SECTORS: u16 = 2880;
const FAT_SECTORS: u16 = 9;
const ROOT_ENTRIES: u16 = 224;
/// The root directory's sectors.
const ROOT_SECTORS: u16 = 14;

/// A volume of 1.44 MB (FAT12) that has this program as `EFI/BOOT/BOOTX64.EFI`, or `BOOTAA64.EFI`.
pub fn volume(program: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0xeb, 0x3c, 0x90];
    bytes.extend(b"NETROOT ");
    bytes.extend([0, 2, 1, 1, 0, 2]);
    for half in [ROOT_ENTRIES, SECTORS] {
        bytes.extend(half.to_le_bytes());
    }
    bytes.push(0xf0);
    for half in [FAT_SECTORS, 18, 2, 0, 0, 0, 0] {
        bytes.extend(half.to_le_bytes());
    }
    bytes.extend([0, 0, 0x29, 1, 2, 3, 4]);
    bytes.extend(b"NETROOT    FAT12   ");
    bytes.resize(510, 0);
    bytes.extend([0x55, 0xaa]);

    // Clusters 2 and 3 are the folders, the file's follow.
    let clusters = u16::try_from(program.len().div_ceil(SECTOR)).unwrap_or(u16::MAX);
    let last = 3 + clusters;
    let mut entries = vec![0xff0, 0xfff, 0xfff, 0xfff];
    entries.extend((4..=last).map(|cluster| if cluster == last { 0xfff } else { cluster + 1 }));
    let fat = packed(&entries);
    for _ in 0..2 {
        bytes.extend(&fat);
        bytes.resize(
            bytes.len() + usize::from(FAT_SECTORS) * SECTOR - fat.len(),
            0,
        );
    }
    let start = bytes.len();
    bytes.extend(entry(b"EFI        ", 0x10, 2, 0));
    bytes.resize(start + usize::from(ROOT_SECTORS) * SECTOR, 0);
    let size = u32::try_from(program.len()).unwrap_or(u32::MAX);
    let name = match is_for_aarch64(program) {
        true => b"BOOTAA64EFI",
        false => b"BOOTX64 EFI",
    };
    let folders = [
        (2, 0, entry(b"BOOT       ", 0x10, 3, 0)),
        (3, 2, entry(name, 0x20, 4, size)),
    ];
    for (own, parent, content) in folders {
        let start = bytes.len();
        bytes.extend(entry(b".          ", 0x10, own, 0));
        bytes.extend(entry(b"..         ", 0x10, parent, 0));
        bytes.extend(content);
        bytes.resize(start + SECTOR, 0);
    }
    bytes.extend(program);
    bytes.resize(usize::from(SECTORS) * SECTOR, 0);
    bytes
}

/// Numbers of twelve bits.
fn packed(entries: &[u16]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for pair in entries.chunks(2) {
        let (a, b) = match pair {
            [a, b] => (*a, *b),
            [a] => (*a, 0),
            _ => (0, 0),
        };
        let [low, middle, high, _] = (u32::from(a) | u32::from(b) << 12).to_le_bytes();
        bytes.extend([low, middle, high]);
    }
    bytes
}

fn entry(name: &[u8; 11], attributes: u8, cluster: u16, size: u32) -> Vec<u8> {
    let mut bytes = name.to_vec();
    bytes.push(attributes);
    bytes.resize(26, 0);
    bytes.extend(cluster.to_le_bytes());
    bytes.extend(size.to_le_bytes());
    bytes
}
