//! The procedures that modify: each is refused with NFS3ERR_ROFS, in the reply format of its own. What is wrong besides is
//! reported first, in the order of Linux's nfsd (`fs/nfsd/vfs.c`): arguments that do not decode, names that cannot be made
//! or removed, the handle, the type of its file. Of two handles, nfsd does not come to the second.

mod arguments;

use nfs3_types::nfs3::{Nfs3Option, nfsstat3, post_op_attr, wcc_data};
use rustix::fs::FileType;

use crate::counters::count;
use crate::programs::nfs::request::Request;
use crate::programs::procedure::ProcedureError;
use crate::rpc::decode::Decoder;
use crate::rpc::reply_buffer::ReplyBuffer;
use crate::tree::handle::Handle;
use arguments::{Change, Expected};

/// Answers NFS3ERR_ROFS, or what is wrong with the call, with the attributes of everything that would have changed: they
/// show the client that it has not.
pub(super) fn refuse(
    request: &Request<'_>,
    procedure: u32,
    arguments: Decoder<'_>,
    out: &mut ReplyBuffer,
) -> Result<(), ProcedureError> {
    match Change::decode(procedure, arguments)? {
        Change::One {
            handle,
            expected,
            refused,
        } => {
            let (status, after) = look(request, handle, expected);
            out.pack(&refused.unwrap_or(status));
            out.pack(&unchanged(after));
        }
        Change::Rename { from, to } => {
            let (status, from) = look(request, from, Expected::Directory);
            let (_, to) = look(request, to, Expected::Directory);
            out.pack(&status);
            out.pack(&unchanged(from));
            out.pack(&unchanged(to));
        }
        Change::Link { file, directory } => {
            let (_, file) = look(request, file, Expected::Anything);
            let (status, directory) = look(request, directory, Expected::Directory);
            out.pack(&status);
            out.pack(&file);
            out.pack(&unchanged(directory));
        }
    }
    count(&request.state.counters.writes_refused);
    Ok(())
}

/// What is wrong with a file that is to be changed, at least that it is read-only; and its attributes.
fn look(request: &Request<'_>, handle: Handle, expected: Expected) -> (nfsstat3, post_op_attr) {
    let file = match request.resolve(handle) {
        Ok(file) => file,
        Err(status) => return (status, Nfs3Option::None),
    };
    let status = match (expected, FileType::from_raw_mode(file.stat.st_mode)) {
        (Expected::Directory, FileType::Directory)
        | (Expected::RegularFile, FileType::RegularFile)
        | (Expected::Anything, _) => nfsstat3::NFS3ERR_ROFS,
        (Expected::Directory, _) => nfsstat3::NFS3ERR_NOTDIR,
        (Expected::RegularFile, FileType::Directory) => nfsstat3::NFS3ERR_ISDIR,
        (Expected::RegularFile, _) => nfsstat3::NFS3ERR_INVAL,
    };
    (status, file.attributes())
}

fn unchanged(after: post_op_attr) -> wcc_data {
    wcc_data {
        before: Nfs3Option::None,
        after,
    }
}
