//! The list of what a boot reads, which the server makes of one boot and the init reads ahead in the next one.
//!
//! ```text
//! netroot-readahead 1
//! L sbin                                  a link, followed
//! D usr/lib/systemd                       a directory, listed
//! N etc/ld.so.preload                     a name, looked up: there may be no such file
//! F usr/lib/x86_64-linux-gnu/libc.so.6 0+1921024      content: offset+length in bytes, one or several
//! ```
//!
//! In the order of first use. Paths are below the root, without a slash at the beginning, written as [`Octal`]. Whoever sends a list can only make its reader read
//! ahead: what makes no sense is left out, and everything is bounded.

use std::fmt::Write;

use netroot_printable::{Octal, from_octal};

/// The first line.
const HEADER: &str = "netroot-readahead 1";
/// The most files of a list.
pub const MOST_FILES: usize = 4096;
/// The longest list, in bytes.
pub const MOST_BYTES: usize = 512 << 10;
/// The most content that is read ahead by one list, in bytes. A boot of Debian to its login reads 45 MB, one to a desktop some
/// hundreds.
pub const MOST_CONTENT: u64 = 256 << 20;
/// The most ranges of a file.
const MOST_RANGES: usize = 16;
/// The longest path (`PATH_MAX`).
const LONGEST_PATH: usize = 4096;

/// How a file is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Use {
    /// Its name is looked up.
    Name,
    /// It is a link that is followed.
    Link,
    /// It is a directory that is listed.
    List,
    /// These parts of its content are read: offset and length in bytes.
    Content(Vec<(u64, u64)>),
}

/// A file, and how it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedFile {
    /// Its path below the root, relative, without `.` and `..`.
    pub path: Vec<u8>,
    /// How.
    pub used: Use,
}

/// The list as text, as far as it may be long.
pub fn write(files: &[ListedFile]) -> String {
    let mut text = format!("{HEADER}\n");
    let mut content = 0_u64;
    for file in files.iter().take(MOST_FILES) {
        if !is_path(&file.path) {
            continue;
        }
        let mut line = match file.used {
            Use::Name => "N ",
            Use::Link => "L ",
            Use::List => "D ",
            Use::Content(_) => "F ",
        }
        .to_owned();
        let _ = write!(line, "{}", Octal(&file.path));
        if let Use::Content(ranges) = &file.used {
            for (offset, length) in ranges.iter().take(MOST_RANGES) {
                if takes(&mut content, *length) {
                    let _ = write!(line, " {offset}+{length}");
                }
            }
        }
        if text.len() + line.len() >= MOST_BYTES {
            break;
        }
        text += &line;
        text.push('\n');
    }
    text
}

