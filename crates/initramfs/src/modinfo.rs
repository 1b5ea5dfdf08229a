//! The ELF files of modules: the architecture and the `.modinfo` section.
//!
//! Reads the section table only (System V ABI, "Object Files"), of little-endian 64-bit files, as all supported
//! architectures have them.

use crate::little_endian::{u16_le, u32_le, u64_le};

/// The `e_machine` of an ELF file.
pub(crate) fn elf_machine(file: &[u8]) -> Option<u16> {
    // EI_CLASS 2: 64-bit; EI_DATA 1: little-endian.
    (file.get(..6)? == b"\x7fELF\x02\x01")
        .then(|| u16_le(file, 0x12))
        .flatten()
}

/// Whether an ELF file needs an interpreter (`PT_INTERP`), which an init must not: the initrd has no dynamic linker.
pub(crate) fn needs_interpreter(file: &[u8]) -> bool {
    let Some((table, size, count)) = table(file, 0x20, 0x36, 0x38) else {
        return false;
    };
    (0..count).any(|i| {
        let entry = i.checked_mul(size).and_then(|at| at.checked_add(table));
        entry.and_then(|at| u32_le(file, at)) == Some(3)
    })
}

/// The offset of a table of an ELF file, the size of its entries, and their number.
fn table(
    file: &[u8],
    offset_at: usize,
    size_at: usize,
    count_at: usize,
) -> Option<(usize, usize, usize)> {
    elf_machine(file)?;
    Some((
        usize::try_from(u64_le(file, offset_at)?).ok()?,
        usize::from(u16_le(file, size_at)?),
        usize::from(u16_le(file, count_at)?),
    ))
}

/// The content of the section `name`.
fn section<'a>(file: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let (table, size, count) = table(file, 0x28, 0x3a, 0x3c)?;
    let header = |i: usize| file.get(table.checked_add(i.checked_mul(size)?)?..);
    let content = |header: &'a [u8]| {
        let offset = usize::try_from(u64_le(header, 0x18)?).ok()?;
        let length = usize::try_from(u64_le(header, 0x20)?).ok()?;
        file.get(offset..offset.checked_add(length)?)
    };
    let names = content(header(usize::from(u16_le(file, 0x3e)?))?)?;
    (0..count).find_map(|i| {
        let header = header(i)?;
        let at = usize::try_from(u32_le(header, 0)?).ok()?;
        let own = names.get(at..)?.split(|&byte| byte == 0).next()?;
        (own == name.as_bytes()).then(|| content(header)).flatten()
    })
}

/// The firmware that the module may ask for: its `firmware=` entries in order, each once.
pub(crate) fn firmware(module: &[u8]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let entries = section(module, ".modinfo").unwrap_or_default();
    for entry in entries.split(|&byte| byte == 0) {
        if let Some(name) = entry.strip_prefix(b"firmware=")
            && let Ok(name) = std::str::from_utf8(name)
            && !names.iter().any(|known| known == name)
        {
            names.push(name.to_owned());
        }
    }
    names
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_firmware_of_a_module_is_found() {
        let module = crate::fixture::module(
            62,
            "license=GPL\0firmware=a/b.bin\0firmware=c\0firmware=a/b.bin\0",
        );
        assert_eq!(firmware(&module), ["a/b.bin", "c"]);
        assert_eq!(elf_machine(&module), Some(62));
        assert!(!needs_interpreter(&module));
    }

    #[test]
    fn a_file_that_is_not_elf_has_no_firmware() {
        assert_eq!(firmware(b"firmware=x"), [""; 0]);
        assert_eq!(elf_machine(b"\x7fELF\x01\x01"), None);
    }

    #[test]
    fn this_test_program_needs_an_interpreter() {
        let own = std::fs::read("/proc/self/exe").unwrap();
        assert!(needs_interpreter(&own));
    }

    proptest! {
        #[test]
        fn a_damaged_module_does_not_panic(at in 0_usize..400, value: [u8; 8], cut in 0_usize..400) {
            let mut module = crate::fixture::module(62, "firmware=a\0");
            let length = module.len();
            for (i, byte) in value.into_iter().enumerate() {
                module[(at + i) % length] = byte;
            }
            let _ = firmware(&module);
            let _ = needs_interpreter(&module);
            let _ = firmware(&module[..cut.min(length)]);
        }
    }
}
