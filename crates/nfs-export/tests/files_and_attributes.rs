//! Clients see files and attributes exactly as the file system has them.
#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    clippy::indexing_slicing
)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use nfs3_types::nfs3::*;
use rustix::io::{Errno, ReadWriteFlags};
use support::{Client, now, result, serve};

with_and_without_capabilities!(
    every_type_of_file_has_its_real_attributes,
    devices_have_their_numbers_and_are_not_opened,
    a_fifo_is_not_opened_for_reading,
    hard_links_have_the_same_handle,
    content_is_read_from_any_offset,
    content_that_is_not_in_memory_is_read_on_another_thread,
    a_long_read_of_a_file_whose_beginning_alone_is_in_memory_does_not_wait_on_the_connections_thread,
    five_thousand_entries_are_listed_once_each_with_any_size_of_reply,
    the_parent_of_the_root_is_the_root,
    modes_apply_to_everyone_but_root,
    fsstat_fsinfo_and_pathconf_suit_linux,
    reading_does_not_change_access_times,
);

fn write(path: &Path, content: &[u8], mode: u32) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Compares every attribute with that of the file system.
fn assert_attributes(seen: &fattr3, path: &Path) {
    let real = fs::symlink_metadata(path).unwrap();
    let time = |seen: nfstime3| (i64::from(seen.seconds), i64::from(seen.nseconds));
    assert_eq!(seen.mode, real.mode() & 0o7777, "{path:?}");
    assert_eq!((seen.uid, seen.gid), (real.uid(), real.gid()), "{path:?}");
    assert_eq!(u64::from(seen.nlink), real.nlink(), "{path:?}");
    assert_eq!(seen.size, real.size(), "{path:?}");
    assert_eq!(seen.used, real.blocks() * 512, "{path:?}");
    assert_eq!(seen.fileid, real.ino(), "{path:?}");
    assert_eq!(
        time(seen.mtime),
        (real.mtime(), real.mtime_nsec()),
        "{path:?}"
    );
    assert_eq!(
        time(seen.ctime),
        (real.ctime(), real.ctime_nsec()),
        "{path:?}"
    );
    assert_eq!(
        time(seen.atime),
        (real.atime(), real.atime_nsec()),
        "{path:?}"
    );
}

fn every_type_of_file_has_its_real_attributes() {
    let root = tempfile::tempdir().unwrap();
    let path = |name: &str| root.path().join(name);
    write(&path("su"), b"setuid program", 0o4755);
    write(&path("wall"), b"setgid program", 0o2755);
    write(&path("shadow"), b"secret", 0o640);
    fs::create_dir(path("tmp")).unwrap();
    fs::set_permissions(path("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
    symlink("/etc/../absolute target", path("link")).unwrap();
    let fifo = rustix::fs::FileType::Fifo;
    let mode = rustix::fs::Mode::from_raw_mode(0o622);
    rustix::fs::mknodat(rustix::fs::CWD, path("initctl"), fifo, mode, 0).unwrap();
    let _socket = UnixListener::bind(path("log")).unwrap();
    let long = "n".repeat(255);
    write(&path(&long), b"", 0o600);
    let sparse = fs::File::create(path("sparse")).unwrap();
    sparse.set_len(1 << 33).unwrap();

    let running = serve(root.path());
    let mut client = Client::root(running.server.address());
    let kinds = [
        ("su", ftype3::NF3REG),
        ("wall", ftype3::NF3REG),
        ("shadow", ftype3::NF3REG),
        ("tmp", ftype3::NF3DIR),
        ("link", ftype3::NF3LNK),
        ("initctl", ftype3::NF3FIFO),
        ("log", ftype3::NF3SOCK),
        (&long, ftype3::NF3REG),
        ("sparse", ftype3::NF3REG),
    ];
    for (name, kind) in kinds {
        let handle = client.find(name);
        let seen = client.attributes(&handle).unwrap();
        assert_eq!(seen.type_, kind, "{name}");
        assert_attributes(&seen, &path(name));
    }
    let own = client.root.clone();
    assert_attributes(&client.attributes(&own).unwrap(), root.path());
    let link = client.find("link");
    assert_eq!(client.readlink(&link).unwrap(), b"/etc/../absolute target");
    let su = client.find("su");
    assert_eq!(client.readlink(&su), Err(nfsstat3::NFS3ERR_INVAL));
}

fn devices_have_their_numbers_and_are_not_opened() {
    let running = serve(Path::new("/dev"));
    let mut client = Client::root(running.server.address());
    let null = client.find("null");
    let seen = client.attributes(&null).unwrap();
    assert_eq!((seen.type_, seen.mode), (ftype3::NF3CHR, 0o666));
    assert_eq!((seen.rdev.specdata1, seen.rdev.specdata2), (1, 3));
    assert_eq!(client.read(&null, 0, 100), Err(nfsstat3::NFS3ERR_INVAL));
    // A client must be able to write to its own /dev/null through this inode.
    assert_eq!(
        client.access(&null) & (ACCESS3_MODIFY | ACCESS3_EXTEND),
        ACCESS3_MODIFY | ACCESS3_EXTEND
    );
}

fn a_fifo_is_not_opened_for_reading() {
    let root = tempfile::tempdir().unwrap();
    let fifo = rustix::fs::FileType::Fifo;
    let mode = rustix::fs::Mode::from_raw_mode(0o666);
    rustix::fs::mknodat(rustix::fs::CWD, root.path().join("fifo"), fifo, mode, 0).unwrap();
    let running = serve(root.path());
    let mut client = Client::root(running.server.address());
    let fifo = client.find("fifo");
    assert_eq!(client.read(&fifo, 0, 1), Err(nfsstat3::NFS3ERR_INVAL));
}

fn hard_links_have_the_same_handle() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("bin")).unwrap();
    write(&root.path().join("perl"), b"x", 0o755);
    fs::hard_link(root.path().join("perl"), root.path().join("bin/perl5")).unwrap();
    let running = serve(root.path());
    let mut client = Client::root(running.server.address());
    let one = client.find("perl");
    let other = client.find("bin/perl5");
    assert_eq!(one, other);
    assert_eq!(client.attributes(&one).unwrap().nlink, 2);
}

