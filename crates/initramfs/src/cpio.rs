//! The archive: newc cpio (Documentation/driver-api/early-userspace/buffer-format.rst).
//!
//! Nothing of the host is included: owners are 0, inode numbers are counted, and all times are the given one. So the
//! archive depends on its entries only.

use std::collections::BTreeSet;
use std::io::{self, Write};

const DIRECTORY: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_000;
const CHARACTER_DEVICE: u32 = 0o020_000;

/// Writes an archive entry by entry. Paths are relative, without a leading slash. Parent directories are written before
/// their contents, once, even if they are not added explicitly.
pub(crate) struct Archive<W> {
    output: W,
    /// Bytes written so far.
    length: u64,
    inode: u32,
    /// The time of every entry, in seconds since 1970.
    time: u32,
    directories: BTreeSet<String>,
}

/// The header fields that differ between entries.
struct Header<'a> {
    path: &'a str,
    mode: u32,
    links: u32,
    device: (u32, u32),
    size: u32,
}

impl<W: Write> Archive<W> {
    /// An empty archive.
    pub(crate) fn new(output: W, time: u32) -> Archive<W> {
        Archive {
            output,
            length: 0,
            inode: 0,
            time,
            directories: BTreeSet::new(),
        }
    }

    /// A directory with mode 0755, and those above it.
    pub(crate) fn directory(&mut self, path: &str) -> io::Result<()> {
        self.parents(path)?;
        if self.directories.insert(path.to_owned()) {
            self.entry(path, DIRECTORY | 0o755, 2, (0, 0), b"")?;
        }
        Ok(())
    }

    /// A regular file.
    pub(crate) fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> io::Result<()> {
        self.parents(path)?;
        self.entry(path, FILE | (mode & 0o7777), 1, (0, 0), content)
    }

    /// A symbolic link.
    pub(crate) fn symlink(&mut self, path: &str, target: &str) -> io::Result<()> {
        self.parents(path)?;
        self.entry(path, SYMLINK | 0o777, 1, (0, 0), target.as_bytes())
    }

    /// A character device node.
    pub(crate) fn character_device(
        &mut self,
        path: &str,
        mode: u32,
        major: u32,
        minor: u32,
    ) -> io::Result<()> {
        self.parents(path)?;
        let mode = CHARACTER_DEVICE | (mode & 0o7777);
        self.entry(path, mode, 1, (major, minor), b"")
    }

    /// Ends the archive; returns its length in bytes and the output.
    pub(crate) fn finish(mut self) -> io::Result<(u64, W)> {
        self.header(&Header {
            path: "TRAILER!!!",
            mode: 0,
            links: 1,
            device: (0, 0),
            size: 0,
        })?;
        Ok((self.length, self.output))
    }

