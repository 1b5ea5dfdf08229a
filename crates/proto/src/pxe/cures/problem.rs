//! What is wrong with another server, and the steps of a cure.

use std::net::Ipv4Addr;

use netroot_printable::Printable;

use crate::pxe::inputs::Loader;

/// What another server does that keeps machines from booting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// It gives addresses and sends option 60, as if it were a boot server: UEFI firmware then waits for its port 4011.
    ClaimsBoot {
        /// Option 60, such as `PXEClient`.
        class: Vec<u8>,
    },
    /// It gives addresses and names a boot file of its own (the header's `file`, or option 67), which iPXE prefers to a
    /// proxy's.
    NamesFile {
        /// The file.
        file: Vec<u8>,
    },
    /// It gives addresses and tells iPXE to wait for no proxy (option 175.176, no-pxedhcp), without naming a file.
    ForbidsProxy,
    /// It gives addresses beside another server that does.
    SecondServer,
    /// It answers as a proxy with a boot file, beside netroot.
    SecondProxy,
    /// It does not answer: its range is used up, or it does not serve this network.
    NoAddress,
    /// Machines do not hear netroot's answers as a proxy (a switch with DHCP snooping drops them), so the DHCP server
    /// has to name netroot's files itself.
    ProxyNotHeard,
}

impl Problem {
    /// The problem as a word for `--json`: `claims-boot`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::ClaimsBoot { .. } => "claims-boot",
            Self::NamesFile { .. } => "names-file",
            Self::ForbidsProxy => "forbids-proxy",
            Self::SecondServer => "second-server",
            Self::SecondProxy => "second-proxy",
            Self::NoAddress => "no-address",
            Self::ProxyNotHeard => "proxy-not-heard",
        }
    }
}

/// What the lines of a cure say about netroot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Netroot<'a> {
    /// Its address on the machines' network.
    pub address: Ipv4Addr,
    /// The TCP port of its HTTP server.
    pub http_port: u16,
    /// Its boot loaders.
    pub loaders: &'a [Loader],
}

impl Netroot<'_> {
    /// The script that sends every machine's iPXE to its own.
    pub(super) fn script(&self) -> String {
        format!("http://{}:{}/autoexec.ipxe", self.address, self.http_port)
    }
}

/// One step of a cure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Remove what is like this: several of it are separated by `, `, `…` stands for anything, and what follows four
    /// spaces is a remark.
    Remove(String),
    /// Add this line.
    Add(String),
    /// Run this command.
    Run(String),
    /// Do this on the page.
    Do(String),
}

impl Step {
    /// What to do, as a word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Remove(_) => "remove",
            Self::Add(_) => "add",
            Self::Run(_) => "run",
            Self::Do(_) => "do",
        }
    }

    /// The line, command or action.
    pub fn text(&self) -> &str {
        match self {
            Self::Remove(text) | Self::Add(text) | Self::Run(text) | Self::Do(text) => text,
        }
    }
}

pub(super) fn remove(line: impl Into<String>) -> Step {
    Step::Remove(line.into())
}

pub(super) fn add(line: impl Into<String>) -> Step {
    Step::Add(line.into())
}

pub(super) fn run(line: impl Into<String>) -> Step {
    Step::Run(line.into())
}

pub(super) fn act(line: impl Into<String>) -> Step {
    Step::Do(line.into())
}

/// A word of a POSIX shell. What a server sent comes into a command that is copied into a root's shell.
pub(super) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Text of another server, which may be any bytes, as it is shown.
pub(super) fn shown(text: &[u8]) -> String {
    Printable(&String::from_utf8_lossy(text)).to_string()
}
