//! The export and the file systems of a root: what is mounted below it, layers, and FUSE. Needs root. That whole trees are
//! equal is `file_systems.rs`'s subject; here is what a mount, a handle or a number does in particular.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "the client is shared with the export's own tests"
)]

#[path = "../../crates/nfs-export/tests/support/mod.rs"]
mod support;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use netroot_nfs_export::{
    Export, ExportOptions, HandleScheme, HiddenPaths, MountView, RootDirError, Submounts, Unserved,
};
use nfs3_types::nfs3::{ftype3, nfs_fh3, nfsstat3};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use support::{Client, options, serve_with};

/// Runs a test on an empty directory, in a new mount namespace and in a new thread.
fn apart(test: impl FnOnce(&Path) + Send) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let done = std::thread::scope(|scope| {
        scope
            .spawn(|| {
                unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace needs root");
                let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
                mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
                file_system(path, "tmpfs", "");
                test(path);
            })
            .join()
    });
    if let Err(panic) = done {
        std::panic::resume_unwind(panic);
    }
}

fn file_system(at: &Path, kind: &str, data: &str) {
    fs::create_dir_all(at).unwrap();
    mount(Some(kind), at, Some(kind), MsFlags::empty(), Some(data)).unwrap();
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// `usr` is a file system of its own with another in it, `srv` another; `proc` and `run` are a running system's.
fn root_with_mounts(base: &Path) -> PathBuf {
    let root = base.join("root");
    write(&root.join("etc/hostname"), "root");
    file_system(&root.join("usr"), "tmpfs", "");
    write(&root.join("usr/bin/true"), "usr");
    fs::hard_link(root.join("usr/bin/true"), root.join("usr/bin/yes")).unwrap();
    file_system(&root.join("usr/local"), "tmpfs", "");
    write(&root.join("usr/local/bin/mine"), "local");
    file_system(&root.join("srv"), "tmpfs", "");
    write(&root.join("srv/bin/true"), "srv");
    file_system(&root.join("proc"), "proc", "");
    file_system(&root.join("run"), "tmpfs", "");
    write(&root.join("run/secret"), "secret");
    root
}

const FILES: [(&str, &str); 5] = [
    ("etc/hostname", "root"),
    ("usr/bin/true", "usr"),
    ("usr/bin/yes", "usr"),
    ("usr/local/bin/mine", "local"),
    ("srv/bin/true", "srv"),
];

fn text(client: &mut Client, file: &nfs_fh3) -> String {
    let (content, _) = client.read(file, 0, 100).unwrap();
    String::from_utf8(content).unwrap()
}

/// Every entry of every directory has the number in its listing that its attributes have; returns all numbers by path.
fn numbers(client: &mut Client, directory: &nfs_fh3, path: &str) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    let own = client.attributes(directory).unwrap().fileid;
    let plus = client.list_plus(directory, 4096, 65_536).unwrap();
    for (number, name) in client.list(directory, 4096).unwrap() {
        let entry = plus.iter().find(|entry| entry.name.as_ref() == name);
        assert_eq!(entry.unwrap().fileid, number, "{path}");
        if name == b"." {
            assert_eq!(number, own, "{path}");
        }
        if name.starts_with(b".") {
            continue;
        }
        let file = client.lookup_in(directory, &name).unwrap().object;
        let attributes = client.attributes(&file).unwrap();
        let path = format!("{path}/{}", String::from_utf8(name).unwrap());
        assert_eq!(attributes.fileid, number, "{path}");
        found.push((path.clone(), number));
        if attributes.type_ == ftype3::NF3DIR {
            let above = client.list(&file, 4096).unwrap();
            let above = above.iter().find(|(_, name)| name == b"..");
            assert!(above.is_none_or(|(number, _)| *number == own), "{path}");
            match client.lookup_in(&file, b"..") {
                Ok(above) => {
                    let above = client.attributes(&above.object).unwrap();
                    assert_eq!(above.fileid, own, "{path}");
                }
                // Of a mount that is not served, only the number is known.
                Err(status) => {
                    assert_eq!(status, nfsstat3::NFS3ERR_ACCES);
                    assert!(matches!(&*path, "/proc" | "/run"), "{path}");
                }
            }
            found.extend(numbers(client, &file, &path));
        }
    }
    found
}

