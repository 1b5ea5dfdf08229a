//! MOUNT v3 (RFC 1813 appendix I): from a path to the handle of a root. And v1 and v2 (RFC 1094 appendix A), by which
//! `showmount` of BSD and macOS asks; they mount NFSv2, which there is none of here.

use std::net::SocketAddr;
use std::time::Instant;

use nfs3_types::mount::{
    MNTPATHLEN, dirpath, export_node, fhandle3, mountbody, mountres3, mountres3_ok, mountstat3,
    name as host_name,
};
use nfs3_types::nfs3::nfsstat3;
use nfs3_types::xdr_codec::{Opaque, Pack};

use crate::counters::count;
use crate::event::{Event, Refusal, printable};
use crate::mount_table;
use crate::programs::nfs::request::Request;
use crate::programs::procedure::ProcedureError;
use crate::rpc::decode::Decoder;
use crate::rpc::reply_buffer::ReplyBuffer;
use crate::server_state::ServerState;
use crate::tree::handle::Handle;

const NULL: u32 = 0;
const MNT: u32 = 1;
const DUMP: u32 = 2;
const UMNT: u32 = 3;
const UMNTALL: u32 = 4;
const EXPORT: u32 = 5;
/// Of v1 and v2: the same as EXPORT.
const EXPORTALL: u32 = 6;

/// The versions that are answered.
pub(super) const VERSIONS: (u32, u32) = (1, nfs3_types::mount::VERSION);

/// `NFSERR_ACCES` of NFSv2 (RFC 1094 §2.3.1).
const NO_VERSION_2: u32 = 13;

/// The bytes of the `false` that ends a list.
const END_OF_LIST: usize = 4;

/// The accepted flavours, preferred first: AUTH_SYS, AUTH_NONE.
const FLAVOURS: [u32; 2] = [1, 0];

pub(super) fn answer(
    request: &Request<'_>,
    client: SocketAddr,
    (version, procedure): (u32, u32),
    mut arguments: Decoder<'_>,
    out: &mut ReplyBuffer,
) -> Result<(), ProcedureError> {
    let state = request.state;
    match procedure {
        NULL => {}
        MNT if version < nfs3_types::mount::VERSION => {
            arguments.opaque(MNTPATHLEN)?;
            out.pack(&NO_VERSION_2);
        }
        MNT => mnt(request, client, arguments.opaque(MNTPATHLEN)?, out),
        DUMP => dump(state, client, out),
        UMNT => {
            let path = shown(arguments.opaque(MNTPATHLEN)?);
            if state.mounts.remove(client.ip(), &path) {
                state.report(Event::Unmounted { client, path });
            }
        }
        UMNTALL => {
            state.mounts.remove_all(client.ip());
        }
        EXPORT => exports(state, out),
        EXPORTALL if version < nfs3_types::mount::VERSION => exports(state, out),
        _ => return Err(ProcedureError::NoSuchProcedure),
    }
    Ok(())
}

/// A path for the log and the table: `//srv/./debian/` is `/srv/debian`.
fn shown(path: &[u8]) -> String {
    if path.first() != Some(&b'/') {
        return printable(path);
    }
    let parts = path.split(|byte| *byte == b'/');
    let parts: Vec<&[u8]> = parts
        .filter(|part| !part.is_empty() && *part != b".")
        .collect();
    printable(&[b"/", parts.join(&b'/').as_slice()].concat())
}

fn mnt(request: &Request<'_>, client: SocketAddr, path: &[u8], out: &mut ReplyBuffer) {
    let state = request.state;
    let shown = shown(path);
    match root_handle(state, client, path) {
        Ok(handle) => {
            request.useful.set(true);
            state.mounts.add(client.ip(), &shown);
            let machine = client.ip().to_canonical();
            state.watched.mounted(machine, &shown, Instant::now());
            out.pack(&mountres3::Ok(mountres3_ok {
                fhandle: fhandle3(Opaque::borrowed(handle.as_bytes())),
                auth_flavors: FLAVOURS.to_vec(),
            }));
            state.report(Event::Mounted {
                client,
                path: shown,
            });
        }
        Err(why) => {
            count(&state.counters.denied);
            out.pack(&mountres3::Err(match why {
                Refusal::Address => mountstat3::MNT3ERR_ACCES,
                Refusal::NoSuchExport | Refusal::NoSuchDirectory => mountstat3::MNT3ERR_NOENT,
                Refusal::NotADirectory => mountstat3::MNT3ERR_NOTDIR,
                Refusal::Path => mountstat3::MNT3ERR_INVAL,
                Refusal::Failed => mountstat3::MNT3ERR_IO,
            }));
            state.report(Event::Refused {
                client,
                path: shown,
                why,
            });
        }
    }
}

fn root_handle(state: &ServerState, client: SocketAddr, path: &[u8]) -> Result<Handle, Refusal> {
    let absolute = path.first() == Some(&b'/');
    if !absolute || path.split(|byte| *byte == b'/').any(|part| part == b"..") {
        return Err(Refusal::Path);
    }
    state.before_mount();
    let exports = state.exports.now();
    let (export, below) = exports
        .by_path(path, client.ip(), |client| state.told(client))
        .ok_or(Refusal::NoSuchExport)?;
    if !export.allows(client.ip()) {
        return Err(Refusal::Address);
    }
    let handle = export.tree().mount(below).map_err(|status| match status {
        nfsstat3::NFS3ERR_NOENT | nfsstat3::NFS3ERR_ACCES => Refusal::NoSuchDirectory,
        nfsstat3::NFS3ERR_NOTDIR => Refusal::NotADirectory,
        _ => Refusal::Failed,
    })?;
    // Not of a path that is not there: a root that was exchanged is kept for who uses it.
    export.note_use(client.ip());
    Ok(handle)
}

fn dump(state: &ServerState, client: SocketAddr, out: &mut ReplyBuffer) {
    // The list is shown only to clients that may mount.
    if state.exports.now().allow(client.ip()) {
        let mounts = state.mounts.list();
        let mut room = match mounts.as_slice() {
            [] => 0,
            _ => out.reserve(mount_table::MAX_BYTES + END_OF_LIST),
        };
        for (address, path) in mounts {
            let host = address.to_string();
            let entry = 3 * 4 + host.len().next_multiple_of(4) + path.len().next_multiple_of(4);
            // Without memory for a long reply, the list ends early.
            if entry + END_OF_LIST > room {
                break;
            }
            room -= entry;
            out.pack(&true);
            out.pack(&mountbody {
                ml_hostname: host_name(Opaque::owned(host.into_bytes())),
                ml_directory: dirpath(Opaque::borrowed(path.as_bytes())),
            });
        }
    }
    out.pack(&false);
}

fn exports(state: &ServerState, out: &mut ReplyBuffer) {
    for export in state.exports.now().iter() {
        let groups = export.allowed().groups();
        for path in export.names() {
            let node = export_node {
                ex_dir: dirpath(Opaque::borrowed(path.as_bytes())),
                ex_groups: nfs3_types::xdr_codec::List(
                    groups
                        .iter()
                        .map(|group| host_name(Opaque::borrowed(group.as_bytes())))
                        .collect(),
                ),
            };
            let needed = 4 + node.packed_size() + END_OF_LIST;
            if out.reserve(needed) < needed {
                break;
            }
            out.pack(&true);
            out.pack(&node);
        }
    }
    out.pack(&false);
}
