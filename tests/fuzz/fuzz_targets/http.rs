//! The path and the `Range` of an HTTP request, beyond what hyper reads.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: (&str, &str, u64)| {
    let (path, range, length) = input;
    netroot::fuzzing::http(path, range, length);
});
