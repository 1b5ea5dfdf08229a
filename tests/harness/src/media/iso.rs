//! A CD that a BIOS and UEFI boot (El Torito 1.0; ECMA-119 for the descriptors before it).

use super::bios::sector;

const SECTOR: usize = 2048;
const CATALOG: u32 = 19;
const BIOS: u32 = 20;
const UEFI: u32 = 21;

/// A CD that prints a line under BIOS, and under UEFI is a volume ([`super::volume`]).
pub fn iso(line: &str, volume: &[u8]) -> Vec<u8> {
    let sectors = UEFI + u32::try_from(volume.len().div_ceil(SECTOR)).unwrap_or_default();
    let mut primary = descriptor(1);
    // Big and little endian after one another.
    place(&mut primary, 80, &both(sectors));
    place(&mut primary, 120, &[1, 0, 0, 1, 1, 0, 0, 1, 0, 8, 8, 0]);
    // The root directory: empty, and nowhere.
    place(&mut primary, 156, &[34, 0]);
    let mut record = descriptor(0);
    place(&mut record, 7, b"EL TORITO SPECIFICATION");
    place(&mut record, 71, &CATALOG.to_le_bytes());

    // Validation, the default entry (no emulation, 4 blocks of 512 bytes), a section for UEFI and its entry.
    let mut catalog = vec![1, 0];
    catalog.resize(28, 0);
    // The sum of the sixteen numbers is 0.
    let sum = 0_u16.wrapping_sub(1).wrapping_sub(0xaa55);
    catalog.extend(sum.to_le_bytes());
    catalog.extend([0x55, 0xaa]);
    catalog.extend([0x88, 0, 0, 0, 0, 0, 4, 0]);
    catalog.extend(BIOS.to_le_bytes());
    catalog.resize(64, 0);
    catalog.extend([0x91, 0xef, 1, 0]);
    catalog.resize(96, 0);
    let blocks = u16::try_from(volume.len().div_ceil(512)).unwrap_or(u16::MAX);
    catalog.extend([0x88, 0, 0, 0, 0, 0]);
    catalog.extend(blocks.to_le_bytes());
    catalog.extend(UEFI.to_le_bytes());

    let mut bytes = vec![0; 16 * SECTOR];
    for part in [
        &primary[..],
        &record,
        &descriptor(255),
        &catalog,
        &sector(line),
        volume,
    ] {
        bytes.extend(part);
        bytes.resize(bytes.len().next_multiple_of(SECTOR), 0);
    }
    bytes
}

fn descriptor(kind: u8) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend(b"CD001\x01");
    bytes.resize(SECTOR, 0);
    bytes
}

fn both(number: u32) -> Vec<u8> {
    [number.to_le_bytes(), number.to_be_bytes()].concat()
}

fn place(bytes: &mut [u8], at: usize, part: &[u8]) {
    for (place, byte) in bytes.iter_mut().skip(at).zip(part) {
        *place = *byte;
    }
}
