//! The questions that the NFS server is asked before the kernel mounts from it.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddrV4};

use netroot_proto::mount::KnownPorts;
use nfs3_client::rpc::RpcClient;
use nfs3_client::{MountClient, MountError, Nfs3Client, PortmapError, PortmapperClient, RpcError};
use nfs3_types::mount::{dirpath, exports, mountstat3};
use nfs3_types::nfs3::{
    FSINFO3args, GETATTR3args, LOOKUP3args, Nfs3Option, Nfs3Result, READLINK3args, diropargs3,
    fattr3, filename3, ftype3, nfs_fh3, nfsstat3,
};
use nfs3_types::portmap::{IPPROTO_TCP, PMAP_PORT};
use nfs3_types::rpc::{auth_unix, opaque_auth};
use nfs3_types::xdr_codec::{Opaque, Void};
use rustix::io::Errno;

use super::fault::NfsFault;
use super::stream::{Stream, Tcp, finish};
use super::walk::{Found, Looked, Tree, find};
use crate::console::detail;
use crate::diagnosis::neighbour;

/// The port of NFS where nothing else is said (RFC 7530 §3.1; version 3 by custom).
const NFS_PORT: u16 = 2049;
const NFS: &str = "NFS server, version 3";
const NFS_4: &str = "NFS server, version 4";
const MOUNT: &str = "MOUNT server, version 3";
const PORTMAPPER: &str = "portmapper";

/// Whom to ask, and as whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Server {
    /// The NFS server.
    pub(crate) address: Ipv4Addr,
    /// The MOUNT server, which `mountaddr=` may say is another machine.
    pub(crate) mount_address: Ipv4Addr,
    /// Our own address.
    pub(crate) own: Ipv4Addr,
    /// Whether the server is in our own network.
    pub(crate) on_link: bool,
    /// The ports that the command line or DHCP named.
    pub(crate) ports: KnownPorts,
}

/// What the server said.
#[derive(Debug)]
pub(crate) struct Probed {
    /// The ports that answered.
    pub(crate) ports: KnownPorts,
    /// For each program asked for, whether it is there.
    pub(crate) programs: Vec<Found>,
}

/// Asks a server of NFSv3 for its ports, for the export, and for each of `programs` within it.
pub(crate) fn probe_v3(
    server: &Server,
    path: &str,
    programs: &[String],
) -> Result<Probed, NfsFault> {
    let asked = Ask { server: *server };
    let told = server.ports;
    let ports = asked.ports(told)?;
    match asked.export(ports, path, programs) {
        // The ports were told and are wrong: ask the portmapper, if it knows better.
        Err(fault) if told.nfs.is_some() || told.mount.is_some() => {
            if !matches!(fault, NfsFault::Closed { .. } | NfsFault::Broken { .. }) {
                return Err(fault);
            }
            match asked.ports(KnownPorts::default()) {
                Ok(found) if found != ports => {
                    detail!(
                        "the ports given do not answer; the portmapper says {:?} and {:?}",
                        found.nfs,
                        found.mount
                    );
                    asked.export(found, path, programs)
                }
                _ => Err(fault),
            }
        }
        result => result,
    }
}

/// Sees whether NFSv4 is answered where it should be (NULL, RFC 7530 §16.1): the kernel itself would be silent for
/// minutes.
pub(crate) fn probe_v4(server: &Server) -> Result<(), NfsFault> {
    let port = server.ports.nfs.unwrap_or(NFS_PORT);
    let asked = Ask { server: *server };
    let stream = asked.connect(server.address, port, NFS_4)?;
    let call = async |mut client: RpcClient<Stream>| {
        client
            .call::<Void, Void>(nfs3_types::nfs3::PROGRAM, 4, 0, &Void)
            .await
    };
    match finish(call(RpcClient::new(stream))) {
        Ok(Void) => Ok(()),
        Err(e) => Err(broken(server.address, port, NFS_4, e)),
    }
}

struct Ask {
    server: Server,
}

