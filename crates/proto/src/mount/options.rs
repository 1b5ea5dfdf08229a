//! The options of nfs(5), with types where this project acts on them.

use std::fmt;
use std::net::IpAddr;

use super::flags::MountFlags;
use super::known_options::{
    Takes, caveat, is_flavor, is_for_mount_program, is_known, nearest, value_of,
};
use crate::address::read_address;
use crate::reading::Reading;

/// Whether a file system is mounted for writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// `ro`
    ReadOnly,
    /// `rw`
    ReadWrite,
}

impl Access {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadOnly => "ro",
            Self::ReadWrite => "rw",
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A version of NFS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// NFSv3 (RFC 1813).
    V3,
    /// NFSv4 and its minor version.
    V4(
        /// 0, 1 or 2.
        u8,
    ),
}

impl Version {
    /// What `vers=4` or `nfs4:` asks for: the newest minor version that the server speaks.
    /// The kernel takes a bare 4 as 4.0, so the minor version is always given.
    pub const ANY_V4: [Self; 3] = [Self::V4(2), Self::V4(1), Self::V4(0)];
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V3 => f.write_str("3"),
            Self::V4(minor) => write!(f, "4.{minor}"),
        }
    }
}

/// An option that goes to the kernel as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NfsOption {
    /// `rsize`
    pub key: String,
    /// `65536`; `None` for a flag.
    pub value: Option<String>,
    /// Whether nfs(5) knows it. An unknown one is tried anyway: newer kernels may support it.
    pub known: bool,
}

/// The options that come with a target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NfsOptions {
    /// The versions to try, in order: one if given, several for `vers=4`, empty if none
    /// was given.
    pub versions: Vec<Version>,
    /// `port=`
    pub port: Option<u16>,
    /// `mountport=`
    pub mount_port: Option<u16>,
    /// `mountaddr=`
    pub mount_server: Option<IpAddr>,
    /// `lock` (true) or `nolock` (false).
    pub lock: Option<bool>,
    /// `ro` or `rw`.
    pub access: Option<Access>,
    /// `noatime` and its like.
    pub flags: MountFlags,
    /// Everything else, in order.
    pub rest: Vec<NfsOption>,
}

impl NfsOptions {
    /// These options with `later` ones on top, as if all had been written in one list.
    pub fn overlaid(mut self, later: &Self) -> Self {
        if !later.versions.is_empty() {
            self.versions.clone_from(&later.versions);
        }
        self.port = later.port.or(self.port);
        self.mount_port = later.mount_port.or(self.mount_port);
        self.mount_server = later.mount_server.or(self.mount_server);
        self.lock = later.lock.or(self.lock);
        self.access = later.access.or(self.access);
        self.flags.no_atime |= later.flags.no_atime;
        self.flags.no_dir_atime |= later.flags.no_dir_atime;
        self.flags.strict_atime |= later.flags.strict_atime;
        self.flags.no_suid |= later.flags.no_suid;
        self.flags.no_dev |= later.flags.no_dev;
        self.flags.no_exec |= later.flags.no_exec;
        self.rest
            .retain(|option| later.rest.iter().all(|new| new.key != option.key));
        self.rest.extend(later.rest.iter().cloned());
        self
    }

    /// Reads a comma-separated list that begins at byte `position` of the value. What is
    /// refused is complained about and left out.
    pub(crate) fn read(list: &str, position: usize, reading: &mut Reading<'_>) -> Self {
        let mut options = Self::default();
        let mut position = position;
        let mut rest = Some(list);
        let mut by_rdma = false;
        while let Some(list) = rest {
            let end = end_of_option(list);
            let option = list.get(..end).unwrap_or_default();
            // mount(8) lets an empty place in the list pass as well.
            if !option.is_empty() {
                options.read_one(option, position, reading);
                by_rdma |= matches!(option, "rdma" | "proto=rdma" | "proto=rdma6");
            }
            position += end;
            if let Some(separator) = list.get(end..end + 1).filter(|c| *c != ",") {
                let outcome = "what follows is taken as an option";
                reading.complain(position, "a comma between options", separator, outcome);
            }
            position += 1;
            rest = list.get(end + 1..);
        }
        if by_rdma && options.port == Some(RDMA_PORT) {
            options.port = None;
        }
        options
    }

