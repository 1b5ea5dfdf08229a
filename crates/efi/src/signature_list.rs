//! `EFI_SIGNATURE_LIST` (UEFI 2.10 §32.4.1): what `db`, `dbx` and shim's own lists are made of.

/// `EFI_CERT_SHA256_GUID`, as its bytes are stored.
const SHA256: [u8; 16] = [
    0x26, 0x16, 0xc4, 0xc1, 0x4c, 0x50, 0x92, 0x40, 0xac, 0xa9, 0x41, 0xf9, 0x36, 0x93, 0x43, 0x28,
];
/// `EFI_CERT_X509_GUID`.
const X509: [u8; 16] = [
    0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a, 0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72,
];
/// The type, and the sizes of the list, of its header and of each signature.
const HEADER: usize = 28;
/// The owner before each signature.
const OWNER: usize = 16;

/// Something on a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature<'a> {
    /// A certificate, in DER if the list is what it claims to be.
    Certificate(&'a [u8]),
    /// The Authenticode SHA-256 of a binary.
    Digest([u8; 32]),
}

/// A list whose sizes contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not a list of signatures (EFI_SIGNATURE_LIST)")]
pub struct ListError;

/// Reads several lists, one after the other. What is neither a certificate nor SHA-256 is left out.
///
/// # Errors
/// It is no such list.
pub fn signatures(bytes: &[u8]) -> Result<Vec<Signature<'_>>, ListError> {
    let mut listed = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let size = |at: usize| -> Option<usize> {
            let bytes = rest.get(at..at.checked_add(4)?)?;
            usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
        };
        let (kind, list, header, each) = (rest.get(..16), size(16), size(20), size(24));
        let (Some(kind), Some(list), Some(header), Some(each)) = (kind, list, header, each) else {
            return Err(ListError);
        };
        let first = HEADER.checked_add(header).ok_or(ListError)?;
        let signatures = rest.get(first..list).ok_or(ListError)?;
        if each <= OWNER || signatures.len() % each != 0 {
            return Err(ListError);
        }
        for signature in signatures.chunks_exact(each) {
            let content = signature.get(OWNER..).unwrap_or_default();
            if kind == SHA256 {
                let digest = content.try_into().map_err(|_| ListError)?;
                listed.push(Signature::Digest(digest));
            } else if kind == X509 {
                listed.push(Signature::Certificate(content));
            }
        }
        rest = rest.get(list..).ok_or(ListError)?;
    }
    Ok(listed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(kind: [u8; 16], each: u32, signatures: &[u8]) -> Vec<u8> {
        let size = u32::try_from(HEADER + signatures.len()).unwrap();
        let mut list = kind.to_vec();
        for number in [size, 0, each] {
            list.extend(number.to_le_bytes());
        }
        list.extend(signatures);
        list
    }

    #[test]
    fn what_is_known_is_read_and_other_kinds_are_left_out() {
        let one = [[7; OWNER].as_slice(), &[1; 32], &[7; OWNER], &[2; 32]].concat();
        let lists = [
            list(SHA256, 48, &one),
            list([9; 16], 20, &[0; 20]),
            list(X509, 18, &[5; 18]),
        ];
        let lists = lists.concat();
        let expected = [
            Signature::Digest([1; 32]),
            Signature::Digest([2; 32]),
            Signature::Certificate(&[5; 2]),
        ];
        assert_eq!(signatures(&lists).unwrap(), expected);
        assert_eq!(signatures(&[]).unwrap(), []);
    }

    #[test]
    fn sizes_that_contradict_each_other_are_refused() {
        let good = list(SHA256, 48, &[0; 48]);
        for cut in 1..good.len() {
            assert_eq!(signatures(&good[..cut]), Err(ListError), "{cut}");
        }
        for each in [0, 16, 47, 49] {
            let wrong = list(SHA256, each, &[0; 48]);
            assert_eq!(signatures(&wrong), Err(ListError), "{each}");
        }
        let mut endless = good;
        endless[16..20].fill(0);
        assert_eq!(signatures(&endless), Err(ListError));
    }
}
