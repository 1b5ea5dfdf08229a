//! Files that an export does not show.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod support;

use std::fs;
use std::path::Path;

use netroot_nfs_export::{Export, ExportOptions, HiddenPaths};
use nfs3_types::nfs3::{nfs_fh3, nfsstat3};
use support::{Client, Running, mount_client, now, options, serve, serve_with};

with_and_without_capabilities!(
    hidden_files_are_not_found_and_not_listed,
    handles_of_hidden_files_are_stale,
    another_name_of_a_hidden_inode_is_shown,
    a_file_that_appears_later_is_hidden_too,
);

fn root() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("etc/ssh")).unwrap();
    fs::create_dir_all(root.path().join("root/.ssh/deep")).unwrap();
    fs::write(root.path().join("etc/ssh/ssh_host_rsa_key"), "secret").unwrap();
    fs::write(root.path().join("etc/ssh/ssh_host_rsa_key.pub"), "public").unwrap();
    fs::write(root.path().join("root/.ssh/deep/id"), "secret").unwrap();
    fs::write(root.path().join("etc/passwd"), "passwd").unwrap();
    root
}

fn hiding(root: &Path) -> Running {
    let patterns = ["/etc/ssh/ssh_host_*_key", "/root/.ssh", "/**/*.secret"];
    let patterns = patterns.iter().map(|pattern| pattern.parse().unwrap());
    let hidden = HiddenPaths::new(patterns);
    let options = ExportOptions {
        hidden,
        ..options()
    };
    serve_with(vec![Export::open(root, options).unwrap()])
}

fn names(client: &mut Client, directory: &nfs_fh3) -> Vec<String> {
    let mut plain: Vec<_> = client
        .list(directory, 4096)
        .unwrap()
        .into_iter()
        .map(|(_, name)| String::from_utf8(name).unwrap())
        .collect();
    plain.retain(|name| !name.starts_with("..") && name != ".");
    plain.sort();
    let mut plus: Vec<_> = client
        .list_plus(directory, 4096, 4096)
        .unwrap()
        .into_iter()
        .map(|entry| String::from_utf8(entry.name.as_ref().to_vec()).unwrap())
        .collect();
    plus.retain(|name| !name.starts_with("..") && name != ".");
    plus.sort();
    assert_eq!(plain, plus);
    plain
}

fn hidden_files_are_not_found_and_not_listed() {
    let root = root();
    let running = hiding(root.path());
    let mut client = Client::root(running.server.address());
    let ssh = client.find("etc/ssh");
    let absent = client.lookup_in(&ssh, b"ssh_host_rsa_key").unwrap_err();
    assert_eq!(absent, nfsstat3::NFS3ERR_NOENT);
    assert!(client.lookup_in(&ssh, b"ssh_host_rsa_key.pub").is_ok());
    assert_eq!(names(&mut client, &ssh), ["ssh_host_rsa_key.pub"]);
    let home = client.find("root");
    let absent = client.lookup_in(&home, b".ssh").unwrap_err();
    assert_eq!(absent, nfsstat3::NFS3ERR_NOENT);
    assert!(names(&mut client, &home).is_empty());
    // The directory itself is as the kernel has it.
    assert_eq!(client.attributes(&home).unwrap().nlink, 3);
    for path in ["/image/root/.ssh", "/image/root/.ssh/deep"] {
        let path = nfs3_types::xdr_codec::Opaque::borrowed(path.as_bytes());
        let refused =
            now(mount_client(running.server.address()).mnt(nfs3_types::mount::dirpath(path)));
        assert!(refused.is_err());
    }
}

fn handles_of_hidden_files_are_stale() {
    let root = root();
    let before = serve(root.path());
    let mut client = Client::root(before.server.address());
    let hidden: Vec<nfs_fh3> = [
        "etc/ssh/ssh_host_rsa_key",
        "root/.ssh",
        "root/.ssh/deep",
        "root/.ssh/deep/id",
    ]
    .iter()
    .map(|path| client.find(path))
    .collect();
    let shown = client.find("etc/passwd");
    drop(client);
    before.server.stop();
    // The same key, so the handles would be valid.
    let running = hiding(root.path());
    let mut client = Client::root(running.server.address());
    for handle in &hidden {
        let status = client.attributes(handle).unwrap_err();
        assert_eq!(status, nfsstat3::NFS3ERR_STALE);
        assert!(client.read(handle, 0, 100).is_err());
        assert!(client.lookup_in(handle, b"deep").is_err());
    }
    assert_eq!(client.read(&shown, 0, 100).unwrap().0, b"passwd");
}

fn another_name_of_a_hidden_inode_is_shown() {
    let root = root();
    let key = root.path().join("etc/ssh/ssh_host_rsa_key");
    fs::hard_link(&key, root.path().join("etc/visible")).unwrap();
    fs::hard_link(&key, root.path().join("etc/ssh/ssh_host_dsa_key")).unwrap();
    let running = hiding(root.path());
    let mut client = Client::root(running.server.address());
    let visible = client.find("etc/visible");
    drop(client);
    running.server.stop();
    let running = hiding(root.path());
    let mut client = Client::root(running.server.address());
    assert_eq!(client.read(&visible, 0, 100).unwrap().0, b"secret");
    let ssh = client.find("etc/ssh");
    assert_eq!(names(&mut client, &ssh), ["ssh_host_rsa_key.pub"]);
}

fn a_file_that_appears_later_is_hidden_too() {
    let root = root();
    let running = hiding(root.path());
    let mut client = Client::root(running.server.address());
    let etc = client.find("etc");
    fs::write(root.path().join("etc/new.secret"), "secret").unwrap();
    let absent = client.lookup_in(&etc, b"new.secret").unwrap_err();
    assert_eq!(absent, nfsstat3::NFS3ERR_NOENT);
    assert_eq!(names(&mut client, &etc), ["passwd", "ssh"]);
    // A directory that is renamed takes what is hidden with it, by its new path.
    let ssh = client.find("etc/ssh");
    fs::rename(root.path().join("etc/ssh"), root.path().join("etc/other")).unwrap();
    let listed = names(&mut client, &ssh);
    assert_eq!(listed, ["ssh_host_rsa_key", "ssh_host_rsa_key.pub"]);
}
