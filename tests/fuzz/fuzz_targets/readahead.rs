//! The list of what to read ahead.
#![no_main]

use netroot_proto::readahead::{read, write};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let files = read(text);
    // What was read can be written, and is the same when it is read again, unless it became too long.
    let again = read(&write(&files));
    assert!(files.starts_with(&again));
});
