//! A record of calls has what a client asked for, by path.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use support::{Client, serve};

with_and_without_capabilities!(calls_are_recorded_by_path);

fn calls_are_recorded_by_path() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("a b")).unwrap();
    fs::write(root.path().join("a b/file"), b"content").unwrap();
    let odd_path = root.path().join(OsStr::from_bytes(b"\xff"));
    fs::write(&odd_path, b"").unwrap();
    let record = tempfile::NamedTempFile::new().unwrap();
    let running = serve(root.path());
    running.server.record_calls(record.reopen().unwrap());
    let mut client = Client::user(running.server.address(), 7, 7, &[]);
    let file = client.find("a b/file");
    client.attributes(&file).unwrap();
    client.read(&file, 2, 4096).unwrap();
    client.access(&file);
    let root = client.root.clone();
    client.list_plus(&root, 512, 4096).unwrap();
    let odd = client.lookup_in(&root, b"\xff").unwrap().object;
    client.attributes(&odd).unwrap();
    fs::remove_file(odd_path).unwrap();
    let _ = client.attributes(&odd);
    let lines = fs::read_to_string(record.path()).unwrap();
    let lines: Vec<&str> = lines
        .lines()
        .map(|line| line.split_once(' ').unwrap().1)
        .collect();
    assert_eq!(
        lines,
        [
            r"127.0.0.1 7 LOOKUP / a\040b",
            r"127.0.0.1 7 LOOKUP /a\040b file",
            r"127.0.0.1 7 GETATTR /a\040b/file",
            r"127.0.0.1 7 READ /a\040b/file 2 4096",
            r"127.0.0.1 7 ACCESS /a\040b/file 4294967295",
            "127.0.0.1 7 READDIRPLUS / 0 512 4096",
            r"127.0.0.1 7 LOOKUP / \377",
            r"127.0.0.1 7 GETATTR /\377",
            "127.0.0.1 7 GETATTR -",
        ]
    );
}
