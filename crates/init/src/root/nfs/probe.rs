//! The questions that the NFS server is asked before the kernel mounts from it.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddrV4};

use netroot_proto::mount::KnownPorts;
use nfs3_client::rpc::RpcClient;
use nfs3_client::{MountClient, MountError, Nfs3Client, PortmapError, PortmapperClient, RpcError};
use nfs3_types::mount::dirpath;
use nfs3_types::nfs3::{FSINFO3args, Nfs3Result, nfs_fh3, nfsstat3};
use nfs3_types::portmap::{IPPROTO_TCP, PMAP_PORT};
use nfs3_types::rpc::{auth_unix, opaque_auth};
use nfs3_types::xdr_codec::Opaque;
use rustix::io::Errno;

use super::compound::{Answer, COMPOUND, Question};
use super::fault::{Missing, NfsFault};
use super::refusal::refusal;
use super::server::Server;
use super::service::{ACL, MOUNT, NFS, NFS_4, PORTMAPPER, Service, answers_null, null, null_at};
use super::stream::{Stream, Tcp, finish};
use super::tree::Export;
use super::walk::{Found, find};
use crate::console::debug;
use crate::diagnosis::{Reachability, RpcFailure};

/// The port of NFS where nothing else is said (RFC 7530 §3.1; version 3 by custom).
const NFS_PORT: u16 = 2049;
/// How many first names of a path may be above what version 4 shows.
const SHORTENED: usize = 4;

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
    if let KnownPorts {
        nfs: Some(nfs),
        mount: Some(mount),
    } = ports
    {
        debug!("{}: NFS is at port {nfs}, MOUNT at {mount}", server.address);
    }
    match asked.export(ports, path, programs) {
        // The ports were told and are wrong: ask the portmapper, if it knows better.
        Err(fault) if told.nfs.is_some() || told.mount.is_some() => {
            if !matches!(fault, NfsFault::Closed { .. } | NfsFault::Broken { .. }) {
                return Err(fault);
            }
            match asked.ports(KnownPorts::default()) {
                Ok(found) if found != ports => {
                    debug!(
                        "the ports given do not answer; the portmapper says {:?} and {:?}",
                        found.nfs, found.mount
                    );
                    asked.export(found, path, programs)
                }
                _ => Err(fault),
            }
        }
        result => result,
    }
}

/// Sees whether NFSv4 is answered where it should be (NULL, RFC 7530 §15.1): the kernel itself would be silent for
/// minutes. Then, whether a name of the path is missing, which the kernel would not name.
pub(crate) fn probe_v4(server: &Server, path: &str) -> Result<(), NfsFault> {
    let port = server.ports.nfs.unwrap_or(NFS_PORT);
    let asked = Ask { server: *server };
    let stream = asked.connect(server.address, port, &NFS_4)?;
    let mut client = RpcClient::new_with_auth(stream, root(), opaque_auth::default());
    if let Err(e) = null(&mut client, &NFS_4) {
        let answer = RpcFailure::of(e, || false);
        return Err(broken(server.address, port, &NFS_4, answer));
    }
    match missing(&mut client, path) {
        Some(missing) => Err(NfsFault::NotShown {
            server: server.address,
            path: path.to_owned(),
            own: server.own,
            missing,
        }),
        None => Ok(()),
    }
}

/// Whether a server of version 3 says that it has no access lists (NFSACL).
///
/// An overlay asks the file system below it for the list of whatever the caller does not own (`ovl_get_acl`), and
/// Linux's client answers EOPNOTSUPP where the server has none: whoever is not root can run nothing and open
/// nothing. The option `noacl` is no cure, for it makes the client answer the same (measured on 6.1.0-50); version
/// 4 is one, since lists are none of the VFS's there (`SB_POSIXACL`, `fs/nfs/super.c`).
pub(super) fn lacks_access_lists(server: &Server, ports: KnownPorts) -> bool {
    matches!(
        null_at(server.address, ports.nfs.unwrap_or(NFS_PORT), &ACL),
        Err(RpcError::ProgUnavail | RpcError::ProgMismatch { .. })
    )
}

/// The first name of a path that version 4 does not have. `None` if it has all, and if it does not tell.
fn missing(client: &mut RpcClient<Stream>, path: &str) -> Option<Box<Missing>> {
    let mut ask = |question: Question| {
        let call = async {
            client
                .call::<_, Answer>(nfs3_types::nfs3::PROGRAM, 4, COMPOUND, &question)
                .await
        };
        match finish(call) {
            Ok(answer) => Some(answer),
            Err(e) => {
                debug!("version 4 does not tell whether {path} is there: {e}");
                None
            }
        }
    };
    let names: Vec<&str> = path
        .split('/')
        .filter(|name| !matches!(*name, "" | "."))
        .collect();
    let depth = ask(Question::walk(&names))?.missing_after()?;
    let above = names.get(..depth)?;
    let there = ask(Question::list(above)).and_then(|answer| answer.names(depth));
    // Once a question is not answered, none of the others would be.
    let shortened = (1..names.len())
        .take(SHORTENED)
        .filter_map(|first| names.get(first..))
        .map_while(|shorter| Some((shorter, ask(Question::walk(shorter))?.is_good())))
        .find(|(_, is_there)| *is_there);
    Some(Box::new(Missing {
        above: format!("/{}", above.join("/")),
        name: (*names.get(depth)?).to_owned(),
        there: there.unwrap_or_default(),
        shortened: shortened.map(|(names, _)| format!("/{}", names.join("/"))),
    }))
}