fn content_is_read_from_any_offset() {
    let root = tempfile::tempdir().unwrap();
    let content: Vec<u8> = (0..3_000_017_u32).map(|n| (n % 251) as u8).collect();
    write(&root.path().join("vmlinuz"), &content, 0o644);
    write(&root.path().join("empty"), b"", 0o644);
    let running = serve(root.path());
    let mut client = Client::root(running.server.address());
    let file = client.find("vmlinuz");
    let mut read = Vec::new();
    loop {
        let (data, eof) = client.read(&file, read.len() as u64, 1 << 20).unwrap();
        read.extend(data);
        if eof {
            break;
        }
    }
    assert!(read == content);
    // Lengths with every padding, across the end and beyond it.
    for (offset, count) in [
        (1, 1),
        (7, 2),
        (9, 3),
        (13, 4),
        (2_999_999, 100),
        (3_000_017, 10),
        (1 << 40, 10),
        (u64::MAX, 10),
    ] {
        let (data, eof) = client.read(&file, offset, count).unwrap();
        let start = (offset as usize).min(content.len());
        let end = (start + count as usize).min(content.len());
        assert_eq!(data, &content[start..end], "{offset}+{count}");
        assert_eq!(eof, end == content.len(), "{offset}+{count}");
    }
    // More than the maximum is cut short, not refused.
    let (data, eof) = client.read(&file, 0, u32::MAX).unwrap();
    assert_eq!((data.len(), eof), (1 << 20, false));
    let empty = client.find("empty");
    assert_eq!(client.read(&empty, 0, 4096), Ok((Vec::new(), true)));
    let dir = client.root.clone();
    assert_eq!(client.read(&dir, 0, 1), Err(nfsstat3::NFS3ERR_ISDIR));
}

/// Whether a byte is not in memory. Not every file system can tell, nor forgets what it is told to.
fn is_known_to_be_absent(file: &fs::File, position: u64) -> bool {
    let mut byte = [0];
    let into = &mut [std::io::IoSliceMut::new(&mut byte)];
    rustix::io::preadv2(file, into, position, ReadWriteFlags::NOWAIT) == Err(Errno::AGAIN)
}

