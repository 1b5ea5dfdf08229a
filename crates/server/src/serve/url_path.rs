//! A URL's path made the name that TFTP would ask for.
//!
//! Decoded once (RFC 3986 §2.1), then under the same rule as every TFTP name: a `..` is refused, not resolved.

use netroot_proto::tftp::name::{self, NameError};

/// Why a URL's path is not looked up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PathError {
    /// A `%` that no two hexadecimal digits follow.
    #[error("the path has a % that stands for nothing")]
    Percent,
    /// Decoded, it is no name.
    #[error(transparent)]
    Name(#[from] NameError),
}

/// The name that `path` asks for.
pub(crate) fn name(path: &str) -> Result<String, PathError> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => match (bytes.next().and_then(hex), bytes.next().and_then(hex)) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return Err(PathError::Percent),
            },
            plain => plain,
        });
    }
    Ok(name::normalize(&decoded)?)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_that_climbs_is_refused_in_every_spelling() {
        for path in [
            "/../x",
            "/%2e%2e/etc/passwd",
            "/..%2fetc",
            "/%2E./x",
            "/a/%5c..%5cb",
            "/..%5cx",
        ] {
            assert_eq!(
                name(path),
                Err(PathError::Name(NameError::ParentDirectory)),
                "{path}"
            );
        }
    }

    #[test]
    fn a_percent_sign_is_decoded_once_only() {
        assert_eq!(name("/%252e%252e/x").as_deref(), Ok("%2e%2e/x"));
        assert_eq!(name("/boot/a%20b").as_deref(), Ok("boot/a b"));
        assert_eq!(name("/a%2"), Err(PathError::Percent));
        assert_eq!(name("/a%zz"), Err(PathError::Percent));
        assert_eq!(name("/a%00b"), Err(PathError::Name(NameError::NotText)));
        assert_eq!(name("/"), Err(PathError::Name(NameError::Empty)));
    }

    proptest! {
        #[test]
        fn whatever_is_asked_for_no_part_of_the_name_climbs(path in "(/|%2[fFeE]|%5c|\\.|\\PC){0,200}") {
            if let Ok(name) = name(&path) {
                prop_assert!(name.split('/').all(|part| !matches!(part, "" | "." | "..")));
                prop_assert!(!name.contains('\\') && !name.contains('\0'));
            }
        }
    }
}
