//! Probes an NFS server before the kernel mounts from it.

mod look_up;

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};

use netroot_proto::mount::KnownPorts;
use nfs3_client::rpc::RpcClient;
use nfs3_client::{MountClient, MountError, Nfs3Client, PortmapError, PortmapperClient, RpcError};
use nfs3_types::mount::dirpath;
use nfs3_types::nfs3::{FSINFO3args, Nfs3Result, nfs_fh3, nfsstat3};
use nfs3_types::portmap::{IPPROTO_TCP, PMAP_PORT};
use nfs3_types::rpc::{auth_unix, opaque_auth};
use nfs3_types::xdr_codec::Opaque;
use rustix::io::Errno;

use self::look_up::{Walk, look_up};
use super::fault::NfsFault;
use super::flavour;
use super::refusal::{below, refusal};
use super::server::{Questions, Server};
use super::service::{
    ACL, MOUNT, NFS, NFS_4, NULL_TIMEOUT, PORTMAPPER, Service, answers_null, null, null_at,
};
use super::stream::{REPLY_TIMEOUT, Stream, Tcp, block_on};
use super::tree::{ExportContents, ExportTree};
use super::walk::{Found, find};
use crate::console::debug;
use crate::diagnosis::{Reachability, RpcFailure};
use crate::root::contents::{self, Contents, Instead};

/// The default port of NFS (RFC 7530 §3.1; version 3 by custom).
const NFS_PORT: u16 = 2049;
/// How many exports below a path are looked at.
const MAX_BELOW: usize = 16;

/// The result of a probe.
#[derive(Debug)]
pub(crate) struct Probed {
    /// The ports that answered.
    pub(crate) ports: KnownPorts,
    /// Of the programs asked for, whether they exist, up to the first that does or that the server does not tell of;
    /// empty if only the ports were asked for.
    pub(crate) programs: Vec<Found>,
    /// What the export is instead of a root, if it has none of them.
    pub(crate) instead: Option<Instead>,
}

/// Asks an NFSv3 server for its ports; if it is to be asked for all, also for the export, and for each of `programs` in it.
pub(crate) fn probe_v3(
    server: &Server,
    path: &str,
    programs: &[String],
) -> Result<Probed, NfsFault> {
    let probe = Probe { server: *server };
    let given = server.ports;
    let ports = probe.ports(given)?;
    if let KnownPorts {
        nfs: Some(nfs),
        mount: Some(mount),
    } = ports
    {
        debug!("{}: NFS is on port {nfs}, MOUNT on {mount}", server.address);
    }
    match probe.export(ports, path, programs) {
        // The given ports may be wrong: ask the portmapper.
        Err(fault) if given.nfs.is_some() || given.mount.is_some() => {
            if !matches!(fault, NfsFault::Closed { .. } | NfsFault::Broken { .. }) {
                return Err(fault);
            }
            match probe.ports(KnownPorts::default()) {
                Ok(found) if found != ports => {
                    debug!(
                        "the ports given do not answer; the portmapper says {:?} and {:?}",
                        found.nfs, found.mount
                    );
                    probe.export(found, path, programs)
                }
                _ => Err(fault),
            }
        }
        result => result,
    }
}

/// Checks whether the server answers NFSv4 (NULL, RFC 7530 §15.1), where the kernel would hang for minutes. Then,
/// whether a name of the path is missing, which the kernel would not report.
pub(crate) fn probe_v4(server: &Server, path: &str) -> Result<(), NfsFault> {
    let port = server.ports.nfs.unwrap_or(NFS_PORT);
    let probe = Probe { server: *server };
    let stream = probe.connect(server.address, port, &NFS_4)?;
    let mut client = RpcClient::new_with_auth(stream, root(), opaque_auth::default());
    if let Err(e) = null(&mut client, &NFS_4) {
        let answer = RpcFailure::of(e, || false);
        return Err(broken(server.address, port, &NFS_4, answer));
    }
    match look_up(&mut client, path) {
        Some(Walk::Missing(missing)) => Err(NfsFault::NotShown {
            server: server.address,
            path: path.to_owned(),
            own: server.own,
            missing,
        }),
        Some(Walk::WrongFlavour(flavours)) => Err(NfsFault::Flavours {
            server: server.address,
            path: path.to_owned(),
            wanted: flavour::names(&flavours),
        }),
        None => Ok(()),
    }
}

/// Whether a version 3 server reports that it has no access control lists (NFSACL).
///
/// An overlay reads the ACL of every file that the caller does not own from the lower file system (`ovl_get_acl`),
/// and Linux's client returns EOPNOTSUPP if the server has none: only root can run or open anything. The option
/// `noacl` does not help, since the client then returns the same (measured on 6.1.0-50). Version 4 does: there the VFS
/// handles no ACLs (`SB_POSIXACL`, `fs/nfs/super.c`).
pub(super) fn lacks_access_lists(server: &Server, ports: KnownPorts) -> bool {
    matches!(
        null_at(
            server.address,
            ports.nfs.unwrap_or(NFS_PORT),
            &ACL,
            REPLY_TIMEOUT
        ),
        Err(RpcError::ProgUnavail | RpcError::ProgMismatch { .. })
    )
}