    fn parents(&mut self, path: &str) -> io::Result<()> {
        for (at, _) in path.match_indices('/') {
            if let Some(above) = path.get(..at)
                && !self.directories.contains(above)
            {
                self.directories.insert(above.to_owned());
                self.entry(above, DIRECTORY | 0o755, 2, (0, 0), b"")?;
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        path: &str,
        mode: u32,
        links: u32,
        device: (u32, u32),
        content: &[u8],
    ) -> io::Result<()> {
        let size = u32::try_from(content.len()).map_err(io::Error::other)?;
        self.inode += 1;
        self.header(&Header {
            path,
            mode,
            links,
            device,
            size,
        })?;
        self.write(content)?;
        self.pad()
    }

    fn header(&mut self, header: &Header<'_>) -> io::Result<()> {
        let inode = if header.mode == 0 { 0 } else { self.inode };
        let name_size = u32::try_from(header.path.len() + 1).map_err(io::Error::other)?;
        // magic, then: ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor
        // rdevminor namesize check, eight hexadecimal digits each.
        let mut text = String::from("070701");
        for field in [
            inode,
            header.mode,
            0,
            0,
            header.links,
            self.time,
            header.size,
            0,
            0,
            header.device.0,
            header.device.1,
            name_size,
            0,
        ] {
            text.push_str(&format!("{field:08X}"));
        }
        self.write(text.as_bytes())?;
        self.write(header.path.as_bytes())?;
        self.write(&[0])?;
        self.pad()
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.length += bytes.len() as u64;
        self.output.write_all(bytes)
    }

    /// Names and contents are padded to a multiple of four bytes.
    fn pad(&mut self) -> io::Result<()> {
        while !self.length.is_multiple_of(4) {
            self.write(&[0])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Read;

    fn sample() -> Vec<u8> {
        let mut archive = Archive::new(Vec::new(), 7);
        archive.file("init", 0o755, b"#!").unwrap();
        archive
            .character_device("dev/console", 0o600, 5, 1)
            .unwrap();
        archive.directory("dev").unwrap();
        archive.symlink("lib/x", "/a/b").unwrap();
        archive.file("lib/m/abc", 0o644, &[1; 5]).unwrap();
        let (length, bytes) = archive.finish().unwrap();
        assert_eq!(length, bytes.len() as u64);
        bytes
    }

    #[test]
    fn another_reader_finds_what_was_written() {
        let bytes = sample();
        let mut rest = bytes.as_slice();
        let mut found = Vec::new();
        loop {
            let mut reader = cpio::newc::Reader::new(rest).unwrap();
            let mut content = Vec::new();
            reader.read_to_end(&mut content).unwrap();
            let entry = reader.entry();
            assert_eq!((entry.uid(), entry.gid()), (0, 0));
            if entry.is_trailer() {
                break;
            }
            assert_eq!(entry.mtime(), 7);
            found.push((
                entry.ino(),
                entry.name().to_owned(),
                entry.mode(),
                entry.nlink(),
                (entry.rdev_major(), entry.rdev_minor()),
                content,
            ));
            rest = reader.finish().unwrap();
        }
        let expected = [
            ("init", 0o100_755, 1, (0, 0), b"#!".as_slice()),
            ("dev", 0o040_755, 2, (0, 0), b""),
            ("dev/console", 0o020_600, 1, (5, 1), b""),
            ("lib", 0o040_755, 2, (0, 0), b""),
            ("lib/x", 0o120_777, 1, (0, 0), b"/a/b"),
            ("lib/m", 0o040_755, 2, (0, 0), b""),
            ("lib/m/abc", 0o100_644, 1, (0, 0), &[1; 5]),
        ];
        let expected: Vec<_> = (1..)
            .zip(expected)
            .map(|(inode, (name, mode, links, device, content))| {
                (
                    inode,
                    name.to_owned(),
                    mode,
                    links,
                    device,
                    content.to_vec(),
                )
            })
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_header_is_the_one_that_the_kernel_documents() {
        let bytes = sample();
        let header = "070701\
            00000001000081ED000000000000000000000001000000070000000200000000\
            000000000000000000000000000000050000\
            0000";
        assert_eq!(std::str::from_utf8(&bytes[..110]).unwrap(), header);
        assert_eq!(&bytes[110..116], b"init\0\0");
        assert_eq!(&bytes[116..120], b"#!\0\0");
    }

    proptest! {
        #[test]
        fn entries_are_aligned_whatever_their_lengths(path in "[a-z]{1,30}", content in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut archive = Archive::new(Vec::new(), 0);
            archive.file(&path, 0o644, &content).unwrap();
            let (_, bytes) = archive.finish().unwrap();
            prop_assert_eq!(bytes.len() % 4, 0);
            let content_at = (110 + path.len() + 1).next_multiple_of(4);
            prop_assert_eq!(&bytes[content_at..content_at + content.len()], &content[..]);
            let trailer_at = (content_at + content.len()).next_multiple_of(4);
            prop_assert_eq!(&bytes[trailer_at..trailer_at + 6], b"070701");
        }
    }
}
