//! A directory with one of everything, and what nobody may get to see.
//!
//! The content of a file follows from its time of change, which is in every reply with content. What is beside the
//! directory, and what is hidden in it, has modes that nothing else has.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use netroot_nfs_export::fuzzing::Session;
use netroot_nfs_export::{AddressList, HiddenPaths};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};

/// The modes of what is beside the directory, and of what is hidden in it.
pub(super) const OUTSIDE: [u32; 2] = [0o1751, 0o651];
pub(super) const HIDDEN: [u32; 2] = [0o1752, 0o652];
/// What is in the files with these modes, and part of their names.
pub(super) const SECRETS: [&[u8]; 2] = [b"canary-outside", b"secret-hidden"];

/// Files changed at or after this are holes but for their first and last bytes.
pub(super) const SPARSE: u32 = 1_600_000_000;
const FIRST: u32 = 1_000_000_000;

/// Names that are looked up.
pub(super) const NAMES: &[&[u8]] = &[
    b"folder",
    b"inner",
    b"file",
    b"big",
    b"sparse",
    b"link",
    b"loop",
    b"chain",
    b"fifo",
    b"null",
    b"socket",
    b"linked",
    b"locked",
    b"own",
    b"deep",
    b"d",
    b"many",
    b"mounted",
    b"names",
    b"play",
    b"race",
    b"swapped",
    b"a",
    b"b",
    b"c",
    b"out",
    b"up",
    b"file-7",
    b"keep-3",
    b"canary-outside",
    b"secret-hidden-file",
    b"secret-hidden-folder",
    b"outside",
    b"root",
    b"etc",
    b"",
    b".",
    b"..",
    b"/",
    b"../outside",
    b"a/b",
    b"..\0",
    b"file\0",
    b"\xff\xfe",
    b"with\nnewline",
    b"...",
    &[b'n'; 255],
    &[b'n'; 256],
    &[b'n'; 5000],
];

pub(super) struct Planted {
    folder: tempfile::TempDir,
    /// With kernel handles where there are some, and without.
    pub(super) sessions: [Session; 2],
}

/// A mount namespace for this process, and without root a user namespace too.
pub(super) fn apart() {
    let (uid, gid) = (nix::unistd::getuid(), nix::unistd::getgid());
    let private = || {
        let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)
    };
    if uid.is_root() {
        unshare(CloneFlags::CLONE_NEWNS)
            .and_then(|()| private())
            .ok();
    } else if unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).is_ok() {
        fs::write("/proc/self/setgroups", "deny").ok();
        fs::write("/proc/self/uid_map", format!("0 {uid} 1")).ok();
        fs::write("/proc/self/gid_map", format!("0 {gid} 1")).ok();
        private().ok();
    }
}

pub(super) fn limit_descriptors(most: u64) {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most.min(hard), hard).unwrap();
}

pub(super) fn descriptors() -> u64 {
    // Its own is one of them.
    fs::read_dir("/proc/self/fd").map_or(0, |open| open.count() as u64 - 1)
}

impl Planted {
    /// `fast`: in memory if that is allowed.
    pub(super) fn new(fast: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        if fast {
            tmpfs(folder.path()).ok();
        }
        let root = folder.path().join("root");
        fs::create_dir(&root).unwrap();
        outside(&folder.path().join("outside"));
        Planter { next: FIRST }.plant(&root);
        let open = |root: &Path| {
            let hidden = ["/folder/secret-hidden-file", "/**/secret-hidden-folder"];
            let hidden = HiddenPaths::new(hidden.map(|pattern| pattern.parse().unwrap()));
            Session::with(
                root,
                hidden,
                AddressList::networks(["10.0.0.0/8".parse().unwrap()]),
            )
            .unwrap()
        };
        let without = std::thread::scope(|scope| {
            let session = scope.spawn(|| {
                let none = rustix::thread::CapabilitySet::empty();
                let sets = rustix::thread::CapabilitySets {
                    effective: none,
                    permitted: none,
                    inheritable: none,
                };
                rustix::thread::set_capabilities(None, sets).unwrap();
                open(&root)
            });
            session.join().unwrap()
        });
        let sessions = [open(&root), without];
        Self { folder, sessions }
    }

    pub(super) fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    pub(super) fn outside(&self) -> PathBuf {
        self.folder.path().join("outside")
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        for folder in [self.root().join("mounted"), self.folder.path().to_owned()] {
            nix::mount::umount(&folder).ok();
        }
    }
}

fn tmpfs(at: &Path) -> nix::Result<()> {
    let flags = MsFlags::MS_NOSUID;
    mount(Some("tmpfs"), at, Some("tmpfs"), flags, Some("size=16m"))
}

fn outside(folder: &Path) {
    fs::create_dir(folder).unwrap();
    for name in ["file", "a", "canary-outside"] {
        fs::write(folder.join(name), SECRETS[0]).unwrap();
        mode(&folder.join(name), OUTSIDE[1]);
    }
    fs::create_dir(folder.join("inner")).unwrap();
    mode(&folder.join("inner"), OUTSIDE[0]);
    mode(folder, OUTSIDE[0]);
    // And the folder above both: what `..` of the root would be.
    mode(folder.parent().unwrap(), OUTSIDE[0]);
}

