//! MOUNT v3 (RFC 1813 appendix I): names in, root handles out.

use std::net::SocketAddr;

use nfs3_types::mount::{
    MNTPATHLEN, dirpath, export_node, fhandle3, mountbody, mountres3, mountres3_ok, mountstat3,
    name as host_name,
};
use nfs3_types::nfs3::nfsstat3;
use nfs3_types::xdr_codec::Opaque;

use crate::counters::count;
use crate::event::{Event, Refusal, printable};
use crate::export::Export;
use crate::programs::{Interrupted, Service};
use crate::rpc::decode::Decoder;
use crate::rpc::reply_buffer::Outbox;
use crate::tree::handle::Handle;

const NULL: u32 = 0;
const MNT: u32 = 1;
const DUMP: u32 = 2;
const UMNT: u32 = 3;
const UMNTALL: u32 = 4;
const EXPORT: u32 = 5;

/// AUTH_SYS, then AUTH_NONE: what a client may send, best first.
const FLAVOURS: [u32; 2] = [1, 0];

pub(crate) fn answer(
    service: &Service,
    client: SocketAddr,
    procedure: u32,
    mut arguments: Decoder<'_>,
    out: &mut Outbox,
) -> Result<(), Interrupted> {
    match procedure {
        NULL => {}
        MNT => mnt(service, client, arguments.opaque(MNTPATHLEN)?, out),
        DUMP => dump(service, client, out),
        UMNT => {
            let path = printable(arguments.opaque(MNTPATHLEN)?);
            if service.forget_mounts(client.ip(), Some(&path)) {
                service.tell(Event::Unmounted { client, path });
            }
        }
        UMNTALL => {
            service.forget_mounts(client.ip(), None);
        }
        EXPORT => exports(service, out),
        _ => return Err(Interrupted::NoSuchProcedure),
    }
    Ok(())
}

fn mnt(service: &Service, client: SocketAddr, path: &[u8], out: &mut Outbox) {
    let shown = printable(path);
    match root_handle(service, client, path) {
        Ok(handle) => {
            service.remember_mount(client.ip(), &shown);
            out.pack(&mountres3::Ok(mountres3_ok {
                fhandle: fhandle3(Opaque::borrowed(handle.as_bytes())),
                auth_flavors: FLAVOURS.to_vec(),
            }));
            service.tell(Event::Mounted {
                client,
                path: shown,
            });
        }
        Err(why) => {
            count(&service.counters.denied);
            out.pack(&mountres3::Err(match why {
                Refusal::Address => mountstat3::MNT3ERR_ACCES,
                Refusal::NoSuchExport | Refusal::NoSuchDirectory => mountstat3::MNT3ERR_NOENT,
                Refusal::NotADirectory => mountstat3::MNT3ERR_NOTDIR,
                Refusal::Path => mountstat3::MNT3ERR_INVAL,
                Refusal::Failed => mountstat3::MNT3ERR_IO,
            }));
            service.tell(Event::Refused {
                client,
                path: shown,
                why,
            });
        }
    }
}

fn root_handle(service: &Service, client: SocketAddr, path: &[u8]) -> Result<Handle, Refusal> {
    let absolute = path.first() == Some(&b'/');
    if !absolute || path.split(|byte| *byte == b'/').any(|part| part == b"..") {
        return Err(Refusal::Path);
    }
    let (export, below) = find(&service.exports, path).ok_or(Refusal::NoSuchExport)?;
    if !export.allows(client.ip()) {
        return Err(Refusal::Address);
    }
    export.mount(below).map_err(|status| match status {
        nfsstat3::NFS3ERR_NOENT | nfsstat3::NFS3ERR_ACCES => Refusal::NoSuchDirectory,
        nfsstat3::NFS3ERR_NOTDIR => Refusal::NotADirectory,
        _ => Refusal::Failed,
    })
}

/// The export whose name covers most of the path, and the rest of it.
fn find<'a>(exports: &'a [Export], path: &'a [u8]) -> Option<(&'a Export, &'a [u8])> {
    exports
        .iter()
        .flat_map(|export| export.names().iter().map(move |name| (export, name)))
        .filter_map(|(export, name)| Some((name.len(), export, beneath(name.as_bytes(), path)?)))
        .max_by_key(|(length, _, _)| *length)
        .map(|(_, export, below)| (export, below))
}

/// What is left of `path` below `name`; `None` when it is elsewhere. Repeated slashes count as one.
fn beneath<'a>(name: &[u8], path: &'a [u8]) -> Option<&'a [u8]> {
    let mut rest = path;
    for part in name
        .split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty())
    {
        rest = trim(rest).strip_prefix(part)?;
        if rest.first().is_some_and(|byte| *byte != b'/') {
            return None;
        }
    }
    Some(trim(rest))
}

fn trim(mut path: &[u8]) -> &[u8] {
    while let Some(rest) = path.strip_prefix(b"/") {
        path = rest;
    }
    path
}

fn dump(service: &Service, client: SocketAddr, out: &mut Outbox) {
    // Who mounts what is for those who may mount.
    if service.knows(client.ip()) {
        for (address, path) in service.mounts().iter() {
            out.pack(&true);
            out.pack(&mountbody {
                ml_hostname: host_name(Opaque::owned(address.to_string().into_bytes())),
                ml_directory: dirpath(Opaque::borrowed(path.as_bytes())),
            });
        }
    }
    out.pack(&false);
}

fn exports(service: &Service, out: &mut Outbox) {
    for export in &service.exports {
        for path in export.names() {
            let groups = export
                .allowed()
                .groups()
                .map(|group| host_name(Opaque::owned(group.into_bytes())))
                .collect::<Vec<_>>();
            out.pack(&true);
            out.pack(&export_node {
                ex_dir: dirpath(Opaque::borrowed(path.as_bytes())),
                ex_groups: nfs3_types::xdr_codec::List(groups),
            });
        }
    }
    out.pack(&false);
}

#[cfg(test)]
mod tests {
    use super::beneath;

    #[test]
    fn a_path_belongs_to_the_export_whose_name_it_starts_with_part_by_part() {
        assert_eq!(beneath(b"/image", b"/image"), Some(&b""[..]));
        assert_eq!(beneath(b"/image", b"//image///usr/"), Some(&b"usr/"[..]));
        assert_eq!(beneath(b"/image", b"/images"), None);
        assert_eq!(beneath(b"/image", b"/"), None);
        assert_eq!(beneath(b"/", b"/anything"), Some(&b"anything"[..]));
        assert_eq!(beneath(b"/a/b", b"/a//b/c"), Some(&b"c"[..]));
    }
}
