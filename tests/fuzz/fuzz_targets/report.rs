//! The body of a boot report, and what is logged of it.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| netroot::fuzzing::report(input));
