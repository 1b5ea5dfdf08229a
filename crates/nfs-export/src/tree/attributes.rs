//! File attributes in NFSv3.

use nfs3_types::nfs3::{fattr3, ftype3, nfstime3, specdata3};
use rustix::fs::{FileType, Stat, major, minor};

/// All attributes of the file system, unchanged: setuid and sticky bits, device numbers, nanoseconds.
///
/// `stat` is what [`Node::stat`](crate::tree::node::Node::stat) gives: the device and inode numbers in it are those of the
/// export, not the server's, which may change when it reboots.
pub(crate) fn from_stat(stat: &Stat) -> fattr3 {
    let type_ = file_type(stat);
    let rdev = match type_ {
        ftype3::NF3BLK | ftype3::NF3CHR => specdata3 {
            specdata1: major(stat.st_rdev),
            specdata2: minor(stat.st_rdev),
        },
        _ => specdata3::default(),
    };
    fattr3 {
        type_,
        mode: stat.st_mode & 0o7777,
        nlink: u32::try_from(stat.st_nlink).unwrap_or(u32::MAX),
        uid: stat.st_uid,
        gid: stat.st_gid,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        used: u64::try_from(stat.st_blocks)
            .unwrap_or(0)
            .saturating_mul(512),
        rdev,
        fsid: stat.st_dev,
        fileid: stat.st_ino,
        atime: time(stat.st_atime, stat.st_atime_nsec),
        mtime: time(stat.st_mtime, stat.st_mtime_nsec),
        ctime: time(stat.st_ctime, stat.st_ctime_nsec),
    }
}

fn file_type(stat: &Stat) -> ftype3 {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => ftype3::NF3DIR,
        FileType::BlockDevice => ftype3::NF3BLK,
        FileType::CharacterDevice => ftype3::NF3CHR,
        FileType::Symlink => ftype3::NF3LNK,
        FileType::Socket => ftype3::NF3SOCK,
        FileType::Fifo => ftype3::NF3FIFO,
        FileType::RegularFile | FileType::Unknown => ftype3::NF3REG,
    }
}

/// NFSv3 has 32 unsigned bits for the seconds, until 2106: times out of range are clamped.
fn time(seconds: i64, nanoseconds: impl TryInto<u32>) -> nfstime3 {
    match u32::try_from(seconds) {
        Ok(seconds) => nfstime3 {
            seconds,
            nseconds: nanoseconds.try_into().unwrap_or(0),
        },
        Err(_) if seconds < 0 => nfstime3::default(),
        Err(_) => nfstime3 {
            seconds: u32::MAX,
            nseconds: 999_999_999,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_out_of_range_are_clamped() {
        assert_eq!(time(-1, 5_u32), nfstime3::default());
        assert_eq!(time(i64::from(u32::MAX) + 1, 5_u32).seconds, u32::MAX);
        let now = time(1_700_000_000, 123_456_789_u32);
        assert_eq!((now.seconds, now.nseconds), (1_700_000_000, 123_456_789));
    }

    #[test]
    fn only_devices_have_device_numbers() {
        let mut stat = rustix::fs::stat("/dev/null").unwrap();
        stat.st_dev = 9;
        let null = from_stat(&stat);
        assert_eq!(null.type_, ftype3::NF3CHR);
        assert_eq!(
            null.rdev,
            specdata3 {
                specdata1: 1,
                specdata2: 3
            }
        );
        assert_eq!(null.fsid, 9);
        let root = from_stat(&rustix::fs::stat("/").unwrap());
        assert_eq!(root.rdev, specdata3::default());
    }
}
