//! The same as `nfs_tree` while the directory changes: renamed, deleted, replaced by links that lead out of it.
#![no_main]

use netroot_fuzz::nfs_tree::{Kind, prepare, run};

libfuzzer_sys::fuzz_target!(
    init: prepare(),
    |input: &[u8]| run(Kind::Changing, input)
);
