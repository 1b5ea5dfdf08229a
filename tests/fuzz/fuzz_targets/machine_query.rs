//! What a loader says of its machine in the query of its script's URL.
#![no_main]

libfuzzer_sys::fuzz_target!(|query: &str| netroot::fuzzing::machine_query(query));