fn all_numbers(client: &mut Client) -> Vec<(String, u64)> {
    let root = client.root.clone();
    numbers(client, &root, "")
}

/// No two files have the same number, but the names of one file have.
fn assert_distinct(numbers: &[(String, u64)], same: &[&[&str]]) {
    for (path, number) in numbers {
        for (other, another) in numbers {
            let linked = same
                .iter()
                .any(|names| names.contains(&path.as_str()) && names.contains(&other.as_str()));
            let equal = path == other || linked;
            assert_eq!(number == another, equal, "{path} {other}");
        }
    }
}

fn reasons(export: &Export) -> Vec<(String, Option<Unserved>)> {
    let below = export.mounts_below().iter();
    let mut reasons: Vec<_> = below
        .map(|below| (below.path.clone(), below.unserved.clone()))
        .collect();
    reasons.sort_by(|one, other| one.0.cmp(&other.0));
    reasons
}

fn parts_of_the_tree(view: MountView, without_privileges: bool) {
    apart(|base| {
        let root = root_with_mounts(base);
        if without_privileges {
            support::drop_capabilities();
        }
        let export = Export::open(&root, options()).unwrap();
        assert_eq!(export.view(), view);
        let expected = [
            ("proc", Some(Unserved::Kernel)),
            ("run", Some(Unserved::RunningSystem)),
            ("srv", None),
            ("usr", None),
            ("usr/local", None),
        ];
        let expected = expected.map(|(path, why)| (path.to_owned(), why));
        assert_eq!(reasons(&export), expected);
        let running = serve_with(vec![export]);
        let mut client = Client::root(running.server.address());
        let before = all_numbers(&mut client);
        assert_distinct(&before, &[&["/usr/bin/true", "/usr/bin/yes"]]);
        for hidden in ["proc", "run"] {
            let directory = client.find(hidden);
            let names = client.list(&directory, 4096).unwrap();
            assert!(names.iter().all(|(_, name)| name.starts_with(b".")));
        }
        let files = FILES.map(|(path, _)| client.find(path));
        let fsids = files
            .each_ref()
            .map(|file| client.attributes(file).unwrap().fsid);
        assert!(fsids.iter().all(|fsid| *fsid == fsids[0]), "{fsids:?}");
        running.server.stop();
        // A new server knows nothing: the deepest first.
        let running = serve_with(vec![Export::open(&root, options()).unwrap()]);
        let mut client = Client::root(running.server.address());
        for (file, (path, content)) in files.iter().zip(FILES).rev() {
            assert_eq!(text(&mut client, file), content, "{path}");
        }
        assert_eq!(all_numbers(&mut client), before);
    });
}

#[test]
fn file_systems_below_the_root_are_parts_of_the_tree() {
    parts_of_the_tree(MountView::PrivateCopy, false);
}

#[test]
fn file_systems_below_the_root_are_parts_of_the_tree_without_privileges() {
    parts_of_the_tree(MountView::Live, true);
}

