//! Normalizes the file name in a client's request to a path that can be looked up.

use thiserror::Error;

/// The longest name that is looked up, in bytes. The `file` field holds 128, a URL path somewhat more.
const MAX_LENGTH: usize = 1024;

/// Why a name is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// Nothing remains after normalizing.
    #[error("the name is empty")]
    Empty,
    /// It is longer than the name of any served file.
    #[error("the name has {len} bytes; at most {MAX_LENGTH} are allowed")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// A `..` could leave the served directory.
    #[error("the name contains `..`")]
    ParentDirectory,
    /// Control characters, or bytes that are not UTF-8.
    #[error("the name contains control characters or is not UTF-8")]
    NotText,
}

/// Makes a relative path of a name as firmware spells it: `\` counts as `/` (as EDK2 and
/// Windows write it); leading, doubled and trailing slashes and `.` are removed. `..` is refused
/// rather than resolved, so that no combination can leave the directory.
pub fn normalize(name: &[u8]) -> Result<String, NameError> {
    if name.len() > MAX_LENGTH {
        return Err(NameError::TooLong { len: name.len() });
    }
    // Some BIOS ROMs take the end option that follows option 67 for part of the name, and what other servers
    // have after it: five of them in netbootxyz/netboot.xyz#1198.
    let end = name.iter().rposition(|byte| *byte != 0xff);
    let name = name
        .get(..end.map_or(0, |last| last + 1))
        .unwrap_or_default();
    let text = str::from_utf8(name).map_err(|_| NameError::NotText)?;
    if text.chars().any(char::is_control) {
        return Err(NameError::NotText);
    }
    let mut path = String::with_capacity(text.len());
    for part in text.split(['/', '\\']) {
        match part {
            "" | "." => {}
            ".." => return Err(NameError::ParentDirectory),
            part => {
                if !path.is_empty() {
                    path.push('/');
                }
                path.push_str(part);
            }
        }
    }
    if path.is_empty() {
        Err(NameError::Empty)
    } else {
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_firmware_spellings_name_the_same_file() {
        for name in [
            "a/b.efi",
            "/a/b.efi",
            "//a//b.efi",
            "\\a\\b.efi",
            "./a/./b.efi",
            "a\\b.efi/",
        ] {
            assert_eq!(normalize(name.as_bytes()), Ok("a/b.efi".into()), "{name}");
        }
        for name in [
            &b"undionly.kpxe\xff"[..],
            b"undionly.kpxe\xff\xff\xff\xff\xff",
        ] {
            assert_eq!(normalize(name), Ok("undionly.kpxe".into()));
        }
        assert_eq!(normalize(b"\xff\xff"), Err(NameError::Empty));
    }

    #[test]
    fn file_names_cannot_leave_the_directory() {
        for name in [
            "..",
            "../etc/passwd",
            "/../x",
            "a/../b",
            "a\\..\\b",
            "\\..\\..\\x",
            "a/..",
        ] {
            assert_eq!(
                normalize(name.as_bytes()),
                Err(NameError::ParentDirectory),
                "{name}"
            );
        }
        assert_eq!(normalize(b"..a/b..c/..."), Ok("..a/b..c/...".into()));
    }

    #[test]
    fn names_that_are_not_text_are_refused() {
        assert_eq!(normalize(b"a\nb"), Err(NameError::NotText));
        assert_eq!(normalize(b"a\xffb"), Err(NameError::NotText));
        assert_eq!(normalize(b"///"), Err(NameError::Empty));
        assert_eq!(
            normalize(&[b'a'; 2000]),
            Err(NameError::TooLong { len: 2000 })
        );
    }
}
