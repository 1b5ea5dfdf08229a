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