#[test]
fn file_systems_below_the_root_are_left_out_or_have_an_fsid_of_their_own_if_asked() {
    apart(|base| {
        let root = root_with_mounts(base);
        let open = |submounts| {
            let options = ExportOptions {
                submounts,
                ..options()
            };
            Export::open(&root, options).unwrap()
        };
        let export = open(Submounts::LeaveOut);
        let why = |path: &str| {
            let reasons = reasons(&export);
            let found = reasons.into_iter().find(|(other, _)| other == path);
            found.unwrap().1
        };
        assert_eq!(why("usr"), Some(Unserved::LeftOut));
        assert_eq!(why("proc"), Some(Unserved::Kernel));
        let running = serve_with(vec![export]);
        let mut client = Client::root(running.server.address());
        let usr = client.find("usr");
        let status = client.lookup_in(&usr, b"bin").unwrap_err();
        assert_eq!(status, nfsstat3::NFS3ERR_NOENT);
        running.server.stop();

        let running = serve_with(vec![open(Submounts::OwnFsid)]);
        let mut client = Client::root(running.server.address());
        let mut fsid = |path| {
            let file = client.find(path);
            let attributes = client.attributes(&file).unwrap();
            let real = fs::metadata(root.join(path)).unwrap();
            assert_eq!(attributes.fileid, real.ino(), "{path}");
            attributes.fsid
        };
        let fsids = ["etc", "usr", "usr/local", "srv"].map(&mut fsid);
        for (at, number) in fsids.iter().enumerate() {
            assert!(!fsids[..at].contains(number), "{fsids:?}");
        }
        assert_eq!(fsid("usr/bin/true"), fsids[1]);
    });
}

#[test]
fn what_is_mounted_later_is_served_when_the_root_is_opened_again() {
    apart(|base| {
        let root = base.join("root");
        write(&root.join("usr/covered"), "");
        let export = Export::open(&root, options()).unwrap();
        assert!(!export.mounts_have_changed());
        file_system(&root.join("usr"), "tmpfs", "");
        write(&root.join("usr/bin/true"), "usr");
        assert!(export.mounts_have_changed());
        // A copy of the mounts, as a process has it that may not make one: only the original tells what is mounted.
        let copy = base.join("copy");
        fs::create_dir(&copy).unwrap();
        let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
        mount(Some(&root), &copy, None::<&str>, flags, None::<&str>).unwrap();
        let again = ExportOptions {
            original: Some(root.clone()),
            ..options()
        };
        let again = Export::open(&copy, again).unwrap();
        assert!(!again.mounts_have_changed());
        let running = serve_with(vec![again]);
        let mut client = Client::root(running.server.address());
        let file = client.find("usr/bin/true");
        assert_eq!(text(&mut client, &file), "usr");
        running.server.stop();
        // The handle is that of the original too.
        let running = serve_with(vec![Export::open(&root, options()).unwrap()]);
        let mut client = Client::root(running.server.address());
        assert_eq!(client.find("usr/bin/true"), file);
    });
}

#[test]
fn files_of_file_systems_below_the_root_are_hidden_by_their_paths() {
    apart(|base| {
        let root = root_with_mounts(base);
        write(&root.join("usr/local/key"), "secret");
        let running = serve_with(vec![Export::open(&root, options()).unwrap()]);
        let mut client = Client::root(running.server.address());
        let (key, mine) = (
            client.find("usr/local/key"),
            client.find("usr/local/bin/mine"),
        );
        running.server.stop();
        let patterns = ["/usr/local/k*", "/usr/local/bin"];
        let hidden = HiddenPaths::new(patterns.map(|pattern| pattern.parse().unwrap()));
        let options = ExportOptions {
            hidden,
            ..options()
        };
        let running = serve_with(vec![Export::open(&root, options).unwrap()]);
        let mut client = Client::root(running.server.address());
        for handle in [key, mine] {
            let status = client.attributes(&handle).unwrap_err();
            assert_eq!(status, nfsstat3::NFS3ERR_STALE);
        }
        let local = client.find("usr/local");
        let names = client.list(&local, 4096).unwrap();
        assert!(names.iter().all(|(_, name)| name.starts_with(b".")));
        client.lookup_in(&local, b"key").unwrap_err();
    });
}

