//! `[nfs:][server:]path[,options]`, wherever it is written.

use netroot_net::Host;
use thiserror::Error;

use super::known_options::{is_known, nearest};
use super::options::{NfsOptions, Version, an_option, first_key};
use super::path_tokens;
use crate::address::{read_address, read_host};
use crate::reading::{Complaint, Reading};

/// A server, a path and options, each as far as they are written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NfsTarget {
    /// `None` where only a path is written.
    pub server: Option<Host>,
    /// Further servers of the same path, in the order to try them, at most
    /// [`MOST_SERVERS`] with the first one.
    pub others: Vec<Host>,
    /// The path before `%s` is replaced, starting with `/`; `None` where nothing is written.
    pub path: Option<String>,
    /// The options after the path.
    pub options: NfsOptions,
}

/// Why DHCP option 17 names no NFS root.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TargetError {
    /// It is empty.
    #[error("it is empty")]
    Empty,
    /// A control character or a byte that is not UTF-8: it would go to a terminal, and no
    /// path that anybody exports holds one.
    #[error("at position {position} is a control character or a byte that is not UTF-8")]
    Text {
        /// Byte offset in the value.
        position: usize,
    },
    /// A root by another protocol.
    #[error("it names a root by {scheme}, not by NFS")]
    OtherProtocol {
        /// `iscsi`, `nbd` and so on.
        scheme: String,
    },
    /// Longer than the MOUNT protocol allows (RFC 1813, `MNTPATHLEN`).
    #[error("its path is {length} bytes long, and 1024 is the most that MOUNT can carry")]
    TooLong {
        /// The path's length in bytes.
        length: usize,
    },
}

/// The most servers that a target may list.
pub const MOST_SERVERS: usize = 8;

/// Who wrote a target: the grammars differ in what a value without a `/` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `nfsroot=` (`fs/nfs/nfsroot.c`): a bare word is a directory under `/tftpboot`.
    Nfsroot,
    /// `root=nfs:`, `netroot=` and DHCP option 17.
    Url,
}

/// The longest path of the MOUNT protocol.
const MNTPATHLEN: usize = 1024;

/// Roots by other protocols, as dracut and iPXE spell them.
const OTHER_SCHEMES: [&str; 15] = [
    "iscsi", "nbd", "fcoe", "aoe", "http", "https", "ftp", "tftp", "cifs", "smb", "block", "live",
    "zfs", "virtiofs", "nvme",
];

/// The scheme of a root that is not NFS.
pub(crate) fn other_scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once(':')?;
    OTHER_SCHEMES
        .iter()
        .any(|other| other.eq_ignore_ascii_case(scheme))
        .then_some(scheme)
}

impl NfsTarget {
    /// Reads DHCP option 17, `[nfs:|nfs4:][server:]path[,options]`, from its bytes. Zero
    /// octets at the end, which some servers count in, are dropped.
    pub fn from_option_17(bytes: &[u8]) -> Result<(Self, Vec<Complaint>), TargetError> {
        let mut bytes = bytes;
        while let [head @ .., 0] = bytes {
            bytes = head;
        }
        let text = std::str::from_utf8(bytes).map_err(|error| TargetError::Text {
            position: error.valid_up_to(),
        })?;
        if let Some((position, _)) = text.char_indices().find(|(_, c)| c.is_control()) {
            return Err(TargetError::Text { position });
        }
        let text = text.trim();
        if text.is_empty() {
            return Err(TargetError::Empty);
        }
        if let Some(scheme) = other_scheme(text) {
            return Err(TargetError::OtherProtocol {
                scheme: scheme.to_owned(),
            });
        }
        let mut complaints = Vec::new();
        let mut reading = Reading::new("DHCP option 17", Some(text), &mut complaints);
        let target = Self::read(text, Dialect::Url, &mut reading);
        if let Some(length) = target
            .path
            .as_ref()
            .map(String::len)
            .filter(|&l| l > MNTPATHLEN)
        {
            return Err(TargetError::TooLong { length });
        }
        Ok((target, complaints))
    }

