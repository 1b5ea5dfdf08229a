//! Handles survive the server, and give access to nothing outside the export.
#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    clippy::indexing_slicing
)]

mod support;

use std::fs;
use std::net::Ipv4Addr;
use std::time::Duration;

use netroot_net::Prefix;
use netroot_nfs_export::{
    AddressList, Event, Export, ExportOptions, HandleKey, HandleScheme, MountView, Refusal,
};
use nfs3_types::mount::dirpath;
use nfs3_types::nfs3::*;
use nfs3_types::xdr_codec::Opaque;
use support::{Client, KEY, mount_client, now, options, result, root_handle, serve, serve_with};

with_and_without_capabilities!(
    handles_survive_a_restart_with_the_same_key_and_no_other,
    a_file_moved_within_the_root_keeps_its_handle_and_a_deleted_one_loses_it,
    a_directory_moved_out_of_the_root_gives_no_access_to_the_outside,
    a_directory_moved_out_of_the_root_is_refused_within_seconds,
    names_that_lead_elsewhere_are_refused,
    forged_and_truncated_handles_are_stale,
    a_handle_of_one_export_is_refused_by_another,
    every_modification_is_refused_with_rofs,
);

fn handle(bytes: &[u8]) -> nfs_fh3 {
    nfs_fh3 {
        data: Opaque::owned(bytes.to_vec()),
    }
}

fn handles_survive_a_restart_with_the_same_key_and_no_other() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("usr/bin")).unwrap();
    fs::write(root.path().join("usr/bin/login"), b"login").unwrap();
    fs::hard_link(
        root.path().join("usr/bin/login"),
        root.path().join("usr/login"),
    )
    .unwrap();
    let first = serve(root.path());
    let mut client = Client::root(first.server.address());
    let paths = ["usr", "usr/bin", "usr/bin/login"];
    let handles = paths.map(|path| client.find(path));
    let dir = client.root.clone();
    first.server.stop();

    let second = serve(root.path());
    let mut client = Client::root(second.server.address());
    assert_eq!(client.root, dir);
    // The deepest first: this server has not looked up anything on the way to it.
    assert_eq!(
        client.read(&handles[2], 0, 100),
        Ok((b"login".to_vec(), true))
    );
    for (path, handle) in paths.iter().zip(&handles) {
        assert!(client.attributes(handle).is_ok(), "{path}");
        assert_eq!(&client.find(path), handle);
    }
    second.server.stop();

    let key = HandleKey::from_bytes([9; 16]);
    let other = ExportOptions { key, ..options() };
    let third = serve_with(vec![Export::open(root.path(), other).unwrap()]);
    let mut client = Client::root(third.server.address());
    for handle in handles.iter().chain([&dir]) {
        assert_eq!(
            client.attributes(handle).unwrap_err(),
            nfsstat3::NFS3ERR_STALE
        );
    }
}

fn a_file_moved_within_the_root_keeps_its_handle_and_a_deleted_one_loses_it() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("new")).unwrap();
    fs::write(root.path().join("file"), b"moved").unwrap();
    fs::write(root.path().join("gone"), b"gone").unwrap();
    let first = serve(root.path());
    let mut client = Client::root(first.server.address());
    let (file, gone) = (client.find("file"), client.find("gone"));
    first.server.stop();
    fs::rename(root.path().join("file"), root.path().join("new/name")).unwrap();
    fs::remove_file(root.path().join("gone")).unwrap();
    let second = serve(root.path());
    let mut client = Client::root(second.server.address());
    assert_eq!(client.read(&file, 0, 100), Ok((b"moved".to_vec(), true)));
    // With inode handles, the next walk is put off right after the one that found the moved file.
    let status = client.attributes(&gone).unwrap_err();
    assert!(
        matches!(status, nfsstat3::NFS3ERR_STALE | nfsstat3::NFS3ERR_JUKEBOX),
        "{status}"
    );
}

fn a_directory_moved_out_of_the_root_gives_no_access_to_the_outside() {
    let above = tempfile::tempdir().unwrap();
    let root = above.path().join("root");
    fs::create_dir_all(root.join("a/b")).unwrap();
    let first = serve(&root);
    let mut client = Client::root(first.server.address());
    let (a, b) = (client.find("a"), client.find("a/b"));
    first.server.stop();
    fs::rename(root.join("a"), above.path().join("a")).unwrap();
    fs::write(above.path().join("a/secret"), b"secret").unwrap();
    let second = serve(&root);
    let mut client = Client::root(second.server.address());
    for handle in [a, b] {
        let status = client.attributes(&handle).unwrap_err();
        assert!(
            matches!(status, nfsstat3::NFS3ERR_STALE | nfsstat3::NFS3ERR_JUKEBOX),
            "{status}"
        );
        client.lookup_in(&handle, b"secret").unwrap_err();
    }
}

