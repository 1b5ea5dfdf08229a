//! PORTMAP v2 and RPCBIND v3 and v4 (RFC 1833 §2 and §3): for clients that are not given `port=` and `mountport=`.

use std::net::IpAddr;

use nfs3_types::portmap::{IPPROTO_TCP, IPPROTO_UDP, mapping};
use nfs3_types::xdr_codec::Opaque;
use nfs3_types::{nfs3, portmap};

use crate::programs::procedure::{Ends, ProcedureError};
use crate::programs::{mount, nfsacl};
use crate::rpc::decode::Decoder;
use crate::rpc::reply_buffer::ReplyBuffer;
use crate::server_state::Ports;

/// PORTMAP, and the two versions of RPCBIND.
pub(super) const VERSIONS: (u32, u32) = (portmap::VERSION, 4);

const NULL: u32 = 0;
const SET: u32 = 1;
const UNSET: u32 = 2;
/// Of v2; of v3 and v4, `GETADDR`.
const GETPORT: u32 = 3;
const DUMP: u32 = 4;
const GETTIME: u32 = 6;
/// Of v4.
const GETVERSADDR: u32 = 9;

/// The longest string of an `rpcb`, in bytes.
const MAX_STRING: usize = 255;

/// Who the programs of this server belong to (`r_owner`).
const OWNER: &[u8] = b"superuser";

/// Whether a procedure is answered over UDP too, if its reply is no longer than the call. That of DUMP always is.
pub(super) fn is_for_datagrams(procedure: u32) -> bool {
    matches!(procedure, NULL | GETPORT)
}

pub(super) fn answer(
    ports: &Ports,
    ends: Ends,
    (version, procedure): (u32, u32),
    mut arguments: Decoder<'_>,
    out: &mut ReplyBuffer,
) -> Result<(), ProcedureError> {
    let here = ends.server;
    let portmap = version == portmap::VERSION;
    match procedure {
        NULL => {}
        // Only this server's own programs are registered. RFC 1833: "returns FALSE otherwise".
        SET | UNSET => out.pack(&false),
        GETPORT if portmap => {
            let (program, version, protocol) =
                (arguments.u32()?, arguments.u32()?, arguments.u32()?);
            out.pack(&port_of(ports, (program, version, protocol)));
        }
        GETPORT => get_address(ports, ends, arguments, out)?,
        GETVERSADDR if version == 4 => get_address(ports, ends, arguments, out)?,
        DUMP if portmap => {
            for known in mappings(ports) {
                out.pack(&true);
                out.pack(&known);
            }
            out.pack(&false);
        }
        DUMP => {
            for known in mappings(ports) {
                out.pack(&true);
                out.pack(&known.prog);
                out.pack(&known.vers);
                let address = universal(here, known.port);
                for text in [netid(here, known.prot), address.as_bytes(), OWNER] {
                    out.pack(&Opaque::borrowed(text));
                }
            }
            out.pack(&false);
        }
        GETTIME if !portmap => {
            let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
            out.pack(&u32::try_from(now.as_secs()).unwrap_or(u32::MAX));
        }
        // This includes CALLIT, BCAST and INDIRECT, with which anyone could use the portmapper to call other services,
        // and what a client can do itself or only an administrator needs (UADDR2TADDR, GETADDRLIST, GETSTAT …).
        _ => return Err(ProcedureError::NoSuchProcedure),
    }
    Ok(())
}

/// GETADDR: the address of a program, an empty one if there is none. Host and transport are those of the call: RFC 1833
/// §2.2.1 has the network that the client names ignored.
fn get_address(
    ports: &Ports,
    ends: Ends,
    mut arguments: Decoder<'_>,
    out: &mut ReplyBuffer,
) -> Result<(), ProcedureError> {
    let (program, version) = (arguments.u32()?, arguments.u32()?);
    for _ignored in ["network", "address", "owner"] {
        arguments.opaque(MAX_STRING)?;
    }
    let address = match port_of(ports, (program, version, ends.protocol)) {
        0 => String::new(),
        port => universal(ends.server, port),
    };
    out.pack(&Opaque::borrowed(address.as_bytes()));
    Ok(())
}

/// The port of a program, 0 if it is not registered in this version.
fn port_of(ports: &Ports, asked: (u32, u32, u32)) -> u32 {
    mappings(ports)
        .find(|known| (known.prog, known.vers, known.prot) == asked)
        .map_or(0, |known| known.port)
}

/// A universal address (RFC 5665 §5.2.3): the port's two bytes follow the host's address.
fn universal(host: IpAddr, port: u32) -> String {
    format!("{}.{}.{}", host.to_canonical(), port >> 8, port & 0xff)
}

fn netid(host: IpAddr, protocol: u32) -> &'static [u8] {
    match (protocol, host.to_canonical().is_ipv4()) {
        (IPPROTO_UDP, true) => b"udp",
        (IPPROTO_UDP, false) => b"udp6",
        (_, true) => b"tcp",
        (_, false) => b"tcp6",
    }
}

fn mappings(ports: &Ports) -> impl Iterator<Item = mapping> {
    let nfs = Some(ports.nfs);
    let (first, last) = VERSIONS;
    let own = (first..=last).flat_map(|version| {
        [
            (portmap::PROGRAM, version, IPPROTO_TCP, ports.portmap_tcp),
            (portmap::PROGRAM, version, IPPROTO_UDP, ports.portmap_udp),
        ]
    });
    let (first, last) = mount::VERSIONS;
    let mount =
        (first..=last).map(move |version| (nfs3_types::mount::PROGRAM, version, IPPROTO_TCP, nfs));
    let files = [
        (nfs3::PROGRAM, nfs3::VERSION, IPPROTO_TCP, nfs),
        (nfsacl::PROGRAM, nfsacl::VERSION, IPPROTO_TCP, nfs),
    ];
    let all = own.chain(files).chain(mount);
    all.filter_map(|(prog, vers, prot, port)| {
        port.map(|port| mapping {
            prog,
            vers,
            prot,
            port: port.into(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_universal_address_ends_with_the_bytes_of_the_port() {
        let address = |text: &str| universal(text.parse().unwrap(), 2049);
        assert_eq!(address("192.0.2.7"), "192.0.2.7.8.1");
        assert_eq!(address("::ffff:192.0.2.7"), "192.0.2.7.8.1");
        assert_eq!(address("2001:db8::1"), "2001:db8::1.8.1");
    }
}
