//! A kernel command line: the plan of the init, and `netroot explain` about it.
#![no_main]

libfuzzer_sys::fuzz_target!(|line: &str| {
    netroot::fuzzing::explain(line);
});
