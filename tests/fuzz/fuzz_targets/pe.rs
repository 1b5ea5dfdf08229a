//! The sections of an EFI program: a root's unified kernel image.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| netroot_initramfs::fuzzing::pe(input));
