//! Minimal valid files for tests.

/// An ELF object for `machine` with a `.modinfo` section.
pub(crate) fn module(machine: u16, modinfo: &str) -> Vec<u8> {
    elf(machine, &[(".modinfo", 1, 0, modinfo.as_bytes().to_vec())])
}

/// The same with a symbol table of what it uses of the kernel.
pub(crate) fn driver(machine: u16, modinfo: &str, uses: &[&str]) -> Vec<u8> {
    elf(machine, &driver_sections(modinfo, uses))
}

/// The same with the versions of the symbols, which are not looked at.
pub(crate) fn driver_with_versions(machine: u16, modinfo: &str, uses: &[&str]) -> Vec<u8> {
    let mut sections = driver_sections(modinfo, uses);
    sections.push(("__versions", 1, 0, vec![0; 64]));
    elf(machine, &sections)
}

/// Name, type, the number of the section that it refers to, content.
type Section<'a> = (&'a str, u32, u32, Vec<u8>);

fn driver_sections(modinfo: &str, uses: &[&str]) -> Vec<Section<'static>> {
    let mut names = b"\0".to_vec();
    // The first symbol is none; the second is one of the module's own.
    let mut symbols = vec![0; 24];
    let mut symbol = |name: &str, section: u16| {
        let at = u32::try_from(names.len()).unwrap();
        names.extend_from_slice(name.as_bytes());
        names.push(0);
        symbols.extend_from_slice(&at.to_le_bytes());
        symbols.extend_from_slice(&[0x12, 0]);
        symbols.extend_from_slice(&section.to_le_bytes());
        symbols.extend_from_slice(&[0; 16]);
    };
    symbol("init_module", 1);
    uses.iter().for_each(|name| symbol(name, 0));
    vec![
        (".modinfo", 1, 0, modinfo.as_bytes().to_vec()),
        (".symtab", 2, 3, symbols),
        (".strtab", 3, 0, names),
    ]
}

fn elf(machine: u16, sections: &[Section<'_>]) -> Vec<u8> {
    let mut names = b"\0".to_vec();
    let mut file = vec![0; 64];
    file[..6].copy_from_slice(b"\x7fELF\x02\x01");
    file[0x12..0x14].copy_from_slice(&machine.to_le_bytes());
    let mut headers = vec![0; 64];
    let mut add = |file: &mut Vec<u8>, at_name: usize, kind: u32, link: u32, content: &[u8]| {
        let mut header = [0; 64];
        header[..4].copy_from_slice(&u32::try_from(at_name).unwrap().to_le_bytes());
        header[4..8].copy_from_slice(&kind.to_le_bytes());
        header[0x18..0x20].copy_from_slice(&(file.len() as u64).to_le_bytes());
        header[0x20..0x28].copy_from_slice(&(content.len() as u64).to_le_bytes());
        header[0x28..0x2c].copy_from_slice(&link.to_le_bytes());
        file.extend_from_slice(content);
        headers.extend_from_slice(&header);
    };
    for (name, kind, link, content) in sections {
        let at_name = names.len();
        names.extend_from_slice(name.as_bytes());
        names.push(0);
        add(&mut file, at_name, *kind, *link, content);
    }
    let at_name = names.len();
    names.extend_from_slice(b".shstrtab\0");
    add(&mut file, at_name, 3, 0, &names);
    let count = u16::try_from(sections.len() + 2).unwrap();
    let table_at = file.len() as u64;
    file.extend_from_slice(&headers);
    file[0x28..0x30].copy_from_slice(&table_at.to_le_bytes());
    file[0x3a..0x3c].copy_from_slice(&64_u16.to_le_bytes());
    file[0x3c..0x3e].copy_from_slice(&count.to_le_bytes());
    file[0x3e..0x40].copy_from_slice(&(count - 1).to_le_bytes());
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
