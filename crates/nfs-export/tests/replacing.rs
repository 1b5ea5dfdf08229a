//! An export whose directory is replaced while clients use it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod support;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use netroot_nfs_export::{Exchange, Export, ExportNames, ExportOptions};
use nfs3_types::mount::dirpath;
use nfs3_types::nfs3::nfsstat3;
use nfs3_types::xdr_codec::Opaque;
use support::{Client, connect, mount_client, now, options, root_handle, serve, serve_with};

with_and_without_capabilities!(
    a_mount_gets_the_new_directory_and_old_handles_the_old_one,
    a_directory_that_comes_back_has_its_handles_back,
    what_is_released_is_stale,
    exports_come_and_go_while_clients_keep_what_they_have_mounted,
    who_runs_from_a_tree_mounts_it_again_by_the_name_that_another_one_has_by_now,
    a_client_that_boots_is_given_what_had_the_name_when_it_was_told_to_mount_it
);

/// Two directories with a file `who` each.
fn two() -> (tempfile::TempDir, [std::path::PathBuf; 2]) {
    let parent = tempfile::tempdir().unwrap();
    let both = ["old", "new"].map(|name| {
        let directory = parent.path().join(name);
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("who"), name).unwrap();
        directory
    });
    (parent, both)
}

fn at(address: SocketAddr, path: &str) -> Client {
    Client::over(connect(address), root_handle(address, path), 0, 0, &[])
}

fn mounts(address: SocketAddr, path: &str) -> bool {
    let path = dirpath(Opaque::borrowed(path.as_bytes()));
    now(mount_client(address).mnt(path)).is_ok()
}

fn names(names: &[&str], earlier: &[&str]) -> ExportNames {
    let [names, earlier] =
        [names, earlier].map(|all| all.iter().map(|name| (*name).to_owned()).collect());
    ExportNames { names, earlier }
}

fn open(directory: &Path) -> Export {
    Export::open(directory, options()).unwrap()
}

fn who(client: &mut Client) -> String {
    let file = client.find("who");
    String::from_utf8(client.read(&file, 0, 100).unwrap().0).unwrap()
}

fn a_mount_gets_the_new_directory_and_old_handles_the_old_one() {
    let (_parent, [old, new]) = two();
    let running = serve(&old);
    let mut before = Client::root(running.server.address());
    assert_eq!(who(&mut before), "old");
    running.server.replace(open(&new)).unwrap();
    let mut after = Client::root(running.server.address());
    assert_ne!(before.root, after.root);
    assert_eq!(
        (who(&mut before), who(&mut after)),
        ("old".into(), "new".into())
    );
    let [replaced] = running.server.replaced().try_into().unwrap();
    assert_eq!(
        (replaced.names[0].as_str(), replaced.deleted),
        ("/image", false)
    );
    fs::remove_dir_all(&old).unwrap();
    assert!(running.server.replaced()[0].deleted);
    assert_eq!(who(&mut after), "new");
}

fn a_directory_that_comes_back_has_its_handles_back() {
    let (_parent, [old, new]) = two();
    let running = serve(&old);
    let mut first = Client::root(running.server.address());
    running.server.replace(open(&new)).unwrap();
    let mut second = Client::root(running.server.address());
    running.server.replace(open(&old)).unwrap();
    assert_eq!(root_handle(running.server.address(), "/image"), first.root);
    assert_eq!(
        (who(&mut first), who(&mut second)),
        ("old".into(), "new".into())
    );
    // The same directory again is no other one.
    running.server.replace(open(&old)).unwrap();
    assert_eq!(running.server.replaced().len(), 1);
}

fn what_is_released_is_stale() {
    let (_parent, [old, new]) = two();
    let running = serve(&old);
    let mut before = Client::root(running.server.address());
    running.server.replace(open(&new)).unwrap();
    running.server.release(&running.server.replaced()[0]);
    let root = before.root.clone();
    assert_eq!(
        before.attributes(&root).unwrap_err(),
        nfsstat3::NFS3ERR_STALE
    );
    assert!(running.server.replaced().is_empty());
}