    fn read_one(&mut self, option: &str, position: usize, reading: &mut Reading<'_>) {
        let (key, value) = match option.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (option, None),
        };
        let value_position = position + key.len() + 1;
        match (key, value) {
            ("vers" | "nfsvers", Some(version)) => {
                self.read_version(version, value_position, version, reading);
            }
            ("v2" | "v3" | "v4" | "v4.0" | "v4.1" | "v4.2", None) => {
                let version = option.get(1..).unwrap_or_default();
                self.read_version(version, position, option, reading);
            }
            ("minorversion", Some(minor)) => match minor.parse() {
                Ok(minor @ 0..=2) => self.versions = vec![Version::V4(minor)],
                _ => reading.complain(value_position, "a minor version of 0 to 2", minor, LEFT_OUT),
            },
            ("port", Some(port)) => {
                self.port = read_port(port, value_position, reading).or(self.port);
            }
            ("mountport", Some(port)) => {
                self.mount_port = read_port(port, value_position, reading).or(self.mount_port);
            }
            ("mountaddr" | "mounthost", Some(server)) => match read_address(server) {
                Ok(address) => self.mount_server = Some(address),
                Err(error) => {
                    reading.complain(value_position, error.to_string(), server, LEFT_OUT);
                }
            },
            ("lock", None) => self.lock = Some(true),
            ("nolock", None) => self.lock = Some(false),
            ("ro", None) => self.access = Some(Access::ReadOnly),
            ("rw", None) => self.access = Some(Access::ReadWrite),
            ("tcp", None) => {}
            ("proto" | "mountproto", Some("tcp")) => {}
            ("udp", None) => reading.complain(position, "tcp", option, TCP_USED),
            ("rdma", None) => reading.complain(position, "tcp", option, NO_RDMA),
            ("proto", Some(transport @ ("rdma" | "rdma6"))) => {
                reading.complain(value_position, "tcp", transport, NO_RDMA);
            }
            ("proto" | "mountproto", Some(transport)) => {
                reading.complain(value_position, "tcp", transport, TCP_USED);
            }
            ("mountvers", Some(version)) => {
                if version != "3" {
                    reading.complain(value_position, "3", version, "MOUNT version 3 is used");
                }
            }
            ("addr", _) => {
                let outcome = "left out: the init gives the address that it mounts from";
                reading.complain(position, "an option of nfs(5)", option, outcome);
            }
            ("sloppy", None) => {
                let outcome = "left out: it makes the kernel pass over errors without mounting";
                reading.complain(position, "an option that the root needs", option, outcome);
            }
            (_, None) if self.flags.take(key) => {}
            _ if is_for_mount_program(key) => {
                let outcome = "left out: it is mount(8)'s, not the kernel's";
                reading.complain(position, "an option of the kernel's", option, outcome);
            }
            _ => self.pass_through(key, value, position, reading),
        }
    }

    fn read_version(
        &mut self,
        version: &str,
        position: usize,
        found: &str,
        reading: &mut Reading<'_>,
    ) {
        self.versions = match version {
            "3" => vec![Version::V3],
            "4" => Version::ANY_V4.to_vec(),
            "4.0" => vec![Version::V4(0)],
            "4.1" => vec![Version::V4(1)],
            "4.2" => vec![Version::V4(2)],
            _ => {
                let expected = "NFS version 3, 4, 4.0, 4.1 or 4.2";
                reading.complain(
                    position,
                    expected,
                    found,
                    "left out: every version is tried",
                );
                return;
            }
        };
    }

    fn pass_through(
        &mut self,
        key: &str,
        value: Option<&str>,
        position: usize,
        reading: &mut Reading<'_>,
    ) {
        let takes = value_of(key);
        let known = match (takes, value) {
            (Some(Takes::Nothing), None) | (Some(Takes::Text), Some(_)) => true,
            (Some(Takes::Maybe), _) => true,
            (Some(Takes::Number), Some(number)) if number.parse::<u32>().is_ok() => true,
            (Some(Takes::Connections), Some(number)) if matches!(number.parse(), Ok(1..=16_u8)) => {
                true
            }
            (Some(Takes::Word(words)), Some(word)) if words.contains(&word) => true,
            (Some(Takes::Flavors), Some(list)) if list.split(':').all(is_flavor) => true,
            (Some(takes), _) => {
                let expected = match takes {
                    Takes::Nothing => format!("{key} without a value"),
                    Takes::Number => format!("a number as the value of {key}"),
                    Takes::Connections => format!("1 to 16 as the value of {key}"),
                    Takes::Word(words) => format!("{key}={}", words.join(", ")),
                    Takes::Flavors => "sys, none, krb5, krb5i or krb5p".to_owned(),
                    Takes::Text | Takes::Maybe => format!("a value for {key}"),
                };
                let (position, found) = match value {
                    Some(value) => (position + key.len() + 1, value),
                    None => (position + key.len(), ""),
                };
                reading.complain(position, expected, found, LEFT_OUT);
                return;
            }
            (None, _) => {
                let found = value.map_or_else(|| key.to_owned(), |v| format!("{key}={v}"));
                let outcome = "passed to the kernel, and left out if the kernel refuses it";
                reading.complain(position, an_option(key), &found, outcome);
                false
            }
        };
        if let Some((expected, outcome)) = caveat(key, value.unwrap_or_default()) {
            let found = value.unwrap_or_default();
            reading.complain(position + key.len() + 1, expected, found, outcome);
        }
        let option = NfsOption {
            key: key.to_owned(),
            value: value.map(str::to_owned),
            known,
        };
        self.rest.retain(|earlier| earlier.key != option.key);
        self.rest.push(option);
    }
}

