//! A stream of calls to the export's TCP port: records, RPC, MOUNT, portmapper, NFS and its ACLs, on a small root.
//!
//! Handles are signed, and depend on the file system. `HNDL` and a number, 8 bytes where an input has a handle of 8
//! bytes, stands for the handle of a file of the root: the seeds are a recorded boot with its handles replaced.
#![no_main]

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::LazyLock;

use netroot_nfs_export::fuzzing::Session;

const FILES: [&str; 6] = ["", "etc", "etc/hostname", "big", "link", "fifo"];

struct Root {
    session: Session,
    handles: Vec<Vec<u8>>,
    _folder: tempfile::TempDir,
}

static ROOT: LazyLock<Root> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    let session = Session::new(folder.path()).expect("export a folder");
    let handles = handles(&session);
    Root {
        session,
        handles,
        _folder: folder,
    }
});

fn fill(root: &Path) {
    std::fs::create_dir(root.join("etc")).unwrap();
    std::fs::write(root.join("etc/hostname"), "tiny\n").unwrap();
    std::fs::write(root.join("big"), vec![7; 300_000]).unwrap();
    symlink("etc/hostname", root.join("link")).unwrap();
    let status = std::process::Command::new("mkfifo")
        .arg(root.join("fifo"))
        .status();
    assert!(status.unwrap().success());
    for number in 0..200 {
        std::fs::write(root.join(format!("etc/file-{number}")), "x").unwrap();
    }
}

/// The handle of each file: MNT gives the root's, LOOKUP the others'.
fn handles(session: &Session) -> Vec<Vec<u8>> {
    let mut root = Vec::new();
    let mut all = Vec::new();
    for path in FILES {
        let mut handle = root.clone();
        if path.is_empty() {
            // Status 0, then the handle.
            root = opaque(
                &session.answer(&call(100_005, 1, &[padded(b"/debian")])),
                28,
            );
            handle = root.clone();
        }
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let arguments = [padded(&handle), padded(name.as_bytes())];
            handle = opaque(&session.answer(&call(100_003, 3, &arguments)), 28);
        }
        assert!(!handle.is_empty(), "no handle of {path:?}");
        all.push(handle);
    }
    all
}

/// A call of version 3 by uid 0.
fn call(program: u32, procedure: u32, arguments: &[Vec<u8>]) -> Vec<u8> {
    let words = [1, 0, 2, program, 3, procedure, 1, 20, 0, 0, 0, 0, 0, 0, 0];
    let words = words.iter().flat_map(|word: &u32| word.to_be_bytes());
    words.chain(arguments.concat()).collect()
}

fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut all = u32::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
    all.extend(bytes);
    all.resize(all.len().next_multiple_of(4), 0);
    all
}

fn opaque(reply: &[u8], at: usize) -> Vec<u8> {
    let length = reply
        .get(at..at + 4)
        .map_or(0, |word| u32::from_be_bytes(word.try_into().unwrap()));
    reply
        .get(at + 4..at + 4 + length as usize)
        .unwrap_or_default()
        .to_vec()
}

/// Replaces the stand-ins by handles.
fn with_handles(record: &[u8], handles: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = record;
    while let Some((byte, after)) = rest.split_first() {
        if let [
            0,
            0,
            0,
            8,
            b'H',
            b'N',
            b'D',
            b'L',
            _,
            _,
            _,
            number,
            after @ ..,
        ] = rest
        {
            let handle = &handles[usize::from(*number) % handles.len()];
            out.extend(u32::try_from(handle.len()).unwrap().to_be_bytes());
            out.extend(handle);
            out.resize(out.len().next_multiple_of(4), 0);
            rest = after;
        } else {
            out.push(*byte);
            rest = after;
        }
    }
    out
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let root = &*ROOT;
    root.session
        .stream(input, |record| with_handles(record, &root.handles));
});
