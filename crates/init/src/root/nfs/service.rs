//! The RPC programs of an NFS server, and the NULL call that all of them answer.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use nfs3_client::RpcError;
use nfs3_client::rpc::RpcClient;
use nfs3_types::xdr_codec::Void;

use super::stream::{Stream, Tcp, block_on};

/// Timeout of NULL, to a service that did not answer another call.
pub(super) const NULL_TIMEOUT: Duration = Duration::from_millis(1500);

/// An RPC program (RFC 5531 §8).
pub(super) struct Service {
    /// As shown in messages.
    pub(super) name: &'static str,
    pub(super) program: u32,
    pub(super) version: u32,
}

pub(super) const NFS: Service = Service {
    name: "NFS server, version 3",
    program: nfs3_types::nfs3::PROGRAM,
    version: 3,
};
pub(super) const NFS_4: Service = Service {
    name: "NFS server, version 4",
    program: nfs3_types::nfs3::PROGRAM,
    version: 4,
};
pub(super) const MOUNT: Service = Service {
    name: "MOUNT server, version 3",
    program: nfs3_types::mount::PROGRAM,
    version: 3,
};
/// The side protocol for access lists (`include/uapi/linux/nfsacl.h`), at the port of NFS itself.
pub(super) const ACL: Service = Service {
    name: "NFSACL server, version 3",
    program: 100_227,
    version: 3,
};
pub(super) const PORTMAPPER: Service = Service {
    name: "portmapper",
    program: nfs3_types::portmap::PROGRAM,
    version: 2,
};

/// Calls the NULL procedure, which every program has (RFC 5531 §12.1).
pub(super) fn null(client: &mut RpcClient<Stream>, service: &Service) -> Result<(), RpcError> {
    let call = async {
        client
            .call::<Void, Void>(service.program, service.version, 0, &Void)
            .await
    };
    block_on(call).map(|Void| ())
}

/// Calls NULL on a new connection, which may take `timeout` once it is there.
pub(super) fn null_at(
    server: IpAddr,
    port: u16,
    service: &Service,
    timeout: Duration,
) -> Result<(), RpcError> {
    let mut stream = Tcp::connect_from_any(SocketAddr::new(server, port)).map_err(RpcError::Io)?;
    stream.set_timeout(timeout);
    null(&mut RpcClient::new(stream), service)
}

/// Whether a service that did not answer another call answers NULL. A refusal counts as an answer.
pub(super) fn answers_null(server: IpAddr, port: u16, service: &Service) -> bool {
    !matches!(
        null_at(server, port, service, NULL_TIMEOUT),
        Err(RpcError::Io(_))
    )
}