/// An overlay: `low` and `other` are on different file systems, and have the same inode numbers.
fn overlay(base: &Path, data: &str) -> PathBuf {
    for layer in ["low", "other", "top"] {
        file_system(&base.join(layer), "tmpfs", "");
        write(&base.join(layer).join(format!("etc/{layer}")), layer);
        for number in 0..20 {
            write(&base.join(layer).join(format!("{layer}/{number}")), layer);
        }
    }
    fs::hard_link(base.join("low/low/1"), base.join("low/low/link")).unwrap();
    fs::hard_link(base.join("other/other/1"), base.join("other/other/link")).unwrap();
    let path = |name: &str| base.join(name).display().to_string();
    fs::create_dir(base.join("top/upper")).unwrap();
    fs::create_dir(base.join("top/work")).unwrap();
    let data = format!(
        "lowerdir={}:{},upperdir={},workdir={}{data}",
        path("other"),
        path("low"),
        path("top/upper"),
        path("top/work")
    );
    let merged = base.join("merged");
    file_system(&merged, "overlay", &data);
    write(&merged.join("etc/low"), "copied up");
    fs::remove_file(merged.join("low/7")).unwrap();
    merged
}

#[test]
fn files_of_an_overlay_have_numbers_of_their_own_and_are_found_after_a_restart() {
    for (data, scheme) in [
        (",xino=off", HandleScheme::Paths),
        (",xino=on", HandleScheme::Paths),
        (",index=on,nfs_export=on", HandleScheme::Kernel),
    ] {
        apart(|base| {
            let merged = overlay(base, data);
            let export = Export::open(&merged, options()).unwrap();
            assert_eq!(export.handles(), scheme, "{data}");
            let running = serve_with(vec![export]);
            let mut client = Client::root(running.server.address());
            let before = all_numbers(&mut client);
            let links: [&[&str]; 2] = [&["/low/1", "/low/link"], &["/other/1", "/other/link"]];
            assert_distinct(&before, &links);
            let handles: Vec<_> = before
                .iter()
                .map(|(path, _)| client.find(&path[1..]))
                .collect();
            assert_eq!(client.find("low/1"), client.find("low/link"));
            running.server.stop();
            fs::write("/proc/sys/vm/drop_caches", "2").unwrap();
            let running = serve_with(vec![Export::open(&merged, options()).unwrap()]);
            let mut client = Client::root(running.server.address());
            for ((path, number), handle) in before.iter().zip(&handles).rev() {
                let attributes = client.attributes(handle).unwrap();
                assert_eq!(attributes.fileid, *number, "{path}");
            }
            assert_eq!(all_numbers(&mut client), before);
            let copied = client.find("etc/low");
            assert_eq!(text(&mut client, &copied), "copied up");
        });
    }
}

#[test]
fn a_file_that_is_known_by_its_path_may_be_written_replaced_linked_and_deleted() {
    apart(|base| {
        let merged = overlay(base, ",xino=off");
        let running = serve_with(vec![Export::open(&merged, options()).unwrap()]);
        let mut client = Client::root(running.server.address());
        let find = |client: &mut Client| {
            ["low/2", "low/3", "low/4", "low/5"].map(|path| client.find(path))
        };
        let files = find(&mut client);
        for file in &files {
            assert_eq!(text(&mut client, file), "low");
        }
        fs::write(merged.join("low/2"), "written").unwrap();
        fs::write(merged.join("new"), "replaced").unwrap();
        fs::rename(merged.join("new"), merged.join("low/3")).unwrap();
        fs::hard_link(merged.join("low/4"), merged.join("low/linked")).unwrap();
        fs::remove_file(merged.join("low/5")).unwrap();
        // What is open is looked at again after a second.
        std::thread::sleep(std::time::Duration::from_millis(1100));
        assert_eq!(text(&mut client, &files[0]), "written");
        assert_eq!(text(&mut client, &files[1]), "replaced");
        assert_eq!(text(&mut client, &files[2]), "low");
        let linked = client.find("low/linked");
        let gone = client.attributes(&files[3]).unwrap_err();
        assert_eq!(gone, nfsstat3::NFS3ERR_STALE);
        running.server.stop();
        let running = serve_with(vec![Export::open(&merged, options()).unwrap()]);
        let mut client = Client::root(running.server.address());
        assert_eq!(text(&mut client, &linked), "low");
        assert_eq!(text(&mut client, &files[2]), "low");
        fs::remove_file(merged.join("low/4")).unwrap();
        // One name is left.
        assert_eq!(text(&mut client, &linked), "low");
    });
}

