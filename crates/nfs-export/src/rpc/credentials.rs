//! Who calls, and what a file's mode lets them do.
//!
//! The uid is believed, as AUTH_SYS has it; the address list is what stands between a stranger and the root. uid 0
//! reads everything, because a machine whose root this is could not boot otherwise. Access lists (POSIX ACLs) of the
//! server's file system are not looked at: the mode decides.

use nfs3_types::nfs3::{
    ACCESS3_DELETE, ACCESS3_EXECUTE, ACCESS3_EXTEND, ACCESS3_LOOKUP, ACCESS3_MODIFY, ACCESS3_READ,
};
use rustix::fs::{FileType, Stat};

use crate::rpc::decode::{Decoder, Garbage};

/// RFC 5531 appendix A.
const MOST_GROUPS: usize = 16;
const LONGEST_MACHINE_NAME: usize = 255;
const AUTH_NONE: u32 = 0;
const AUTH_SYS: u32 = 1;

/// The uid and gid of a caller without a credential, on Linux `nobody` and `nogroup`.
const NOBODY: u32 = 65534;

/// The user on the client for whom a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Caller {
    uid: u32,
    gid: u32,
    groups: [u32; MOST_GROUPS],
    group_count: usize,
}

/// What a mode can permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    Read = 4,
    Write = 2,
    Execute = 1,
}

impl Caller {
    /// `None` for a flavour that is not spoken here or a credential that does not decode.
    pub(crate) fn from_credential(flavour: u32, body: &[u8]) -> Option<Self> {
        match flavour {
            AUTH_NONE => Some(Self::nobody()),
            AUTH_SYS => Self::from_auth_sys(body).ok(),
            _ => None,
        }
    }

    fn nobody() -> Self {
        Self {
            uid: NOBODY,
            gid: NOBODY,
            groups: [0; MOST_GROUPS],
            group_count: 0,
        }
    }

    fn from_auth_sys(body: &[u8]) -> Result<Self, Garbage> {
        let mut decoder = Decoder::new(body);
        let _stamp = decoder.u32()?;
        let _machine = decoder.opaque(LONGEST_MACHINE_NAME)?;
        let mut caller = Self::nobody();
        caller.uid = decoder.u32()?;
        caller.gid = decoder.u32()?;
        caller.group_count = usize::try_from(decoder.u32()?).map_err(|_| Garbage)?;
        let groups = caller.groups.get_mut(..caller.group_count).ok_or(Garbage)?;
        for group in groups {
            *group = decoder.u32()?;
        }
        Ok(caller)
    }

    pub(crate) fn in_group(&self, group: u32) -> bool {
        self.gid == group
            || self
                .groups
                .iter()
                .take(self.group_count)
                .any(|member| *member == group)
    }

    /// Whether the file's mode permits it. Only the first class that fits counts, as everywhere on Unix.
    pub(crate) fn may(&self, wish: Wish, file: &Stat) -> bool {
        if self.uid == 0 {
            // CAP_DAC_OVERRIDE runs nothing that is executable for nobody.
            return wish != Wish::Execute || file.st_mode & 0o111 != 0 || is_directory(file);
        }
        let class = if self.uid == file.st_uid {
            6
        } else if self.in_group(file.st_gid) {
            3
        } else {
            0
        };
        (file.st_mode >> class) & (wish as u32) != 0
    }

    /// Whether READ is answered. The client checks when a file is opened; the server sees each READ alone. So, as
    /// the kernel's nfsd does: the owner may go on reading what was opened before its mode changed, and a program
    /// that may be executed may be read, since executing it is reading it from here.
    pub(crate) fn may_read_content(&self, file: &Stat) -> bool {
        self.uid == file.st_uid || self.may(Wish::Read, file) || self.may(Wish::Execute, file)
    }