#[test]
fn without_capabilities_handles_are_inodes_and_the_view_is_live() {
    support::drop_capabilities();
    let root = tempfile::tempdir().unwrap();
    let export = Export::open(root.path(), options()).unwrap();
    assert_eq!(export.handles(), HandleScheme::Inodes);
    assert_eq!(export.view(), MountView::Live);
}

fn a_directory_moved_out_of_the_root_is_refused_within_seconds() {
    let above = tempfile::tempdir().unwrap();
    let root = above.path().join("root");
    fs::create_dir_all(root.join("a/b")).unwrap();
    let running = serve(&root);
    let mut client = Client::root(running.server.address());
    let b = client.find("a/b");
    client.attributes(&b).unwrap();
    fs::rename(root.join("a"), above.path().join("a")).unwrap();
    fs::write(above.path().join("a/b/secret"), b"secret").unwrap();
    std::thread::sleep(Duration::from_millis(1100));
    client.lookup_in(&b, b"secret").unwrap_err();
    client.list(&b, 4096).unwrap_err();
}

fn names_that_lead_elsewhere_are_refused() {
    let above = tempfile::tempdir().unwrap();
    fs::write(above.path().join("secret"), b"secret").unwrap();
    let root = above.path().join("root");
    fs::create_dir_all(root.join("etc")).unwrap();
    fs::write(root.join("etc/passwd"), b"").unwrap();
    std::os::unix::fs::symlink("..", root.join("up")).unwrap();
    std::os::unix::fs::symlink("/", root.join("top")).unwrap();
    let running = serve(&root);
    let mut client = Client::root(running.server.address());
    let dir = client.root.clone();
    for name in [
        &b""[..],
        b"../secret",
        b"etc/passwd",
        b"/etc/passwd",
        b"etc/",
        b"etc\0",
        b"../../../../etc/passwd",
    ] {
        assert_eq!(
            client.lookup_in(&dir, name).unwrap_err(),
            nfsstat3::NFS3ERR_ACCES,
            "{name:?}"
        );
    }
    let long = client.lookup_in(&dir, &[b'x'; 256]).unwrap_err();
    assert_eq!(long, nfsstat3::NFS3ERR_NAMETOOLONG);
    assert_eq!(running.server.counts().bad_names, 8);
    // `..` leads to the directory above, and at the root to the root.
    let etc = client.find("etc");
    for (directory, name, found) in [
        (&dir, &b"."[..], &dir),
        (&dir, b"..", &dir),
        (&etc, b".", &etc),
        (&etc, b"..", &dir),
    ] {
        let object = client.lookup_in(directory, name).unwrap().object;
        assert_eq!(object, *found, "{name:?}");
    }
    // Nothing can be looked up in a link.
    for name in ["up", "top"] {
        let link = client.find(name);
        assert_eq!(
            client.lookup_in(&link, b"secret").unwrap_err(),
            nfsstat3::NFS3ERR_NOTDIR
        );
        assert_eq!(client.list(&link, 4096), Err(nfsstat3::NFS3ERR_NOTDIR));
    }
    let file = client.find("etc/passwd");
    assert_eq!(
        client.lookup_in(&file, b"x").unwrap_err(),
        nfsstat3::NFS3ERR_NOTDIR
    );
    assert_eq!(
        client.lookup_in(&dir, b"none").unwrap_err(),
        nfsstat3::NFS3ERR_NOENT
    );
}

fn forged_and_truncated_handles_are_stale() {
    let root = tempfile::tempdir().unwrap();
    let running = serve(root.path());
    let mut client = Client::root(running.server.address());
    let real = client.root.data.to_vec();
    let refused = |status| {
        matches!(
            status,
            nfsstat3::NFS3ERR_STALE | nfsstat3::NFS3ERR_BADHANDLE
        )
    };
    for length in 0..real.len() {
        assert!(refused(
            client.attributes(&handle(&real[..length])).unwrap_err()
        ));
    }
    for position in 0..real.len() {
        let mut forged = real.clone();
        forged[position] ^= 0x40;
        assert!(
            refused(client.attributes(&handle(&forged)).unwrap_err()),
            "{position}"
        );
    }
    let mut long = real.clone();
    long.resize(64, 0);
    assert!(refused(client.attributes(&handle(&long)).unwrap_err()));
    assert_eq!(
        running.server.counts().bad_handles,
        2 * real.len() as u64 + 1
    );
    assert!(client.attributes(&handle(&real)).is_ok());
}

