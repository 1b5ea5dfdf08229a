//! Who may report on a machine's boot: the one that was handed the machine's script.
//!
//! The script names `netroot.report=http://…/report/<mac>/<token>`. A token is when it was issued and a keyed hash
//! (SipHash-2-4, of 64 bits: who does not know the key can only try them out on the server), so none has to be kept, and
//! a machine that was booted before the server was restarted can still report. What is kept, as long as there is room, is
//! which tokens were issued last: those of earlier boots are refused.
//!
//! The script of a machine may be fetched by anybody. From an address that is known to be another machine's, it comes
//! without a token. From an address that nobody is known by (behind a router) it has a token of another kind: it
//! reveals nothing about the machine's own, and ends none.

use std::collections::HashMap;
use std::fmt::Write;
use std::hash::Hasher;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use netroot_net::Mac;
use siphasher::sip::SipHasher24;

/// The beginning of the path that reports are posted to.
pub(crate) const PATH: &str = "/report/";

/// Of how many machines the tokens that were issued last are kept.
const KEPT: usize = 1024;
/// How many of a machine's last tokens are accepted: a loader may fetch a script more than once.
const LAST: usize = 4;
/// How much older than its newest token another one of a machine may be, in seconds: a boot takes no longer. Without it
/// four requests by TFTP with the machine's address as an invented source would end the token of its boot.
const SAME_BOOT: u32 = 600;

/// Issues and checks tokens.
pub(crate) struct ReportTokens {
    key: [u8; 16],
    issued: Mutex<Issued>,
}

#[derive(Default)]
struct Issued {
    /// The times in the tokens, the newest first, and how many had been issued to all machines by then.
    last: HashMap<Mac, ([u32; LAST], u64)>,
    count: u64,
}

/// Whom a token is issued to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    /// The machine itself.
    Machine,
    /// Somebody at an address that no machine is known by.
    Unknown,
}

/// Why a path is not one that was issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenError {
    /// It names no machine.
    NoMachine,
    /// The token is missing, or not one of the machine's last.
    NotItsToken,
}

impl std::fmt::Debug for ReportTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReportTokens(..)")
    }
}

impl ReportTokens {
    /// Tokens that another server, or the same after a restart, accepts if it has the same key.
    pub(crate) fn new(key: [u8; 16]) -> Self {
        Self {
            key,
            issued: Mutex::default(),
        }
    }

    /// Where the machine `mac` reports, in a script for whoever `fetches` it (`None`: nobody knows). `None` for another
    /// machine.
    pub(crate) fn issue(&self, mac: Mac, fetches: Option<Mac>) -> Option<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = u32::try_from(now.unwrap_or_default().as_secs()).unwrap_or(u32::MAX);
        self.issue_at(mac, fetches, now)
    }

    fn issue_at(&self, mac: Mac, fetches: Option<Mac>, now: u32) -> Option<String> {
        let holder = match fetches {
            Some(machine) if machine == mac => Holder::Machine,
            Some(_) => return None,
            None => Holder::Unknown,
        };
        if holder == Holder::Machine {
            self.issued().remember(mac, now);
        }
        let tag = self.tag(mac, holder, now);
        let mut path = format!("{PATH}{}/", mac.hyphenated());
        let _ = write!(path, "{now:08x}{tag:016x}");
        Some(path)
    }

    /// The machine that a path was issued for.
    ///
    /// # Errors
    /// [`TokenError`].
    pub(crate) fn check(&self, path: &str) -> Result<Mac, TokenError> {
        let rest = path.strip_prefix(PATH).unwrap_or_default();
        let (mac, token) = rest.split_once('/').unwrap_or((rest, ""));
        let mac = mac.parse().map_err(|_| TokenError::NoMachine)?;
        let (time, tag) = read(token).ok_or(TokenError::NotItsToken)?;
        let is_current = if tag == self.tag(mac, Holder::Machine, time) {
            self.issued().is_current(mac, time)
        } else {
            tag == self.tag(mac, Holder::Unknown, time)
        };
        is_current.then_some(mac).ok_or(TokenError::NotItsToken)
    }

    fn tag(&self, mac: Mac, holder: Holder, time: u32) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(&mac.0);
        hasher.write(&time.to_be_bytes());
        hasher.write(match holder {
            Holder::Machine => b"m",
            Holder::Unknown => b"u",
        });
        hasher.finish()
    }

    fn issued(&self) -> MutexGuard<'_, Issued> {
        self.issued.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Issued {
    fn remember(&mut self, mac: Mac, time: u32) {
        if self.last.len() >= KEPT && !self.last.contains_key(&mac) {
            let oldest = self.last.iter().min_by_key(|(_, (_, count))| *count);
            if let Some(oldest) = oldest.map(|(mac, _)| *mac) {
                self.last.remove(&oldest);
            }
        }
        self.count += 1;
        let (times, count) = self.last.entry(mac).or_default();
        *count = self.count;
        if times.first() != Some(&time) {
            times.rotate_right(1);
            if let Some(newest) = times.first_mut() {
                *newest = time;
            }
        }
    }

    /// Whether this is one of the machine's last tokens or of the same boot, as far as is known.
    fn is_current(&self, mac: Mac, time: u32) -> bool {
        self.last.get(&mac).is_none_or(|(times, _)| {
            let newest = times.first().copied().unwrap_or_default();
            times.contains(&time) || newest.abs_diff(time) < SAME_BOOT
        })
    }
}