#[test]
fn fuse_that_lets_in_only_one_user_is_refused_and_not_served_below_a_root() {
    apart(|base| {
        // Nobody answers: not a single request is made.
        let opened = fs::File::options().read(true).write(true).open("/dev/fuse");
        let device = opened.unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&device);
        let data = format!("fd={number},rootmode=40000,user_id=0,group_id=0");
        let root = base.join("root");
        file_system(&root.join("home"), "fuse", &data);
        let refused = Export::open(&root.join("home"), options()).unwrap_err();
        let source = std::error::Error::source(&refused).unwrap();
        let source = source.downcast_ref::<RootDirError>().unwrap();
        assert!(matches!(source, RootDirError::FuseOfOneUser), "{source}");
        let export = Export::open(&root, options()).unwrap();
        let expected = ("home".to_owned(), Some(Unserved::FuseOfOneUser));
        assert_eq!(reasons(&export), [expected]);
    });
}

#[test]
fn files_on_fuse_are_found_after_the_kernel_has_forgotten_them_and_after_a_restart() {
    apart(|base| {
        for layer in ["low", "upper", "work", "merged"] {
            fs::create_dir(base.join(layer)).unwrap();
        }
        for number in 0..20 {
            write(&base.join(format!("low/usr/{number}")), &number.to_string());
        }
        fs::hard_link(base.join("low/usr/1"), base.join("low/usr/link")).unwrap();
        let merged = base.join("merged");
        let start = |more: &str| {
            let path = |name: &str| base.join(name).display().to_string();
            let data = format!(
                "lowerdir={},upperdir={},workdir={}{more}",
                path("low"),
                path("upper"),
                path("work")
            );
            let mut command = Command::new("fuse-overlayfs");
            let done = command.arg("-o").arg(data).arg(&merged).status().unwrap();
            assert!(done.success());
        };
        start(",allow_other");
        let forget = || fs::write("/proc/sys/vm/drop_caches", "2").unwrap();
        let running = serve_with(vec![Export::open(&merged, options()).unwrap()]);
        let mut client = Client::root(running.server.address());
        let before = all_numbers(&mut client);
        // The program behind it knows only those names of a file that it has seen: each is a file.
        assert_distinct(&before, &[]);
        let files: Vec<_> = (0..20)
            .map(|number| client.find(&format!("usr/{number}")))
            .collect();
        forget();
        for (number, file) in files.iter().enumerate() {
            assert_eq!(text(&mut client, file), number.to_string());
        }
        running.server.stop();
        forget();
        let running = serve_with(vec![Export::open(&merged, options()).unwrap()]);
        let mut client = Client::root(running.server.address());
        for (number, file) in files.iter().enumerate().rev() {
            assert_eq!(text(&mut client, file), number.to_string());
        }
        assert_eq!(all_numbers(&mut client), before);
        running.server.stop();
        nix::mount::umount2(&merged, nix::mount::MntFlags::MNT_DETACH).unwrap();
    });
}

#[test]
fn a_directory_of_the_kernel_is_refused_by_its_name() {
    apart(|base| {
        file_system(&base.join("proc"), "proc", "");
        for (path, name) in [
            (base.join("proc/sys"), "proc"),
            ("/sys/kernel".into(), "sysfs"),
        ] {
            let refused = Export::open(&path, options()).unwrap_err();
            let source = std::error::Error::source(&refused).unwrap().to_string();
            assert!(source.contains(&format!("it is on {name},")), "{source}");
        }
    });
}
