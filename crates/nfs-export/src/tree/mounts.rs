//! Which file systems are mounted below a directory, and which of them belong to the root that it holds.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, StatxFlags};

/// A file system that is mounted below an exported directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountBelow {
    /// Where, below the directory, without a slash at its beginning: `usr`, `boot/efi`.
    pub path: String,
    /// Its type, as `mount` names it: `ext4`, `fuse.sshfs`.
    pub kind: String,
    /// Why it is not served; `None` if it is. What it covers is served instead where that can be read, and an empty
    /// directory elsewhere.
    pub unserved: Option<Unserved>,
}

/// Why a file system below an exported directory is not served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unserved {
    /// It shows a state of this machine's kernel: proc, sysfs, cgroup.
    #[error("of this machine's kernel")]
    Kernel,
    /// It is at or below `/proc`, `/sys`, `/dev`, `/run` or `/tmp`, which every machine makes for itself.
    #[error("of a running system")]
    RunningSystem,
    /// What it is mounted in is not served.
    #[error("below another that is not served")]
    Below,
    /// A single file, mounted over another one.
    #[error("a single file over another")]
    File,
    /// A FUSE file system that lets in only the user who mounted it.
    #[error("FUSE for one user, without -o allow_other")]
    FuseOfOneUser,
    /// File systems below the root were to be left out.
    #[error("left out")]
    LeftOut,
    /// There are too many.
    #[error("more than {MAX_PARTS} file systems")]
    TooMany,
    /// It cannot be opened.
    #[error("cannot be opened: {0}")]
    Failed(String),
}

/// The most file systems below one root; each has two open files.
pub(super) const MAX_PARTS: usize = 200;

/// File systems that show a state of the kernel, as mountinfo names them.
const PSEUDO: &[&str] = &[
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "cpuset",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fuse.gvfsd-fuse",
    "fuse.lxcfs",
    "fuse.portal",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "nfsd",
    "nsfs",
    "proc",
    "pstore",
    "resctrl",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "smackfs",
    "sysfs",
    "tracefs",
];

/// Directories of a root that a running system, such as a chroot in use, fills by mounts.
const RUNNING: &[&[u8]] = &[b"dev", b"proc", b"run", b"sys", b"tmp"];

/// A line of mountinfo (`Documentation/filesystems/proc.rst`, 3.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) id: u64,
    parent: u64,
    point: Vec<u8>,
    pub(super) kind: String,
    /// The options of the file system, not of the mount.
    options: String,
}

/// A mount below the root that may be entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Below {
    pub(super) mount: Mount,
    pub(super) path: Vec<u8>,
    pub(super) unserved: Option<Unserved>,
}

/// The lines of mountinfo. Lines that are not understood are left out.
pub(super) fn parse(text: &[u8]) -> Vec<Mount> {
    text.split(|byte| *byte == b'\n')
        .filter_map(|line| {
            let mut fields = line.split(|byte| *byte == b' ');
            let mut number = || std::str::from_utf8(fields.next()?).ok()?.parse().ok();
            let (id, parent) = (number()?, number()?);
            let point = unescaped(fields.nth(2)?);
            // Optional fields end with a hyphen.
            let mut rest = fields.skip_while(|field| *field != b"-").skip(1);
            let kind = String::from_utf8_lossy(rest.next()?).into_owned();
            let options = String::from_utf8_lossy(rest.nth(1)?).into_owned();
            Some(Mount {
                id,
                parent,
                point,
                kind,
                options,
            })
        })
        .collect()
}

/// `\040` is a space, and so on for whatever separates fields and lines.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, more)) = rest.split_first() {
        rest = more;
        let code = (*first == b'\\')
            .then(|| more.split_at_checked(3))
            .flatten();
        let octal = code.and_then(|(digits, after)| {
            let digits = std::str::from_utf8(digits).ok()?;
            Some((u8::from_str_radix(digits, 8).ok()?, after))
        });
        match octal {
            Some((byte, after)) => {
                plain.push(byte);
                rest = after;
            }
            None => plain.push(*first),
        }
    }
    plain
}

