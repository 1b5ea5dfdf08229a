//! Decodes the arguments of a call, without copying.
//!
//! nfs3_types decodes too, but it allocates whatever length the client announces (`Opaque`, `Vec<u32>`) before it
//! checks how many bytes follow, and it copies names and handles. Calls come from untrusted clients and are nearly all
//! a handle, a name and some integers, so they are decoded here; replies are encoded by nfs3_types.

use crate::tree::handle::Handle;

/// The call does not contain the arguments of its procedure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the arguments do not decode")]
pub(crate) struct Malformed;

/// A cursor over XDR (RFC 4506).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decoder<'a> {
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    /// Fixed-length opaque data of eight bytes: the verifiers.
    pub(crate) fn verifier(&mut self) -> Result<[u8; 8], Malformed> {
        self.array()
    }

    /// Variable-length opaque data or a string of at most `limit` bytes.
    pub(crate) fn opaque(&mut self, limit: usize) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.u32()?).map_err(|_| Malformed)?;
        if length > limit {
            return Err(Malformed);
        }
        let data = self.take(length)?;
        // RFC 4506 §4.10 wants zeros in the padding, but some clients leave garbage there.
        self.take(length.next_multiple_of(4) - length)?;
        Ok(data)
    }

    pub(crate) fn handle(&mut self) -> Result<Handle, Malformed> {
        let bytes = self.opaque(nfs3_types::nfs3::NFS3_FHSIZE)?;
        Handle::from_bytes(bytes).ok_or(Malformed)
    }

    /// A file name. It is not checked here: a name that is too long or invalid gets a status of its own later.
    pub(crate) fn name(&mut self) -> Result<&'a [u8], Malformed> {
        self.opaque(crate::rpc::record::MAX_RECORD)
    }

    #[cfg(test)]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_opaque_longer_than_the_message_is_refused_and_allocates_nothing() {
        let mut decoder = Decoder::new(&[0xff, 0xff, 0xff, 0xff, 1, 2, 3]);
        assert_eq!(decoder.opaque(usize::MAX), Err(Malformed));
        assert_eq!(
            Decoder::new(&[0, 0, 0, 8, 1, 2, 3]).opaque(64),
            Err(Malformed)
        );
    }

    #[test]
    fn padding_is_skipped() {
        let mut decoder = Decoder::new(&[0, 0, 0, 3, b'a', b'b', b'c', 0xee, 0, 0, 0, 7]);
        assert_eq!(decoder.opaque(64), Ok(&b"abc"[..]));
        assert_eq!(decoder.u32(), Ok(7));
        assert_eq!(decoder.rest(), b"");
    }

    #[test]
    fn a_handle_of_65_bytes_is_refused() {
        let mut bytes = vec![0, 0, 0, 65];
        bytes.extend([1; 68]);
        assert!(Decoder::new(&bytes).handle().is_err());
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut decoder = Decoder::new(&bytes);
            while decoder.handle().is_ok() || decoder.name().is_ok() || decoder.u64().is_ok() {}
        }
    }
}
