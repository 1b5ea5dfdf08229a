//! The export and mounts: in its own mount namespace, over other file systems. Needs root.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "the client is shared with the export's own tests"
)]

#[path = "../../crates/nfs-export/tests/support/mod.rs"]
mod support;

use std::fs;
use std::path::Path;

use netroot_nfs_export::{Export, HandleScheme, MountView};
use nfs3_types::nfs3::{fattr3, ftype3, nfsstat3};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use support::{Client, options, serve, serve_with};

/// Runs a test on an empty directory, in a new mount namespace and in a new thread, which end with everything that the
/// test mounted and every capability that it dropped.
fn apart(test: impl FnOnce(&Path) + Send) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let done = std::thread::scope(|scope| {
        scope
            .spawn(|| {
                unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace needs root");
                mount(
                    None::<&str>,
                    "/",
                    None::<&str>,
                    MsFlags::MS_REC | MsFlags::MS_PRIVATE,
                    None::<&str>,
                )
                .unwrap();
                test(path);
            })
            .join()
    });
    if let Err(panic) = done {
        std::panic::resume_unwind(panic);
    }
}

fn tmpfs(at: &Path) {
    mount(
        Some("tmpfs"),
        at,
        Some("tmpfs"),
        MsFlags::empty(),
        None::<&str>,
    )
    .unwrap();
}

