//! The socket on which nf_tables is told, and asked.

use std::io;
use std::os::fd::OwnedFd;

use netroot_proto::netlink::{DONE, ERROR, Message};
use rustix::event::Timespec;
use rustix::net::netlink::{NETFILTER, SocketAddrNetlink};
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::nftables::{Ruleset, Table, create, delete, list_chains, list_rules};
use crate::serve::netlink::{self, refused};

/// How long the kernel may take: it may load modules first.
const ANSWER: Timespec = Timespec {
    tv_sec: 20,
    tv_nsec: 0,
};
const DATAGRAM: usize = 64 << 10;

/// The tables stay when it is closed, not owned by it (`NFT_TABLE_F_OWNER`): the kernel would remove them with the process
/// and leave the switches that forward, so that everybody would be forwarded.
#[derive(Debug)]
pub(super) struct Netfilter(OwnedFd);

impl Netfilter {
    /// Opens it.
    ///
    /// # Errors
    /// The kernel's: it has no netfilter.
    pub(super) fn open() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let protocol = Some(NETFILTER);
        let socket =
            rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?;
        rustix::net::bind(&socket, &SocketAddrNetlink::new(0, 0))?;
        Ok(Self(socket))
    }

    /// Makes these tables, or makes them anew: all or none.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn make(&self, tables: &[Table]) -> io::Result<()> {
        self.commit(&create(tables))
    }

    /// Removes the table of an interface, if there is one.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn remove(&self, interface: &str) -> io::Result<()> {
        self.commit(&delete(interface))
    }

    /// What there is.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn ruleset(&self) -> io::Result<Ruleset> {
        let mut ruleset = Ruleset::default();
        for request in [list_chains(), list_rules()] {
            self.send(&request)?;
            self.receive(|message| match message.kind {
                DONE => Ok(true),
                ERROR => refused(message).map_or(Ok(true), Err),
                _ => {
                    ruleset.read(message);
                    Ok(false)
                }
            })?;
        }
        Ok(ruleset)
    }

    fn commit(&self, (batch, answers): &(Vec<u8>, usize)) -> io::Result<()> {
        self.send(batch)?;
        let mut left = *answers;
        self.receive(|message| {
            if message.kind == ERROR {
                refused(message).map_or(Ok(()), Err)?;
                left = left.saturating_sub(1);
            }
            Ok(left == 0)
        })
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        netlink::send(&self.0, bytes)
    }

    fn receive(&self, is_last: impl FnMut(&Message<'_>) -> io::Result<bool>) -> io::Result<()> {
        netlink::receive(&self.0, &ANSWER, DATAGRAM, is_last)
    }
}
