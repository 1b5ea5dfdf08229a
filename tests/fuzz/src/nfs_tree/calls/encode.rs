//! XDR (RFC 4506), right or not.

pub(super) fn opaque(bytes: &[u8]) -> Vec<u8> {
    let mut all = (bytes.len() as u32).to_be_bytes().to_vec();
    all.extend(bytes);
    all.resize(all.len().next_multiple_of(4), 0);
    all
}

pub(super) fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// AUTH_SYS (RFC 5531 appendix A).
pub(super) fn auth_sys(uid: u32, gid: u32, groups: &[u32]) -> Vec<u8> {
    let mut body = words(&[7]);
    body.extend(opaque(b"fuzz"));
    body.extend(words(&[uid, gid, groups.len() as u32]));
    body.extend(words(groups));
    body
}
