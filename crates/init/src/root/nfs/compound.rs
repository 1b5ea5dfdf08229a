//! Finds the first missing name of a path in the tree of an NFS version 4 server. Pure: encodes requests, decodes
//! replies.
//!
//! Version 4 has no MOUNT protocol that lists exports, and its tree may differ from version 3's (knfsd's `fsid=0`,
//! NFS-Ganesha's `Pseudo`). The kernel's client walks the same names but returns only an error number. So they are
//! looked up in one COMPOUND (RFC 7530 §15.2), and if a name is missing, a second one lists its directory.

use std::io::{Read, Write};

use nfs3_types::xdr_codec::{self, Pack, Unpack};

use super::flavour;

/// The procedure (RFC 7530 §15.2).
pub(super) const COMPOUND: u32 = 1;
/// Its operations (RFC 7530 §16.13, §16.22, §16.24, §16.31).
const LOOKUP: u32 = 15;
const PUTROOTFH: u32 = 24;
const READDIR: u32 = 26;
const SECINFO: u32 = 33;
/// The status of a missing name (RFC 7530 §13.1.2.4).
const NOENT: u32 = 2;
/// The status of a directory that wants another security flavour (RFC 7530 §13.1.6.2).
const WRONGSEC: u32 = 10016;
/// The most flavours of a directory that are read.
const FLAVOURS: u32 = 32;
/// How many bytes of a listing are requested: more names than a sentence shows.
const LIST: u32 = 4096;
/// The longest name, in bytes (`NAME_MAX`).
const NAME: usize = 255;

/// The arguments of a COMPOUND: minor version 0, which has these operations without a session.
pub(super) struct Request(Vec<u8>);

impl Request {
    /// Looks up one name after the other, from the root.
    pub(super) fn walk(names: &[&str]) -> Self {
        Self::of(names, 0)
    }

    /// Lists the directory at these names.
    pub(super) fn list(names: &[&str]) -> Self {
        let mut request = Self::of(names, 1);
        // From the start: cookie and verifier of eight bytes each; no attributes are wanted (RFC 7530 §16.24.1).
        for word in [READDIR, 0, 0, 0, 0, LIST, LIST, 0] {
            request.word(word);
        }
        request
    }

    /// Asks for the security flavours of a name in the directory at `above`.
    pub(super) fn flavours(above: &[&str], name: &str) -> Self {
        let mut request = Self::of(above, 1);
        request.word(SECINFO);
        request.name(name);
        request
    }

    fn of(names: &[&str], more: usize) -> Self {
        let mut request = Self(Vec::new());
        let operations = u32::try_from(1 + names.len() + more).unwrap_or(u32::MAX);
        // No tag, minor version 0.
        for word in [0, 0, operations, PUTROOTFH] {
            request.word(word);
        }
        for name in names {
            request.word(LOOKUP);
            request.name(name);
        }
        request
    }

    fn name(&mut self, name: &str) {
        self.word(u32::try_from(name.len()).unwrap_or(u32::MAX));
        self.0.extend_from_slice(name.as_bytes());
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    fn word(&mut self, word: u32) {
        self.0.extend_from_slice(&word.to_be_bytes());
    }
}

impl Pack for Request {
    fn packed_size(&self) -> usize {
        self.0.len()
    }

    fn pack(&self, out: &mut impl Write) -> xdr_codec::Result<usize> {
        out.write_all(&self.0)?;
        Ok(self.0.len())
    }
}

/// The results of a COMPOUND, to be decoded according to the request.
pub(super) struct Reply(Vec<u8>);

impl Unpack for Reply {
    fn unpack(input: &mut impl Read) -> xdr_codec::Result<(Self, usize)> {
        let mut bytes = Vec::new();
        let length = input.read_to_end(&mut bytes)?;
        Ok((Self(bytes), length))
    }
}

impl Reply {
    /// Whether all operations succeeded.
    pub(super) fn is_ok(&self) -> bool {
        Words(&self.0).head().is_some_and(|(status, _)| status == 0)
    }

    /// How many names were found before the missing one; `None` if all exist, or if the walk failed for another reason,
    /// which the kernel will report.
    pub(super) fn missing_after(&self) -> Option<usize> {
        self.failed_after(NOENT)
    }

    /// How many names were found before one that wants another security flavour.
    pub(super) fn wrong_flavour_after(&self) -> Option<usize> {
        self.failed_after(WRONGSEC)
    }

    fn failed_after(&self, wanted: u32) -> Option<usize> {
        let mut words = Words(&self.0);
        let (status, operations) = words.head()?;
        // The last operation is the one that failed; the first one is not a lookup.
        let found = usize::try_from(operations).ok()?.checked_sub(2)?;
        (status == wanted).then_some(found)
    }

    /// The security flavours of a name in the directory at depth `depth`, by the numbers that MOUNT has for them
    /// (RFC 2623 §2.1: Kerberos with each service has one).
    pub(super) fn flavours(&self, depth: usize) -> Option<Vec<u32>> {
        let mut words = Words(&self.0);
        words.head()?;
        for _ in 0..=depth {
            words.operation()?;
        }
        words.operation()?;
        let mut flavours = Vec::new();
        for _ in 0..words.word()?.min(FLAVOURS) {
            flavours.push(match words.word()? {
                flavour::RPCSEC_GSS => {
                    words.opaque()?;
                    words.word()?;
                    flavour::of_kerberos_service(words.word()?)
                }
                other => other,
            });
        }
        Some(flavours)
    }

