//! NFSACL, the side protocol of NFSv3 for access lists, as far as to say that there are none.
//!
//! Without it Linux answers `EOPNOTSUPP` wherever it must know a file's list itself, and not through ACCESS: an
//! overlay above the mount asks for the list of every file that the caller does not own. All that does not run as
//! root would then fail to start (`systemd-networkd`: "Failed at step EXEC: Operation not supported").
//!
//! No RFC describes it; `include/uapi/linux/nfsacl.h` and `fs/nfs_common/nfsacl.c` do.

use nfs3_types::nfs3::{Nfs3Option, nfsstat3, post_op_attr};

use crate::programs::nfs::request::Request;
use crate::programs::procedure::ProcedureError;
use crate::rpc::decode::Decoder;
use crate::rpc::reply_buffer::ReplyBuffer;

/// `NFS_ACL_PROGRAM`.
pub(crate) const PROGRAM: u32 = 100_227;
/// The version that goes with NFSv3.
pub(crate) const VERSION: u32 = 3;

pub(crate) fn answer(
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
                    // Everything that was asked for is answered: Linux wants the same bits back. Two lists, of the
                    // file and of what is made in it: how many entries, and how many follow.
                    for word in [mask, 0, 0, 0, 0] {
                        out.pack(&word);
                    }
                }
                Err(status) => fail(out, status),
            }
        }
        2 => {
            let status = request.resolve(arguments.handle()?).err();
            fail(out, status.unwrap_or(nfsstat3::NFS3ERR_ROFS));
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