fn exports_come_and_go_while_clients_keep_what_they_have_mounted() {
    let (_parent, [old, new]) = two();
    let running = serve_with(Vec::new());
    let address = running.server.address();
    let named = |directory: &Path, names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Export::open(directory, ExportOptions { names, ..options() }).unwrap()
    };
    let exchange = |put, removed: &[&str]| {
        let removed = removed.iter().map(|name| (*name).to_owned()).collect();
        running.server.exchange(Exchange {
            put,
            removed,
            ..Exchange::default()
        })
    };
    exchange(vec![named(&old, &["/a"])], &[]).unwrap();
    let mut first = at(address, "/a");
    // Whole, or not at all.
    let both = vec![named(&new, &["/b"]), named(&new, &["/c", "/b"])];
    exchange(both, &["/a"]).unwrap_err();
    root_handle(address, "/a");
    exchange(vec![named(&new, &["/b"])], &["/a"]).unwrap();
    let mut second = at(address, "/b");
    assert_eq!(
        (who(&mut first), who(&mut second)),
        ("old".into(), "new".into())
    );
    assert!(!mounts(address, "/a") && mounts(address, "/b"));
    assert_eq!(running.server.replaced()[0].names, ["/a"]);
    // One that comes back is the same to who has kept it, whatever else it is called.
    exchange(vec![named(&old, &["/a", "/also"])], &["/b"]).unwrap();
    assert_eq!(root_handle(address, "/also"), first.root);
    assert_eq!(
        (who(&mut first), who(&mut second)),
        ("old".into(), "new".into())
    );
    // Other names for the same tree.
    let renamed = vec![("/a".to_owned(), names(&["/other"], &[]))];
    running
        .server
        .exchange(Exchange {
            renamed,
            ..Exchange::default()
        })
        .unwrap();
    assert_eq!(root_handle(address, "/other"), first.root);
    assert!(!mounts(address, "/a"));
    // And a server that starts with these names, and is told whose handles they were.
    let options = ExportOptions {
        names: vec!["/other".to_owned()],
        handles_of: Some("/a".to_owned()),
        ..options()
    };
    let again = serve_with(vec![Export::open(&old, options).unwrap()]);
    assert_eq!(root_handle(again.server.address(), "/other"), first.root);
    exchange(Vec::new(), &["/other", "/unknown"]).unwrap();
    assert_eq!(running.server.replaced().len(), 2);
    assert_eq!(
        (who(&mut first), who(&mut second)),
        ("old".into(), "new".into())
    );
}

fn who_runs_from_a_tree_mounts_it_again_by_the_name_that_another_one_has_by_now() {
    let (_parent, [old, new]) = two();
    let named = |directory: &Path, names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Export::open(directory, ExportOptions { names, ..options() }).unwrap()
    };
    let running = serve_with(vec![named(&old, &["/a", "/"])]);
    let address = running.server.address();
    let mut first = at(address, "/a");
    let swap = || Exchange {
        renamed: vec![("/a".to_owned(), names(&["/a@1"], &["/a", "/"]))],
        put: vec![named(&new, &["/a", "/", "/a@2"])],
        ..Exchange::default()
    };
    running.server.exchange(swap()).unwrap();
    assert_eq!(who(&mut first), "old");
    // This client runs from it.
    for path in ["/a", "/", "/a@1"] {
        assert_eq!(root_handle(address, path), first.root, "{path}");
    }
    let users = |server: &netroot_nfs_export::Server| {
        let of =
            |export: netroot_nfs_export::ExportUsers| (export.names[0].clone(), export.users.len());
        server.users().into_iter().map(of).collect::<Vec<_>>()
    };
    let both = |old, new| vec![("/a@1".to_owned(), old), ("/a".to_owned(), new)];
    assert_eq!(users(&running.server), both(1, 0));

    // A server that starts anew knows it by what was kept.
    let before = running.server.users()[0].users.clone();
    let old_options = ExportOptions {
        names: vec!["/a@1".to_owned()],
        earlier: vec!["/a".to_owned(), "/".to_owned()],
        handles_of: Some("/a".to_owned()),
        ..options()
    };
    let open_old = || Export::open(&old, old_options.clone()).unwrap();
    let again = serve_with(vec![open_old(), named(&new, &["/a@2", "/a", "/"])]);
    again.server.remember_users("/a@1", &before);
    let address = again.server.address();
    assert_eq!(root_handle(address, "/a"), first.root);
    // Once it has booted the new one it gets that.
    let second = root_handle(address, "/a@2");
    assert_ne!(second, first.root);
    let silent = before[0];
    let long_ago = netroot_nfs_export::ExportUser {
        idle: std::time::Duration::from_secs(900),
        ..silent
    };
    let third = serve_with(vec![open_old(), named(&new, &["/a@2", "/a", "/"])]);
    third.server.remember_users("/a@1", &[long_ago]);
    assert_eq!(root_handle(third.server.address(), "/a"), second);
    assert_eq!(third.server.users()[0].users.len(), 1);
}

