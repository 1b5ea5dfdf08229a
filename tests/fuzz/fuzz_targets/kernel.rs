//! The start of a root's kernel image, and compressed modules.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| netroot_initramfs::fuzzing::kernel(input));