/// A mount that is listed at a MOUNT server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MountEntry {
    /// What is mounted, as the server calls it.
    pub(crate) path: String,
    /// The MOUNT server.
    pub(crate) address: IpAddr,
    /// Its TCP port.
    pub(crate) port: u16,
}

/// Tells a MOUNT server that an export was unmounted (UMNT, RFC 1813 §5.2.3), which the kernel does not do. Only the
/// server's list of mounts depends on it.
pub(crate) fn tell_unmounted(mounted: &MountEntry) {
    let address = SocketAddr::new(mounted.address, mounted.port);
    let sent = Tcp::connect_reserved(address).map(|stream| {
        let mut client = MountClient::new_with_auth(stream, root(), opaque_auth::default());
        block_on(client.umnt(dirpath(Opaque::borrowed(mounted.path.as_bytes()))))
    });
    if !matches!(sent, Ok(Ok(()))) {
        debug!(
            "cannot report to {address} that {} is unmounted",
            mounted.path
        );
    }
}

/// The requests to one server.
struct Probe {
    server: Server,
}

impl Probe {
    fn connect(&self, server: IpAddr, port: u16, service: &Service) -> Result<Stream, NfsFault> {
        Tcp::connect_reserved(SocketAddr::new(server, port))
            .map_err(|e| self.unreachable(server, port, service, e))
    }

    /// The fault of a failed connection.
    fn unreachable(
        &self,
        server: IpAddr,
        port: u16,
        service: &Service,
        error: io::Error,
    ) -> NfsFault {
        let silent = error.raw_os_error() == Some(Errno::HOSTDOWN.raw_os_error())
            || matches!(
                error.kind(),
                ErrorKind::TimedOut | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable
            );
        let what = service.name;
        if error.kind() == ErrorKind::ConnectionRefused {
            NfsFault::Closed { server, port, what }
        } else if silent {
            NfsFault::Silent {
                server,
                port,
                what,
                reachability: Reachability::to(server, self.server.own, self.server.hop),
            }
        } else {
            broken(
                server,
                port,
                service,
                RpcFailure::Error(RpcError::Io(error)),
            )
        }
    }

    /// The ports of NFS and MOUNT: those given, the others from the portmapper.
    fn ports(&self, given: KnownPorts) -> Result<KnownPorts, NfsFault> {
        let mut asked = None;
        Ok(KnownPorts {
            nfs: Some(match given.nfs {
                Some(port) => port,
                None => self.port(self.server.address, &NFS, &mut asked)?,
            }),
            mount: Some(match given.mount {
                Some(port) => port,
                None => self.port(self.server.mount_address, &MOUNT, &mut asked)?,
            }),
        })
    }

