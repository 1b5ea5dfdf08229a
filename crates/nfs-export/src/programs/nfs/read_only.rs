//! The procedures that modify: each is refused with NFS3ERR_ROFS, in the reply format of its own.

use nfs3_types::nfs3::{Nfs3Option, nfsstat3, post_op_attr, wcc_data};

use crate::counters::count;
use crate::programs::nfs::request::Request;
use crate::programs::procedure::ProcedureError;
use crate::rpc::decode::Decoder;
use crate::rpc::reply_buffer::ReplyBuffer;

const SETATTR: u32 = 2;
const WRITE: u32 = 7;
const CREATE: u32 = 8;
const MKDIR: u32 = 9;
const SYMLINK: u32 = 10;
const MKNOD: u32 = 11;
const REMOVE: u32 = 12;
const RMDIR: u32 = 13;
const RENAME: u32 = 14;
const LINK: u32 = 15;

/// Answers NFS3ERR_ROFS, or the fault of the handle, with the attributes of everything that would have changed: they
/// show the client that it has not.
pub(super) fn refuse(
    request: &Request<'_>,
    procedure: u32,
    mut arguments: Decoder<'_>,
    out: &mut ReplyBuffer,
) -> Result<(), ProcedureError> {
    let attributes = |arguments: &mut Decoder<'_>| {
        let handle = arguments.handle()?;
        Ok::<_, ProcedureError>(match request.resolve(handle) {
            Ok(file) => (nfsstat3::NFS3ERR_ROFS, file.attributes()),
            Err(status) => (status, Nfs3Option::None),
        })
    };
    match procedure {
        // SETATTR and WRITE name the file, the others the directory; all fail with one wcc_data.
        SETATTR | WRITE | CREATE | MKDIR | SYMLINK | MKNOD | REMOVE | RMDIR => {
            let (status, after) = attributes(&mut arguments)?;
            out.pack(&status);
            out.pack(&unchanged(after));
        }
        RENAME => {
            let (status, from) = attributes(&mut arguments)?;
            let _name = arguments.name()?;
            let (_, to) = attributes(&mut arguments)?;
            out.pack(&status);
            out.pack(&unchanged(from));
            out.pack(&unchanged(to));
        }
        LINK => {
            let (status, file) = attributes(&mut arguments)?;
            let (_, directory) = attributes(&mut arguments)?;
            out.pack(&status);
            out.pack(&file);
            out.pack(&unchanged(directory));
        }
        _ => return Err(ProcedureError::NoSuchProcedure),
    }
    count(&request.state.counters.writes_refused);
    Ok(())
}

fn unchanged(after: post_op_attr) -> wcc_data {
    wcc_data {
        before: Nfs3Option::None,
        after,
    }
}
