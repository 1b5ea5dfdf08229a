//! The tokens of the API over TCP.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::HeaderMap;
use hyper::header;
use netroot_limits::{Rate, RateLimiter};

use super::secret_file::{SecretFile, Seen};

/// The shortest token, in characters: 96 bits in base64.
const SHORTEST: usize = 16;
/// The longest, and how many a file has at most.
const LONGEST: usize = 256;
const MOST: usize = 64;
/// How often one client may be wrong, and all of them.
const FAILURES_EACH: Rate = Rate {
    burst: 8,
    every: Duration::from_secs(15),
};
const FAILURES: Rate = Rate {
    burst: 256,
    every: Duration::from_millis(100),
};
/// Of how many clients failures are remembered.
const CLIENTS: usize = 1024;
/// How many clients that had a token are let in while others guess.
const KNOWN: usize = 16;

/// The file has no usable token.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenFileError {
    /// It cannot be read.
    #[error("cannot read the token file {}: {error}; make one: umask 077; openssl rand -base64 32 > {}", path.display(), path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Others may read it.
    #[error("the token file {} may be read by every user of this machine (mode {mode:o}): chmod 600 {}", path.display(), path.display())]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It has none.
    #[error("the token file {} has no token: put one on a line of its own, of 16 to 256 characters without spaces; openssl rand -base64 32 makes one", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A line is none.
    #[error("{}:{line}: not a token: one has 16 to 256 characters and no spaces; openssl rand -base64 32 makes one", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
}

/// Why a request is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// No token, or another one.
    #[error(
        "this needs a token: Authorization: Bearer TOKEN, with one of those in the server's token file"
    )]
    Token,
    /// Wrong too often.
    #[error("this address has been refused too often; try again in {} s", FAILURES_EACH.every.as_secs())]
    TooOften,
}

/// The tokens of a file, which may change.
#[derive(Debug)]
pub(crate) struct Tokens {
    path: PathBuf,
    started: Instant,
    state: Mutex<State>,
}

struct State {
    tokens: Vec<String>,
    seen: Option<Seen>,
    /// Whether the file could not be used when it was read last.
    refused: bool,
    failures: RateLimiter<IpAddr>,
    /// The last clients that had a token.
    known: VecDeque<IpAddr>,
}

/// What came of a token file that was changed.
#[derive(Debug)]
pub(crate) enum TokensChange {
    /// It cannot be used, and there are no tokens.
    Refused(TokenFileError),
    /// It can be used again.
    Accepted,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}

impl Tokens {
    /// Reads the file.
    ///
    /// # Errors
    /// [`TokenFileError`].
    pub(crate) fn open(path: &Path) -> Result<Self, TokenFileError> {
        let seen = Seen::of(path);
        Ok(Self {
            started: Instant::now(),
            state: Mutex::new(State {
                tokens: read(path)?,
                seen,
                refused: false,
                failures: RateLimiter::new(FAILURES_EACH, FAILURES, CLIENTS),
                known: VecDeque::new(),
            }),
            path: path.to_owned(),
        })
    }

    /// Whether a request of `client` has one of the tokens.
    ///
    /// # Errors
    /// [`Refusal`].
    pub(crate) fn check(&self, headers: &HeaderMap, client: IpAddr) -> Result<(), Refusal> {
        let now = self.started.elapsed();
        let mut state = self.state();
        // Before anything is compared: a guess that is not looked at tells nothing. Who has a token is let in while others
        // guess from many addresses.
        let many = state.failures.is_spent(now) && !state.known.contains(&client);
        if many || state.failures.is_over(&client, now) {
            return Err(Refusal::TooOften);
        }
        let given = headers.get(header::AUTHORIZATION);
        let given = given.and_then(|value| value.to_str().ok());
        let given = given.and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        let Some(given) = given else {
            // A browser that does not know yet that it needs one, and not a guess.
            return Err(Refusal::Token);
        };
        // All of them, so that the time does not tell which.
        let mut is_one = false;
        for token in &state.tokens {
            is_one |= are_equal(token.as_bytes(), given.as_bytes());
        }
        if is_one {
            state.known.retain(|known| *known != client);
            state.known.push_front(client);
            state.known.truncate(KNOWN);
            return Ok(());
        }
        match state.failures.allows(client, now) {
            true => Err(Refusal::Token),
            false => Err(Refusal::TooOften),
        }
    }