/// Reads a list. Lines that make no sense are left out; a text of another kind has no files.
pub fn read(text: &str) -> Vec<ListedFile> {
    let mut end = text.len().min(MOST_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = text.get(..end).unwrap_or_default();
    let mut lines = text.lines();
    if lines.next() != Some(HEADER) {
        return Vec::new();
    }
    let mut files: Vec<ListedFile> = lines.filter_map(file).take(MOST_FILES).collect();
    let mut content = 0;
    for file in &mut files {
        if let Use::Content(ranges) = &mut file.used {
            ranges.retain(|(_, length)| takes(&mut content, *length));
        }
    }
    files
}

/// Counts a range of this length to the `content` of a list, unless that would be too much.
fn takes(content: &mut u64, length: u64) -> bool {
    let more = content.saturating_add(length);
    if more > MOST_CONTENT {
        return false;
    }
    *content = more;
    true
}

fn file(line: &str) -> Option<ListedFile> {
    let mut words = line.split(' ');
    let (kind, path) = (words.next()?, from_octal(words.next()?)?);
    let used = match kind {
        "N" => Use::Name,
        "L" => Use::Link,
        "D" => Use::List,
        "F" => Use::Content(words.take(MOST_RANGES).filter_map(range).collect()),
        _ => return None,
    };
    is_path(&path).then_some(ListedFile { path, used })
}

fn range(word: &str) -> Option<(u64, u64)> {
    let (offset, length) = word.split_once('+')?;
    let (offset, length) = (offset.parse().ok()?, length.parse().ok()?);
    let end: u64 = u64::checked_add(offset, length)?;
    // As a file's size is a signed number to the kernel.
    i64::try_from(end).ok()?;
    Some((offset, length))
}

/// Whether it is a relative path that stays below where it starts.
fn is_path(path: &[u8]) -> bool {
    let mut parts = path.split(|byte| *byte == b'/');
    path.len() < LONGEST_PATH
        && !path.contains(&0)
        && parts.all(|part| !matches!(part, b"" | b"." | b".."))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn listed(path: &[u8], used: Use) -> ListedFile {
        ListedFile {
            path: path.to_vec(),
            used,
        }
    }

    #[test]
    fn a_list_is_read_as_it_was_written() {
        let files = vec![
            listed(b"sbin", Use::Link),
            listed(b"usr/lib", Use::List),
            listed(b"etc/a b\\\n\xff", Use::Name),
            listed(b"usr/bin/x", Use::Content(vec![(0, 4096), (65536, 1)])),
        ];
        let text = write(&files);
        assert_eq!(
            text,
            "netroot-readahead 1\nL sbin\nD usr/lib\nN etc/a\\040b\\134\\012\\377\nF usr/bin/x 0+4096 65536+1\n"
        );
        assert_eq!(read(&text), files);
    }

    #[test]
    fn what_leads_elsewhere_or_makes_no_sense_is_left_out() {
        let text = "netroot-readahead 1\nN ../etc/shadow\nN /etc\nN a//b\nN a/./b\nN \nX a\n\
                    N a\\000b\nN a\\9\nF x 5 -1+3 9223372036854775807+1 7+1\nL";
        assert_eq!(read(text), [listed(b"x", Use::Content(vec![(7, 1)]))]);
        assert_eq!(read("<html>\nN a\n"), []);
        assert_eq!(read(""), []);
    }

    #[test]
    fn a_long_list_is_cut() {
        let long = vec![listed(&[b'x'; 255], Use::Name); 2 * MOST_FILES];
        let text = write(&long);
        assert!(text.len() <= MOST_BYTES);
        assert!(read(&text).len() > 1000);
        let short = "N a\n".repeat(2 * MOST_FILES);
        assert_eq!(read(&format!("{HEADER}\n{short}")).len(), MOST_FILES);
        // Within a character.
        let mut cut = format!("{HEADER}\nL sbin\n").into_bytes();
        cut.resize(MOST_BYTES - 1, b'x');
        let cut = String::from_utf8(cut).unwrap() + "\u{e4}\nL lib\n";
        assert_eq!(read(&cut).len(), 1);
    }

    #[test]
    fn a_list_names_no_more_content_than_a_boot_reads() {
        let half = || Use::Content(vec![(0, MOST_CONTENT / 2 + 1)]);
        let files = [
            listed(b"a", half()),
            listed(b"b", half()),
            listed(b"c", Use::Content(vec![(0, 4096)])),
        ];
        let text = write(&files);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[2..], ["F b", "F c 0+4096"]);
        // Whoever wrote it.
        let text = format!(
            "{HEADER}\nF a 0+1 0+{MOST_CONTENT} 1+1\nF b 0+{}\n",
            MOST_CONTENT - 1
        );
        let read = read(&text);
        assert_eq!(read[0], listed(b"a", Use::Content(vec![(0, 1), (1, 1)])));
        assert_eq!(read[1], listed(b"b", Use::Content(vec![])));
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(netroot-readahead 1\n)?([NLDF] (\\\\?[0-9a-z/.]){0,9}( [0-9+]{0,9})?\n|.){0,20}") {
            for file in read(&text) {
                prop_assert!(is_path(&file.path));
            }
        }
    }
}