const LEFT_OUT: &str = "left out";
const TCP_USED: &str = "TCP is used: kernels no longer carry NFS over anything else by default";

/// NFS over RDMA: RFC 8267. A server's TCP port is another one.
const NO_RDMA: &str = "TCP is used: this init does not load what NFS over RDMA needs (xprtrdma and the card's drivers); a port of 20049 is left out";
const RDMA_PORT: u16 = 20049;

/// What was expected in the place of an unknown option.
pub(super) fn an_option(key: &str) -> String {
    let similar = nearest(key).map(|known| format!(", such as {known}"));
    format!("an option of nfs(5){}", similar.unwrap_or_default())
}

/// Where an option ends: at a comma, or at another mark with an option behind it.
fn end_of_option(list: &str) -> usize {
    let ends = |(at, mark): &(usize, char)| {
        let next = list.get(at + mark.len_utf8()..).unwrap_or_default();
        *mark == ',' || (matches!(mark, ':' | ';' | '&' | ' ') && is_known(first_key(next)))
    };
    let found = list.char_indices().find(ends);
    found.map_or(list.len(), |(at, _)| at)
}

/// The key of the first option of a list.
pub(super) fn first_key(list: &str) -> &str {
    let mut keys = list.split([',', '=', ':', ';', '&', ' ']);
    keys.next().unwrap_or_default()
}

fn read_port(text: &str, position: usize, reading: &mut Reading<'_>) -> Option<u16> {
    match text.parse() {
        // 0 is nfs(5)'s way to say "ask the portmapper", which is also the default.
        Ok(0) => None,
        Ok(port) => Some(port),
        Err(_) => {
            reading.complain(position, "a port of 0 to 65535", text, LEFT_OUT);
            None
        }
    }
}

#[cfg(test)]
mod tests;
