//! EFI binaries with fewer signatures than they have: who signed what is left stays valid, since no signature covers the
//! others (Microsoft's "Windows Authenticode Portable Executable Signature Format").

use anyhow::{Context, Result, ensure};

/// The length of an entry's header: its length with it, a revision and a type (`WIN_CERTIFICATE`).
const ENTRY_HEADER: usize = 8;

/// Where the directory entry of the certificate table is in a PE32+ file (PE specification, "Optional Header Data
/// Directories": the fifth of them).
///
/// # Errors
/// It is none.
pub fn certificates_entry(file: &[u8]) -> Result<usize> {
    Ok(number(file, 0x3c)? + 24 + 112 + 4 * 8)
}

/// The binary with those of its signatures alone whose PKCS#7 data is to be kept.
///
/// # Errors
/// It is no PE32+ file, or its table is not at its end.
pub fn with_signatures(mut file: Vec<u8>, keep: impl Fn(&[u8]) -> bool) -> Result<Vec<u8>> {
    let entry = certificates_entry(&file)?;
    let (start, size) = (number(&file, entry)?, number(&file, entry + 4)?);
    if size == 0 {
        return Ok(file);
    }
    ensure!(
        start + size == file.len(),
        "something is behind its signatures"
    );
    let mut rest = file.split_off(start);
    let mut kept = Vec::new();
    while !rest.is_empty() {
        let length = number(&rest, 0)?.next_multiple_of(8);
        ensure!((ENTRY_HEADER..=rest.len()).contains(&length), "a cut table");
        let after = rest.split_off(length);
        if rest.get(ENTRY_HEADER..).is_some_and(&keep) {
            kept.append(&mut rest);
        }
        rest = after;
    }
    let start = if kept.is_empty() { 0 } else { start };
    let place = file.get_mut(entry..entry + 8).context("it is too short")?;
    for (place, number) in place.chunks_exact_mut(4).zip([start, kept.len()]) {
        place.copy_from_slice(&u32::try_from(number)?.to_le_bytes());
    }
    file.append(&mut kept);
    Ok(file)
}

fn number(bytes: &[u8], at: usize) -> Result<usize> {
    let bytes = bytes.get(at..at + 4).context("it is too short")?;
    Ok(usize::try_from(u32::from_le_bytes(bytes.try_into()?))?)
}
