//! The reply to the COMPOUND by which the init looks for a path in a version 4 server's tree.
#![no_main]
#![allow(dead_code)]

#[path = "../../../crates/init/src/root/nfs/compound.rs"]
mod compound;
#[path = "../../../crates/init/src/root/nfs/flavour.rs"]
mod flavour;

use nfs3_types::xdr_codec::Unpack;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Ok((reply, _)) = compound::Reply::unpack(&mut &input[..]) else {
        return;
    };
    let _ = (reply.is_ok(), reply.missing_after());
    for depth in 0..4 {
        let _ = reply.names(depth);
    }
});
