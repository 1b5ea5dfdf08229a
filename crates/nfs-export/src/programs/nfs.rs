//! NFS v3 (RFC 1813 §3), read-only.

mod answered;
mod noted;
mod permissions;
mod procedures;
mod read;
mod read_only;
mod readdir;
mod recorded;
pub(super) mod request;
#[cfg(test)]
mod test_calls;

use nfs3_types::nfs3::{
    ACCESS3res, ACCESS3resfail, ACCESS3resok, COMMIT3resok, FSF3_HOMOGENEOUS, FSF3_LINK,
    FSF3_SYMLINK, FSINFO3resfail, FSINFO3resok, FSSTAT3resfail, FSSTAT3resok, GETATTR3resok,
    LOOKUP3resfail, LOOKUP3resok, Nfs3Option, Nfs3Result, PATHCONF3resfail, PATHCONF3resok,
    READLINK3resfail, READLINK3resok, nfspath3, nfsstat3, nfstime3, wcc_data, writeverf3,
};
use nfs3_types::xdr_codec::{Opaque, Pack, Void};
use rustix::fs::FileType;

use crate::counters::count;
use crate::programs::procedure::ProcedureError;
use crate::rpc::decode::Decoder;
use crate::rpc::reply_buffer::ReplyBuffer;
use crate::tree::handle::Handle;
use crate::tree::node::{Node, is_directory};
use crate::tree::{name, status};
use answered::Answered;
use permissions::{Permission, Permissions};
use read::READ_SIZE;
use request::{Request, ResolvedFile};

/// The preferred size of a READ (`rtpref`), in bytes, which Linux uses as `rsize`. Of the sizes from 128 KiB to 1 MiB
/// it takes the least processor time per byte (`examples/load`): the buffer is still in the CPU cache when it is sent.
const READ_PREFERRED: u32 = 256 * 1024;

/// The most data in a WRITE (`wtmax`), in bytes. It is refused, but has to be received first.
pub(super) const WRITE_SIZE: u32 = 32 * 1024;

/// The preferred size of a directory listing (`dtpref`), in bytes.
const LIST_SIZE: u32 = 64 * 1024;

pub(super) fn answer(
    request: &Request<'_>,
    procedure: u32,
    mut arguments: Decoder<'_>,
    out: &mut ReplyBuffer,
) -> Result<(), ProcedureError> {
    let (asked, start) = (arguments, out.len());
    match procedure {
        procedures::NULL => {}
        procedures::GETATTR => getattr(request, arguments.handle()?, out),
        procedures::LOOKUP => lookup(request, arguments.handle()?, arguments.name()?, out),
        procedures::ACCESS => access(request, arguments.handle()?, arguments.u32()?, out),
        procedures::READLINK => readlink(request, arguments.handle()?, out),
        procedures::READ => read::read(request, read::Arguments::decode(&mut arguments)?, out)?,
        procedures::READDIR => {
            readdir::readdir(request, readdir::Arguments::decode(&mut arguments)?, out);
        }
        procedures::READDIRPLUS => {
            readdir::readdirplus(
                request,
                readdir::Arguments::decode_plus(&mut arguments)?,
                out,
            );
        }
        procedures::FSSTAT => fsstat(request, arguments.handle()?, out),
        procedures::FSINFO => fsinfo(request, arguments.handle()?, out),
        procedures::PATHCONF => pathconf(request, arguments.handle()?, out),
        procedures::COMMIT => {
            let handle = arguments.handle()?;
            let (_offset, _count) = (arguments.u64()?, arguments.u32()?);
            commit(request, handle, out);
        }
        _ => read_only::refuse(request, procedure, arguments, out)?,
    }
    let reply = out.as_bytes().get(start..).unwrap_or_default();
    if let Some(answered) = Answered::if_told(request, procedure, asked, reply) {
        recorded::record(&answered);
        noted::note(&answered);
    }
    Ok(())
}

/// Packs the result of a procedure: its results, or a status with the results for failure.
pub(super) fn reply<T: Pack, E: Pack>(out: &mut ReplyBuffer, result: Result<T, (nfsstat3, E)>) {
    match result {
        Ok(results) => out.pack(&Nfs3Result::<T, E>::Ok(results)),
        Err(failure) => out.pack(&Nfs3Result::<T, E>::Err(failure)),
    }
}

fn getattr(request: &Request<'_>, handle: Handle, out: &mut ReplyBuffer) {
    let result = request.resolve(handle);
    reply(
        out,
        match &result {
            Ok(file) => Ok(GETATTR3resok {
                obj_attributes: file.tree.attributes(&file.stat),
            }),
            Err(status) => Err((*status, Void)),
        },
    );
}

fn lookup(request: &Request<'_>, handle: Handle, name: &[u8], out: &mut ReplyBuffer) {
    let failed = |status, dir_attributes| (status, LOOKUP3resfail { dir_attributes });
    let result = request
        .resolve(handle)
        .map_err(|status| failed(status, Nfs3Option::None))
        .and_then(|directory| {
            find(request, &directory, name).map_err(|status| failed(status, directory.attributes()))
        });
    reply(out, result);
}