pub(super) fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// The byte at an offset of a file that is no hole there.
pub(super) fn content(time: u32, offset: u64) -> u8 {
    (u64::from(time) * 31 + offset * 7 + (offset >> 8) + (offset >> 19)) as u8
}

/// Whether a byte of a sparse file is in a hole.
pub(super) fn is_hole(time: u32, offset: u64, size: u64) -> bool {
    time >= SPARSE && offset >= 4096 && offset + 4096 < size
}

/// A file of this size whose content follows from `time`.
pub(super) fn file(path: &Path, time: u32, size: u64) {
    let file = fs::File::create(path).unwrap();
    file.set_len(size).unwrap();
    let ends = if time >= SPARSE {
        [0..4096, size - 4096..size]
    } else {
        [0..size, 0..0]
    };
    for end in ends {
        let start = end.start;
        let bytes: Vec<u8> = end.map(|offset| content(time, offset)).collect();
        file.write_all_at(&bytes, start).unwrap();
    }
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(time.into()))
        .unwrap();
}

struct Planter {
    next: u32,
}

impl Planter {
    fn file(&mut self, path: &Path, size: u64) {
        self.next += 1;
        file(path, self.next, size);
    }

    fn plant(&mut self, root: &Path) {
        let at = |name: &str| root.join(name);
        for folder in [
            "folder/inner",
            "deep",
            "many",
            "mounted",
            "names",
            "play",
            "race",
            "etc",
            "locked-folder",
        ] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        self.file(&at("file"), 11);
        self.file(&at("folder/file"), 5000);
        self.file(&at("big"), 1_300_000);
        self.file(&at("empty"), 0);
        file(&at("sparse"), SPARSE, (5 << 30) + 7);
        self.file(&at("linked"), 100);
        fs::hard_link(at("linked"), at("folder/linked")).unwrap();
        self.links(root);
        self.names(&at("names"));
        for number in 0..300 {
            self.file(&at(&format!("many/file-{number}")), 3);
        }
        self.special(root);
        self.deep(&at("deep"));
        self.hidden(root);
        if tmpfs(&at("mounted")).is_ok() {
            fs::create_dir(at("mounted/inner")).unwrap();
            self.file(&at("mounted/file"), 77);
            self.file(&at("mounted/inner/file"), 7);
            symlink("/file", at("mounted/link")).unwrap();
        }
        self.file(&at("locked"), 20);
        mode(&at("locked"), 0);
        mode(&at("locked-folder"), 0o700);
        self.file(&at("own"), 20);
        mode(&at("own"), 0o600);
        nix::unistd::chown(&at("own"), Some(1000.into()), Some(1000.into())).ok();
    }

    fn links(&mut self, root: &Path) {
        let at = |name: &str| root.join(name);
        symlink("chain-2", at("chain")).unwrap();
        symlink("folder/../chain-3", at("chain-2")).unwrap();
        symlink("file", at("chain-3")).unwrap();
        symlink("loop", at("loop")).unwrap();
        symlink("../outside", at("out")).unwrap();
        symlink("..", at("up")).unwrap();
        symlink("/", at("folder/link")).unwrap();
        symlink(OsStr::from_bytes(&[b't'; 4095]), at("long-link")).unwrap();
    }

    fn names(&mut self, folder: &Path) {
        for name in [
            &[b'n'; 255][..],
            b"\xff\xfe",
            b"with\nnewline",
            b"...",
            b"-",
            b" ",
        ] {
            self.file(&folder.join(OsStr::from_bytes(name)), 9);
        }
        for first in 0..30_u8 {
            let name = [&[b'l'; 253][..], &[b'0' + first / 10, b'0' + first % 10]].concat();
            self.file(&folder.join(OsStr::from_bytes(&name)), 1);
        }
    }

    fn special(&mut self, root: &Path) {
        let mode = Mode::from_bits_truncate(0o644);
        mknod(&root.join("fifo"), SFlag::S_IFIFO, mode, 0).unwrap();
        // Devices need root.
        mknod(&root.join("null"), SFlag::S_IFCHR, mode, makedev(1, 3)).ok();
        mknod(&root.join("block"), SFlag::S_IFBLK, mode, makedev(7, 0)).ok();
        drop(UnixListener::bind(root.join("socket")).unwrap());
    }

    fn deep(&mut self, folder: &Path) {
        let mut folder = folder.to_owned();
        for _ in 0..100 {
            folder.push("d");
            fs::create_dir(&folder).unwrap();
        }
        self.file(&folder.join("file"), 1);
    }

    fn hidden(&mut self, root: &Path) {
        let secret = |path: &Path| {
            fs::write(path, SECRETS[1]).unwrap();
            mode(path, HIDDEN[1]);
        };
        secret(&root.join("folder/secret-hidden-file"));
        for folder in ["secret-hidden-folder", "deep/d/d/d/secret-hidden-folder"] {
            let folder = root.join(folder);
            fs::create_dir(&folder).unwrap();
            secret(&folder.join("file"));
            fs::create_dir(folder.join("inner")).unwrap();
            mode(&folder.join("inner"), HIDDEN[0]);
            mode(&folder, HIDDEN[0]);
        }
    }
}