    /// Reads a value in either dialect. `text` is the whole value, so that positions in it
    /// are positions in the parameter.
    pub(crate) fn read(text: &str, dialect: Dialect, reading: &mut Reading<'_>) -> Self {
        let mut target = Self::default();
        let text = without_end(text, reading);
        let mut rest = text;
        let mut version4 = false;
        for (prefix, is_4) in [("nfs:", false), ("nfs4:", true)] {
            if let Some(after) = rest.strip_prefix(prefix) {
                (rest, version4) = (after, is_4);
                break;
            }
        }
        let position = |rest: &str| text.len() - rest.len();
        let missing = without_colon(rest);
        if let Some((server, path)) = missing {
            let expected = format!("{server}:{path}");
            reading.complain(position(rest), expected, rest, "taken as that");
        }
        let (server, after) = match missing {
            Some((server, path)) => (Some(server), path),
            None => split_server(rest),
        };
        if let Some(server) = server {
            let bare = server.strip_prefix("//").unwrap_or(server);
            let at = position(rest) + (server.len() - bare.len());
            // `:/path` (Guix) and `nfs:///path` name a path alone.
            if !bare.is_empty() {
                let mut servers = read_servers(bare, at, reading).into_iter();
                target.server = servers.next();
                target.others = servers.collect();
            }
            rest = after.trim_start_matches(':');
            if rest.len() < after.len() {
                let outcome = "taken as one";
                reading.complain(position(after), "one colon before the path", ":", outcome);
            }
        }
        let (path, options) = split_options(rest, position(rest), dialect, reading);
        target.path = read_path(path, position(rest), server.is_some(), dialect, reading);
        if let Some(list) = options {
            target.options = NfsOptions::read(list, position(list), reading);
        }
        if version4 && target.options.versions.is_empty() {
            target.options.versions = Version::ANY_V4.to_vec();
        }
        target
    }
}

/// Reads `server`, `server|server…` or `address,address…`; a server counts once.
fn read_servers(list: &str, position: usize, reading: &mut Reading<'_>) -> Vec<Host> {
    let mut servers: Vec<Host> = Vec::new();
    let several = list.contains(['|', ',']);
    let mut at = position;
    for text in list.split(['|', ',']) {
        match read_host(text) {
            Some(host) if servers.contains(&host) => {}
            Some(_) if servers.len() == MOST_SERVERS => {
                let expected = format!("at most {MOST_SERVERS} servers");
                reading.complain(at, expected, text, "left out");
            }
            Some(host) => servers.push(host),
            // An all-zero address means no server, and is not an error.
            None if read_address(text).is_ok() => {}
            None => {
                let outcome = match several {
                    true => "left out of the list",
                    false => "the server is taken as empty",
                };
                reading.complain(at, "an IPv4 address or a host name", text, outcome);
            }
        }
        at += text.len() + 1;
    }
    servers
}

/// The servers before `:`, where there are several: `a|b:/path`, and `10.0.0.1,10.0.0.2:/path`
/// as mount(8) and autofs list replicas. No option of nfs(5) is an address, so that the comma
/// cannot be mistaken; names need the `|`, since a name could be an option.
fn split_server_list(text: &str) -> Option<(&str, &str)> {
    let head = text.get(..text.find('/').unwrap_or(text.len()))?;
    let (list, _) = head.rsplit_once(':')?;
    let names = list.contains('|') && !list.contains([',', ':', '=']);
    let addresses = list.contains(',') && list.split(',').all(|a| read_address(a).is_ok());
    (names || addresses).then(|| {
        let rest = text.get(list.len() + 1..).unwrap_or_default();
        (list, rest)
    })
}

/// `10.0.0.1/path`, in which the colon was forgotten, or `10.0.0.1/24:/path`.
fn without_colon(text: &str) -> Option<(&str, &str)> {
    let (server, path) = text.split_at_checked(text.find('/')?)?;
    read_address(server).ok()?;
    let after_prefix = path.split_once(":/").and_then(|(prefix, _)| {
        let digits = prefix.strip_prefix('/')?;
        let length = digits.parse::<u8>().is_ok();
        length.then(|| path.get(prefix.len() + 1..)).flatten()
    });
    Some((server, after_prefix.unwrap_or(path)))
}

