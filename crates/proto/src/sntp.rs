//! A single query for the time: an SNTP client (RFC 4330), which any NTP server answers.
//!
//! Accurate to about a second, which is enough for a machine whose clock starts in 1970; the
//! time service of the root does the rest.

use std::time::Duration;

/// The server's UDP port.
pub const PORT: u16 = 123;
/// The length in bytes of a message without extensions and authentication.
pub const LENGTH: usize = 48;

/// Seconds from 1900, the NTP epoch, to 1970.
const UNIX_EPOCH: u64 = 2_208_988_800;
/// NTP seconds have 32 bits: with the highest bit set they belong to the first era, without
/// it they count from 2036 (RFC 4330 §3).
const ERA: u64 = 1 << 32;

/// The query. `token` takes the place of this machine's time, which need not be disclosed;
/// the server repeats it.
pub fn question(token: [u8; 8]) -> [u8; LENGTH] {
    let mut message = [0; LENGTH];
    // No leap second announced, version 4, client mode.
    if let Some(first) = message.first_mut() {
        *first = 4 << 3 | 3;
    }
    if let Some(transmit) = message.last_chunk_mut() {
        *transmit = token;
    }
    message
}

/// The time since 1970 according to a server's answer to the query with this token. `None` if
/// the datagram is not an answer to it, or if the server's clock is not set.
pub fn answer(token: [u8; 8], datagram: &[u8]) -> Option<Duration> {
    let [flags, stratum, ..] = datagram.first_chunk::<LENGTH>()?;
    let (leap, mode) = (flags >> 6, flags & 7);
    // Leap 3: the clock is not set. Stratum 0 is a refusal ("kiss of death"), 16 and above
    // mean unsynchronized.
    let synchronized = leap != 3 && (1..=15).contains(stratum);
    let token_matches = datagram.get(24..32) == Some(&token);
    if mode != 4 || !synchronized || !token_matches {
        return None;
    }
    let part = |at: usize| {
        let bytes = datagram.get(at..at + 4)?.first_chunk::<4>()?;
        Some(u64::from(u32::from_be_bytes(*bytes)))
    };
    let (seconds, fraction) = (part(40)?, part(44)?);
    if seconds == 0 && fraction == 0 {
        return None;
    }
    let era = if seconds & (ERA >> 1) == 0 { ERA } else { 0 };
    let whole = (seconds + era).checked_sub(UNIX_EPOCH)?;
    let nanoseconds = u32::try_from((fraction * 1_000_000_000) >> 32).ok()?;
    Some(Duration::new(whole, nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: [u8; 8] = *b"a token.";

    /// The answer of a stratum 2 server at this NTP time.
    fn reply(seconds: u32, fraction: u32) -> Vec<u8> {
        let mut reply = vec![0; LENGTH];
        reply[0] = 4 << 3 | 4;
        reply[1] = 2;
        reply[24..32].copy_from_slice(&TOKEN);
        reply[40..44].copy_from_slice(&seconds.to_be_bytes());
        reply[44..48].copy_from_slice(&fraction.to_be_bytes());
        reply
    }

    #[test]
    fn a_query_discloses_nothing_about_the_machine() {
        let question = question(TOKEN);
        assert_eq!(
            (question[0], question[1..40].iter().max()),
            (0x23, Some(&0))
        );
        assert_eq!(question[40..], TOKEN);
    }

    #[test]
    fn the_time_is_decoded_in_both_eras() {
        // RFC 5905, figure 4: 1 January 1972 and the first second of era 1.
        let seconds = |time: Option<Duration>| time.map(|t| t.as_secs());
        assert_eq!(
            seconds(answer(TOKEN, &reply(2_272_060_800, 0))),
            Some(63_072_000)
        );
        assert_eq!(seconds(answer(TOKEN, &reply(0, 1))), Some(2_085_978_496));
        let half = answer(TOKEN, &reply(2_272_060_800, 1 << 31)).unwrap();
        assert_eq!(half.subsec_millis(), 500);
    }

    #[test]
    fn invalid_and_unsynchronized_answers_are_ignored() {
        let good = reply(4_000_000_000, 0);
        assert!(answer(TOKEN, &good).is_some());
        let changed = |at: usize, byte: u8| {
            let mut reply = good.clone();
            reply[at] = byte;
            reply
        };
        for bad in [
            changed(0, 4 << 3 | 3),
            changed(0, 3 << 6 | 4 << 3 | 4),
            changed(1, 0),
            changed(1, 16),
            changed(24, b'b'),
            reply(0, 0),
            good[..47].to_vec(),
            Vec::new(),
        ] {
            assert_eq!(answer(TOKEN, &bad), None, "{bad:?}");
        }
        // Before 1970: no server's clock shows that.
        assert_eq!(answer(TOKEN, &reply(0x8000_0000, 0)), None);
    }
}
