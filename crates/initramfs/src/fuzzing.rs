//! What `tests/fuzz` reaches: the parsers of files that a root holds. Built for it alone (`--cfg fuzzing`).

use crate::contents::Contents;
use crate::cpio::Archive;
use crate::module_index::index::{Index, IndexTexts};
use crate::{decompress, driver_kind, kernel, modinfo};

/// More than any input expands to by honest means, in bytes.
const LIMIT: u64 = 4 << 20;

/// The module index of a root, and the closure of everything in it.
pub fn module_index(dep: &str, alias: &str, softdep: &str, builtin: &str) {
    let texts = IndexTexts {
        dep: dep.to_owned(),
        alias: alias.to_owned(),
        softdep: softdep.to_owned(),
        builtin: builtin.to_owned(),
        weakdep: softdep.to_owned(),
        builtin_modinfo: builtin.to_owned(),
    };
    let Ok(index) = Index::parse(&texts) else {
        return;
    };
    let all = index.modules().map(|(name, _)| name.to_owned());
    if let Ok(closure) = index.closure(all, |_| Vec::new()) {
        let _ = (index.initrd_dep(&closure), index.initrd_alias(&closure));
    }
}

/// A module or a program.
pub fn elf(file: &[u8]) {
    let _ = modinfo::elf_machine(file);
    let _ = modinfo::needs_interpreter(file);
    let _ = modinfo::firmware(file);
    let _ = (
        modinfo::built_for(file),
        modinfo::has_symbol_versions(file),
        driver_kind::recognise(&modinfo::used_symbols(file)),
    );
}

/// A kernel image, and anything compressed.
pub fn kernel(file: &[u8]) {
    kernel::fuzz_header(file);
    if let Ok(content) = decompress::decompress(file.to_vec(), LIMIT) {
        assert!(content.len() as u64 <= LIMIT.max(file.len() as u64));
    }
}

/// An EFI program: a unified kernel image.
pub fn pe(start: &[u8]) {
    kernel::fuzz_pe(start);
}

/// `contents.toml`.
pub fn contents(text: &str) {
    let _ = Contents::parse("contents.toml", text);
}

/// A cpio archive with these files. Writing to memory does not fail.
pub fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = Archive::new(Vec::new(), 0);
    for (path, content) in files {
        archive.file(path, 0o644, content).unwrap_or_default();
    }
    archive
        .finish()
        .map_or_else(|_| Vec::new(), |(_, bytes)| bytes)
}
