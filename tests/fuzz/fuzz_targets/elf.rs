//! A module or a program of a root: its architecture, its interpreter, the firmware that it asks for.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| netroot_initramfs::fuzzing::elf(input));
