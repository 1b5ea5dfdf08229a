//! Which process holds a port or a file, to explain "address already in use".
//!
//! `/proc/net/{udp,tcp}` name the socket's inode, `/proc/<pid>/fd` the process that has it open. Root sees every
//! process; without root, or in another process namespace, the owner is unknown.

use std::fmt;
use std::fs;
use std::path::Path;

/// A transport whose ports can be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// DHCP, TFTP.
    Udp,
    /// HTTP, NFS.
    Tcp,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        })
    }
}

/// A process that has the port or the file open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    /// Its id.
    pub(crate) pid: u32,
    /// Its name, as in `ps -o comm`.
    pub(crate) name: String,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.name, self.pid)
    }
}

/// The process that has `port` open, if `/proc` shows it.
pub(crate) fn find(transport: Transport, port: u16) -> Option<Owner> {
    let tables: [&str; 2] = match transport {
        Transport::Udp => ["/proc/net/udp", "/proc/net/udp6"],
        Transport::Tcp => ["/proc/net/tcp", "/proc/net/tcp6"],
    };
    let inodes: Vec<u64> = tables
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| inodes_of_port(&table, transport, port))
        .collect();
    if inodes.is_empty() {
        return None;
    }
    holder(|target| {
        let inode = target
            .to_str()
            .and_then(|t| t.strip_prefix("socket:[")?.strip_suffix(']'));
        inode
            .and_then(|inode| inode.parse().ok())
            .is_some_and(|inode| inodes.contains(&inode))
    })
}

/// Another process that has a file open, if `/proc` shows it.
pub(crate) fn of_file(path: &Path) -> Option<Owner> {
    let path = fs::canonicalize(path).ok()?;
    holder(|target| target == path).filter(|owner| owner.pid != std::process::id())
}

/// The first process with a descriptor whose target, as `/proc/<pid>/fd` shows it, is the one looked for.
fn holder(is_it: impl Fn(&Path) -> bool) -> Option<Owner> {
    fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let pid: u32 = process.file_name().to_str()?.parse().ok()?;
        let descriptors = fs::read_dir(process.path().join("fd")).ok()?;
        let mut targets = descriptors
            .flatten()
            .filter_map(|descriptor| fs::read_link(descriptor.path()).ok());
        targets.any(|target| is_it(&target)).then(|| Owner {
            pid,
            name: fs::read_to_string(process.path().join("comm"))
                .map_or_else(|_| "a process".to_owned(), |name| name.trim().to_owned()),
        })
    })
}

/// The inodes of the sockets in a `/proc/net/{udp,tcp}` table whose local port is `port`; of TCP's, only those
/// that listen (state 0A).
fn inodes_of_port(table: &str, transport: Transport, port: u16) -> Vec<u64> {
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let local = fields.nth(1)?;
            let state = fields.nth(1)?;
            let inode = fields.nth(5)?.parse().ok()?;
            let (_, local_port) = local.rsplit_once(':')?;
            let here = u16::from_str_radix(local_port, 16).ok()? == port;
            let listens = transport == Transport::Udp || state == "0A";
            (here && listens).then_some(inode)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UDP: &str = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  318: 00000000:0043 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 28034 2 0000000000000000 0
  320: 0100007F:0045 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 28036 2 0000000000000000 0
";

    #[test]
    fn the_inode_is_found_by_the_local_port_in_hexadecimal() {
        assert_eq!(inodes_of_port(UDP, Transport::Udp, 67), [28034]);
        assert_eq!(inodes_of_port(UDP, Transport::Udp, 69), [28036]);
        assert!(inodes_of_port(UDP, Transport::Udp, 68).is_empty());
    }

    #[test]
    fn a_tcp_connection_that_only_uses_the_port_does_not_own_it() {
        let table = UDP.replace(":0043 00000000:0000 07", ":0801 00000000:0000 01");
        assert!(inodes_of_port(&table, Transport::Tcp, 0x801).is_empty());
    }

    #[test]
    fn this_process_is_found_as_the_owner_of_its_own_port() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let owner = find(Transport::Udp, socket.local_addr().unwrap().port()).unwrap();
        assert_eq!(owner.pid, std::process::id());
    }
}
