//! The SHA-256 of a file that is served, to compare with `sha256sum`.

use std::io;

use sha2::{Digest, Sha256};

use crate::serve::artifacts::Content;

/// How many bytes are read at a time.
const CHUNK: usize = 256 << 10;

/// As `sha256sum` prints it.
///
/// # Errors
/// The file's.
pub(super) fn sha256(content: &Content) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; CHUNK];
    let mut position = 0;
    loop {
        let length = content.read_at(position, &mut buffer)?;
        let Some(part) = buffer.get(..length).filter(|part| !part.is_empty()) else {
            break;
        };
        hash.update(part);
        position += u64::try_from(length).unwrap_or(u64::MAX);
    }
    let digest = hash.finalize();
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use hyper::body::Bytes;

    use super::*;

    #[test]
    fn it_is_what_sha256sum_prints() {
        let content = Content::Memory(Bytes::from_static(b"abc"));
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(&content).unwrap(), expected);
    }
}
