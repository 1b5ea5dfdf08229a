//! The socket on which nf_tables is told, and asked.

use std::io;
use std::os::fd::OwnedFd;

use netroot_proto::netlink::{DONE, ERROR, Message, error_number, messages};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use super::nftables::{Ruleset, Table, create, delete, list_chains, list_rules};

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
        let protocol = Some(netlink::NETFILTER);
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
        // The rest of an answer that was given up.
        while rustix::net::recv(&self.0, &mut [0; 64][..], RecvFlags::DONTWAIT).is_ok() {}
        rustix::net::send(&self.0, bytes, SendFlags::empty())?;
        Ok(())
    }

    /// Receives messages until `is_last` says so, or fails.
    fn receive(&self, mut is_last: impl FnMut(&Message<'_>) -> io::Result<bool>) -> io::Result<()> {
        let mut buffer = vec![0; DATAGRAM];
        loop {
            if poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&ANSWER))? == 0 {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let length = match rustix::net::recv(&self.0, &mut buffer[..], RecvFlags::DONTWAIT) {
                Ok((length, _)) => length,
                Err(Errno::AGAIN | Errno::INTR) => continue,
                Err(errno) => return Err(errno.into()),
            };
            for message in messages(buffer.get(..length).unwrap_or_default()) {
                if is_last(&message)? {
                    return Ok(());
                }
            }
        }
    }
}

/// The error of an [`ERROR`] message; `None` for an acknowledgement.
fn refused(message: &Message<'_>) -> Option<io::Error> {
    let number = error_number(message.body).unwrap_or(0).saturating_neg();
    (number != 0).then(|| io::Error::from_raw_os_error(number))
}
