//! Bytes as text.

/// Longer data is shown by its length and its hash.
const SHORT: usize = 64;

/// Short data as text, longer by its length and its hash.
pub(crate) fn shown(data: &[u8]) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let start = data.get(..SHORT).unwrap_or(data).escape_ascii().to_string();
    if data.len() <= SHORT {
        return start;
    }
    let mut hasher = DefaultHasher::new();
    data.hash(&mut hasher);
    format!(
        "{start}… ({} bytes, hash {:016x})",
        data.len(),
        hasher.finish()
    )
}
