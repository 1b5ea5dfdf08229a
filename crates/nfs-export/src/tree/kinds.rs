//! What is known of a file system by its magic number (`statfs(2)`, `include/uapi/linux/magic.h`).

use std::os::fd::BorrowedFd;

use rustix::io::Errno;

/// How far a file system can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    /// A kernel handle leads to its file until that is deleted: after the kernel has forgotten the inode too, and after
    /// a reboot.
    pub(crate) handles: bool,
    /// A file keeps its inode number.
    pub(crate) inodes: bool,
    /// What a listed entry tells of the file's inode number.
    pub(crate) listing: Listing,
    /// It tells how many names a file has. fuse-overlayfs counts those that it has seen; other programs behind FUSE have
    /// inode numbers that do not last, so that a file's names cannot be brought together.
    pub(crate) links: bool,
    /// Its files are made of files on several file systems.
    pub(crate) layered: bool,
    /// It shows a state of the kernel, not files.
    pub(crate) pseudo: Option<&'static str>,
}

/// Whether the inode number of a directory entry (`d_ino`) is that of the file (`st_ino`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listing {
    /// Always.
    Inodes,
    /// Of files; a directory may be a subvolume (btrfs), whose inode number is 256.
    InodesOfFiles,
    /// Not reliably: overlayfs without `xino` lists the numbers that files have in their layers, FUSE what the program
    /// chooses, vfat positions.
    Unreliable,
}

const FUSE: i64 = 0x6573_5546;
const OVERLAY: i64 = 0x794c_7630;

impl Kind {
    pub(super) fn of(magic: i64) -> Self {
        let disk = |listing| Self {
            handles: true,
            inodes: true,
            listing,
            links: true,
            layered: false,
            pseudo: None,
        };
        match magic {
            // ext2 to ext4, XFS, tmpfs, squashfs, EROFS, F2FS.
            0xef53 | 0x5846_5342 | 0x0102_1994 | 0x7371_7368 | 0xe0f5_e1e2 | 0xf2f5_2010 => {
                disk(Listing::Inodes)
            }
            // btrfs, ZFS (whose `.zfs` has directories that are no files).
            0x9123_683e | 0x2fc1_2fc1 => disk(Listing::InodesOfFiles),
            // ramfs, ISO 9660, UDF.
            0x8584_58f6 | 0x9660 | 0x1501_3346 => disk(Listing::Unreliable),
            // Handles work while the kernel has the inode in its cache, unless the program behind it keeps it for ever.
            FUSE => Self {
                links: false,
                ..Self::by_path(false)
            },
            // With `nfs_export=on` its handles are those of the layers.
            OVERLAY => Self {
                handles: true,
                layered: true,
                ..Self::by_path(false)
            },
            // vfat: as FUSE. Inode numbers are numbered in order of use.
            0x4d44 => Self::by_path(false),
            other => Self {
                pseudo: pseudo(other),
                ..Self::by_path(true)
            },
        }
    }

    /// The file system that an open file is on.
    pub(super) fn of_file(file: BorrowedFd<'_>) -> Result<Self, Errno> {
        let magic = rustix::fs::fstatfs(file)?.f_type;
        #[allow(clippy::useless_conversion, reason = "32 bits on some architectures")]
        Ok(Self::of(i64::from(magic)))
    }

    fn by_path(handles: bool) -> Self {
        Self {
            handles,
            inodes: false,
            listing: Listing::Unreliable,
            links: true,
            layered: false,
            pseudo: None,
        }
    }
}

pub(super) fn is_fuse(directory: BorrowedFd<'_>) -> bool {
    rustix::fs::fstatfs(directory).is_ok_and(|found| i128::from(found.f_type) == i128::from(FUSE))
}

/// The name of a file system that is a view of the kernel.
fn pseudo(magic: i64) -> Option<&'static str> {
    Some(match magic {
        0x9fa0 => "proc",
        0x6265_6572 => "sysfs",
        0x1cd1 => "devpts",
        0x0187 => "autofs",
        0x0027_e0eb | 0x6367_7270 => "cgroup",
        0x1980_0202 => "mqueue",
        0x6462_6720 => "debugfs",
        0x7472_6163 => "tracefs",
        0x7363_6673 => "securityfs",
        0xcafe_4a11 => "bpf",
        0xde5e_81e4 => "efivarfs",
        0x6265_6570 => "configfs",
        0x6165_676c => "pstore",
        0x4249_4e4d => "binfmt_misc",
        0x6759_6969 => "rpc_pipefs",
        0x9584_58f6 => "hugetlbfs",
        0x6e73_6673 => "nsfs",
        0xf97c_ff8c => "selinuxfs",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn what_can_be_relied_on_is_known_by_the_magic_number() {
        let ext4 = Kind::of(0xef53);
        assert!(ext4.handles && ext4.inodes && ext4.listing == Listing::Inodes);
        let fuse = Kind::of(FUSE);
        assert!(!fuse.handles && !fuse.inodes && !fuse.links && !fuse.layered);
        let overlay = Kind::of(OVERLAY);
        assert!(overlay.handles && !overlay.inodes && overlay.links && overlay.layered);
        // A file system that nobody thought of: its handles are tried, and its inode numbers not relied on.
        let unknown = Kind::of(0x1234_5678);
        assert!(unknown.handles && !unknown.inodes && unknown.pseudo.is_none());
        let proc = std::fs::File::open("/proc").unwrap();
        let proc = Kind::of_file(proc.as_fd()).unwrap();
        assert_eq!(proc.pseudo, Some("proc"));
    }
}