/// The time and the hash of a token.
fn read(token: &str) -> Option<(u32, u64)> {
    let digits = token.bytes().all(|byte| byte.is_ascii_hexdigit());
    if token.len() != 24 || !digits {
        return None;
    }
    let (time, tag) = token.split_at_checked(8)?;
    let time = u32::from_str_radix(time, 16).ok()?;
    Some((time, u64::from_str_radix(tag, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAC: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
    const OTHER: Mac = Mac([2, 0, 0, 0, 0, 1]);

    fn tokens() -> ReportTokens {
        ReportTokens::new([7; 16])
    }

    #[test]
    fn a_machine_reports_with_the_token_of_its_boot_also_after_a_restart_of_the_server() {
        let first = tokens();
        let path = first.issue_at(MAC, Some(MAC), 1000).unwrap();
        assert!(
            path.starts_with("/report/52-54-00-12-34-56/000003e8"),
            "{path}"
        );
        assert_eq!(path.len(), "/report/52-54-00-12-34-56/".len() + 24);
        assert_eq!(first.check(&path), Ok(MAC));
        assert_eq!(tokens().check(&path), Ok(MAC));
        let another = ReportTokens::new([8; 16]);
        assert_eq!(another.check(&path), Err(TokenError::NotItsToken));
    }

    #[test]
    fn the_last_four_tokens_are_accepted_and_those_of_earlier_boots_are_not() {
        let tokens = tokens();
        let paths: Vec<_> = (0..6_u32)
            .map(|boot| {
                tokens
                    .issue_at(MAC, Some(MAC), 1000 + boot / 2 * 300 + boot)
                    .unwrap()
            })
            .collect();
        for (number, path) in paths.iter().enumerate() {
            assert_eq!(tokens.check(path).is_ok(), number >= 2, "{number}");
        }
    }

    #[test]
    fn who_is_not_the_machine_gets_no_token_of_it_and_ends_none() {
        let tokens = tokens();
        let own = tokens.issue_at(MAC, Some(MAC), 1000).unwrap();
        for time in 1000..1010 {
            assert_eq!(tokens.issue_at(MAC, Some(OTHER), time), None);
            let unknown = tokens.issue_at(MAC, None, time).unwrap();
            assert_ne!(unknown, own, "in the same second");
            assert_eq!(tokens.check(&unknown), Ok(MAC));
        }
        assert_eq!(tokens.check(&own), Ok(MAC));
    }

    #[test]
    fn requests_in_a_machines_name_do_not_end_the_token_of_its_boot() {
        let tokens = tokens();
        let own = tokens.issue_at(MAC, Some(MAC), 1000).unwrap();
        // By TFTP, from the machine's address as far as anybody can tell. Before, the fourth ended it.
        for time in 1001..1000 + SAME_BOOT {
            tokens.issue_at(MAC, Some(MAC), time);
            assert_eq!(tokens.check(&own), Ok(MAC), "{time}");
        }
        tokens.issue_at(MAC, Some(MAC), 1000 + SAME_BOOT);
        assert_eq!(tokens.check(&own), Err(TokenError::NotItsToken));
    }

    #[test]
    fn a_path_without_a_machine_or_without_its_token_is_refused() {
        let tokens = tokens();
        let own = tokens.issue_at(MAC, Some(MAC), 1000).unwrap();
        let token = own.rsplit('/').next().unwrap();
        assert_eq!(tokens.check("/report/nobody"), Err(TokenError::NoMachine));
        for path in [
            "/report/52-54-00-12-34-56".to_owned(),
            "/report/52-54-00-12-34-56/".to_owned(),
            format!("/report/02-00-00-00-00-01/{token}"),
            format!("{own}0"),
            format!("{own}/"),
            format!("/report/52-54-00-12-34-56/+{}", &token[1..]),
            own.replace("/000003e8", "/000003e9"),
        ] {
            assert_eq!(tokens.check(&path), Err(TokenError::NotItsToken), "{path}");
        }
    }

    #[test]
    fn the_number_of_machines_is_bounded_and_the_oldest_goes_first() {
        let tokens = tokens();
        for number in 0..2000_u32 {
            let [_, b, c, d] = number.to_be_bytes();
            let mac = Mac([2, 0, 0, b, c, d]);
            tokens.issue_at(mac, Some(mac), number);
        }
        let issued = tokens.issued();
        assert_eq!(issued.last.len(), KEPT);
        assert!(issued.last.contains_key(&Mac([2, 0, 0, 0, 7, 0xcf])));
    }

    proptest! {
        #[test]
        fn any_path_is_read_without_a_panic(path in "(/report/)?[0-9a-f-]{0,17}/?\\PC{0,30}") {
            let _ = tokens().check(&path);
        }
    }
}