/// A mount that a MOUNT server remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mounted {
    /// What is mounted, as the server calls it.
    pub(crate) path: String,
    /// The MOUNT server.
    pub(crate) address: Ipv4Addr,
    /// Its TCP port.
    pub(crate) port: u16,
}

/// Tells a MOUNT server that a mount is over (UMNT, RFC 1813 §5.2.3): the kernel does not. Nothing depends on it but
/// the server's list.
pub(crate) fn tell_unmounted(mounted: &Mounted) {
    let address = SocketAddrV4::new(mounted.address, mounted.port);
    let told = Tcp::connect_reserved(address).map(|stream| {
        let mut client = MountClient::new_with_auth(stream, root(), opaque_auth::default());
        finish(client.umnt(dirpath(Opaque::borrowed(mounted.path.as_bytes()))))
    });
    if !matches!(told, Ok(Ok(()))) {
        debug!("{address} did not hear that {} is unmounted", mounted.path);
    }
}

struct Ask {
    server: Server,
}

impl Ask {
    fn connect(&self, server: Ipv4Addr, port: u16, service: &Service) -> Result<Stream, NfsFault> {
        Tcp::connect_reserved(SocketAddrV4::new(server, port))
            .map_err(|e| self.unreachable(server, port, service, e))
    }

    /// What it means that there is no connection.
    fn unreachable(
        &self,
        server: Ipv4Addr,
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

    /// The ports of NFS and MOUNT: those that were told, the others from the portmapper.
    fn ports(&self, told: KnownPorts) -> Result<KnownPorts, NfsFault> {
        Ok(KnownPorts {
            nfs: Some(match told.nfs {
                Some(port) => port,
                None => self.port(self.server.address, &NFS)?,
            }),
            mount: Some(match told.mount {
                Some(port) => port,
                None => self.port(self.server.mount_address, &MOUNT)?,
            }),
        })
    }

    fn port(&self, server: Ipv4Addr, service: &Service) -> Result<u16, NfsFault> {
        // It answers everybody: no reserved port is spent on it.
        let (program, version, what) = (service.program, service.version, service.name);
        let stream = match Tcp::connect_from_any(SocketAddrV4::new(server, PMAP_PORT)) {
            Ok(stream) => stream,
            Err(e) => {
                // A server without a portmapper may have everything on one port, as `netroot serve` does.
                let closed = e.kind() == ErrorKind::ConnectionRefused;
                if closed && null_at(server, NFS_PORT, service).is_ok() {
                    debug!("{server} has no portmapper; the {what} answers at port {NFS_PORT}");
                    return Ok(NFS_PORT);
                }
                return Err(self.unreachable(server, PMAP_PORT, &PORTMAPPER, e));
            }
        };
        let told = finish(PortmapperClient::new(stream).getport(program, version, IPPROTO_TCP));
        match told {
            Ok(port) => Ok(port),
            Err(PortmapError::Rpc(e)) => Err(unanswered(server, PMAP_PORT, &PORTMAPPER, e)),
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
        let stream = self.connect(server, mount, &MOUNT)?;
        let mut client = MountClient::new_with_auth(stream, root(), opaque_auth::default());
        let root_handle = match finish(client.mnt(dirpath(Opaque::borrowed(path.as_bytes())))) {
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
                    finish(client.export()).ok(),
                ));
            }
        };
        drop(client);
        let stream = self.connect(self.server.address, nfs, &NFS)?;
        let mut client = Nfs3Client::new_with_auth(stream, root(), opaque_auth::default());
        let arguments = FSINFO3args {
            fsroot: root_handle.clone(),
        };
        match finish(client.fsinfo(&arguments)) {
            Ok(Nfs3Result::Ok(info)) => {
                debug!("the server reads up to {} bytes at once", info.rtmax)
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
            Ok(Nfs3Result::Err((status, _))) => debug!("FSINFO: {status}"),
            Err(e) => {
                drop(client);
                return Err(unanswered(self.server.address, nfs, &NFS, e));
            }
        }
        let mut tree = Export { client };
        let programs = programs
            .iter()
            .map(|p| find(&mut tree, &root_handle, p.as_bytes()))
            .collect();
        Ok(Probed { ports, programs })
    }
}

/// What it means that a call was not answered as it should be.
fn unanswered(server: Ipv4Addr, port: u16, service: &Service, error: RpcError) -> NfsFault {
    let answer = RpcFailure::of(error, || answers_null(server, port, service));
    broken(server, port, service, answer)
}

fn broken(server: Ipv4Addr, port: u16, service: &Service, answer: RpcFailure) -> NfsFault {
    NfsFault::Broken {
        server,
        port,
        what: service.name,
        answer,
    }
}

/// The credential of root, as the kernel's own client would send it.
fn root() -> opaque_auth<'static> {
    opaque_auth::auth_unix(&auth_unix::default())
}
