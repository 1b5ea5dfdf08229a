//! POSIX access control lists (`acl(5)`), as the kernel keeps them in extended attributes
//! (`include/uapi/linux/posix_acl_xattr.h`).

use std::os::fd::AsRawFd;

use rustix::fs::FileType;
use rustix::io::Errno;

use crate::tree::node::Node;

/// `POSIX_ACL_XATTR_VERSION`.
const VERSION: u32 = 2;
/// The most entries that a list has (`NFS_ACL_MAX_ENTRIES`).
const MAX_ENTRIES: usize = 1024;
/// As many as nearly all lists have.
const FEW_ENTRIES: usize = 30;
/// The bytes of the version, and of an entry.
const HEADER: usize = 4;
const ENTRY: usize = 8;

/// The classes of an entry (`include/uapi/linux/posix_acl.h`).
pub(crate) mod tag {
    pub(crate) const OWNER: u32 = 0x01;
    pub(crate) const USER: u32 = 0x02;
    pub(crate) const OWNING_GROUP: u32 = 0x04;
    pub(crate) const GROUP: u32 = 0x08;
    pub(crate) const MASK: u32 = 0x10;
    pub(crate) const OTHER: u32 = 0x20;
}

/// Which list of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// Who may do what.
    Access,
    /// What new files in a directory get.
    Default,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    /// One of [`tag`].
    pub(crate) tag: u32,
    /// Read 4, write 2, execute 1.
    pub(crate) permissions: u32,
    /// Of [`tag::USER`] and [`tag::GROUP`].
    pub(crate) id: u32,
}

/// Entries in the order of their tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AccessList(pub(crate) Vec<Entry>);

impl AccessList {
    /// The list of an open file; `None` if it has none, or its file system has no lists.
    pub(crate) fn of(node: &Node, which: Which) -> Result<Option<Self>, Errno> {
        let Node::Open(open) = node else {
            return Ok(None);
        };
        let name = match which {
            Which::Access => c"system.posix_acl_access",
            Which::Default => c"system.posix_acl_default",
        };
        // A descriptor of O_PATH has no attributes itself.
        let path = format!("/proc/self/fd/{}", open.reference().as_raw_fd());
        let mut few = [0; HEADER + ENTRY * FEW_ENTRIES];
        let read = match rustix::fs::getxattr(&path, name, &mut few) {
            Ok(length) => Ok(few.get(..length).and_then(Self::parse)),
            Err(Errno::RANGE) => {
                let mut many = vec![0; HEADER + ENTRY * MAX_ENTRIES];
                let length = rustix::fs::getxattr(&path, name, &mut *many);
                length.map(|length| many.get(..length).and_then(Self::parse))
            }
            Err(errno) => Err(errno),
        };
        match read {
            Ok(list) => list.map(Some).ok_or(Errno::IO),
            Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (version, entries) = bytes.split_first_chunk::<HEADER>()?;
        let (entries, rest) = entries.as_chunks::<ENTRY>();
        if u32::from_le_bytes(*version) != VERSION || !rest.is_empty() {
            return None;
        }
        let entry = |[tag, tag2, permissions, permissions2, id @ ..]: &[u8; ENTRY]| Entry {
            tag: u16::from_le_bytes([*tag, *tag2]).into(),
            permissions: u16::from_le_bytes([*permissions, *permissions2]).into(),
            id: u32::from_le_bytes(*id),
        };
        Some(Self(entries.iter().map(entry).collect()))
    }

    /// The list that says the same as a mode.
    pub(crate) fn of_mode(mode: u32) -> Self {
        let entry = |tag, shift: u32| Entry {
            tag,
            permissions: (mode >> shift) & 7,
            id: 0,
        };
        Self(vec![
            entry(tag::OWNER, 6),
            entry(tag::OWNING_GROUP, 3),
            entry(tag::OTHER, 0),
        ])
    }

    /// Whether somebody who is not the owner has all of these permissions (`posix_acl_permission` in
    /// `fs/posix_acl.c`). `group` is the file's.
    pub(crate) fn grants(
        &self,
        wanted: u32,
        user: u32,
        group: u32,
        in_group: impl Fn(u32) -> bool,
    ) -> bool {
        let has = |permissions: u32| permissions & wanted == wanted;
        let mask = self.0.iter().find(|entry| entry.tag == tag::MASK);
        let masked =
            |entry: &Entry| has(entry.permissions) && mask.is_none_or(|mask| has(mask.permissions));
        let mut named = self.0.iter();
        if let Some(own) = named.find(|entry| entry.tag == tag::USER && entry.id == user) {
            return masked(own);
        }
        let is_of_group = |entry: &&Entry| match entry.tag {
            tag::OWNING_GROUP => in_group(group),
            tag::GROUP => in_group(entry.id),
            _ => false,
        };
        let mut of_groups = self.0.iter().filter(is_of_group).peekable();
        if of_groups.peek().is_some() {
            return of_groups.any(masked);
        }
        let mut others = self.0.iter();
        others.any(|entry| entry.tag == tag::OTHER && has(entry.permissions))
    }
}

/// Whether a file of this mode may have a list that matters to others than its owner: of one that has, the group's
/// permissions in the mode are its mask.
pub(crate) fn may_matter(mode: u32) -> bool {
    mode & 0o070 != 0 && FileType::from_raw_mode(mode) != FileType::Symlink
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[(u32, u32, u32)]) -> AccessList {
        let entry = |&(tag, permissions, id)| Entry {
            tag,
            permissions,
            id,
        };
        AccessList(entries.iter().map(entry).collect())
    }

    #[test]
    fn the_first_class_that_fits_decides_and_the_mask_limits_it() {
        let list = list(&[
            (tag::OWNER, 7, 0),
            (tag::USER, 6, 1000),
            (tag::USER, 0, 1001),
            (tag::OWNING_GROUP, 4, 0),
            (tag::GROUP, 2, 5),
            (tag::GROUP, 5, 6),
            (tag::MASK, 5, 0),
            (tag::OTHER, 1, 0),
        ]);
        let may = |wanted, user, groups: &[u32]| {
            list.grants(wanted, user, 50, |group| groups.contains(&group))
        };
        assert!(may(4, 1000, &[]));
        // The mask has no write permission.
        assert!(!may(2, 1000, &[]) && !may(2, 7, &[5]));
        // A user that is named is nobody else.
        assert!(!may(4, 1001, &[6]) && !may(1, 1001, &[]));
        // Of several groups, one that has all is enough.
        assert!(may(4, 7, &[50]) && may(5, 7, &[5, 6]) && !may(5, 7, &[50]));
        // A member of a group is not one of the others.
        assert!(!may(1, 7, &[5]) && may(1, 7, &[]) && !may(4, 7, &[]));
    }

    #[test]
    fn a_list_is_parsed_whole_or_not_at_all() {
        let bytes = [
            2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 232, 3, 0, 0,
        ];
        let parsed = AccessList::parse(&bytes).unwrap();
        assert_eq!(
            parsed,
            list(&[(tag::OWNER, 6, u32::MAX), (tag::USER, 4, 1000)])
        );
        assert_eq!(AccessList::parse(&bytes[..19]), None);
        assert_eq!(AccessList::parse(&[3, 0, 0, 0]), None);
        assert_eq!(AccessList::parse(&[]), None);
    }
}