fn a_handle_of_one_export_is_refused_by_another() {
    let one = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let exported = |directory: &tempfile::TempDir, name: &str, allowed| {
        let names = vec![name.to_owned()];
        let key = HandleKey::from_bytes(KEY);
        Export::open(
            directory.path(),
            ExportOptions {
                names,
                allowed,
                key,
                hidden: netroot_nfs_export::HiddenPaths::default(),
                submounts: netroot_nfs_export::Submounts::default(),
                original: None,
                handles_of: None,
                earlier: Vec::new(),
            },
        )
        .unwrap()
    };
    let mine = AddressList::networks([Prefix::host(Ipv4Addr::LOCALHOST)]);
    let theirs = AddressList::networks(["192.0.2.0/24".parse().unwrap()]);
    let running = serve_with(vec![
        exported(&one, "/image", mine),
        exported(&other, "/other", theirs),
    ]);
    let elsewhere = serve_with(vec![exported(&other, "/other", AddressList::everyone())]);
    let mut client = Client::root(running.server.address());

    let foreign = root_handle(elsewhere.server.address(), "/other");
    // The key is the same: only the address list protects it.
    assert_eq!(
        client.attributes(&foreign).unwrap_err(),
        nfsstat3::NFS3ERR_ACCES
    );
    let mut elsewhere_client = Client {
        nfs: client.nfs,
        root: foreign,
    };
    let dir = elsewhere_client.root.clone();
    assert_eq!(
        elsewhere_client.lookup_in(&dir, b"x").unwrap_err(),
        nfsstat3::NFS3ERR_ACCES
    );

    let mut mount = mount_client(running.server.address());
    let refused = now(mount.mnt(dirpath(Opaque::borrowed(b"/other")))).unwrap_err();
    assert!(
        format!("{refused:?}").contains("MNT3ERR_ACCES"),
        "{refused:?}"
    );
    let events = running.events.lock().unwrap().clone();
    assert!(events.iter().any(|event| matches!(event,
        Event::Refused { path, why: Refusal::Address, .. } if path == "/other")));
}

fn every_modification_is_refused_with_rofs() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("file"), b"content").unwrap();
    let running = serve(root.path());
    let mut client = Client::root(running.server.address());
    let file = client.find("file");
    let dir = client.root.clone();
    let at = |name: &'static str| diropargs3 {
        dir: dir.clone(),
        name: name.as_bytes().into(),
    };
    let nfs = &mut client.nfs;
    let attributes = || sattr3 {
        mode: Nfs3Option::Some(0o777),
        ..sattr3::default()
    };
    let statuses = [
        result(
            now(nfs.setattr(&SETATTR3args {
                object: file.clone(),
                new_attributes: attributes(),
                guard: Nfs3Option::None,
            }))
            .unwrap(),
        )
        .err(),
        result(
            now(nfs.write(&WRITE3args {
                file: file.clone(),
                offset: 0,
                count: 30_000,
                stable: stable_how::FILE_SYNC,
                data: Opaque::owned(vec![1; 30_000]),
            }))
            .unwrap(),
        )
        .err(),
        result(
            now(nfs.create(&CREATE3args {
                where_: at("new"),
                how: createhow3::UNCHECKED(attributes()),
            }))
            .unwrap(),
        )
        .err(),
        result(
            now(nfs.mkdir(&MKDIR3args {
                where_: at("new"),
                attributes: attributes(),
            }))
            .unwrap(),
        )
        .err(),
        result(
            now(nfs.symlink(&SYMLINK3args {
                where_: at("new"),
                symlink: symlinkdata3 {
                    symlink_attributes: attributes(),
                    symlink_data: b"to".to_vec().into(),
                },
            }))
            .unwrap(),
        )
        .err(),
        result(
            now(nfs.mknod(&MKNOD3args {
                where_: at("new"),
                what: mknoddata3::NF3FIFO(attributes()),
            }))
            .unwrap(),
        )
        .err(),
        result(now(nfs.remove(&REMOVE3args { object: at("file") })).unwrap()).err(),
        result(now(nfs.rmdir(&RMDIR3args { object: at("file") })).unwrap()).err(),
        result(
            now(nfs.rename(&RENAME3args {
                from: at("file"),
                to: at("new"),
            }))
            .unwrap(),
        )
        .err(),
        result(
            now(nfs.link(&LINK3args {
                file: file.clone(),
                link: at("new"),
            }))
            .unwrap(),
        )
        .err(),
    ];
    assert_eq!(statuses, [Some(nfsstat3::NFS3ERR_ROFS); 10]);
    let commit = result(
        now(nfs.commit(&COMMIT3args {
            file,
            offset: 0,
            count: 0,
        }))
        .unwrap(),
    )
    .unwrap();
    assert!(commit.file_wcc.after.is_some());
    assert_eq!(running.server.counts().writes_refused, 10);
    assert_eq!(fs::read(root.path().join("file")).unwrap(), b"content");
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
}