fn content_that_is_not_in_memory_is_read_on_another_thread() {
    // Not in /tmp, which may be a tmpfs: its files cannot be dropped from memory.
    let root = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let content: Vec<u8> = (0..4_000_000_u32).map(|n| (n % 241) as u8).collect();
    write(&root.path().join("initrd"), &content, 0o644);
    let file = fs::File::open(root.path().join("initrd")).unwrap();
    file.sync_all().unwrap();
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    let is_known_to_be_absent = is_known_to_be_absent(&file, 3_999_999);
    let running = serve(root.path());
    let mut client = Client::root(running.server.address());
    let file = client.find("initrd");
    let mut read = Vec::new();
    loop {
        let (data, eof) = client.read(&file, read.len() as u64, 100_000).unwrap();
        read.extend(data);
        if eof {
            break;
        }
    }
    assert!(read == content);
    let counts = running.server.counts();
    if is_known_to_be_absent {
        assert!(counts.slow_reads > 0);
    }
    assert_eq!((counts.spliced_reads, counts.pipes_refused), (40, 0));
}

fn a_long_read_of_a_file_whose_beginning_alone_is_in_memory_does_not_wait_on_the_connections_thread()
 {
    use std::os::unix::fs::FileExt;
    let root = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = root.path().join("initrd");
    let content: Vec<u8> = (0..1_u32 << 20).map(|at| (at % 251) as u8).collect();
    write(&path, &content, 0o644);
    let file = fs::File::open(&path).unwrap();
    file.sync_all().unwrap();
    for advice in [rustix::fs::Advice::DontNeed, rustix::fs::Advice::Random] {
        rustix::fs::fadvise(&file, 0, None, advice).unwrap();
    }
    file.read_exact_at(&mut [0; 65_536], 0).unwrap();
    let is_known_to_be_absent = is_known_to_be_absent(&file, (1 << 20) - 1);
    let running = serve(root.path());
    let mut client = Client::root(running.server.address());
    let file = client.find("initrd");
    let (data, eof) = client.read(&file, 0, 1 << 20).unwrap();
    assert!(data == content && eof);
    if is_known_to_be_absent {
        assert!(running.server.counts().slow_reads > 0);
    }
}

fn five_thousand_entries_are_listed_once_each_with_any_size_of_reply() {
    let root = tempfile::tempdir().unwrap();
    let mut expected = BTreeSet::from([b".".to_vec(), b"..".to_vec()]);
    for number in 0..5000 {
        let name = format!("{number}-{}", "x".repeat(number % 100));
        fs::write(root.path().join(&name), b"").unwrap();
        expected.insert(name.into_bytes());
    }
    let running = serve(root.path());
    let mut client = Client::root(running.server.address());
    let dir = client.root.clone();
    for count in [512, 4096, 65_536, u32::MAX] {
        let names = client.list(&dir, count).unwrap();
        assert_eq!(names.len(), expected.len(), "replies of {count} bytes");
        let names: BTreeSet<Vec<u8>> = names.into_iter().map(|(_, name)| name).collect();
        assert!(names == expected, "replies of {count} bytes");
    }
    for (dircount, maxcount) in [(512, 8192), (8192, 32_768), (65_536, 1024)] {
        let entries = client.list_plus(&dir, dircount, maxcount).unwrap();
        assert_eq!(entries.len(), expected.len());
        for entry in &entries {
            if entry.name.as_ref().starts_with(b".") {
                continue;
            }
            let attributes = entry.name_attributes.clone().unwrap();
            assert_eq!(attributes.fileid, entry.fileid);
            let looked_up = client.lookup_in(&dir, entry.name.as_ref()).unwrap();
            assert_eq!(entry.name_handle.clone().unwrap(), looked_up.object);
        }
    }
    assert_eq!(client.list(&dir, 100), Err(nfsstat3::NFS3ERR_TOOSMALL));
}

fn the_parent_of_the_root_is_the_root() {
    let above = tempfile::tempdir().unwrap();
    let root = above.path().join("root");
    fs::create_dir_all(root.join("below")).unwrap();
    let running = serve(&root);
    let mut client = Client::root(running.server.address());
    let dir = client.root.clone();
    let own = fs::metadata(&root).unwrap().ino();
    let below = fs::metadata(root.join("below")).unwrap().ino();
    let mut names = client.list(&dir, 4096).unwrap();
    names.sort();
    let mut expected = vec![
        (own, b".".to_vec()),
        (own, b"..".to_vec()),
        (below, b"below".to_vec()),
    ];
    expected.sort();
    assert_eq!(names, expected);
    let inner = client.find("below");
    assert!(
        client
            .list(&inner, 4096)
            .unwrap()
            .contains(&(own, b"..".to_vec()))
    );
}