impl Mount {
    /// Whether it is FUSE that only the user who mounted it may enter, not even root.
    pub(super) fn is_fuse_of_one_user(&self) -> bool {
        let fuse = self.kind.starts_with("fuse.") || self.kind == "fuse";
        fuse && !self
            .options
            .split(',')
            .any(|option| option == "allow_other")
    }

    /// What tells this overlay from others, after a reboot too: its layers.
    pub(super) fn layers(&self) -> String {
        let layers = self
            .options
            .split(',')
            .filter(|option| option.starts_with("lowerdir") || option.starts_with("upperdir"));
        layers.collect::<Vec<_>>().join(",")
    }
}

/// The mounts below `root`, which is on the mount `top`, each after the one that it is in, and whether they belong to the
/// root that is in it. Mounts that others cover are among them.
pub(super) fn below(mounts: &[Mount], root: &[u8], top: u64) -> Vec<Below> {
    let mut found: Vec<Below> = Vec::new();
    let mut ids = vec![top];
    let mut next = 0;
    while let Some(parent) = ids.get(next).copied() {
        next += 1;
        for mount in mounts.iter().filter(|mount| mount.parent == parent) {
            let Some(path) = path_below(root, &mount.point) else {
                continue;
            };
            // A table of a namespace that is changing may show a circle.
            if ids.contains(&mount.id) {
                continue;
            }
            ids.push(mount.id);
            let in_unserved = found
                .iter()
                .any(|other| other.mount.id == parent && other.unserved.is_some());
            found.push(Below {
                unserved: decide(&mount.kind, path).or(in_unserved.then_some(Unserved::Below)),
                path: path.to_vec(),
                mount: mount.clone(),
            });
        }
    }
    found
}

/// The paths of what is mounted below a directory and is not part of the root in it, below the directory: a copy of its
/// mounts should have what they cover instead, as an export of the directory itself has. Each comes before those that are
/// mounted in it.
///
/// # Errors
/// The mount table of this process cannot be read.
pub fn left_out_below(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = rustix::fs::open(directory, flags, Mode::empty())?;
    let (Some(top), path) = (id_of(open.as_fd()), path_of(open.as_fd())?) else {
        return Ok(Vec::new());
    };
    let file = |path: &[u8]| {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        let found = rustix::fs::statat(&open, path, flags);
        found.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) != FileType::Directory)
    };
    let found = below(&read()?, &path, top).into_iter();
    let left_out = found.filter(|below| match &below.unserved {
        // It goes with the other one.
        Some(Unserved::Below) => false,
        Some(_) => true,
        None => file(&below.path),
    });
    let paths = left_out.map(|below| PathBuf::from(OsString::from_vec(below.path)));
    Ok(paths.collect())
}

fn decide(kind: &str, path: &[u8]) -> Option<Unserved> {
    let first = path.split(|byte| *byte == b'/').next().unwrap_or_default();
    if PSEUDO.contains(&kind) {
        Some(Unserved::Kernel)
    } else if RUNNING.contains(&first) {
        Some(Unserved::RunningSystem)
    } else {
        None
    }
}

/// What is left of `path` below `root`; `None` for the root itself and what is not below it.
fn path_below<'a>(root: &[u8], path: &'a [u8]) -> Option<&'a [u8]> {
    let root = root.strip_suffix(b"/").unwrap_or(root);
    let below = path.strip_prefix(root)?.strip_prefix(b"/")?;
    (!below.is_empty()).then_some(below)
}

/// The mount table of this thread's mount namespace.
pub(super) fn read() -> io::Result<Vec<Mount>> {
    // Landlock forbids to open it later: the first one is kept.
    static FIRST: OnceLock<File> = OnceLock::new();
    let mut text = Vec::new();
    match File::open("/proc/thread-self/mountinfo") {
        Ok(mut table) => {
            table.read_to_end(&mut text)?;
            FIRST.get_or_init(|| table);
        }
        Err(error) => {
            let table = FIRST.get().ok_or(error)?;
            let mut piece = vec![0; 64 * 1024];
            loop {
                let at = u64::try_from(text.len()).unwrap_or(u64::MAX);
                let length = rustix::io::pread(table, &mut piece, at)?;
                if length == 0 {
                    break;
                }
                text.extend_from_slice(piece.get(..length).unwrap_or_default());
            }
        }
    }
    Ok(parse(&text))
}

