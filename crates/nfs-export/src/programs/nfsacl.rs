//! NFSACL, the side protocol of NFSv3 for access control lists: shows them, and sets none.
//!
//! Without it, Linux returns `EOPNOTSUPP` wherever it needs a file's ACL itself rather than by ACCESS: an overlay above
//! the mount asks for the ACL of every file that the caller does not own. Nothing that does not run as root would then
//! start (`systemd-networkd`: "Failed at step EXEC: Operation not supported").
//!
//! There is no RFC; see `include/uapi/linux/nfsacl.h`, `fs/nfs_common/nfsacl.c` and `fs/nfsd/nfs3acl.c`.

use nfs3_types::nfs3::{Nfs3Option, nfsstat3, post_op_attr};

use crate::programs::nfs::request::{Request, ResolvedFile};
use crate::programs::procedure::ProcedureError;
use crate::rpc::decode::Decoder;
use crate::rpc::reply_buffer::ReplyBuffer;
use crate::tree::access_list::{AccessList, Entry, Which, tag};
use crate::tree::status;

/// `NFS_ACL_PROGRAM`.
pub(super) const PROGRAM: u32 = 100_227;
/// The version that goes with NFSv3.
pub(super) const VERSION: u32 = 3;

/// What is asked for: `NFS_ACL`, `NFS_ACLCNT`, `NFS_DFACL`, `NFS_DFACLCNT`.
const ACCESS: u32 = 1;
const ACCESS_COUNT: u32 = 2;
const DEFAULT: u32 = 4;
const DEFAULT_COUNT: u32 = 8;

/// `NFS_ACL_DEFAULT`, in the tags of a default list.
const OF_DEFAULT: u32 = 0x1000;

/// The bytes of a reply without entries, and of an entry.
const REPLY: usize = 128;
const ENTRY: usize = 12;

pub(super) fn answer(
    request: &Request<'_>,
    procedure: u32,
    mut arguments: Decoder<'_>,
    out: &mut ReplyBuffer,
) -> Result<(), ProcedureError> {
    match procedure {
        0 => {}
        1 => {
            let (handle, mask) = (arguments.handle()?, arguments.u32()?);
            match request.resolve(handle) {
                Ok(file) => get(&file, mask, out),
                Err(status) => fail(out, status),
            }
        }
        2 => {
            let handle = arguments.handle()?;
            let _mask = arguments.u32()?;
            for _list in 0..2 {
                let (_entries, listed) = (arguments.u32()?, arguments.u32()?);
                for _ in 0..listed {
                    let (_tag, _id, _permissions) =
                        (arguments.u32()?, arguments.u32()?, arguments.u32()?);
                }
            }
            match request.resolve(handle) {
                Ok(file) => {
                    out.pack(&nfsstat3::NFS3ERR_ROFS);
                    out.pack(&file.attributes());
                }
                Err(status) => fail(out, status),
            }
        }
        _ => return Err(ProcedureError::NoSuchProcedure),
    }
    Ok(())
}

fn get(file: &ResolvedFile<'_>, mask: u32, out: &mut ReplyBuffer) {
    // As nfsd: a file without a list has that of its mode.
    let access = match mask & (ACCESS | ACCESS_COUNT) {
        0 => Ok(None),
        _ => AccessList::of(&file.node, Which::Access)
            .map(|list| Some(list.unwrap_or_else(|| AccessList::of_mode(file.stat.st_mode)))),
    };
    let default = match mask & (DEFAULT | DEFAULT_COUNT) {
        0 => Ok(None),
        _ => AccessList::of(&file.node, Which::Default),
    };
    let (access, default) = match (access, default) {
        (Ok(access), Ok(default)) => (access, default),
        (Err(errno), _) | (_, Err(errno)) => {
            out.pack(&status::from_errno(errno));
            return out.pack(&file.attributes());
        }
    };
    out.reserve(REPLY + ENTRY * (entries(access.as_ref()) + entries(default.as_ref())));
    out.pack(&nfsstat3::NFS3_OK);
    out.pack(&file.attributes());
    out.pack(&mask);
    pack_list(file, access.as_ref(), mask & ACCESS != 0, 0, out);
    pack_list(file, default.as_ref(), mask & DEFAULT != 0, OF_DEFAULT, out);
}

fn entries(list: Option<&AccessList>) -> usize {
    list.map_or(0, |list| list.0.len() + 1)
}

/// The number of entries, the number that follow, and these. A list of the owner, the group and the others is given a
/// mask, without which Solaris takes none (`nfsacl_encode`).
fn pack_list(
    file: &ResolvedFile<'_>,
    list: Option<&AccessList>,
    wanted: bool,
    flag: u32,
    out: &mut ReplyBuffer,
) {
    let mut entries = list.map(|list| list.0.clone()).unwrap_or_default();
    if let [_, group, _] = *entries {
        let mask = Entry {
            tag: tag::MASK,
            ..group
        };
        entries.insert(2, mask);
    }
    let count = u32::try_from(entries.len()).unwrap_or(0);
    out.pack(&count);
    out.pack(&if wanted { count } else { 0 });
    for entry in entries.iter().filter(|_| wanted) {
        let id = match entry.tag {
            tag::OWNER => file.stat.st_uid,
            tag::OWNING_GROUP => file.stat.st_gid,
            tag::USER | tag::GROUP => entry.id,
            _ => 0,
        };
        for word in [entry.tag | flag, id, entry.permissions & 7] {
            out.pack(&word);
        }
    }
}

fn fail(out: &mut ReplyBuffer, status: nfsstat3) {
    out.pack(&status);
    let unknown: post_op_attr = Nfs3Option::None;
    out.pack(&unknown);
}