    /// Takes a changed file over. One that cannot be used takes the tokens with it: the old ones may have been changed
    /// because somebody else has them. It waits for the disk: call it where that may be.
    pub(crate) fn follow(&self) -> Option<TokensChange> {
        let seen = Seen::of(&self.path);
        if seen == self.state().seen {
            return None;
        }
        let read = read(&self.path);
        let mut state = self.state();
        state.seen = seen;
        state.known.clear();
        let was_refused = std::mem::replace(&mut state.refused, read.is_err());
        match read {
            Ok(tokens) => {
                state.tokens = tokens;
                was_refused.then_some(TokensChange::Accepted)
            }
            Err(error) => {
                state.tokens.clear();
                Some(TokensChange::Refused(error))
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Compares in a time that depends on the lengths alone.
fn are_equal(a: &[u8], b: &[u8]) -> bool {
    let different = a.iter().zip(b).fold(0, |all, (a, b)| all | (a ^ b));
    // The compiler may not see that it could stop earlier.
    std::hint::black_box(different) == 0 && a.len() == b.len()
}

fn read(path: &Path) -> Result<Vec<String>, TokenFileError> {
    let failed = |error| TokenFileError::Read {
        path: path.to_owned(),
        error,
    };
    let SecretFile { mode, bytes } = SecretFile::read(path).map_err(failed)?;
    if mode & 0o007 != 0 {
        return Err(TokenFileError::Mode {
            path: path.to_owned(),
            mode,
        });
    }
    let text = String::from_utf8_lossy(&bytes);
    let mut tokens = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let token = line.trim();
        if token.is_empty() || token.starts_with('#') {
            continue;
        }
        let is_token = (SHORTEST..=LONGEST).contains(&token.len())
            && token.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_token || tokens.len() >= MOST {
            return Err(TokenFileError::Line {
                path: path.to_owned(),
                line: number + 1,
            });
        }
        tokens.push(token.to_owned());
    }
    match tokens.is_empty() {
        true => Err(TokenFileError::Empty {
            path: path.to_owned(),
        }),
        false => Ok(tokens),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use hyper::header::HeaderValue;

    use super::*;

    const TOKEN: &str = "0123456789abcdef0123";

    fn file(text: &str, mode: u32) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    fn bearer(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        headers
    }

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn one_of_the_files_tokens_is_needed() {
        let file = file(&format!("# ours\n\n{TOKEN}\nanother-one-0123456\n"), 0o640);
        let tokens = Tokens::open(file.path()).unwrap();
        for good in [TOKEN, "another-one-0123456"] {
            assert_eq!(
                tokens.check(&bearer(&format!("Bearer {good}")), CLIENT),
                Ok(())
            );
        }
        assert_eq!(
            tokens.check(&bearer(&format!("bearer  {TOKEN} ")), CLIENT),
            Ok(())
        );
        assert_eq!(tokens.check(&HeaderMap::new(), CLIENT), Err(Refusal::Token));
        for wrong in [
            "Bearer ",
            "Bearer # ours",
            "Bearer 0123456789abcdef012",
            "Bearer 0123456789abcdef01234",
            TOKEN,
        ] {
            assert_eq!(
                tokens.check(&bearer(wrong), CLIENT),
                Err(Refusal::Token),
                "{wrong}"
            );
        }
    }

    #[test]
    fn who_guesses_is_refused_even_with_the_right_one_and_others_are_not() {
        let file = file(TOKEN, 0o600);
        let tokens = Tokens::open(file.path()).unwrap();
        let refused: Vec<_> = (0..20)
            .map(|_| tokens.check(&bearer("Bearer 0123456789abcdefGUESS"), CLIENT))
            .collect();
        assert_eq!(refused[0], Err(Refusal::Token));
        assert_eq!(refused[19], Err(Refusal::TooOften));
        let right = bearer(&format!("Bearer {TOKEN}"));
        assert_eq!(tokens.check(&right, CLIENT), Err(Refusal::TooOften));
        let other = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));
        assert_eq!(tokens.check(&right, other), Ok(()));
        // Nor who does not know that one is needed.
        let third = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 3));
        for _ in 0..100 {
            assert_eq!(tokens.check(&HeaderMap::new(), third), Err(Refusal::Token));
        }
        assert_eq!(tokens.check(&right, third), Ok(()));
    }

