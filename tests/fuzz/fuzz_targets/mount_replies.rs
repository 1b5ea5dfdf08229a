//! A server's replies to the init's portmapper, MOUNT and NFS clients, as bytes of the TCP stream.
#![no_main]

use netroot_fuzz::{Peer, ready};
use nfs3_client::{MountClient, Nfs3Client, PortmapperClient};
use nfs3_types::mount::dirpath;
use nfs3_types::nfs3::{FSINFO3args, nfs_fh3};
use nfs3_types::xdr_codec::Opaque;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((choice, input)) = input.split_first() else {
        return;
    };
    match choice % 4 {
        0 => drop(ready(
            PortmapperClient::new(Peer(input)).getport(100_003, 3, 6),
        )),
        1 => {
            let path = dirpath(Opaque::borrowed(b"/debian"));
            drop(ready(MountClient::new(Peer(input)).mnt(path)));
        }
        2 => drop(ready(MountClient::new(Peer(input)).export())),
        _ => {
            let fsroot = nfs_fh3 {
                data: Opaque::owned(vec![1; 32]),
            };
            drop(ready(
                Nfs3Client::new(Peer(input)).fsinfo(&FSINFO3args { fsroot }),
            ));
        }
    }
});
