//! Reads an initrd back, as the kernel does.

use std::collections::BTreeMap;
use std::io::Read;

use crate::fake_root::VERSION;

/// The entries of an archive: name, mode and content.
pub type Entries = BTreeMap<String, (u32, Vec<u8>)>;

/// Decompresses an initrd with zstd and reads the newc archive.
pub fn read_initrd(initrd: &[u8]) -> Entries {
    let mut archive = Vec::new();
    zstd::Decoder::new(initrd)
        .unwrap()
        .read_to_end(&mut archive)
        .unwrap();
    let mut entries = Entries::new();
    let mut rest = archive.as_slice();
    loop {
        assert_eq!(&rest[..6], b"070701");
        let field = |i: usize| {
            let digits = std::str::from_utf8(&rest[6 + 8 * i..14 + 8 * i]).unwrap();
            u32::from_str_radix(digits, 16).unwrap()
        };
        let (mode, size, name_size) = (field(1), field(6) as usize, field(11) as usize);
        assert_eq!((field(2), field(3), field(5)), (0, 0, 0), "owner and time");
        let name = std::str::from_utf8(&rest[110..110 + name_size - 1]).unwrap();
        if name == "TRAILER!!!" {
            return entries;
        }
        let start = (110 + name_size).next_multiple_of(4);
        let content = rest[start..start + size].to_vec();
        if let Some((parent, _)) = name.rsplit_once('/') {
            assert!(entries.contains_key(parent), "{parent} comes before {name}");
        }
        let old = entries.insert(name.to_owned(), (mode, content));
        assert!(old.is_none(), "{name} occurs twice");
        rest = &rest[(start + size).next_multiple_of(4)..];
    }
}

pub fn text(entries: &Entries, name: &str) -> String {
    String::from_utf8(entries[&format!("lib/modules/{VERSION}/{name}")].1.clone()).unwrap()
}

pub fn names_below(entries: &Entries, prefix: &str) -> Vec<String> {
    entries
        .iter()
        .filter(|(_, (mode, _))| mode & 0o170_000 == 0o100_000)
        .filter_map(|(name, _)| Some(name.strip_prefix(prefix)?.to_owned()))
        .collect()
}
