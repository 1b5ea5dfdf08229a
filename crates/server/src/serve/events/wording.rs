//! What sentences are made of: sizes, times, lists, and how long text about a machine may be.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use netroot_net::Prefix;

/// The most characters of a sentence, or of a string in JSON, about a machine: longer than any that is meant well.
const LONGEST: usize = 1000;

/// Cuts text about a machine to its most characters.
pub(super) fn cut(text: &mut String) {
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push('…');
    }
}

/// `8.1 MB`, `912 bytes`: decimal units.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..1_000_000 => format!("{} kB", (bytes + 500) / 1000),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

/// Seconds with one decimal, cut and not rounded.
pub(super) fn tenths(time: Duration) -> String {
    format!("{}.{}", time.as_secs(), time.subsec_millis() / 100)
}

/// `/a, /b`.
pub(super) fn list(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    paths.join(", ")
}

/// The network that an address is most likely in.
pub(super) fn example_network(address: IpAddr) -> Prefix {
    Prefix::clamped(address, if address.is_ipv4() { 24 } else { 64 }).network()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let mut text = "ä".repeat(LONGEST);
        cut(&mut text);
        assert_eq!(text.chars().count(), LONGEST);
        text.push_str("bc");
        cut(&mut text);
        assert_eq!(text, "ä".repeat(LONGEST) + "…");
    }

    #[test]
    fn sizes_are_shown_in_units_that_fit() {
        assert_eq!(size(912), "912 bytes");
        assert_eq!(size(72_345), "72 kB");
        assert_eq!(size(8_154_321), "8.1 MB");
    }
}
