//! Contents of files, and listings.

use std::collections::BTreeSet;

use nfs3_types::nfs3::*;

use super::call::{Call, long, word};
use super::encoded::result;
use super::{Checks, Learned, READ};
use crate::nfs_tree::Kind;
use crate::nfs_tree::changes::KEPT;
use crate::nfs_tree::planted::{content, is_hole};

impl Checks {
    pub(super) fn read(&mut self, call: &Call<'_>, results: &READ3resok<'_>) {
        self.about(call, true, &results.file_attributes);
        let Nfs3Option::Some(file) = &results.file_attributes else {
            panic!("no attributes");
        };
        assert_eq!(file.type_, ftype3::NF3REG);
        assert!(
            call.uid == 0 || call.uid == file.uid || file.mode & 0o077 != 0,
            "{:o}",
            file.mode
        );
        let arguments = &mut call.after_handle();
        let (offset, asked) = (long(arguments).unwrap(), word(arguments).unwrap());
        let data: &[u8] = &results.data;
        assert_eq!(data.len(), results.count as usize);
        assert!(results.count <= asked && data.len() <= READ);
        let end = offset.saturating_add(data.len() as u64);
        assert_eq!(
            results.eof,
            end >= file.size,
            "{offset} + {} of {}",
            data.len(),
            file.size
        );
        assert!(
            !data.is_empty() || asked == 0 || results.eof,
            "nothing was read"
        );
        // The ends, and one of a few in between.
        let inner = (0..data.len()).step_by(61);
        for at in inner
            .chain(0..data.len().min(64))
            .chain(data.len().saturating_sub(64)..data.len())
        {
            let offset = offset + at as u64;
            let is = match is_hole(file.mtime.seconds, offset, file.size) {
                true => 0,
                false => content(file.mtime.seconds, offset),
            };
            assert_eq!(data[at], is, "at {offset} of {file:?}");
        }
    }

    pub(super) fn readdir(&mut self, call: &Call<'_>, rest: &[u8], learned: &mut Learned) {
        let results = match result::<READDIR3resok<'_>, READDIR3resfail>(rest) {
            Ok(results) => results,
            Err((status, failure)) => return self.failed(call, status, &failure.dir_attributes),
        };
        self.about(call, true, &results.dir_attributes);
        self.searched(call, &results.dir_attributes, 0o044);
        let arguments = &mut &call.after_handle()[16..];
        let most = word(arguments).unwrap() as usize;
        assert!(
            rest.len() - 4 <= most,
            "{} bytes for {most}",
            rest.len() - 4
        );
        for entry in results.reply.entries.0 {
            self.entry(&entry.name.0, entry.fileid);
            learned.names.push(entry.name.0.to_vec());
            learned.cookie = Some((entry.cookie, results.cookieverf.0));
        }
        learned.listed = Some(results.reply.eof);
    }

    pub(super) fn readdirplus(&mut self, call: &Call<'_>, rest: &[u8], learned: &mut Learned) {
        let results = match result::<READDIRPLUS3resok<'_>, READDIRPLUS3resfail>(rest) {
            Ok(results) => results,
            Err((status, failure)) => return self.failed(call, status, &failure.dir_attributes),
        };
        self.about(call, true, &results.dir_attributes);
        self.searched(call, &results.dir_attributes, 0o044);
        let arguments = &mut &call.after_handle()[16..];
        let (names, all) = (
            word(arguments).unwrap() as usize,
            word(arguments).unwrap() as usize,
        );
        assert!(rest.len() - 4 <= all, "{} bytes for {all}", rest.len() - 4);
        let mut bytes = 0;
        for entry in results.reply.entries.0 {
            bytes += 20 + entry.name.0.len().next_multiple_of(4);
            assert!(
                bytes <= names || learned.names.is_empty(),
                "{bytes} bytes of names for {names}"
            );
            self.entry(&entry.name.0, entry.fileid);
            let number = self.attributes(&entry.name_attributes);
            assert!(
                number.is_none_or(|number| number == entry.fileid),
                "{entry:?}"
            );
            if let Nfs3Option::Some(handle) = &entry.name_handle {
                self.handle(&handle.data, number, learned);
            }
            learned.names.push(entry.name.0.to_vec());
            learned.cookie = Some((entry.cookie, results.cookieverf.0));
        }
        learned.listed = Some(results.reply.eof);
    }

    fn entry(&self, name: &[u8], number: u64) {
        assert!(
            !name.is_empty() && name.len() <= 255 && !name.contains(&b'/') && !name.contains(&0)
        );
        assert_ne!(number, 0, "{}", name.escape_ascii());
    }

    /// A directory was listed from its beginning to its end, in several calls.
    pub(in super::super) fn listing(&mut self, directory: &[u8], names: Vec<Vec<u8>>) {
        let once: BTreeSet<Vec<u8>> = names.iter().cloned().collect();
        if self.kind == Kind::Fixed {
            assert_eq!(once.len(), names.len(), "a name is listed twice");
            let known = self
                .listings
                .entry(directory.to_vec())
                .or_insert_with(|| once.clone());
            assert_eq!(*known, once, "another listing");
        }
        for name in &once {
            let lasts = name.starts_with(b"keep-");
            let times = names.iter().filter(|other| *other == name).count();
            assert!(
                !lasts || times == 1,
                "{} is listed {times} times",
                name.escape_ascii()
            );
        }
        let kept = once
            .iter()
            .filter(|name| name.starts_with(b"keep-"))
            .count();
        assert!(kept == 0 || kept == KEPT, "{kept} of the files that stay");
    }
}