impl Ask {
    fn connect(&self, server: Ipv4Addr, port: u16, what: &'static str) -> Result<Stream, NfsFault> {
        Tcp::connect_reserved(SocketAddrV4::new(server, port))
            .map_err(|e| self.unreachable(server, port, what, e))
    }

    /// What it means that there is no connection.
    fn unreachable(
        &self,
        server: Ipv4Addr,
        port: u16,
        what: &'static str,
        error: io::Error,
    ) -> NfsFault {
        let silent = error.raw_os_error() == Some(Errno::HOSTDOWN.raw_os_error())
            || matches!(
                error.kind(),
                ErrorKind::TimedOut | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable
            );
        if error.kind() == ErrorKind::ConnectionRefused {
            NfsFault::Closed { server, port, what }
        } else if silent {
            let on_link = self.server.on_link;
            NfsFault::Silent {
                server,
                port,
                on_link,
                neighbour: neighbour(server),
            }
        } else {
            broken(server, port, what, RpcError::Io(error))
        }
    }

    /// The ports of NFS and MOUNT: those that were told, the others from the portmapper.
    fn ports(&self, told: KnownPorts) -> Result<KnownPorts, NfsFault> {
        Ok(KnownPorts {
            nfs: Some(match told.nfs {
                Some(port) => port,
                None => self.port(self.server.address, nfs3_types::nfs3::PROGRAM, NFS)?,
            }),
            mount: Some(match told.mount {
                Some(port) => port,
                None => self.port(self.server.mount_address, nfs3_types::mount::PROGRAM, MOUNT)?,
            }),
        })
    }

    fn port(&self, server: Ipv4Addr, program: u32, what: &'static str) -> Result<u16, NfsFault> {
        // It answers everybody: no reserved port is spent on it.
        let address = SocketAddrV4::new(server, PMAP_PORT);
        let stream = Tcp::connect_from_any(address)
            .map_err(|e| self.unreachable(server, PMAP_PORT, PORTMAPPER, e))?;
        match finish(PortmapperClient::new(stream).getport(program, 3, IPPROTO_TCP)) {
            Ok(port) => Ok(port),
            Err(PortmapError::Rpc(e)) => Err(broken(server, PMAP_PORT, PORTMAPPER, e)),
            Err(PortmapError::ProgramUnavailable | PortmapError::InvalidPortValue(_)) => {
                Err(NfsFault::NotRegistered { server, what })
            }
        }
    }

    fn export(
        &self,
        ports: KnownPorts,
        path: &str,
        programs: &[String],
    ) -> Result<Probed, NfsFault> {
        let (nfs, mount) = (
            ports.nfs.unwrap_or(NFS_PORT),
            ports.mount.unwrap_or(NFS_PORT),
        );
        let server = self.server.mount_address;
        let stream = self.connect(server, mount, MOUNT)?;
        let mut client = MountClient::new_with_auth(stream, root(), opaque_auth::default());
        let root_handle = match finish(client.mnt(dirpath(Opaque::borrowed(path.as_bytes())))) {
            Ok(granted) => nfs_fh3 {
                data: granted.fhandle.0,
            },
            Err(MountError::Rpc(e)) => return Err(broken(server, mount, MOUNT, e)),
            Err(MountError::Denied(status)) => {
                return Err(refusal(
                    &self.server,
                    path,
                    status,
                    finish(client.export()).ok(),
                ));
            }
        };
        drop(client);
        let stream = self.connect(self.server.address, nfs, NFS)?;
        let mut client = Nfs3Client::new_with_auth(stream, root(), opaque_auth::default());
        let arguments = FSINFO3args {
            fsroot: root_handle.clone(),
        };
        match finish(client.fsinfo(&arguments)) {
            Ok(Nfs3Result::Ok(info)) => {
                detail!("the server reads up to {} bytes at once", info.rtmax)
            }
            Ok(Nfs3Result::Err((
                status @ (nfsstat3::NFS3ERR_STALE | nfsstat3::NFS3ERR_BADHANDLE),
                _,
            ))) => {
                let path = path.to_owned();
                return Err(NfsFault::Handle {
                    server: self.server.address,
                    path,
                    status,
                });
            }
            // What else it may be, the mount will tell.
            Ok(Nfs3Result::Err((status, _))) => detail!("FSINFO: {status}"),
            Err(e) => return Err(broken(self.server.address, nfs, NFS, e)),
        }
        let mut tree = Export { client };
        let programs = programs
            .iter()
            .map(|p| find(&mut tree, &root_handle, p.as_bytes()))
            .collect();
        Ok(Probed { ports, programs })
    }
}