fn a_client_that_boots_is_given_what_had_the_name_when_it_was_told_to_mount_it() {
    let parent = tempfile::tempdir().unwrap();
    let [old, new] = ["old", "new"].map(|name| parent.path().join(name));
    for directory in [&old, &new] {
        fs::create_dir(directory).unwrap();
    }
    let open = |directory: &Path, names: &[&str]| {
        let options = ExportOptions {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            ..options()
        };
        Export::open(directory, options).unwrap()
    };
    let running = serve_with(vec![open(&old, &["/a", "/"])]);
    let told = Arc::new(Mutex::new(None));
    let known = Arc::clone(&told);
    running.server.told_by(move |_| *known.lock().unwrap());
    let exchange = Exchange {
        renamed: vec![("/a".to_owned(), names(&["/a@1"], &["/a", "/"]))],
        put: vec![open(&new, &["/a", "/", "/a@2"])],
        ..Exchange::default()
    };
    running.server.exchange(exchange).unwrap();
    let address = running.server.address();
    let mount = |ago: Option<u64>, path: &str| {
        *told.lock().unwrap() = ago.map(std::time::Duration::from_secs);
        root_handle(address, path)
    };
    let [first, second] = [mount(None, "/a@1"), mount(None, "/a@2")];
    assert_ne!(first, second);
    // Before the exchange; its first mount may be by another name of the same one.
    assert_eq!(mount(Some(300), "/a"), first);
    assert_eq!(mount(Some(300), "/"), first);
    assert_eq!(mount(Some(300), "/a@2"), second);
    // Since then, though it ran from the old one a moment ago.
    assert_eq!(mount(Some(0), "/a"), second);
    // That was no boot.
    assert_eq!(mount(None, "/a@2"), second);
    assert_eq!(mount(Some(24 * 3600), "/a"), second);
}

#[test]
fn exports_that_take_each_others_directories_replace_none() {
    let (_parent, [old, new]) = two();
    let named = |directory: &Path, name: &str, handles_of: &str| {
        let options = ExportOptions {
            names: vec![name.to_owned()],
            handles_of: Some(handles_of.to_owned()),
            ..options()
        };
        Export::open(directory, options).unwrap()
    };
    let running = serve_with(vec![named(&old, "/a", "/a"), named(&new, "/b", "/b")]);
    let mut client = at(running.server.address(), "/a");
    let exchange = Exchange {
        put: vec![named(&new, "/a", "/b"), named(&old, "/b", "/a")],
        ..Exchange::default()
    };
    running.server.exchange(exchange).unwrap();
    // Each is as the exchange has it, with its list of clients, and not as it was.
    assert_eq!(running.server.replaced(), []);
    assert_eq!(who(&mut client), "old");
    assert_eq!(who(&mut at(running.server.address(), "/a")), "new");
}

#[test]
fn only_a_few_replaced_directories_are_kept() {
    let parent = tempfile::tempdir().unwrap();
    let directory = |number: u32| {
        let directory = parent.path().join(number.to_string());
        fs::create_dir(&directory).unwrap();
        directory
    };
    let running = serve(&directory(0));
    for number in 1..20 {
        running.server.replace(open(&directory(number))).unwrap();
    }
    assert_eq!(running.server.replaced().len(), 8);
    // Those of another name are not at their cost.
    let other = |number| {
        let named = ExportOptions {
            names: vec!["/other".to_owned()],
            ..options()
        };
        Export::open(&directory(number), named).unwrap()
    };
    for number in 20..23 {
        running.server.replace(other(number)).unwrap();
    }
    assert_eq!(running.server.replaced().len(), 8 + 2);
}

#[test]
fn the_caller_is_asked_before_a_path_is_looked_up() {
    let (_parent, [old, _new]) = two();
    let running = serve(&old);
    let asked = Arc::new(AtomicU32::new(0));
    running.server.before_mounts({
        let asked = Arc::clone(&asked);
        move || {
            asked.fetch_add(1, Ordering::SeqCst);
        }
    });
    root_handle(running.server.address(), "/image");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}
