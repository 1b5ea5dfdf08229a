//! A client's file name made a path that can be looked up.

use thiserror::Error;

/// Longest name that is looked up, in bytes. `file` holds 128, a URL path some more.
const LONGEST: usize = 1024;

/// Why a name is not looked up.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// Nothing is left of it.
    #[error("the name is empty")]
    Empty,
    /// It is longer than any file served.
    #[error("the name has {len} bytes; {LONGEST} is the most")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// A `..` would leave the directory served.
    #[error("the name has a `..` in it")]
    Climbs,
    /// Control characters, or bytes that are not UTF-8.
    #[error("the name has bytes in it that no served name has")]
    NotText,
}

/// Makes a relative path of a name as firmware spells it: a `\` counts as `/` (EDK2, Windows
/// habits), leading, doubled and final slashes and `.` go away. `..` is refused and
/// not resolved, so no clever nesting can leave the directory.
pub fn normalise(name: &[u8]) -> Result<String, NameError> {
    if name.len() > LONGEST {
        return Err(NameError::TooLong { len: name.len() });
    }
    // Some BIOS ROMs take option 67's successor, the end option, for part of the name.
    let name = name.strip_suffix(&[0xff]).unwrap_or(name);
    let text = str::from_utf8(name).map_err(|_| NameError::NotText)?;
    if text.chars().any(char::is_control) {
        return Err(NameError::NotText);
    }
    let mut path = String::with_capacity(text.len());
    for part in text.split(['/', '\\']) {
        match part {
            "" | "." => {}
            ".." => return Err(NameError::Climbs),
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
    fn firmware_spellings_name_the_same_file() {
        for name in [
            "a/b.efi",
            "/a/b.efi",
            "//a//b.efi",
            "\\a\\b.efi",
            "./a/./b.efi",
            "a\\b.efi/",
        ] {
            assert_eq!(normalise(name.as_bytes()), Ok("a/b.efi".into()), "{name}");
        }
        assert_eq!(normalise(b"undionly.kpxe\xff"), Ok("undionly.kpxe".into()));
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
            assert_eq!(normalise(name.as_bytes()), Err(NameError::Climbs), "{name}");
        }
        assert_eq!(normalise(b"..a/b..c/..."), Ok("..a/b..c/...".into()));
    }

    #[test]
    fn names_that_are_not_text_are_refused() {
        assert_eq!(normalise(b"a\nb"), Err(NameError::NotText));
        assert_eq!(normalise(b"a\xffb"), Err(NameError::NotText));
        assert_eq!(normalise(b"///"), Err(NameError::Empty));
        assert_eq!(
            normalise(&[b'a'; 2000]),
            Err(NameError::TooLong { len: 2000 })
        );
    }
}