fn modes_apply_to_everyone_but_root() {
    let root = tempfile::tempdir().unwrap();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    write(&root.path().join("shadow"), b"secret", 0o640);
    let own = fs::metadata(root.path().join("shadow")).unwrap();
    let (other, outside) = (own.uid() + 1, own.gid() + 1);
    fs::create_dir(root.path().join("private")).unwrap();
    write(&root.path().join("private/key"), b"key", 0o644);
    fs::set_permissions(
        root.path().join("private"),
        fs::Permissions::from_mode(0o700),
    )
    .unwrap();
    fs::create_dir(root.path().join("drop")).unwrap();
    write(&root.path().join("drop/known"), b"known", 0o644);
    fs::set_permissions(root.path().join("drop"), fs::Permissions::from_mode(0o711)).unwrap();
    let running = serve(root.path());
    let address = running.server.address();

    let mut owner = Client::root(address);
    let shadow = owner.find("shadow");
    let private = owner.find("private");
    let drop = owner.find("drop");
    assert_eq!(owner.read(&shadow, 0, 10), Ok((b"secret".to_vec(), true)));

    let mut member = Client::user(address, other, outside, &[4, own.gid()]);
    assert_eq!(member.read(&shadow, 0, 10), Ok((b"secret".to_vec(), true)));
    assert_eq!(member.access(&shadow), ACCESS3_READ);

    let mut user = Client::user(address, other, outside, &[]);
    assert_eq!(user.access(&shadow), 0);
    assert_eq!(user.read(&shadow, 0, 10), Err(nfsstat3::NFS3ERR_ACCES));
    assert_eq!(
        user.lookup_in(&private, b"key").unwrap_err(),
        nfsstat3::NFS3ERR_ACCES
    );
    assert_eq!(user.list(&private, 4096), Err(nfsstat3::NFS3ERR_ACCES));
    assert_eq!(user.access(&drop), ACCESS3_LOOKUP);
    assert_eq!(user.list(&drop, 4096), Err(nfsstat3::NFS3ERR_ACCES));
    assert!(user.lookup_in(&drop, b"known").is_ok());
    let mut nobody = Client::user(address, other + 1, outside + 1, &[]);
    assert_eq!(nobody.read(&shadow, 0, 10), Err(nfsstat3::NFS3ERR_ACCES));
}

fn fsstat_fsinfo_and_pathconf_suit_linux() {
    let root = tempfile::tempdir().unwrap();
    let running = serve(root.path());
    let mut client = Client::root(running.server.address());
    let fsroot = client.root.clone();
    let info = result(now(client.nfs.fsinfo(&fsroot.clone().into())).unwrap()).unwrap();
    assert_eq!((info.rtmax, info.rtpref), (1 << 20, 1 << 18));
    assert!(info.wtmax > 0 && info.dtpref >= 4096);
    let stat = result(now(client.nfs.fsstat(&fsroot.clone().into())).unwrap()).unwrap();
    let real = rustix::fs::statvfs(root.path()).unwrap();
    assert_eq!(stat.tbytes, real.f_blocks * real.f_frsize);
    let conf = result(now(client.nfs.pathconf(&fsroot.clone().into())).unwrap()).unwrap();
    assert!(conf.no_trunc && conf.case_preserving && !conf.case_insensitive);
    now(client.nfs.null()).unwrap();
}

fn reading_does_not_change_access_times() {
    let root = tempfile::tempdir().unwrap();
    write(&root.path().join("file"), b"content", 0o644);
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    let times = fs::FileTimes::new().set_accessed(old).set_modified(old);
    fs::File::open(root.path().join("file"))
        .unwrap()
        .set_times(times)
        .unwrap();
    let running = serve(root.path());
    let mut client = Client::root(running.server.address());
    let file = client.find("file");
    client.read(&file, 0, 100).unwrap();
    let dir = client.root.clone();
    client.list(&dir, 4096).unwrap();
    assert_eq!(
        fs::metadata(root.path().join("file")).unwrap().atime(),
        1_000_000_000
    );
}
