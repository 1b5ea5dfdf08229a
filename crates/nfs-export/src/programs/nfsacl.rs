//! NFSACL, the side protocol of NFSv3 for access control lists: reports that files have none.
//!
//! Without it, Linux returns `EOPNOTSUPP` wherever it needs a file's ACL itself rather than by ACCESS: an overlay above
//! the mount asks for the ACL of every file that the caller does not own. Nothing that does not run as root would then
//! start (`systemd-networkd`: "Failed at step EXEC: Operation not supported").
//!
//! There is no RFC; see `include/uapi/linux/nfsacl.h` and `fs/nfs_common/nfsacl.c`.

use nfs3_types::nfs3::{Nfs3Option, nfsstat3, post_op_attr};

use crate::programs::nfs::request::Request;
use crate::programs::procedure::ProcedureError;
use crate::rpc::decode::Decoder;
use crate::rpc::reply_buffer::ReplyBuffer;

/// `NFS_ACL_PROGRAM`.
pub(super) const PROGRAM: u32 = 100_227;
/// The version that goes with NFSv3.
pub(super) const VERSION: u32 = 3;

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
                Ok(file) => {
                    out.pack(&nfsstat3::NFS3_OK);
                    out.pack(&file.attributes());
                    // Linux expects the mask that it sent. Then two lists, the access ACL and the default ACL: the
                    // number of entries, and the number that follow.
                    for word in [mask, 0, 0, 0, 0] {
                        out.pack(&word);
                    }
                }
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

fn fail(out: &mut ReplyBuffer, status: nfsstat3) {
    out.pack(&status);
    let unknown: post_op_attr = Nfs3Option::None;
    out.pack(&unknown);
}
