//! Minimal valid files for tests.

/// An ELF object for `machine` with a `.modinfo` section.
pub(crate) fn module(machine: u16, modinfo: &str) -> Vec<u8> {
    let names = b"\0.modinfo\0.shstrtab\0";
    let mut file = vec![0; 64];
    file[..6].copy_from_slice(b"\x7fELF\x02\x01");
    file[0x12..0x14].copy_from_slice(&machine.to_le_bytes());
    let modinfo_at = file.len();
    file.extend_from_slice(modinfo.as_bytes());
    let names_at = file.len();
    file.extend_from_slice(names);
    let table_at = file.len() as u64;
    let mut section = |name: u32, offset: usize, length: usize| {
        let mut header = [0; 64];
        header[..4].copy_from_slice(&name.to_le_bytes());
        header[0x18..0x20].copy_from_slice(&(offset as u64).to_le_bytes());
        header[0x20..0x28].copy_from_slice(&(length as u64).to_le_bytes());
        file.extend_from_slice(&header);
    };
    section(0, 0, 0);
    section(1, modinfo_at, modinfo.len());
    section(10, names_at, names.len());
    file[0x28..0x30].copy_from_slice(&table_at.to_le_bytes());
    file[0x3a..0x3c].copy_from_slice(&64_u16.to_le_bytes());
    file[0x3c..0x3e].copy_from_slice(&3_u16.to_le_bytes());
    file[0x3e..0x40].copy_from_slice(&2_u16.to_le_bytes());
    file
}

/// The start of a bzImage, with the version that its header names.
pub(crate) fn bzimage(version: &str) -> Vec<u8> {
    let mut kernel = vec![0; 0x400];
    kernel[0x202..0x206].copy_from_slice(b"HdrS");
    kernel[0x206..0x208].copy_from_slice(&0x20f_u16.to_le_bytes());
    kernel[0x20e..0x210].copy_from_slice(&0x100_u16.to_le_bytes());
    kernel[0x236] = 1;
    let text = format!("{version} (someone@somewhere) #1 SMP\0");
    kernel[0x300..0x300 + text.len()].copy_from_slice(text.as_bytes());
    kernel
}

/// An EFI program with these sections, each padded to 512 bytes, as `ukify` puts them there.
pub(crate) fn efi_program(sections: &[(&str, &[u8])]) -> Vec<u8> {
    let mut file = vec![0; 0x400];
    file[..2].copy_from_slice(b"MZ");
    file[0x3c] = 0x80;
    file[0x80..0x84].copy_from_slice(b"PE\0\0");
    file[0x84..0x86].copy_from_slice(&0x8664_u16.to_le_bytes());
    file[0x86] = u8::try_from(sections.len()).unwrap();
    file[0x94] = 0xf0;
    for (number, (name, content)) in sections.iter().enumerate() {
        let at = 0x98 + 0xf0 + number * 40;
        let (offset, padded) = (file.len(), content.len().next_multiple_of(512));
        file[at..at + name.len()].copy_from_slice(name.as_bytes());
        for (field, value) in [(8, content.len()), (16, padded), (20, offset)] {
            let value = u32::try_from(value).unwrap().to_le_bytes();
            file[at + field..at + field + 4].copy_from_slice(&value);
        }
        file.extend_from_slice(content);
        file.resize(offset + padded, 0);
    }
    file
}
