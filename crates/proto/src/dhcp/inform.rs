//! DHCPINFORM: what goes with an address that is fixed already (RFC 2131 §4.4.3).
//!
//! Pure: [`Inform::frame`] is to be sent until [`Inform::answer`] finds enough. The address
//! must be the card's by then: servers send to it, so somebody has to answer their ARP.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::client_identity::ClientIdentity;
use super::emit::{Draft, SAFE_LENGTH};
use super::header::Header;
use super::lease::{Lease, Note};
use super::options::Message;
use super::{Mac, MessageType, PARAMETER_REQUEST_LIST, code, restate};

/// Where `ciaddr` lies in a message.
const CLIENT_IP: std::ops::Range<usize> = 12..16;

/// A question for all that a DHCP server knows but an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inform {
    /// The card that asks.
    pub mac: Mac,
    /// The address that it has.
    pub address: Ipv4Addr,
    /// The transaction (`xid`).
    pub transaction: u32,
    /// What is said of the machine.
    pub identity: ClientIdentity,
}

impl Inform {
    /// The question as a whole frame, so long after it was first asked.
    pub fn frame(&self, since: Duration) -> Vec<u8> {
        let none = Ipv4Addr::UNSPECIFIED;
        let mut draft = Draft::new(Header {
            from_client: true,
            hops: 0,
            transaction: self.transaction,
            secs: u16::try_from(since.as_secs()).unwrap_or(u16::MAX),
            flags: 0,
            client_ip: self.address,
            your_ip: none,
            next_server: none,
            relay_ip: none,
            mac: self.mac,
        });
        // No time and no address is asked for: RFC 2131 table 5 forbids both here.
        draft.push(code::MESSAGE_TYPE, &[MessageType::Inform.into()]);
        draft.push(code::CLIENT_ID, &[&[1], &self.mac.0[..]].concat());
        draft.push(code::MAX_MESSAGE_SIZE, &1500_u16.to_be_bytes());
        draft.push(code::PARAMETER_REQUEST_LIST, PARAMETER_REQUEST_LIST);
        let payload = draft.emit(SAFE_LENGTH).bytes;
        let frame = restate::broadcast(self.mac, self.address, &payload);
        self.identity.with_identity(&frame).unwrap_or(frame)
    }

    /// What a server answers in this frame; `None` if it is no answer to this question. Its
    /// address is ours, and it has no times.
    pub fn answer(&self, frame: &[u8]) -> Option<Lease> {
        let (datagram, _) = restate::server_message(frame)?;
        let message = Message::read(datagram).ok()?;
        let header = &message.header;
        let ours = !header.from_client
            && header.transaction == self.transaction
            && header.mac == self.mac
            && message.kind() == Some(MessageType::Ack);
        if !ours {
            return None;
        }
        // RFC 2131 table 3 lets a server leave both addresses 0.
        let mut datagram = datagram.to_vec();
        datagram
            .get_mut(CLIENT_IP)?
            .copy_from_slice(&self.address.octets());
        let mut lease = Lease::read(&datagram).ok()?;
        // The network's size is not asked for: a boot server beside a DHCP server leaves it out.
        lease.notes.retain(|note| !matches!(note, Note::Mask(..)));
        Some(Lease {
            address: self.address,
            // Some servers send times all the same.
            lease_time: None,
            renew_after: None,
            rebind_after: None,
            ..lease
        })
    }
}