    /// Asks a portmapper for a port, by the connection over which it was `asked` before, if there is one.
    fn port(
        &self,
        server: IpAddr,
        service: &Service,
        asked: &mut Option<(IpAddr, PortmapperClient<Stream>)>,
    ) -> Result<u16, NfsFault> {
        let (program, version, what) = (service.program, service.version, service.name);
        let port_of = |answer| match answer {
            Ok(port) => Ok(port),
            Err(PortmapError::Rpc(e)) => Err(unanswered(server, PMAP_PORT, &PORTMAPPER, e)),
            Err(PortmapError::ProgramUnavailable | PortmapError::InvalidPortValue(_)) => {
                Err(NfsFault::NotRegistered { server, what })
            }
        };
        if let Some((_, mut client)) = asked.take().filter(|(at, _)| *at == server) {
            let answer = block_on(client.getport(program, version, IPPROTO_TCP));
            if !is_closed(&answer) {
                return port_of(answer);
            }
        }
        // The portmapper needs no reserved port.
        let stream = match Tcp::connect_from_any(SocketAddr::new(server, PMAP_PORT)) {
            Ok(stream) => stream,
            Err(e) => {
                // A server without a portmapper may serve everything on one port, as `netroot serve` does.
                let closed = e.kind() == ErrorKind::ConnectionRefused;
                if closed && null_at(server, NFS_PORT, service, NULL_TIMEOUT).is_ok() {
                    debug!("{server} has no portmapper; the {what} answers on port {NFS_PORT}");
                    return Ok(NFS_PORT);
                }
                return Err(self.unreachable(server, PMAP_PORT, &PORTMAPPER, e));
            }
        };
        let mut client = PortmapperClient::new(stream);
        let port = port_of(block_on(client.getport(program, version, IPPROTO_TCP)))?;
        *asked = Some((server, client));
        Ok(port)
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
        if self.server.questions == Questions::Ports {
            self.connect(self.server.address, nfs, &NFS)?;
            return Ok(Probed {
                ports,
                programs: Vec::new(),
                instead: None,
            });
        }
        let server = self.server.mount_address;
        let stream = self.connect(server, mount, &MOUNT)?;
        let mut client = MountClient::new_with_auth(stream, root(), opaque_auth::default());
        let root_handle = match block_on(client.mnt(dirpath(Opaque::borrowed(path.as_bytes())))) {
            Ok(granted) if flavour::none_is_usable(&granted.auth_flavors) => {
                return Err(NfsFault::Flavours {
                    server,
                    path: path.to_owned(),
                    wanted: flavour::names(&granted.auth_flavors),
                });
            }
            Ok(granted) => nfs_fh3 {
                data: granted.fhandle.0,
            },
            Err(MountError::Rpc(e)) => {
                drop(client);
                return Err(unanswered(server, mount, &MOUNT, e));
            }
            Err(MountError::Denied(status)) => {
                return Err(refusal(
                    &self.server,
                    path,
                    status,
                    block_on(client.export()).ok(),
                ));
            }
        };
        drop(client);
        let stream = self.connect(self.server.address, nfs, &NFS)?;
        let mut client = Nfs3Client::new_with_auth(stream, root(), opaque_auth::default());
        let arguments = FSINFO3args {
            fsroot: root_handle.clone(),
        };
        match block_on(client.fsinfo(&arguments)) {
            Ok(Nfs3Result::Ok(info)) => {
                debug!("the server's maximum read size is {} bytes", info.rtmax)
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
            // Any other status is left to the mount.
            Ok(Nfs3Result::Err((status, _))) => debug!("FSINFO: {status}"),
            Err(e) => {
                drop(client);
                return Err(unanswered(self.server.address, nfs, &NFS, e));
            }
        }
        let mut tree = ExportTree { client };
        let mut found = Vec::new();
        for program in programs {
            let answer = find(&mut tree, &root_handle, program.as_bytes());
            found.push(answer);
            // None after it would be run, whatever it is.
            if matches!(answer, Found::Yes | Found::Unknown) {
                break;
            }
        }
        let mut instead = None;
        if found.iter().all(|found| *found == Found::No) {
            let mut contents = ExportContents {
                tree: &mut tree,
                root: &root_handle,
            };
            instead = self
                .exported_below(mount, path, &mut contents)
                .or_else(|| contents::look(&mut contents, programs));
        }
        Ok(Probed {
            ports,
            programs: found,
            instead,
        })
    }

    /// The exports that are directories below a path. Version 3 may show them empty.
    fn exported_below(
        &self,
        mount: u16,
        path: &str,
        contents: &mut ExportContents<'_>,
    ) -> Option<Instead> {
        let stream = self
            .connect(self.server.mount_address, mount, &MOUNT)
            .ok()?;
        let mut client = MountClient::new_with_auth(stream, root(), opaque_auth::default());
        let mut below = below(path, &block_on(client.export()).ok()?);
        below.truncate(MAX_BELOW);
        below.retain(|exported| {
            let within = exported.strip_prefix(path.trim_end_matches('/'));
            within.is_some_and(|within| contents.has(within))
        });
        (!below.is_empty()).then_some(Instead::Apart(below))
    }
}

/// Whether a portmapper has closed the connection, as it may after its first answer.
fn is_closed<T>(answer: &Result<T, PortmapError>) -> bool {
    let Err(PortmapError::Rpc(RpcError::Io(error))) = answer else {
        return false;
    };
    matches!(
        error.kind(),
        ErrorKind::UnexpectedEof
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
    )
}

/// The fault of a failed call.
fn unanswered(server: IpAddr, port: u16, service: &Service, error: RpcError) -> NfsFault {
    let answer = RpcFailure::of(error, || answers_null(server, port, service));
    broken(server, port, service, answer)
}

fn broken(server: IpAddr, port: u16, service: &Service, answer: RpcFailure) -> NfsFault {
    NfsFault::Broken {
        server,
        port,
        what: service.name,
        answer,
    }
}

/// The credential of root, as the kernel's client sends it.
fn root() -> opaque_auth<'static> {
    opaque_auth::auth_unix(&auth_unix::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_portmapper_is_asked_again_only_if_it_closed_the_connection() {
        let failed = |kind: ErrorKind| Err::<u16, _>(PortmapError::Rpc(RpcError::Io(kind.into())));
        for kind in [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset] {
            assert!(is_closed(&failed(kind)));
        }
        // Each of them is an answer, or took the whole time that there is.
        assert!(!is_closed(&failed(ErrorKind::TimedOut)));
        assert!(!is_closed(&failed(ErrorKind::WouldBlock)));
        assert!(!is_closed::<u16>(&Err(PortmapError::ProgramUnavailable)));
        assert!(!is_closed(&Ok(111)));
    }
}
