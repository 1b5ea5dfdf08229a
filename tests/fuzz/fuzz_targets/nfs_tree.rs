//! Calls to the whole service over a real directory, by callers that use what earlier replies told
//! (`netroot_fuzz::nfs_tree`).
#![no_main]

use netroot_fuzz::nfs_tree::{Kind, prepare, run};

libfuzzer_sys::fuzz_target!(
    init: prepare(),
    |input: &[u8]| run(Kind::Fixed, input)
);
