//! The sections of an EFI program (Microsoft's "PE Format"), for unified kernel images: programs whose section `.linux`
//! is a kernel and whose `.uname` is its version (UAPI.5).

use crate::little_endian::{u16_le, u32_le};

/// How many sections are looked at: the limit of Windows' loader. Unified kernel images have about ten.
const MAX_SECTIONS: usize = 96;
/// The length of an entry of the section table, in bytes.
const ENTRY: usize = 40;

/// Where a section is in its file, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Section {
    /// From the start of the file.
    pub(super) offset: u64,
    /// Without the padding.
    pub(super) length: u64,
}

/// The machine that an EFI program is for, from its COFF header.
pub(super) fn machine(start: &[u8]) -> Option<u16> {
    u16_le(start, coff_header(start)?)
}

/// The first section called `name`, such as `.linux`, if `start`, the first bytes of an EFI program, has its entry.
/// Nothing says that the file is as long as the section claims.
pub(super) fn section(start: &[u8], name: &str) -> Option<Section> {
    let header = coff_header(start)?;
    let count = usize::from(u16_le(start, header.checked_add(2)?)?);
    let optional_header = usize::from(u16_le(start, header.checked_add(16)?)?);
    let table = header.checked_add(20)?.checked_add(optional_header)?;
    let entries = start.get(table..)?.chunks_exact(ENTRY);
    let mut entries = entries.take(count.min(MAX_SECTIONS));
    let entry = entries.find(|entry| is_called(entry, name))?;
    let (size, padded) = (u32_le(entry, 8)?, u32_le(entry, 16)?);
    let length = if size == 0 { padded } else { size.min(padded) };
    let offset = u32_le(entry, 20)?;
    (length > 0 && offset > 0).then(|| Section {
        offset: u64::from(offset),
        length: u64::from(length),
    })
}

/// A name has eight bytes, the rest of which are zero.
fn is_called(entry: &[u8], name: &str) -> bool {
    let field = entry.get(..8).unwrap_or_default();
    field
        .strip_prefix(name.as_bytes())
        .is_some_and(|rest| rest.iter().all(|byte| *byte == 0))
}

/// Where the COFF header starts: after "PE\0\0", to which the number at 0x3c points.
fn coff_header(start: &[u8]) -> Option<usize> {
    if !start.starts_with(b"MZ") {
        return None;
    }
    let at = usize::try_from(u32_le(start, 0x3c)?).ok()?;
    let header = at.checked_add(4)?;
    (start.get(at..header) == Some(b"PE\0\0")).then_some(header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::efi_program;
    use proptest::prelude::*;

    #[test]
    fn a_section_is_found_by_its_whole_name() {
        let file = efi_program(&[(".linuxes", b"no"), (".linux", b"yes"), (".uname", b"6.1")]);
        let found = section(&file, ".linux").unwrap();
        assert_eq!((found.offset, found.length), (0x600, 3));
        assert_eq!(section(&file, ".linuxes").unwrap().offset, 0x400);
        assert_eq!(section(&file, ".initrd"), None);
        assert_eq!(machine(&file), Some(0x8664));
        assert_eq!(section(&file[..0x80], ".linux"), None);
    }

    #[test]
    fn more_sections_than_the_file_has_are_not_looked_for() {
        let mut file = efi_program(&[(".text", b"code")]);
        file[0x86] = 0xff;
        file[0x87] = 0xff;
        assert_eq!(section(&file, ".linux"), None);
    }

    proptest! {
        #[test]
        fn a_damaged_program_does_not_panic(at in 0_usize..0x400, value: u8, cut in 0_usize..0x400) {
            let mut file = efi_program(&[(".linux", b"kernel"), (".uname", b"6.1")]);
            file[at] = value;
            let _ = (section(&file, ".uname"), machine(&file));
            let _ = section(&file[..cut], ".uname");
        }
    }
}