/// Cuts off `server:`, or an address alone. `nfs://server/path` too.
fn split_server(text: &str) -> (Option<&str>, &str) {
    if let Some(url) = text.strip_prefix("//")
        && let Some(slash) = url.find('/')
    {
        let (server, path) = text.split_at_checked(slash + 2).unwrap_or((text, ""));
        return (Some(server), path);
    }
    if let Some((list, rest)) = split_server_list(text) {
        return (Some(list), rest);
    }
    let head_end = text.find([',', '/']).unwrap_or(text.len());
    let head = text.get(..head_end).unwrap_or_default();
    // An IPv6 address has colons of its own.
    let colon = match head.strip_prefix('[').and_then(|inner| inner.find("]:")) {
        Some(end) => Some(end + 2),
        None => head.find(':'),
    };
    match colon.and_then(|at| text.split_at_checked(at)) {
        Some((server, path)) => (Some(server), path.strip_prefix(':').unwrap_or(path)),
        None => match text.split_at_checked(head.len()) {
            Some((server, rest)) if read_address(server).is_ok() && !rest.starts_with('/') => {
                (Some(server), rest)
            }
            _ => (None, text),
        },
    }
}

/// The value without the spaces at its end, which a quoted one may have.
fn without_end<'a>(text: &'a str, reading: &mut Reading<'_>) -> &'a str {
    let kept = text.trim_end();
    if kept.len() < text.len() {
        let found = text.get(kept.len()..).unwrap_or_default();
        reading.complain(kept.len(), "nothing behind the path", found, "left out");
    }
    kept
}

/// Cuts the options off: after a comma, after dracut's colon where what follows can only be options, since a path may
/// hold a colon, and after another mark where what follows is one of nfs(5). What looks like an option and stays in the
/// path is complained about.
fn split_options<'a>(
    text: &'a str,
    position: usize,
    dialect: Dialect,
    reading: &mut Reading<'_>,
) -> (&'a str, Option<&'a str>) {
    let comma = text.find(',').unwrap_or(text.len());
    for (at, mark) in text.char_indices().take_while(|(at, _)| *at < comma) {
        if !matches!(mark, ':' | ';' | '?' | '&' | '|' | '#' | ' ') {
            continue;
        }
        let (path, behind) = text.split_at_checked(at).unwrap_or((text, ""));
        let list = behind.trim_start_matches([mark, ' ', ':']);
        let list = list.strip_prefix("-o ").unwrap_or(list).trim_start();
        let by_colon = mark == ':' && dialect == Dialect::Url;
        let key = first_key(list);
        let word = |text: &str| {
            let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.');
            !text.is_empty() && text.bytes().all(letter)
        };
        let value = list
            .get(key.len()..)
            .and_then(|rest| rest.strip_prefix('='));
        let has_value = word(key) && value.is_some_and(|value| !value.contains('/'));
        let misspelt = mark == ':' && word(key) && nearest(key).is_some();
        if is_known(key) {
            if !by_colon || behind.get(1..) != Some(list) {
                let expected = "a comma before the options";
                reading.complain(position + at, expected, behind, "taken as options");
            }
            return (path.trim_end(), Some(list));
        }
        if has_value && by_colon {
            return (path, Some(list));
        }
        if has_value || misspelt {
            let expected = an_option(key);
            reading.complain(position + at, expected, behind, STAYS_IN_THE_PATH);
        }
    }
    match text.split_once(',') {
        Some((path, list)) => (path.trim_end(), Some(list)),
        None => (text, None),
    }
}

const STAYS_IN_THE_PATH: &str = "it stays in the path";

fn read_path(
    path: &str,
    position: usize,
    after_server: bool,
    dialect: Dialect,
    reading: &mut Reading<'_>,
) -> Option<String> {
    if path.is_empty() || path == "default" {
        return None;
    }
    if let Some((at, c)) = path.char_indices().find(|(_, c)| c.is_control()) {
        let found = c.to_string();
        let outcome = "the path is taken as empty";
        reading.complain(
            position + at,
            "a path without control characters",
            &found,
            outcome,
        );
        return None;
    }
    path_tokens::check(path, position, reading);
    if path.starts_with('/') {
        return Some(path.to_owned());
    }
    let key = first_key(path);
    if key.len() < path.len() && is_known(key) {
        let expected = "the path first, and its options behind it";
        reading.complain(position, expected, path, STAYS_IN_THE_PATH);
    }
    let digit = path.starts_with(|c: char| c.is_ascii_digit());
    let absolute = match dialect {
        Dialect::Nfsroot if !after_server && !digit => return Some(format!("/tftpboot/{path}")),
        Dialect::Nfsroot if !after_server => format!("/tftpboot/{path}"),
        Dialect::Nfsroot | Dialect::Url => format!("/{path}"),
    };
    let outcome = format!("the path is taken as {absolute}");
    reading.complain(position, "a path that begins with /", path, outcome);
    Some(absolute)
}

#[cfg(test)]
mod tests;
