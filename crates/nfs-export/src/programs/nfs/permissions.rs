//! What a file's mode and its access list let a user do.
//!
//! uid 0 reads everything, because a machine whose root this is could not boot otherwise.

use nfs3_types::nfs3::{
    ACCESS3_DELETE, ACCESS3_EXECUTE, ACCESS3_EXTEND, ACCESS3_LOOKUP, ACCESS3_MODIFY, ACCESS3_READ,
};
use rustix::fs::{FileType, Stat};

use crate::programs::nfs::request::ResolvedFile;
use crate::rpc::credentials::Credentials;
use crate::tree::access_list::{self, AccessList, Which};
use crate::tree::node::is_directory;

/// The permission bits of a mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permission {
    Read = 4,
    Write = 2,
    Execute = 1,
}

/// A user and a file.
pub(super) struct Permissions<'a> {
    credentials: &'a Credentials,
    file: &'a Stat,
    /// An access list that decides instead of the mode. One that cannot be read grants nothing.
    list: Option<AccessList>,
}

impl<'a> Permissions<'a> {
    pub(super) fn new(credentials: &'a Credentials, file: &'a ResolvedFile<'_>) -> Self {
        let (user, stat) = (credentials.uid(), &file.stat);
        let by_mode = user == 0 || user == stat.st_uid || !access_list::may_matter(stat.st_mode);
        let list = match by_mode {
            true => None,
            false => AccessList::of(&file.node, Which::Access)
                .unwrap_or_else(|_| Some(AccessList(Vec::new()))),
        };
        Self {
            credentials,
            file: stat,
            list,
        }
    }

    /// Whether `permission` is granted. Only the first matching class counts, as always on Unix.
    pub(super) fn may(&self, permission: Permission) -> bool {
        let (credentials, file) = (self.credentials, self.file);
        if credentials.uid() == 0 {
            // CAP_DAC_OVERRIDE does not make a file executable that has no x bit at all.
            return permission != Permission::Execute
                || file.st_mode & 0o111 != 0
                || is_directory(file);
        }
        if let Some(list) = &self.list {
            let in_group = |group| credentials.in_group(group);
            return list.grants(permission as u32, credentials.uid(), file.st_gid, in_group);
        }
        let class = if credentials.uid() == file.st_uid {
            6
        } else if credentials.in_group(file.st_gid) {
            3
        } else {
            0
        };
        (file.st_mode >> class) & (permission as u32) != 0
    }

    /// Whether READ is permitted. The client checks on open, while the server sees single READs. So, as in the kernel's
    /// nfsd, the owner may go on reading a file that was opened before its mode changed, and a program with execute
    /// permission may be read, since executing it means reading it over NFS.
    pub(super) fn may_read_content(&self) -> bool {
        self.credentials.uid() == self.file.st_uid
            || self.may(Permission::Read)
            || self.may(Permission::Execute)
    }
}

/// Those ACCESS bits (RFC 1813 §3.3.4) of `asked` that are granted on a file of a read-only file system.
pub(super) fn access(user: &Permissions<'_>, asked: u32) -> u32 {
    let may = |permission| user.may(permission);
    let mut granted = 0;
    if may(Permission::Read) {
        granted |= ACCESS3_READ;
    }
    match FileType::from_raw_mode(user.file.st_mode) {
        FileType::Directory => {
            if may(Permission::Execute) {
                granted |= ACCESS3_LOOKUP;
            }
        }
        FileType::RegularFile | FileType::Symlink => {
            if may(Permission::Execute) {
                granted |= ACCESS3_EXECUTE;
            }
        }
        // A device, FIFO or socket on a read-only file system can still be opened for writing: nothing changes on the
        // server when a client writes to its /dev/null. Without this bit it could not open it.
        _ => {
            if may(Permission::Write) {
                granted |= ACCESS3_MODIFY | ACCESS3_EXTEND;
            }
        }
    }
    granted & asked & !ACCESS3_DELETE
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

    fn by_mode<'a>(credentials: &'a Credentials, file: &'a Stat) -> Permissions<'a> {
        Permissions {
            credentials,
            file,
            list: None,
        }
    }

    fn access(credentials: &Credentials, file: &Stat, asked: u32) -> u32 {
        super::access(&by_mode(credentials, file), asked)
    }

    fn may(credentials: &Credentials, permission: Permission, file: &Stat) -> bool {
        by_mode(credentials, file).may(permission)
    }

    fn may_read_content(credentials: &Credentials, file: &Stat) -> bool {
        by_mode(credentials, file).may_read_content()
    }

    fn user(uid: u32, gid: u32, groups: &[u32]) -> Credentials {
        Credentials::user(uid, gid, groups)
    }

    #[test]
    fn root_reads_everything_and_executes_what_anyone_may_execute() {
        let root = user(0, 0, &[]);
        assert_eq!(access(&root, &file(0o100_000, 5, 5), ALL), ACCESS3_READ);
        assert_eq!(
            access(&root, &file(0o100_010, 5, 5), ALL),
            ACCESS3_READ | ACCESS3_EXECUTE
        );
        assert_eq!(
            access(&root, &file(0o040_000, 5, 5), ALL),
            ACCESS3_READ | ACCESS3_LOOKUP
        );
    }

    #[test]
    fn only_the_first_matching_class_counts() {
        let owner_shut_out = file(0o100_077, 1000, 100);
        assert_eq!(access(&user(1000, 100, &[]), &owner_shut_out, ALL), 0);
        assert_eq!(
            access(&user(1001, 5, &[100]), &owner_shut_out, ALL),
            ACCESS3_READ | ACCESS3_EXECUTE
        );
        let group_shut_out = file(0o100_604, 0, 100);
        assert!(!may(&user(7, 1, &[100]), Permission::Read, &group_shut_out));
        assert!(may(&user(7, 1, &[]), Permission::Read, &group_shut_out));
    }

    #[test]
    fn the_shadow_file_is_readable_by_root_and_its_group_only() {
        let shadow = file(0o100_640, 0, 42);
        assert!(may_read_content(&user(0, 0, &[]), &shadow));
        assert!(may_read_content(&user(9, 9, &[42]), &shadow));
        assert!(!may_read_content(&user(1000, 1000, &[]), &shadow));
        assert!(!may_read_content(&Credentials::nobody(), &shadow));
    }

    #[test]
    fn a_program_with_execute_permission_only_can_be_read() {
        let program = file(0o100_711, 0, 0);
        assert!(may_read_content(&user(1000, 1000, &[]), &program));
        assert_eq!(
            access(&user(1000, 1000, &[]), &program, ALL),
            ACCESS3_EXECUTE
        );
    }

    #[test]
    fn a_regular_file_is_never_writable_but_a_device_is() {
        assert_eq!(
            access(&user(0, 0, &[]), &file(0o100_666, 0, 0), ALL),
            ACCESS3_READ
        );
        assert_eq!(
            access(&user(1000, 1000, &[]), &file(0o020_666, 0, 0), ALL),
            ACCESS3_READ | ACCESS3_MODIFY | ACCESS3_EXTEND
        );
        assert_eq!(
            access(&user(1000, 1000, &[]), &file(0o020_600, 0, 0), ALL),
            0
        );
    }

    #[test]
    fn only_requested_options_are_granted() {
        assert_eq!(
            access(&user(0, 0, &[]), &file(0o040_755, 0, 0), ACCESS3_LOOKUP),
            ACCESS3_LOOKUP
        );
    }
}
