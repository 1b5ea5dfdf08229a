//! Where a path ends in the tree that a server of NFS version 4 shows. Pure: one question's bytes, one answer's.
//!
//! Version 4 has no MOUNT that says what is exported, and its tree may be another one than version 3's (knfsd's
//! `fsid=0`, NFS-Ganesha's `Pseudo`). The kernel's client walks the same names and has but an error number to
//! tell. So they are looked up in one COMPOUND (RFC 7530 §15.2), and where a name is missing, a second one lists what
//! is there in its place.

use std::io::{Read, Write};

use nfs3_types::xdr_codec::{self, Pack, Unpack};

/// The procedure (RFC 7530 §15.2).
pub(super) const COMPOUND: u32 = 1;
/// Operations of it (RFC 7530 §16.13, §16.22, §16.24).
const LOOKUP: u32 = 15;
const PUTROOTFH: u32 = 24;
const READDIR: u32 = 26;
/// The status of a name that is not there (RFC 7530 §13.1.2.4).
const NOENT: u32 = 2;
/// How many bytes of a list are asked for: more names than a sentence has.
const LIST: u32 = 4096;
/// A name, at most (`NAME_MAX`).
const NAME: usize = 255;

/// A question, as the server reads it: minor version 0, which knows these operations without a session.
pub(super) struct Question(Vec<u8>);

impl Question {
    /// Looks up one name after the other, from the top.
    pub(super) fn walk(names: &[&str]) -> Self {
        Self::of(names, 0)
    }

    /// Lists what is in the directory that these names lead to.
    pub(super) fn list(names: &[&str]) -> Self {
        let mut question = Self::of(names, 1);
        // From the start: cookie and verifier of eight bytes each; no attributes are wanted (RFC 7530 §16.24.1).
        for word in [READDIR, 0, 0, 0, 0, LIST, LIST, 0] {
            question.word(word);
        }
        question
    }

    fn of(names: &[&str], more: usize) -> Self {
        let mut question = Self(Vec::new());
        let operations = u32::try_from(1 + names.len() + more).unwrap_or(u32::MAX);
        // No tag, minor version 0.
        for word in [0, 0, operations, PUTROOTFH] {
            question.word(word);
        }
        for name in names {
            question.word(LOOKUP);
            question.word(u32::try_from(name.len()).unwrap_or(u32::MAX));
            question.0.extend_from_slice(name.as_bytes());
            question.0.resize(question.0.len().next_multiple_of(4), 0);
        }
        question
    }

    fn word(&mut self, word: u32) {
        self.0.extend_from_slice(&word.to_be_bytes());
    }
}

impl Pack for Question {
    fn packed_size(&self) -> usize {
        self.0.len()
    }

    fn pack(&self, out: &mut impl Write) -> xdr_codec::Result<usize> {
        out.write_all(&self.0)?;
        Ok(self.0.len())
    }
}

/// An answer, to be read as what was asked.
pub(super) struct Answer(Vec<u8>);

impl Unpack for Answer {
    fn unpack(input: &mut impl Read) -> xdr_codec::Result<(Self, usize)> {
        let mut bytes = Vec::new();
        let length = input.read_to_end(&mut bytes)?;
        Ok((Self(bytes), length))
    }
}

impl Answer {
    /// Whether everything asked for was done.
    pub(super) fn is_good(&self) -> bool {
        Words(&self.0).head().is_some_and(|(status, _)| status == 0)
    }

    /// How many names were found before one that is not there; `None` if all are, or if it is not for a missing name
    /// that the walk ended: what else it may be, the kernel will tell.
    pub(super) fn missing_after(&self) -> Option<usize> {
        let mut words = Words(&self.0);
        let (status, operations) = words.head()?;
        // The last operation is the one that failed; the first one is no look-up.
        let found = usize::try_from(operations).ok()?.checked_sub(2)?;
        (status == NOENT).then_some(found)
    }

    /// The names in the directory that `depth` names led to, in the server's order.
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
            // The bitmap of attributes, and they: none were asked for.
            let bitmap = usize::try_from(words.word()?).ok()?;
            words.take(bitmap.checked_mul(4)?)?;
            words.opaque()?;
        }
        Some(names)
    }
}

/// XDR that is still to be read.
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

    /// The status of all, and how many operations were tried.
    fn head(&mut self) -> Option<(u32, u32)> {
        let status = self.word()?;
        self.opaque()?;
        Some((status, self.word()?))
    }

    /// An operation that has nothing but a status, which has to be good.
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
    fn a_walk_is_the_top_and_a_look_up_for_each_name() {
        let mut expected = bytes(&[0, 0, 3, 24, 15, 3]);
        expected.extend(b"srv\0");
        expected.extend(bytes(&[15, 5]));
        expected.extend(b"root1\0\0\0");
        assert_eq!(Question::walk(&["srv", "root1"]).0, expected);
    }

    #[test]
    fn a_list_asks_for_names_alone() {
        let expected = bytes(&[0, 0, 2, 24, 26, 0, 0, 0, 0, LIST, LIST, 0]);
        assert_eq!(Question::list(&[]).0, expected);
    }

    #[test]
    fn the_last_operation_tried_is_the_name_that_is_missing() {
        // PUTROOTFH and one look-up are good, the second one is not.
        let answer = bytes(&[2, 0, 3, 24, 0, 15, 0, 15, 2]);
        assert_eq!(Answer(answer).missing_after(), Some(1));
        let first = bytes(&[2, 0, 2, 24, 0, 15, 2]);
        assert!(!Answer(first.clone()).is_good());
        assert_eq!(Answer(first).missing_after(), Some(0));
        let all = bytes(&[0, 0, 2, 24, 0, 15, 0]);
        assert!(Answer(all.clone()).is_good());
        assert_eq!(Answer(all).missing_after(), None);
        assert!(!Answer(Vec::new()).is_good());
    }

    #[test]
    fn what_is_not_a_missing_name_is_left_to_the_kernel() {
        for status in [0, 13, 10016, 10021, 10029] {
            let answer = bytes(&[status, 0, 3, 24, 0, 15, 0, 15, status]);
            assert_eq!(Answer(answer).missing_after(), None, "{status}");
        }
        for length in 0..12 {
            let answer = bytes(&[2, 0, 2])[..length].to_vec();
            assert_eq!(Answer(answer).missing_after(), None, "{length}");
        }
        assert_eq!(Answer(bytes(&[2, 0, 0])).missing_after(), None);
        assert_eq!(Answer(bytes(&[2, u32::MAX, 2])).missing_after(), None);
    }

    #[test]
    fn the_names_of_a_directory_are_read() {
        let mut answer = bytes(&[0, 0, 3, 24, 0, 15, 0, 26, 0, 7, 7]);
        for name in [b"root", b"home"] {
            answer.extend(bytes(&[1, 0, 3, 4]));
            answer.extend(name);
            // An attribute that was not asked for is passed over.
            answer.extend(bytes(&[1, 1, 4, 9]));
        }
        let end = answer.len();
        answer.extend(bytes(&[0, 1]));
        let names = vec!["root".to_owned(), "home".to_owned()];
        assert_eq!(Answer(answer.clone()).names(1), Some(names));
        for length in 0..end {
            assert_eq!(Answer(answer[..length].to_vec()).names(1), None, "{length}");
        }
        assert_eq!(Answer(answer).names(0), None);
    }
}
