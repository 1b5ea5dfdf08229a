//! What is on a list of signatures, with its certificates read.

use netroot_efi::{ListError, Signature, signatures};

use crate::certificate::Certificate;

/// Something on a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed {
    /// Whatever this certificate, or one that it issued, has signed.
    Certificate(Certificate),
    /// The binary with this Authenticode SHA-256.
    Digest([u8; 32]),
}

/// Reads several lists, one after the other. What is neither a certificate nor SHA-256 is left out.
///
/// # Errors
/// It is no such list.
pub fn signature_list(bytes: &[u8]) -> Result<Vec<Listed>, ListError> {
    let listed = signatures(bytes)?.into_iter();
    let listed = listed.filter_map(|signature| match signature {
        Signature::Certificate(bytes) => Certificate::from_der(bytes).ok().map(Listed::Certificate),
        Signature::Digest(digest) => Some(Listed::Digest(digest)),
    });
    Ok(listed.collect())
}
