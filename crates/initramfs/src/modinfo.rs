//! The ELF files of modules: the architecture, the `.modinfo` section, and what they use of the kernel.
//!
//! Reads the section table and what it leads to (System V ABI, "Object Files"), of little-endian 64-bit files, as all
//! supported architectures have them.

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

/// The sections of an ELF file.
#[derive(Debug, Clone, Copy)]
struct Sections<'a> {
    file: &'a [u8],
    table: usize,
    size: usize,
    count: usize,
}

impl<'a> Sections<'a> {
    fn of(file: &'a [u8]) -> Option<Self> {
        let (table, size, count) = table(file, 0x28, 0x3a, 0x3c)?;
        Some(Self {
            file,
            table,
            size,
            count,
        })
    }

    fn header(&self, number: usize) -> Option<&'a [u8]> {
        let at = self.table.checked_add(number.checked_mul(self.size)?)?;
        (number < self.count).then(|| self.file.get(at..)).flatten()
    }

    fn content(&self, header: &[u8]) -> Option<&'a [u8]> {
        let offset = usize::try_from(u64_le(header, 0x18)?).ok()?;
        let length = usize::try_from(u64_le(header, 0x20)?).ok()?;
        self.file.get(offset..offset.checked_add(length)?)
    }

    /// The content of the section `name`.
    fn named(&self, name: &str) -> Option<&'a [u8]> {
        let names = self.content(self.header(usize::from(u16_le(self.file, 0x3e)?))?)?;
        (0..self.count).find_map(|number| {
            let header = self.header(number)?;
            let own = text_at(names, u32_le(header, 0)?)?;
            (own == name.as_bytes())
                .then(|| self.content(header))
                .flatten()
        })
    }
}

/// The text at an offset of a string table.
fn text_at(table: &[u8], at: u32) -> Option<&[u8]> {
    let rest = table.get(usize::try_from(at).ok()?..)?;
    rest.split(|&byte| byte == 0).next()
}

/// The entries of `.modinfo` with this key.
fn entries<'a>(module: &'a [u8], key: &'a str) -> impl Iterator<Item = &'a str> {
    let info = Sections::of(module).and_then(|sections| sections.named(".modinfo"));
    let all = info.unwrap_or_default().split(|&byte| byte == 0);
    all.filter_map(move |entry| {
        let entry = std::str::from_utf8(entry).ok()?;
        entry.strip_prefix(key)?.strip_prefix('=')
    })
}

/// The kernel that the module was built for, as its `vermagic` begins; `None` if it does not say.
pub(crate) fn built_for(module: &[u8]) -> Option<&str> {
    entries(module, "vermagic").next()?.split(' ').next()
}

/// Whether the kernel compares the symbols that the module uses one by one (`CONFIG_MODVERSIONS`), and not its own
/// version with the one that the module was built for (`same_magic`, `kernel/module/version.c`).
pub(crate) fn has_symbol_versions(module: &[u8]) -> bool {
    let sections = Sections::of(module);
    sections.is_some_and(|sections| {
        // The second since Linux 6.14.
        sections.named("__versions").is_some() || sections.named("__version_ext_names").is_some()
    })
}

/// The size of an entry of a symbol table, in bytes.
const SYMBOL: usize = 24;

/// The symbols that the module uses of the kernel and of other modules. Names that are not UTF-8 are left out.
pub(crate) fn used_symbols(module: &[u8]) -> Vec<&str> {
    const SHT_SYMTAB: u32 = 2;
    let Some(sections) = Sections::of(module) else {
        return Vec::new();
    };
    let is_table = |header: &&[u8]| u32_le(header, 4) == Some(SHT_SYMTAB);
    let mut headers = (0..sections.count).filter_map(|number| sections.header(number));
    let Some(header) = headers.find(is_table) else {
        return Vec::new();
    };
    let symbols = sections.content(header).unwrap_or_default();
    let names = u32_le(header, 0x28)
        .and_then(|link| sections.header(usize::try_from(link).ok()?))
        .and_then(|header| sections.content(header))
        .unwrap_or_default();
    let (symbols, _) = symbols.as_chunks::<SYMBOL>();
    let undefined = symbols.iter().filter(|s| u16_le(*s, 6) == Some(0));
    undefined
        .filter_map(|symbol| std::str::from_utf8(text_at(names, u32_le(symbol, 0)?)?).ok())
        .filter(|name| !name.is_empty())
        .collect()
}

/// The firmware that the module may ask for: its `firmware=` entries in order, each once.
pub(crate) fn firmware(module: &[u8]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in entries(module, "firmware") {
        if !names.iter().any(|known| known == name) {
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
    fn what_a_module_uses_and_was_built_for_is_found() {
        let info = "vermagic=6.1.0-49-amd64 SMP preempt mod_unload modversions \0";
        let module = crate::fixture::driver(62, info, &["printk", "register_netdev"]);
        assert_eq!(used_symbols(&module), ["printk", "register_netdev"]);
        assert_eq!(built_for(&module), Some("6.1.0-49-amd64"));
        assert!(!has_symbol_versions(&module));
        let module = crate::fixture::driver_with_versions(62, info, &[]);
        assert!(has_symbol_versions(&module));
        assert_eq!(used_symbols(&crate::fixture::module(62, "")), [""; 0]);
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
            let mut module = crate::fixture::driver(62, "firmware=a\0", &["register_netdev"]);
            let length = module.len();
            for (i, byte) in value.into_iter().enumerate() {
                module[(at + i) % length] = byte;
            }
            let _ = firmware(&module);
            let _ = needs_interpreter(&module);
            let _ = (built_for(&module), has_symbol_versions(&module), used_symbols(&module));
            let _ = used_symbols(&module[..cut.min(length)]);
            let _ = firmware(&module[..cut.min(length)]);
        }
    }
}