fn find(
    request: &Request<'_>,
    directory: &ResolvedFile<'_>,
    name: &[u8],
) -> Result<LOOKUP3resok, nfsstat3> {
    if !is_directory(&directory.stat) {
        return Err(nfsstat3::NFS3ERR_NOTDIR);
    }
    if !Permissions::new(&request.credentials, directory).may(Permission::Execute) {
        return Err(nfsstat3::NFS3ERR_ACCES);
    }
    let (handle, stat) = match name {
        b"." => (directory.handle, directory.stat),
        b".." => directory.tree.parent(&directory.node, &directory.stat)?,
        name => {
            name::check(name).inspect_err(|_| count(&request.state.counters.bad_names))?;
            directory
                .tree
                .lookup(&directory.node, &directory.stat, name)?
        }
    };
    Ok(LOOKUP3resok {
        object: handle.to_xdr(),
        obj_attributes: Nfs3Option::Some(directory.tree.attributes(&stat)),
        dir_attributes: directory.attributes(),
    })
}

fn access(request: &Request<'_>, handle: Handle, asked: u32, out: &mut ReplyBuffer) {
    let result: ACCESS3res = match request.resolve(handle) {
        Ok(file) => Nfs3Result::Ok(ACCESS3resok {
            obj_attributes: file.attributes(),
            access: permissions::access(&Permissions::new(&request.credentials, &file), asked),
        }),
        Err(status) => Nfs3Result::Err((status, ACCESS3resfail::default())),
    };
    out.pack(&result);
}

fn readlink(request: &Request<'_>, handle: Handle, out: &mut ReplyBuffer) {
    let failed = |status, symlink_attributes| (status, READLINK3resfail { symlink_attributes });
    let result = request
        .resolve(handle)
        .map_err(|status| failed(status, Nfs3Option::None))
        .and_then(|link| {
            let symlink_attributes = link.attributes();
            target(&link)
                .map(|target| READLINK3resok {
                    symlink_attributes: symlink_attributes.clone(),
                    data: nfspath3(Opaque::owned(target)),
                })
                .map_err(|status| failed(status, symlink_attributes))
        });
    reply(out, result);
}

/// The target of a link, verbatim: the client follows it.
fn target(link: &ResolvedFile<'_>) -> Result<Vec<u8>, nfsstat3> {
    match &*link.node {
        Node::Open(open) if FileType::from_raw_mode(link.stat.st_mode) == FileType::Symlink => {
            rustix::fs::readlinkat(open.reference(), c"", Vec::new())
                .map(std::ffi::CString::into_bytes)
                .map_err(status::from_errno)
        }
        _ => Err(nfsstat3::NFS3ERR_INVAL),
    }
}

fn fsstat(request: &Request<'_>, handle: Handle, out: &mut ReplyBuffer) {
    let failed = |status, obj_attributes| (status, FSSTAT3resfail { obj_attributes });
    let result = request
        .resolve(handle)
        .map_err(|status| failed(status, Nfs3Option::None))
        .and_then(|file| {
            let space = rustix::fs::fstatvfs(file.tree.root_of(&file.node))
                .map_err(|errno| failed(status::from_errno(errno), file.attributes()))?;
            let bytes = |blocks: u64| blocks.saturating_mul(space.f_frsize);
            Ok(FSSTAT3resok {
                obj_attributes: file.attributes(),
                tbytes: bytes(space.f_blocks),
                fbytes: bytes(space.f_bfree),
                abytes: bytes(space.f_bavail),
                tfiles: space.f_files,
                ffiles: space.f_ffree,
                afiles: space.f_favail,
                invarsec: 0,
            })
        });
    reply(out, result);
}

fn fsinfo(request: &Request<'_>, handle: Handle, out: &mut ReplyBuffer) {
    let result = request
        .resolve(handle)
        .map(|file| FSINFO3resok {
            obj_attributes: file.attributes(),
            rtmax: READ_SIZE,
            rtpref: READ_PREFERRED,
            rtmult: 4096,
            wtmax: WRITE_SIZE,
            wtpref: WRITE_SIZE,
            wtmult: 4096,
            dtpref: LIST_SIZE,
            maxfilesize: u64::from_ne_bytes(i64::MAX.to_ne_bytes()),
            time_delta: nfstime3 {
                seconds: 0,
                nseconds: 1,
            },
            properties: FSF3_LINK | FSF3_SYMLINK | FSF3_HOMOGENEOUS,
        })
        .map_err(|status| (status, FSINFO3resfail::default()));
    reply(out, result);
}

fn pathconf(request: &Request<'_>, handle: Handle, out: &mut ReplyBuffer) {
    let result = request
        .resolve(handle)
        .map(|file| PATHCONF3resok {
            obj_attributes: file.attributes(),
            // Of no use on a read-only file system; the minimum that POSIX programs expect.
            linkmax: 32_000,
            name_max: 255,
            no_trunc: true,
            chown_restricted: true,
            case_insensitive: false,
            case_preserving: true,
        })
        .map_err(|status| (status, PATHCONF3resfail::default()));
    reply(out, result);
}

/// Nothing is ever written, so there is nothing to commit.
fn commit(request: &Request<'_>, handle: Handle, out: &mut ReplyBuffer) {
    let wcc = |after| wcc_data {
        before: Nfs3Option::None,
        after,
    };
    let result = request
        .resolve(handle)
        .map(|file| COMMIT3resok {
            file_wcc: wcc(file.attributes()),
            verf: writeverf3(*b"readonly"),
        })
        .map_err(|status| (status, wcc(Nfs3Option::None)));
    reply(out, result);
}