/// What it means that a server does not answer as it should.
fn broken(server: Ipv4Addr, port: u16, what: &'static str, source: RpcError) -> NfsFault {
    match source {
        RpcError::ProgMismatch { low, high } => NfsFault::OtherVersion {
            server,
            port,
            what,
            low,
            high,
        },
        source => NfsFault::Broken {
            server,
            port,
            what,
            source,
        },
    }
}

/// The credential of root, as the kernel's own client would send it.
fn root() -> opaque_auth<'static> {
    opaque_auth::auth_unix(&auth_unix::default())
}

/// A refusal and the list of exports, put together.
fn refusal(
    server: &Server,
    path: &str,
    status: mountstat3,
    list: Option<exports<'_, '_>>,
) -> NfsFault {
    let (address, path) = (server.mount_address, path.to_owned());
    let refused = matches!(
        status,
        mountstat3::MNT3ERR_ACCES
            | mountstat3::MNT3ERR_PERM
            | mountstat3::MNT3ERR_NOENT
            | mountstat3::MNT3ERR_NOTDIR
    );
    let Some(list) = list.filter(|_| refused) else {
        return NfsFault::Denied {
            server: address,
            path,
            status,
        };
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let trimmed = |path: &str| path.trim_end_matches('/').to_owned();
    let exports: Vec<(String, Vec<String>)> = list
        .0
        .iter()
        .map(|node| {
            (
                text(&node.ex_dir.0),
                node.ex_groups
                    .0
                    .iter()
                    .map(|group| text(&group.0))
                    .collect(),
            )
        })
        .collect();
    // A server may let a directory below an export be mounted, so the export that counts is the nearest above.
    let above = |export: &str| {
        let export = trimmed(export);
        trimmed(&path) == export || path.starts_with(&format!("{export}/"))
    };
    let nearest = exports
        .iter()
        .filter(|(export, _)| above(export))
        .max_by_key(|(export, _)| export.len());
    match (nearest, status) {
        (Some((export, allowed)), _) if trimmed(export) == trimmed(&path) => {
            NfsFault::NotToThisMachine {
                server: address,
                path,
                own: server.own,
                allowed: allowed.clone(),
            }
        }
        (Some((_, allowed)), mountstat3::MNT3ERR_ACCES | mountstat3::MNT3ERR_PERM) => {
            NfsFault::NotToThisMachine {
                server: address,
                path,
                own: server.own,
                allowed: allowed.clone(),
            }
        }
        _ => {
            let exports = exports.into_iter().map(|(export, _)| export).collect();
            NfsFault::NotExported {
                server: address,
                path,
                own: server.own,
                exports,
            }
        }
    }
}

/// An export, to be walked.
struct Export {
    client: Nfs3Client<Stream>,
}

impl Export {
    fn attributes(&mut self, object: &nfs_fh3, told: Nfs3Option<fattr3>) -> Option<fattr3> {
        if let Nfs3Option::Some(attributes) = told {
            return Some(attributes);
        }
        match finish(self.client.getattr(&GETATTR3args {
            object: object.clone(),
        })) {
            Ok(Nfs3Result::Ok(found)) => Some(found.obj_attributes),
            _ => None,
        }
    }
}

impl Tree for Export {
    type Handle = nfs_fh3;

    fn lookup(&mut self, directory: &nfs_fh3, name: &[u8]) -> Looked<nfs_fh3> {
        let what = diropargs3 {
            dir: directory.clone(),
            name: filename3(Opaque::borrowed(name)),
        };
        let found = match finish(self.client.lookup(&LOOKUP3args { what })) {
            Ok(Nfs3Result::Ok(found)) => found,
            Ok(Nfs3Result::Err((nfsstat3::NFS3ERR_NOENT | nfsstat3::NFS3ERR_NOTDIR, _))) => {
                return Looked::Absent;
            }
            Ok(Nfs3Result::Err(_)) | Err(_) => return Looked::Unknown,
        };
        let Some(attributes) = self.attributes(&found.object, found.obj_attributes) else {
            return Looked::Unknown;
        };
        match attributes.type_ {
            ftype3::NF3DIR => Looked::Directory(found.object),
            ftype3::NF3LNK => Looked::Link(found.object),
            ftype3::NF3REG if attributes.mode & 0o111 != 0 => Looked::Program(found.object),
            _ => Looked::Plain,
        }
    }

    fn read_link(&mut self, link: &nfs_fh3) -> Option<Vec<u8>> {
        match finish(self.client.readlink(&READLINK3args {
            symlink: link.clone(),
        })) {
            Ok(Nfs3Result::Ok(found)) => Some(found.data.0.to_vec()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nfs3_types::mount::{export_node, name};
    use nfs3_types::xdr_codec::List;

    fn refused(path: &str, status: mountstat3, exported: &[(&str, &[&str])]) -> String {
        let address = Ipv4Addr::new(10, 0, 0, 1);
        let own = Ipv4Addr::new(10, 0, 0, 9);
        let server = Server {
            address,
            mount_address: address,
            own,
            on_link: true,
            ports: KnownPorts::default(),
        };
        let opaque = |text: &str| Opaque::owned(text.as_bytes().to_vec());
        let list = exported.iter().map(|(dir, groups)| export_node {
            ex_dir: dirpath(opaque(dir)),
            ex_groups: List(groups.iter().map(|g| name(opaque(g))).collect()),
        });
        refusal(&server, path, status, Some(List(list.collect()))).to_string()
    }

    #[test]
    fn a_listed_path_that_is_refused_is_not_for_this_machine() {
        assert_eq!(
            refused(
                "/srv/x",
                mountstat3::MNT3ERR_ACCES,
                &[("/srv/x", &["10.1.0.0/16"])]
            ),
            "10.0.0.1 exports /srv/x, but not to this machine's address 10.0.0.9 (only to 10.1.0.0/16)"
        );
        assert!(
            refused("/srv/x/", mountstat3::MNT3ERR_ACCES, &[("/srv/x", &[])])
                .contains("but not to this machine")
        );
    }

    #[test]
    fn a_path_that_is_not_listed_is_not_exported_whatever_the_status() {
        for status in [mountstat3::MNT3ERR_ACCES, mountstat3::MNT3ERR_NOENT] {
            assert_eq!(
                refused("/srv/y", status, &[("/srv/x", &[]), ("/srv/yy", &[])]),
                "10.0.0.1 does not export /srv/y; it exports /srv/x, /srv/yy"
            );
        }
        assert_eq!(
            refused("/srv/y", mountstat3::MNT3ERR_NOENT, &[]),
            "10.0.0.1 does not export /srv/y; it exports nothing to this machine's address 10.0.0.9"
        );
    }

    #[test]
    fn a_directory_missing_below_an_export_is_not_exported() {
        assert!(
            refused("/srv/x/y", mountstat3::MNT3ERR_NOENT, &[("/srv/x", &[])])
                .contains("does not export /srv/x/y")
        );
        assert!(
            refused("/srv/x/y", mountstat3::MNT3ERR_ACCES, &[("/srv/x", &["h"])])
                .contains("but not to this machine")
        );
    }

    #[test]
    fn a_server_fault_is_told_as_one() {
        assert!(
            refused("/x", mountstat3::MNT3ERR_SERVERFAULT, &[("/x", &[])])
                .contains("a failure of the server")
        );
    }
}