fn bind(from: &Path, to: &Path) {
    mount(Some(from), to, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
}

/// A root with the mounts of a running chroot: proc, a tmpfs with a secret, and a file over another.
fn busy_root(root: &Path) {
    for directory in ["proc", "run", "etc"] {
        fs::create_dir(root.join(directory)).unwrap();
    }
    fs::write(root.join("etc/resolv.conf"), b"nameserver 192.0.2.1\n").unwrap();
    mount(
        Some("proc"),
        &root.join("proc"),
        Some("proc"),
        MsFlags::empty(),
        None::<&str>,
    )
    .unwrap();
    tmpfs(&root.join("run"));
    fs::write(root.join("run/secret"), b"the host's").unwrap();
    fs::write(root.join("run/resolv.conf"), b"the host's").unwrap();
    bind(&root.join("run/resolv.conf"), &root.join("etc/resolv.conf"));
}

fn looks_empty(client: &mut Client, name: &str) -> fattr3 {
    let directory = client.find(name);
    let attributes = client.attributes(&directory).unwrap();
    assert_eq!(attributes.type_, ftype3::NF3DIR, "{name}");
    let names = client.list(&directory, 4096).unwrap();
    assert!(
        names.iter().all(|(_, name)| name == b"." || name == b".."),
        "{name}: {names:?}"
    );
    for inside in [&b"secret"[..], b"self", b"1"] {
        let status = client.lookup_in(&directory, inside).unwrap_err();
        assert_eq!(status, nfsstat3::NFS3ERR_NOENT, "{name}");
    }
    attributes
}

#[test]
fn file_systems_mounted_beneath_the_root_are_not_exported() {
    apart(|root| {
        fs::create_dir(root.join("sys")).unwrap();
        let covered = fs::metadata(root.join("sys")).unwrap();
        busy_root(root);
        tmpfs(&root.join("sys"));
        let export = Export::open(root, options()).unwrap();
        assert_eq!(export.view(), MountView::PrivateCopy);
        let running = serve_with(vec![export]);
        let mut client = Client::root(running.server.address());
        looks_empty(&mut client, "proc");
        looks_empty(&mut client, "run");
        let seen = looks_empty(&mut client, "sys");
        // The directory beneath the mount itself, not a substitute.
        assert_eq!(seen.fileid, std::os::unix::fs::MetadataExt::ino(&covered));
        let file = client.find("etc/resolv.conf");
        let (content, _) = client.read(&file, 0, 100).unwrap();
        assert_eq!(content, b"nameserver 192.0.2.1\n");
        // Later mounts make no difference either.
        tmpfs(&root.join("etc"));
        let again = client.find("etc/resolv.conf");
        assert_eq!(again, file);
        let listed = client.root.clone();
        let entries = client.list_plus(&listed, 4096, 65_536).unwrap();
        assert!(
            entries.iter().all(|entry| {
                entry.name.as_ref().starts_with(b".") || entry.name_handle.is_some()
            })
        );
    });
}

#[test]
fn without_a_private_mount_view_mount_points_are_empty_directories() {
    apart(|root| {
        busy_root(root);
        // Capabilities belong to the thread: after mounting, it can no longer look beneath mounts.
        support::drop_capabilities();
        let export = Export::open(root, options()).unwrap();
        assert_eq!(
            (export.view(), export.handles()),
            (MountView::Live, HandleScheme::Inodes)
        );
        let running = serve_with(vec![export]);
        let mut client = Client::root(running.server.address());
        let proc = looks_empty(&mut client, "proc");
        let run = looks_empty(&mut client, "run");
        assert_ne!(proc.fileid, run.fileid);
        let handle = client.find("proc");
        let etc = client.find("etc");
        // A file over a file: its content must not be exported, and what it covers cannot be read.
        let status = client.lookup_in(&etc, b"resolv.conf").unwrap_err();
        assert_eq!(status, nfsstat3::NFS3ERR_ACCES);
        running.server.stop();
        let second = serve(root);
        let mut client = Client::root(second.server.address());
        assert_eq!(client.attributes(&handle).unwrap().fileid, proc.fileid);
    });
}

#[test]
fn a_bind_mount_is_a_part_of_the_tree_with_files_of_its_own() {
    apart(|root| {
        fs::create_dir_all(root.join("a/inside")).unwrap();
        fs::create_dir(root.join("b")).unwrap();
        bind(&root.join("a"), &root.join("b"));
        // With kernel handles and no private view, the two have the same handle and differ only in their mount.
        support::keep_capabilities(rustix::thread::CapabilitySet::DAC_READ_SEARCH);
        let export = Export::open(root, options()).unwrap();
        assert_eq!(
            (export.view(), export.handles()),
            (MountView::Live, HandleScheme::Kernel)
        );
        let running = serve_with(vec![export]);
        let mut client = Client::root(running.server.address());
        let files = ["a", "b", "a/inside", "b/inside"].map(|path| client.find(path));
        let numbers = files.each_ref().map(|file| {
            let attributes = client.attributes(file).unwrap();
            assert_eq!(attributes.type_, ftype3::NF3DIR);
            attributes.fileid
        });
        for (at, file) in files.iter().enumerate() {
            assert_eq!(files.iter().filter(|other| *other == file).count(), 1);
            let same = numbers.iter().filter(|other| **other == numbers[at]);
            assert_eq!(same.count(), 1, "{numbers:?}");
        }
    });
}

/// An overlay of two directories in `base`, which must not be an overlay itself.
fn overlay(base: &Path, name: &str, options: &str) -> std::path::PathBuf {
    let place = |part: &str| base.join(format!("{name}-{part}"));
    for part in ["lower/etc", "upper", "work", "merged"] {
        fs::create_dir_all(place(part)).unwrap();
    }
    fs::write(place("lower/etc/hostname"), b"lower").unwrap();
    let data = format!(
        "lowerdir={},upperdir={},workdir={}{options}",
        place("lower").display(),
        place("upper").display(),
        place("work").display()
    );
    let merged = place("merged");
    mount(
        Some("overlay"),
        &merged,
        Some("overlay"),
        MsFlags::empty(),
        Some(&*data),
    )
    .unwrap();
    fs::write(merged.join("etc/machine-id"), b"upper").unwrap();
    merged
}

#[test]
fn a_tmpfs_and_overlays_can_be_exported_and_their_handles_survive_a_restart() {
    apart(|base| {
        tmpfs(base);
        let plain = overlay(base, "plain", "");
        let exportable = overlay(base, "exportable", ",index=on,nfs_export=on");
        for (root, scheme) in [
            (base.join("plain-lower"), HandleScheme::Kernel),
            (plain, HandleScheme::Paths),
            (exportable, HandleScheme::Kernel),
        ] {
            let export = Export::open(&root, options()).unwrap();
            assert_eq!(export.handles(), scheme, "{root:?}");
            let first = serve_with(vec![export]);
            let mut client = Client::root(first.server.address());
            let file = client.find("etc/hostname");
            let etc = client.find("etc");
            first.server.stop();
            let second = serve(&root);
            let mut client = Client::root(second.server.address());
            let (content, eof) = client.read(&file, 0, 100).unwrap();
            assert_eq!((&content[..], eof), (&b"lower"[..], true), "{root:?}");
            assert_eq!(client.find("etc/hostname"), file, "{root:?}");
            assert_eq!(client.find("etc"), etc, "{root:?}");
            second.server.stop();
        }
    });
}

#[test]
fn the_private_mount_view_is_read_only_in_the_kernel() {
    apart(|root| {
        fs::write(root.join("file"), b"content").unwrap();
        let running = serve(root);
        let mut client = Client::root(running.server.address());
        let file = client.find("file");
        client.read(&file, 0, 10).unwrap();
        // Every descriptor that the server has on the root is on a read-only mount.
        let mut seen = 0;
        for entry in fs::read_dir("/proc/self/fdinfo").unwrap() {
            let entry = entry.unwrap();
            let link = Path::new("/proc/self/fd").join(entry.file_name());
            let here = fs::metadata(&link).is_ok_and(|found| {
                fs::metadata(root.join("file")).is_ok_and(|real| {
                    use std::os::unix::fs::MetadataExt;
                    (found.dev(), found.ino()) == (real.dev(), real.ino())
                })
            });
            if here {
                let flags = rustix::fs::statvfs(&link).unwrap().f_flag;
                assert!(
                    flags.contains(rustix::fs::StatVfsMountFlags::RDONLY),
                    "{link:?}"
                );
                seen += 1;
            }
        }
        assert!(seen >= 1, "the server holds the file open");
    });
}