    /// The names in the directory at depth `depth`, in the server's order.
    pub(super) fn names(&self, depth: usize) -> Option<Vec<String>> {
        let mut words = Words(&self.0);
        words.head()?;
        for _ in 0..=depth {
            words.operation()?;
        }
        words.operation()?;
        words.take(8)?;
        let mut names = Vec::new();
        while words.word()? != 0 {
            words.take(8)?;
            let name = words.opaque().filter(|name| name.len() <= NAME)?;
            names.push(String::from_utf8_lossy(name).into_owned());
            // The attribute bitmap and the attributes: none were requested.
            let bitmap = usize::try_from(words.word()?).ok()?;
            words.take(bitmap.checked_mul(4)?)?;
            words.opaque()?;
        }
        Some(names)
    }
}

/// XDR data that remains to be decoded.
struct Words<'a>(&'a [u8]);

impl<'a> Words<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn word(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    fn opaque(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.word()?).ok()?;
        let bytes = self.take(length)?;
        self.take(length.next_multiple_of(4) - length)?;
        Some(bytes)
    }

    /// The overall status, and the number of operations executed.
    fn head(&mut self) -> Option<(u32, u32)> {
        let status = self.word()?;
        self.opaque()?;
        Some((status, self.word()?))
    }

    /// An operation with no result but a status, which has to be 0.
    fn operation(&mut self) -> Option<()> {
        self.word()?;
        (self.word()? == 0).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|w| w.to_be_bytes()).collect()
    }

    #[test]
    fn a_walk_starts_at_the_root_and_looks_up_each_name() {
        let mut expected = bytes(&[0, 0, 3, 24, 15, 3]);
        expected.extend(b"srv\0");
        expected.extend(bytes(&[15, 5]));
        expected.extend(b"root1\0\0\0");
        assert_eq!(Request::walk(&["srv", "root1"]).0, expected);
    }

    #[test]
    fn a_listing_requests_only_names() {
        let expected = bytes(&[0, 0, 2, 24, 26, 0, 0, 0, 0, LIST, LIST, 0]);
        assert_eq!(Request::list(&[]).0, expected);
    }

    #[test]
    fn the_last_operation_executed_is_the_missing_name() {
        // PUTROOTFH and one look-up are good, the second one is not.
        let reply = bytes(&[2, 0, 3, 24, 0, 15, 0, 15, 2]);
        assert_eq!(Reply(reply).missing_after(), Some(1));
        let first = bytes(&[2, 0, 2, 24, 0, 15, 2]);
        assert!(!Reply(first.clone()).is_ok());
        assert_eq!(Reply(first).missing_after(), Some(0));
        let all = bytes(&[0, 0, 2, 24, 0, 15, 0]);
        assert!(Reply(all.clone()).is_ok());
        assert_eq!(Reply(all).missing_after(), None);
        assert!(!Reply(Vec::new()).is_ok());
    }

    #[test]
    fn other_errors_are_left_to_the_kernel() {
        for status in [0, 13, 10016, 10021, 10029] {
            let reply = bytes(&[status, 0, 3, 24, 0, 15, 0, 15, status]);
            assert_eq!(Reply(reply).missing_after(), None, "{status}");
        }
        for length in 0..12 {
            let reply = bytes(&[2, 0, 2])[..length].to_vec();
            assert_eq!(Reply(reply).missing_after(), None, "{length}");
        }
        assert_eq!(Reply(bytes(&[2, 0, 0])).missing_after(), None);
        assert_eq!(Reply(bytes(&[2, u32::MAX, 2])).missing_after(), None);
    }

    #[test]
    fn the_flavours_of_a_directory_are_read() {
        let wrong = bytes(&[WRONGSEC, 0, 2, 24, 0, 15, WRONGSEC]);
        assert_eq!(Reply(wrong.clone()).wrong_flavour_after(), Some(0));
        assert_eq!(Reply(wrong).missing_after(), None);
        let mut expected = bytes(&[0, 0, 3, 24, 15, 3]);
        expected.extend(b"srv\0");
        expected.extend(bytes(&[33, 3]));
        expected.extend(b"krb\0");
        assert_eq!(Request::flavours(&["srv"], "krb").0, expected);
        // Kerberos (an OID of four bytes here) with services 1 and 3, and AUTH_SYS.
        let words = [
            0, 0, 3, 24, 0, 15, 0, 33, 0, 3, 6, 4, 9, 0, 1, 6, 4, 9, 0, 3, 1,
        ];
        let reply = bytes(&words);
        assert_eq!(
            Reply(reply.clone()).flavours(1),
            Some(vec![390_003, 390_005, 1])
        );
        for length in 0..reply.len() {
            assert_eq!(
                Reply(reply[..length].to_vec()).flavours(1),
                None,
                "{length}"
            );
        }
    }

    #[test]
    fn the_names_of_a_directory_are_read() {
        let mut reply = bytes(&[0, 0, 3, 24, 0, 15, 0, 26, 0, 7, 7]);
        for name in [b"root", b"home"] {
            reply.extend(bytes(&[1, 0, 3, 4]));
            reply.extend(name);
            // An attribute that was not asked for is passed over.
            reply.extend(bytes(&[1, 1, 4, 9]));
        }
        let end = reply.len();
        reply.extend(bytes(&[0, 1]));
        let names = vec!["root".to_owned(), "home".to_owned()];
        assert_eq!(Reply(reply.clone()).names(1), Some(names));
        for length in 0..end {
            assert_eq!(Reply(reply[..length].to_vec()).names(1), None, "{length}");
        }
        assert_eq!(Reply(reply).names(0), None);
    }
}