/// The id of the mount that an open file is in (since Linux 5.8).
pub(super) fn id_of(file: BorrowedFd<'_>) -> Option<u64> {
    // A program behind FUSE is not asked.
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    let found = rustix::fs::statx(file, c"", flags, StatxFlags::MNT_ID).ok()?;
    (found.stx_mask & StatxFlags::MNT_ID.bits() != 0).then_some(found.stx_mnt_id)
}

/// The path of an open file, as the kernel knows it.
pub(super) fn path_of(file: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    let link = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
    Ok(rustix::fs::readlink(link, Vec::new())?.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"\
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 21 0:40 / /srv/root rw master:1 - ext4 /dev/sda2 rw
31 30 0:41 / /srv/root/usr ro - squashfs /dev/loop0 ro
32 31 0:42 / /srv/root/usr/local rw - btrfs /dev/sdb rw,subvolid=5
33 30 0:4 / /srv/root/proc rw - proc proc rw
34 33 0:43 / /srv/root/proc/sys/fs/binfmt_misc rw - ext4 /dev/x rw
35 30 0:44 / /srv/root/run rw - tmpfs tmpfs rw
36 30 0:45 /a /srv/root/with\\040space rw - xfs /dev/sdc rw
37 21 0:46 / /srv/root2 rw - xfs /dev/sdc rw
38 36 0:47 / /srv/root/with\\040space/cg rw - cgroup2 cgroup rw
39 38 0:48 / /srv/root/with\\040space/cg/below rw - ext4 /dev/y rw
broken line
";

    #[test]
    fn file_systems_of_the_root_are_served_and_those_of_the_kernel_are_not() {
        let found = below(&parse(TABLE), b"/srv/root", 30);
        let found: Vec<_> = found
            .iter()
            .map(|below| {
                let path = std::str::from_utf8(&below.path).unwrap();
                (path, &*below.mount.kind, below.unserved.clone())
            })
            .collect();
        assert_eq!(
            found,
            [
                ("usr", "squashfs", None),
                ("proc", "proc", Some(Unserved::Kernel)),
                ("run", "tmpfs", Some(Unserved::RunningSystem)),
                ("with space", "xfs", None),
                ("usr/local", "btrfs", None),
                (
                    "proc/sys/fs/binfmt_misc",
                    "ext4",
                    Some(Unserved::RunningSystem)
                ),
                ("with space/cg", "cgroup2", Some(Unserved::Kernel)),
                ("with space/cg/below", "ext4", Some(Unserved::Below)),
            ]
        );
    }

    #[test]
    fn a_mount_elsewhere_and_a_circle_are_no_mounts_below() {
        assert_eq!(below(&parse(TABLE), b"/srv/root", 99), []);
        let circle = b"1 2 0:1 / /r/a rw - ext4 x rw\n2 1 0:1 / /r/b rw - ext4 x rw\n";
        assert_eq!(below(&parse(circle), b"/r", 1).len(), 1);
        let whole = below(&parse(TABLE), b"/", 21);
        assert_eq!(whole.len(), 10);
    }

    #[test]
    fn fuse_says_who_may_enter_and_overlays_have_layers() {
        let text = b"5 1 0:1 / /a rw - fuse.sshfs h: rw,user_id=0,group_id=0\n\
            6 1 0:2 / /b rw - fuse.sshfs h: rw,user_id=0,allow_other\n\
            7 1 0:3 / /c rw - overlay overlay rw,lowerdir=/l2:/l1,upperdir=/u,workdir=/w,xino=off\n";
        let [a, b, c] = &parse(text)[..] else {
            panic!("three lines");
        };
        assert!(a.is_fuse_of_one_user() && !b.is_fuse_of_one_user() && !c.is_fuse_of_one_user());
        assert_eq!(c.layers(), "lowerdir=/l2:/l1,upperdir=/u");
    }

    #[test]
    fn the_table_of_this_process_is_read() {
        let mounts = read().unwrap();
        assert!(mounts.iter().any(|mount| mount.kind == "proc"));
        let root = File::open("/").unwrap();
        let id = id_of(root.as_fd()).unwrap();
        assert!(mounts.iter().any(|mount| mount.id == id), "{id}");
        assert_eq!(path_of(root.as_fd()).unwrap(), b"/");
    }
}