    /// The ACCESS bits (RFC 1813 §3.3.4) out of `asked` that hold for this file on a file system that is never
    /// written to.
    pub(crate) fn access(&self, file: &Stat, asked: u32) -> u32 {
        let mut granted = 0;
        if self.may(Wish::Read, file) {
            granted |= ACCESS3_READ;
        }
        match FileType::from_raw_mode(file.st_mode) {
            FileType::Directory => {
                if self.may(Wish::Execute, file) {
                    granted |= ACCESS3_LOOKUP;
                }
            }
            FileType::RegularFile => {
                if self.may(Wish::Execute, file) {
                    granted |= ACCESS3_EXECUTE;
                }
            }
            FileType::Symlink => {}
            // A device, FIFO or socket on a read-only file system can still be written *to*: nothing here changes
            // when a client writes to its /dev/null. Without this bit it could not open it.
            _ => {
                if self.may(Wish::Write, file) {
                    granted |= ACCESS3_MODIFY | ACCESS3_EXTEND;
                }
            }
        }
        granted & asked & !ACCESS3_DELETE
    }
}

fn is_directory(file: &Stat) -> bool {
    FileType::from_raw_mode(file.st_mode) == FileType::Directory
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: u32 = 0x3f;

    fn file(mode: u32, uid: u32, gid: u32) -> Stat {
        let directory = std::fs::File::open("/").unwrap();
        let mut stat = rustix::fs::fstat(directory).unwrap();
        (stat.st_mode, stat.st_uid, stat.st_gid) = (mode, uid, gid);
        stat
    }

    fn user(uid: u32, gid: u32, groups: &[u32]) -> Caller {
        let mut caller = Caller::nobody();
        (caller.uid, caller.gid, caller.group_count) = (uid, gid, groups.len());
        caller.groups[..groups.len()].copy_from_slice(groups);
        caller
    }

    #[test]
    fn root_reads_everything_and_executes_what_anyone_may_execute() {
        let root = user(0, 0, &[]);
        assert_eq!(root.access(&file(0o100_000, 5, 5), ALL), ACCESS3_READ);
        assert_eq!(
            root.access(&file(0o100_010, 5, 5), ALL),
            ACCESS3_READ | ACCESS3_EXECUTE
        );
        assert_eq!(
            root.access(&file(0o040_000, 5, 5), ALL),
            ACCESS3_READ | ACCESS3_LOOKUP
        );
    }

    #[test]
    fn only_the_first_class_that_fits_counts() {
        let owner_shut_out = file(0o100_077, 1000, 100);
        assert_eq!(user(1000, 100, &[]).access(&owner_shut_out, ALL), 0);
        assert_eq!(
            user(1001, 5, &[100]).access(&owner_shut_out, ALL),
            ACCESS3_READ | ACCESS3_EXECUTE
        );
        let group_shut_out = file(0o100_604, 0, 100);
        assert!(!user(7, 1, &[100]).may(Wish::Read, &group_shut_out));
        assert!(user(7, 1, &[]).may(Wish::Read, &group_shut_out));
    }

    #[test]
    fn the_shadow_file_is_for_root_and_its_group() {
        let shadow = file(0o100_640, 0, 42);
        assert!(user(0, 0, &[]).may_read_content(&shadow));
        assert!(user(9, 9, &[42]).may_read_content(&shadow));
        assert!(!user(1000, 1000, &[]).may_read_content(&shadow));
        assert!(!Caller::nobody().may_read_content(&shadow));
    }

    #[test]
    fn a_program_that_may_only_be_executed_can_be_read_over_the_wire() {
        let program = file(0o100_711, 0, 0);
        assert!(user(1000, 1000, &[]).may_read_content(&program));
        assert_eq!(user(1000, 1000, &[]).access(&program, ALL), ACCESS3_EXECUTE);
    }

    #[test]
    fn a_regular_file_is_never_writable_but_a_device_is_written_through() {
        assert_eq!(
            user(0, 0, &[]).access(&file(0o100_666, 0, 0), ALL),
            ACCESS3_READ
        );
        assert_eq!(
            user(1000, 1000, &[]).access(&file(0o020_666, 0, 0), ALL),
            ACCESS3_READ | ACCESS3_MODIFY | ACCESS3_EXTEND
        );
        assert_eq!(user(1000, 1000, &[]).access(&file(0o020_600, 0, 0), ALL), 0);
    }

    #[test]
    fn only_what_was_asked_for_is_granted() {
        assert_eq!(
            user(0, 0, &[]).access(&file(0o040_755, 0, 0), ACCESS3_LOOKUP),
            ACCESS3_LOOKUP
        );
    }
}
