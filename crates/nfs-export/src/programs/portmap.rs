//! PORTMAP v2 (RFC 1833 §3): for clients that are not given `port=` and `mountport=`.

use nfs3_types::portmap::{IPPROTO_TCP, IPPROTO_UDP, mapping};
use nfs3_types::{mount, nfs3, portmap};

use crate::programs::procedure::ProcedureError;
use crate::rpc::decode::Decoder;
use crate::rpc::reply_buffer::ReplyBuffer;
use crate::server_state::Ports;

const NULL: u32 = 0;
const SET: u32 = 1;
const UNSET: u32 = 2;
const GETPORT: u32 = 3;
const DUMP: u32 = 4;

/// Whether a procedure is answered over UDP too. DUMP is not: its reply is longer than the call.
pub(super) fn is_for_datagrams(procedure: u32) -> bool {
    matches!(procedure, NULL | GETPORT)
}

pub(super) fn answer(
    ports: &Ports,
    procedure: u32,
    mut arguments: Decoder<'_>,
    out: &mut ReplyBuffer,
) -> Result<(), ProcedureError> {
    match procedure {
        NULL => {}
        // Only this server's own programs are registered. RFC 1833: "returns FALSE otherwise".
        SET | UNSET => out.pack(&false),
        GETPORT => {
            let (program, version, protocol) =
                (arguments.u32()?, arguments.u32()?, arguments.u32()?);
            let port = mappings(ports)
                .find(|known| (known.prog, known.vers, known.prot) == (program, version, protocol))
                .map_or(0, |known| known.port);
            out.pack(&port);
        }
        DUMP => {
            for known in mappings(ports) {
                out.pack(&true);
                out.pack(&known);
            }
            out.pack(&false);
        }
        // This includes CALLIT, with which anyone could use the portmapper to call other services.
        _ => return Err(ProcedureError::NoSuchProcedure),
    }
    Ok(())
}

fn mappings(ports: &Ports) -> impl Iterator<Item = mapping> {
    let entry = |prog, vers, prot, port: Option<u16>| {
        port.map(|port| mapping {
            prog,
            vers,
            prot,
            port: port.into(),
        })
    };
    [
        entry(
            portmap::PROGRAM,
            portmap::VERSION,
            IPPROTO_TCP,
            ports.portmap_tcp,
        ),
        entry(
            portmap::PROGRAM,
            portmap::VERSION,
            IPPROTO_UDP,
            ports.portmap_udp,
        ),
        entry(nfs3::PROGRAM, nfs3::VERSION, IPPROTO_TCP, Some(ports.nfs)),
        entry(mount::PROGRAM, mount::VERSION, IPPROTO_TCP, Some(ports.nfs)),
    ]
    .into_iter()
    .flatten()
}
