//! What `tests/fuzz` reaches: parsers of what machines send, and of a command line. Built for it alone (`--cfg fuzzing`).

use crate::{explain, serve};

/// `netroot explain`, in both forms.
pub fn explain(command_line: &str) {
    explain::fuzz(command_line);
}

/// The body of a boot report.
pub fn report(body: &[u8]) {
    serve::fuzz_report(body);
}

/// The query of a machine's script.
pub fn machine_query(query: &str) {
    serve::fuzz_machine_query(query);
}

/// The path of a request, and its `Range` header for a file of `length` bytes.
pub fn http(path: &str, range: &str, length: u64) {
    serve::fuzz_http(path, range, length);
}
