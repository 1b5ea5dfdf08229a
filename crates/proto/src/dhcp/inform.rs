//! DHCPINFORM: what goes with an address that is fixed already (RFC 2131 §4.4.3).
//!
//! Pure: send [`Inform::frame`] until [`Inform::answer`] has found enough. The address must
//! be set on the NIC by then: servers send to it, so their ARP requests need an answer.

use std::net::Ipv4Addr;
use std::time::Duration;

use netroot_net::Mac;

use super::client_identity::ClientIdentity;
use super::client_message::{ClientMessage, seconds};
use super::lease::{Lease, Note};
use super::options::Message;
use super::{MessageType, frame};

/// The offset of `ciaddr` in a message.
const CLIENT_IP: std::ops::Range<usize> = 12..16;

/// A request for everything that a DHCP server knows except an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inform {
    /// The NIC that asks.
    pub mac: Mac,
    /// The address that it has.
    pub address: Ipv4Addr,
    /// The transaction (`xid`).
    pub transaction: u32,
    /// What is said about the machine.
    pub identity: ClientIdentity,
}

impl Inform {
    /// The request as a whole frame, this long after it was first sent.
    pub fn frame(&self, since: Duration) -> Vec<u8> {
        let message = ClientMessage {
            identity: &self.identity,
            mac: self.mac,
            transaction: self.transaction,
            secs: seconds(since),
        };
        frame::broadcast((self.mac, self.address), &message.inform(self.address))
    }

    /// What a server answers in this frame; `None` if it does not answer this request. The
    /// address is ours, and the lease has no times.
    pub fn answer(&self, frame: &[u8]) -> Option<Lease> {
        let datagram = frame::from_server(frame)?.message;
        let message = Message::read(datagram).ok()?;
        let ours = message.header.answers(self.mac, self.transaction);
        if !ours || message.kind() != Some(MessageType::Ack) {
            return None;
        }
        // RFC 2131 table 3 lets a server leave both addresses 0.
        let mut datagram = datagram.to_vec();
        datagram
            .get_mut(CLIENT_IP)?
            .copy_from_slice(&self.address.octets());
        let mut lease = Lease::read(&datagram).ok()?;
        // The netmask is known: a boot server beside a DHCP server leaves it out.
        lease.notes.retain(|note| !matches!(note, Note::Mask(..)));
        Some(Lease {
            address: self.address,
            // Some servers send lease times anyway.
            lease_time: None,
            renew_after: None,
            rebind_after: None,
            ..lease
        })
    }
}
