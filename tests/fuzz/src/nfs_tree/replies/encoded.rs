//! Values of XDR, which have only one encoding.

use nfs3_types::nfs3::{Nfs3Result, nfsstat3};
use nfs3_types::xdr_codec::{Pack, Unpack};

/// A value that is the whole rest of a reply: what is encoded again is the same, zeros in the padding too.
pub(super) fn whole<T: Unpack + Pack>(bytes: &[u8]) -> T {
    let mut rest = bytes;
    let value = T::unpack(&mut rest)
        .unwrap_or_else(|error| panic!("{error}: {bytes:02x?}"))
        .0;
    assert!(rest.is_empty(), "more than a result: {bytes:02x?}");
    let mut again = Vec::new();
    value.pack(&mut again).unwrap();
    assert!(again == bytes, "not as it is encoded: {bytes:02x?}");
    value
}

/// The same for a result of NFS; `None` if it failed, and how is checked.
pub(super) fn result<T: Unpack + Pack, E: Unpack + Pack>(bytes: &[u8]) -> Result<T, (nfsstat3, E)> {
    match whole(bytes) {
        Nfs3Result::Ok(results) => Ok(results),
        Nfs3Result::Err(failure) => Err(failure),
    }
}