    #[test]
    fn a_file_that_others_read_or_that_has_no_token_is_refused() {
        let said = |text: &str, mode| {
            let file = file(text, mode);
            Tokens::open(file.path()).unwrap_err().to_string()
        };
        assert!(said(TOKEN, 0o644).contains("(mode 644): chmod 600"));
        assert!(said("# none\n", 0o600).contains("has no token"));
        assert!(said(&format!("{TOKEN}\nshort\n"), 0o600).contains(":2: not a token"));
        assert!(said("two words that are no token\n", 0o600).contains(":1: not a token"));
        let absent = Tokens::open(Path::new("/nonexistent/token")).unwrap_err();
        assert!(
            absent
                .to_string()
                .contains("umask 077; openssl rand -base64 32 > /nonexistent/token")
        );
    }

    #[test]
    fn a_changed_file_is_taken_over_and_one_that_cannot_be_used_has_no_token() {
        let file = file(TOKEN, 0o600);
        let tokens = Tokens::open(file.path()).unwrap();
        let allowed = |token: &str| {
            let token = bearer(&format!("Bearer {token}"));
            tokens.check(&token, CLIENT).is_ok()
        };
        assert!(tokens.follow().is_none());
        fs::write(file.path(), "short").unwrap();
        let told = tokens.follow();
        assert!(
            matches!(
                told,
                Some(TokensChange::Refused(TokenFileError::Line { .. }))
            ),
            "{told:?}"
        );
        assert!(tokens.follow().is_none(), "told once");
        assert!(!allowed(TOKEN) && !allowed("short"));
        fs::write(file.path(), "a-new-token-0123456").unwrap();
        assert!(matches!(tokens.follow(), Some(TokensChange::Accepted)));
        assert!(!allowed(TOKEN) && allowed("a-new-token-0123456"));
        // Everybody may read it, though nothing else has changed.
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            tokens.follow(),
            Some(TokensChange::Refused(TokenFileError::Mode { .. }))
        ));
        assert!(!allowed("a-new-token-0123456"));
        fs::remove_file(file.path()).unwrap();
        assert!(matches!(
            tokens.follow(),
            Some(TokensChange::Refused(TokenFileError::Read { .. }))
        ));
    }

    #[test]
    fn who_guesses_from_many_addresses_is_stopped_before_anything_is_compared() {
        let file = file(TOKEN, 0o600);
        let tokens = Tokens::open(file.path()).unwrap();
        let right = bearer(&format!("Bearer {TOKEN}"));
        assert_eq!(tokens.check(&right, CLIENT), Ok(()));
        let of = |number: u32| IpAddr::from(std::net::Ipv4Addr::from_bits(0x0a00_0000 + number));
        for number in 0..2000 {
            let _ = tokens.check(&bearer("Bearer 0123456789abcdefGUESS"), of(number));
        }
        // Before, the right one was found out all the same.
        assert_eq!(tokens.check(&right, of(3000)), Err(Refusal::TooOften));
        assert_eq!(tokens.check(&right, CLIENT), Ok(()), "who had it before");
    }
}
